package delivery_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/delivery"
)

// TestEveryStatus answers with each status there can be and expects the verdict that
// loses nothing and hammers nobody.
func TestEveryStatus(t *testing.T) {
	t.Parallel()
	var status atomic.Int64
	url := listen(t, func(e exchange) bool {
		s := int(status.Load())
		text := response(s, "", "")
		if s < 200 && s != http.StatusSwitchingProtocols {
			// Not an answer yet: another one follows.
			text = fmt.Sprintf("HTTP/1.1 %d Wait\r\n\r\n", s) + response(http.StatusAccepted, "", "")
		}
		_, err := io.WriteString(e, text)
		return err == nil && s != http.StatusSwitchingProtocols
	})
	client := newClient(t, delivery.Options{URL: url})
	for s := 100; s <= 599; s++ {
		status.Store(int64(s))
		want, wantStatus := delivery.Refused, s
		switch {
		case s < 200 && s != 101:
			want, wantStatus = delivery.Accepted, 202
		case s == 207:
			// Refused: it does not tell what failed.
		case s >= 200 && s < 300:
			want = delivery.Accepted
		case s == 401:
			want = delivery.TokenRefused
		case s == 413:
			want = delivery.TooLarge
		case s == 408, s == 425, s == 429, s >= 500:
			want = delivery.Unavailable
		}
		got := attempt(t, client, request())
		if got.Verdict != want || got.Status != wantStatus || got.Err != nil {
			t.Errorf("status %d: %v (status %d, %v), want %v", s, got.Verdict, got.Status, got.Err, want)
		}
		if s >= 300 && s < 400 && !strings.Contains(got.Reason, "destination_url") {
			t.Errorf("status %d: %q does not say what to do", s, got.Reason)
		}
	}
}

func TestStatusesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 99, 600, 999} {
		a := deliver(t, delivery.Options{URL: answering(t, response(status, "", ""))})
		require.Equal(t, delivery.Unavailable, a.Verdict)
		require.Equal(t, status, a.Status)
	}
}

func TestVerdictsHaveNames(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for v := delivery.Accepted; v <= delivery.Refused; v++ {
		names[v.String()] = true
	}
	require.Len(t, names, 6)
	require.Equal(t, "verdict 9", delivery.Verdict(9).String())
}

func TestRequest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options delivery.Options
		change  func(*delivery.Request)
		headers map[string]string
	}{
		"by default": {headers: map[string]string{
			"Authorization": "Bearer " + tokenCanary, "Idempotency-Key": "p/1/2-3", "Content-Type": "application/json",
			"Content-Encoding": "", "User-Agent": "logpipe", "X-Key": headerCanary, "Accept-Encoding": "",
		}},
		"form of the batch": {
			change:  func(r *delivery.Request) { r.ContentType, r.ContentEncoding = "application/x-ndjson", "gzip" },
			headers: map[string]string{"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"},
		},
		"type of the token": {
			change:  func(r *delivery.Request) { r.TokenType = "MAC" },
			headers: map[string]string{"Authorization": "MAC " + tokenCanary},
		},
		"no type": {
			change:  func(r *delivery.Request) { r.TokenType = "" },
			headers: map[string]string{"Authorization": "Bearer " + tokenCanary},
		},
		"scheme": {
			options: delivery.Options{TokenScheme: "Token", TokenHeader: "X-Auth"},
			headers: map[string]string{"X-Auth": "Token " + tokenCanary, "Authorization": ""},
		},
		"token alone": {
			options: delivery.Options{TokenScheme: delivery.SchemeNone, TokenHeader: "x-api-token", IdempotencyHeader: "X-Batch"},
			headers: map[string]string{"X-Api-Token": tokenCanary, "X-Batch": "p/1/2-3", "Idempotency-Key": ""},
		},
		"further headers": {
			options: delivery.Options{Headers: []delivery.Header{{Name: "User-Agent", Value: "us"}, {Name: "x-tenant", Value: "blue"}}},
			headers: map[string]string{"User-Agent": "us", "X-Tenant": "blue"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []*http.Request
			var bodies []string
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got, bodies = append(got, r), append(bodies, string(body))
			}))
			defer server.Close()
			c.options.URL = server.URL
			client := newClient(t, c.options)
			r := request()
			if c.change != nil {
				c.change(&r)
			}
			require.Equal(t, delivery.Answer{Verdict: delivery.Accepted, Status: 200}, attempt(t, client, r))
			require.Equal(t, delivery.Accepted, attempt(t, client, r).Verdict)
			require.Equal(t, []string{string(sentBody), string(sentBody)}, bodies, "the same bytes each time")
			require.Equal(t, got[0].Header, got[1].Header)
			require.Equal(t, http.MethodPost, got[0].Method)
			for name, want := range c.headers {
				require.Equal(t, want, got[0].Header.Get(name), name)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"":                     0,
		"0":                    0,
		"17":                   17 * time.Second,
		"  17 ":                17 * time.Second,
		"-5":                   0,
		"999999999999":         time.Hour,
		"99999999999999999999": time.Hour,
		"soon":                 0,
		"1.5":                  0,
		now.Add(30 * time.Second).Format(http.TimeFormat): 30 * time.Second,
		now.Add(-time.Minute).Format(http.TimeFormat):     0,
		now.Add(48 * time.Hour).Format(http.TimeFormat):   time.Hour,
	} {
		for _, status := range []int{429, 503} {
			url := answering(t, response(status, "Retry-After: "+header+"\r\n", ""))
			a := deliver(t, delivery.Options{URL: url, Now: func() time.Time { return now }})
			if a.Verdict != delivery.Unavailable || a.RetryAfter != want {
				t.Errorf("Retry-After %q: %v after %s, want %s", header, a.Verdict, a.RetryAfter, want)
			}
		}
	}
}

func TestForbiddenBecauseOfTheToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		headers, body string
		want          delivery.Verdict
	}{
		"challenge":                {`WWW-Authenticate: Bearer realm="x", error="invalid_token", error_description="expired"` + "\r\n", "", delivery.TokenRefused},
		"challenge, unquoted":      {"WWW-Authenticate: Bearer Error = INVALID_TOKEN\r\n", "", delivery.TokenRefused},
		"second challenge":         {"WWW-Authenticate: Basic\r\nWWW-Authenticate: Bearer error=\"token_expired\"\r\n", "", delivery.TokenRefused},
		"JSON":                     {"", `{"message":"no","error":"expired_token"}`, delivery.TokenRefused},
		"scope":                    {`WWW-Authenticate: Bearer error="insufficient_scope"` + "\r\n", "", delivery.Refused},
		"no reason":                {"", "", delivery.Refused},
		"JSON of other things":     {"", `{"error":{"code":"invalid_token"}}`, delivery.Refused},
		"JSON that only begins so": {"", `{"error":"invalid_tokens"}`, delivery.Refused},
		"no JSON":                  {"", `error=invalid_token`, delivery.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := deliver(t, delivery.Options{URL: answering(t, response(403, c.headers, c.body))})
			require.Equal(t, c.want, a.Verdict)
			require.Equal(t, c.want == delivery.Refused, strings.Contains(a.Reason, "token_scope"), a.Reason)
		})
	}
}

// TestRedirectsAreNotFollowed: the token goes nowhere else, and who reads the error
// learns where it would have gone, but for what a path or a query may hold.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var visits atomic.Int64
	elsewhere := listen(t, func(exchange) bool { visits.Add(1); return false })
	host := strings.TrimPrefix(elsewhere, "http://")
	for location, says := range map[string]string{
		elsewhere: "redirects to http://" + host,
		elsewhere + "/" + tokenCanary + "?key=" + headerCanary:           "redirects to http://" + host,
		"http://" + tokenCanary + "@" + host + "/":                       "redirects to http://" + host,
		"https://" + tokenCanary + ".example.com/":                       "not to a host that could be named",
		"https://x-" + strings.ToUpper(headerCanary) + ".example.com:1/": "not to a host that could be named",
		"https://wanders.example.com/":                                   "not to a host that could be named",
		"https://" + fmt.Sprintf("%x", tokenCanary) + ".example.com/":    "not to a host that could be named",
		"https://api-2.eu-central-1.example.com/":                        "redirects to https://api-2.eu-central-1.example.com",
		"//" + host:                     "redirects to http://" + host,
		"/other/" + tokenCanary:         "another path of the same host",
		"https://b.example.com/x":       "redirects to https://b.example.com",
		"":                              "not to a host that could be named",
		"http://[::1":                   "not to a host that could be named",
		"http://%0d%0a/":                "not to a host that could be named",
		"data:text/plain," + lineCanary: "not to a host that could be named",
	} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			a := deliver(t, delivery.Options{URL: answering(t, response(status, "Location: "+location+"\r\n", ""))})
			require.Equal(t, delivery.Refused, a.Verdict)
			require.Equal(t, status, a.Status)
			require.Contains(t, a.Reason, says, "Location %q", location)
			require.Contains(t, a.Reason, "set destination_url")
		}
	}
	require.Zero(t, visits.Load())
}

func TestHeadersOfParameters(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	reads, value, broken := 0, "one", error(nil)
	got := ""
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("X-Api-Key") }))
	defer server.Close()
	client := newClient(t, delivery.Options{
		URL: server.URL, Now: func() time.Time { return now },
		Headers: []delivery.Header{{Name: "X-Api-Key", Parameter: "/p/key"}},
		ReadParameter: func(context.Context, string) (config.Secret, error) {
			reads++
			return config.NewSecret(value), broken
		},
	})
	broken = errors.New("throttled")
	a := attempt(t, client, request())
	require.Equal(t, delivery.Unavailable, a.Verdict)
	require.ErrorContains(t, a.Err, "header X-Api-Key of destination_headers: throttled")
	require.Empty(t, got)

	broken = nil
	for range 3 {
		require.Equal(t, delivery.Accepted, attempt(t, client, request()).Verdict)
		require.Equal(t, "one", got)
	}
	require.Equal(t, 2, reads, "it is not read for every request")

	now, value = now.Add(10*time.Minute), "two"
	require.Equal(t, delivery.Accepted, attempt(t, client, request()).Verdict)
	require.Equal(t, "two", got, "a change is picked up")

	now, broken = now.Add(10*time.Minute), errors.New("throttled")
	require.Equal(t, delivery.Accepted, attempt(t, client, request()).Verdict)
	require.Equal(t, "two", got, "what was read last is good enough")
}
