package analytics

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFaultShares(t *testing.T) {
	t.Parallel()
	run := func(spec string) (Stats, []int) {
		s := newServer(t, spec)
		token := getToken(t, s)
		var statuses []int
		for n := range 1000 {
			w := serve(s, eventsRequest(token, fmt.Sprint(n), events(n, n+1)))
			statuses = append(statuses, w.Code)
			if w.Code == http.StatusTooManyRequests {
				require.Equal(t, "3", w.Header().Get("Retry-After"))
			}
		}
		return s.Stats(), statuses
	}
	stats, first := run("5xx=20%,5xx-status=502,429=10%,retry-after=2500ms")
	require.InDelta(t, 100, stats.Responses["429"], 40)
	require.InDelta(t, 180, stats.Responses["502"], 60)
	require.Equal(t, stats.Responses["200"], stats.Distinct)
	_, second := run("5xx=20%,5xx-status=502,429=10%,retry-after=2500ms")
	require.Equal(t, first, second, "the same seed must give the same faults")
	require.Zero(t, stats.Duplicates)
}

func TestRefusalIsPermanent(t *testing.T) {
	t.Parallel()
	s := newServer(t, "refuse=30%,refuse-match=poison")
	token := getToken(t, s)
	refused := 0
	for n := range 500 {
		first := serve(s, eventsRequest(token, fmt.Sprint(n), events(n, n+1))).Code
		again := serve(s, eventsRequest(token, fmt.Sprint(n), events(n, n+1))).Code
		require.Equal(t, first, again)
		if first == http.StatusBadRequest {
			refused++
		}
	}
	require.InDelta(t, 150, refused, 50)
	require.Equal(t, http.StatusBadRequest, serve(s, eventsRequest(token, "", `[{"a":"poison"}]`)).Code)
}

func TestTokenFault(t *testing.T) {
	t.Parallel()
	s := newServer(t, "token-5xx=100%")
	w := serve(s, tokenRequest(url.Values{}))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.EqualValues(t, 1, s.Stats().TokenResponses["503"])
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, "rate-limit=2")
		token := getToken(t, s)
		var got []int
		for range 20 { // 4 a second
			got = append(got, serve(s, eventsRequest(token, "", "[]")).Code)
			time.Sleep(250 * time.Millisecond)
		}
		require.InDelta(t, 11, s.Stats().Responses["200"], 1, "%v", got)
		require.Equal(t, 429, got[len(got)-1]+got[len(got)-2]-200, "refusals alternate in the end: %v", got)

		s.SetFaults(Faults{RateLimit: 0.1})
		require.Equal(t, 200, serve(s, eventsRequest(token, "", "[]")).Code)
		w := serve(s, eventsRequest(token, "", "[]"))
		require.Equal(t, 429, w.Code)
		require.Equal(t, "10", w.Header().Get("Retry-After"))
	})
}

func TestOutageAndLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, "outage=20s@15s,latency=50ms,jitter=20ms")
		token := getToken(t, s)
		status := func() int { return serve(s, eventsRequest(token, "", "[]")).Code }
		before := time.Now()
		require.Equal(t, 200, status())
		took := time.Since(before)
		require.GreaterOrEqual(t, took, 50*time.Millisecond)
		require.Less(t, took, 70*time.Millisecond)
		time.Sleep(15 * time.Second)
		require.True(t, s.Stats().OutageActive)
		w := serve(s, eventsRequest(token, "", "[]"))
		require.Equal(t, 503, w.Code)
		require.Equal(t, "1", w.Header().Get("Retry-After"))
		require.Equal(t, 503, serve(s, tokenRequest(nil)).Code)
		require.Equal(t, 200, serve(s, httptest.NewRequest(http.MethodGet, "/stats", nil)).Code)
		time.Sleep(20 * time.Second)
		require.Equal(t, 200, status())

		gone, cancel := context.WithCancel(t.Context())
		cancel()
		serve(s, eventsRequest(token, "", events(0, 1)).WithContext(gone))
		require.Zero(t, s.Stats().Distinct, "the client left during the latency")
	})
}

func TestFaultsAtRunTime(t *testing.T) {
	t.Parallel()
	s := newServer(t, "5xx=20%,outage=1s@1h")
	send := func(method, body string) (int, map[string]string) {
		w := serve(s, httptest.NewRequest(method, "/faults", strings.NewReader(body)))
		var values map[string]string
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &values))
		return w.Code, values
	}
	code, values := send(http.MethodGet, "")
	require.Equal(t, 200, code)
	require.Equal(t, "0.2", values["5xx"])
	require.Equal(t, "1s@1h0m0s", values["outage"])

	code, values = send(http.MethodPatch, `{"latency":"5ms","429":0.5}`)
	require.Equal(t, 200, code)
	require.Equal(t, "0.2", values["5xx"])
	require.Equal(t, "5ms", values["latency"])

	token := getToken(t, s)
	code, _ = send(http.MethodPatch, `{"revoke-now":true,"outage":null}`)
	require.Equal(t, 200, code)
	require.Error(t, s.tokens.check(token, 0, time.Now()))

	code, values = send(http.MethodPut, `{"outage":"20s"}`)
	require.Equal(t, 200, code)
	require.Empty(t, values["5xx"])
	require.True(t, s.Stats().OutageActive)

	before := s.Faults()
	for _, bad := range []string{`{"5xx":"much"}`, `{"5xy":1}`, `[]`, `nonsense`, `{"revoke-now":"yes"}`, `{"5xx":[1]}`} {
		code, values = send(http.MethodPut, bad)
		require.Equal(t, 400, code, bad)
		require.Equal(t, "invalid_faults", values["error"])
	}
	require.Equal(t, before, s.Faults())
}
