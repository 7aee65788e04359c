package delivery_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/delivery"
)

const canary = "canary-token-3141592653"

func request() delivery.Request {
	return delivery.Request{Body: []byte(`[{"a":1}]`), IdempotencyKey: "p/1/2-3", Token: config.NewSecret(canary), TokenType: "Bearer"}
}

func deliver(t *testing.T, handler http.HandlerFunc) delivery.Answer {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	// A transport of its own: the end of a server of another test closes the idle
	// connections of the default one, and takes a connection that is about to be used.
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := delivery.NewClient(server.URL, &http.Client{Timeout: 5 * time.Second, Transport: transport}, nil)
	return client.Deliver(t.Context(), request())
}

func TestRequest(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var body []byte
	a := deliver(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
	})
	require.NoError(t, a.Err)
	require.Equal(t, delivery.Answer{Verdict: delivery.Accepted, Status: 202}, a)
	require.Equal(t, http.MethodPost, got.Method)
	require.Equal(t, "Bearer "+canary, got.Header.Get("Authorization"))
	require.Equal(t, "p/1/2-3", got.Header.Get(delivery.IdempotencyHeader))
	require.Equal(t, "application/json", got.Header.Get("Content-Type"))
	require.Equal(t, `[{"a":1}]`, string(body))
}

// TestEveryStatus answers with each status that a server can send and expects the
// verdict that loses nothing and hammers nobody.
func TestEveryStatus(t *testing.T) {
	t.Parallel()
	var status int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	defer server.Close()
	client := delivery.NewClient(server.URL, server.Client(), nil)
	for status = 200; status <= 599; status++ {
		want := delivery.Refused
		switch {
		case status < 300:
			want = delivery.Accepted
		case status == 401:
			want = delivery.TokenRefused
		case status == 408, status == 425, status == 429, status >= 500:
			want = delivery.Unavailable
		}
		got := client.Deliver(t.Context(), request())
		if got.Verdict != want || got.Status != status || got.Err != nil {
			t.Errorf("status %d: %v (status %d, %v), want %v", status, got.Verdict, got.Status, got.Err, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"":                     0,
		"0":                    0,
		"17":                   17 * time.Second,
		"-5":                   0,
		"999999999999":         time.Hour,
		"99999999999999999999": 0,
		"soon":                 0,
		"1.5":                  0,
		now.Add(30 * time.Second).Format(http.TimeFormat): 30 * time.Second,
		now.Add(-time.Minute).Format(http.TimeFormat):     0,
		now.Add(48 * time.Hour).Format(http.TimeFormat):   time.Hour,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(http.StatusTooManyRequests)
		}))
		a := delivery.NewClient(server.URL, server.Client(), func() time.Time { return now }).Deliver(t.Context(), request())
		server.Close()
		if a.Verdict != delivery.Unavailable || a.RetryAfter != want {
			t.Errorf("Retry-After %q: %v after %s, want %s", header, a.Verdict, a.RetryAfter, want)
		}
	}
}

func TestRedirectsDoNotCarryTheToken(t *testing.T) {
	t.Parallel()
	visited := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visited = true }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		a := deliver(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, status) })
		require.Equal(t, delivery.Refused, a.Verdict)
		require.Equal(t, status, a.Status)
	}
	require.False(t, visited)
}

func TestTransportFaults(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"reset": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_ = conn.Close()
			}
		},
		"no HTTP": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, "220 mail.example.com ESMTP\r\n")
				_ = conn.Close()
			}
		},
		"silence": func(_ http.ResponseWriter, r *http.Request) {
			// Only a server that has read the body notices that the client has gone.
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(handler)
			t.Cleanup(server.Close)
			a := delivery.NewClient(server.URL, &http.Client{Timeout: 200 * time.Millisecond}, nil).Deliver(t.Context(), request())
			require.Equal(t, delivery.Unavailable, a.Verdict)
			require.Zero(t, a.Status)
			require.Error(t, a.Err)
			require.NotContains(t, a.Err.Error(), canary)
			require.NotContains(t, a.Err.Error(), "\n")
		})
	}
}

func TestACancelledRequestIsNoRefusal(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := delivery.NewClient("http://127.0.0.1:9", http.DefaultClient, nil).Deliver(ctx, request())
	require.Equal(t, delivery.Unavailable, a.Verdict)
	require.ErrorIs(t, a.Err, context.Canceled)
}
