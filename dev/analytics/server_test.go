package analytics

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	testClient = "pipeline"
	testSecret = "s3cret/+ %"
)

func newServer(t *testing.T, faults string) *Server {
	t.Helper()
	f, err := ParseFaults(faults)
	require.NoError(t, err)
	s, err := New(Config{ClientID: testClient, ClientSecret: testSecret, Faults: f, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return s
}

func serve(s *Server, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func tokenRequest(form url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/oauth/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func getToken(t *testing.T, s *Server) string {
	t.Helper()
	r := tokenRequest(url.Values{"grant_type": {"client_credentials"}})
	r.SetBasicAuth(url.QueryEscape(testClient), url.QueryEscape(testSecret))
	w := serve(s, r)
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
	return answer.AccessToken
}

func eventsRequest(token, key, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/v1/events", strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	return r
}

func events(from, to int) string {
	var items []string
	for n := from; n < to; n++ {
		items = append(items, fmt.Sprintf(`{"log.record.uid":%q}`, hexID(n)))
	}
	return "[" + strings.Join(items, ",") + "]"
}

func TestNewRejects(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{{}, {ClientID: "a"}, {ClientSecret: "b"}, {ClientID: "a", ClientSecret: "b", TokenLife: -1}, {ClientID: "a", ClientSecret: "b", TokenLife: time.Millisecond}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

func TestTokenEndpoint(t *testing.T) {
	t.Parallel()
	grantType := url.Values{"grant_type": {"client_credentials"}}
	with := func(more url.Values) url.Values {
		all := url.Values{}
		for _, values := range []url.Values{grantType, more} {
			for k, v := range values {
				all[k] = append(all[k], v...)
			}
		}
		return all
	}
	tests := []struct {
		name       string
		form       url.Values
		basic      []string
		kind, path string
		status     int
		code       string
	}{
		{name: "basic", form: grantType, basic: []string{testClient, url.QueryEscape(testSecret)}, status: 200},
		{name: "form", form: with(url.Values{"client_id": {testClient}, "client_secret": {testSecret}, "scope": {"events"}}), status: 200},
		{name: "basic and client id in the form", form: with(url.Values{"client_id": {testClient}}), basic: []string{testClient, url.QueryEscape(testSecret)}, status: 200},
		{name: "wrong secret", form: grantType, basic: []string{testClient, "x"}, status: 401, code: "invalid_client"},
		{name: "badly encoded basic", form: grantType, basic: []string{testClient, "%zz"}, status: 401, code: "invalid_client"},
		{name: "unknown client", form: with(url.Values{"client_id": {"x"}, "client_secret": {testSecret}}), status: 401, code: "invalid_client"},
		{name: "no credentials", form: grantType, status: 401, code: "invalid_client"},
		{name: "credentials in the URL", form: grantType, path: "/oauth/token?client_id=pipeline&client_secret=x", status: 401, code: "invalid_client"},
		{name: "both", form: with(url.Values{"client_secret": {testSecret}}), basic: []string{testClient, testSecret}, status: 400, code: "invalid_request"},
		{name: "no grant type", basic: []string{testClient, url.QueryEscape(testSecret)}, status: 400, code: "invalid_request"},
		{name: "repeated parameter", form: with(grantType), basic: []string{testClient, url.QueryEscape(testSecret)}, status: 400, code: "invalid_request"},
		{name: "other grant", form: url.Values{"grant_type": {"password"}}, basic: []string{testClient, url.QueryEscape(testSecret)}, status: 400, code: "unsupported_grant_type"},
		{name: "json", form: grantType, basic: []string{testClient, testSecret}, kind: "application/json", status: 400, code: "invalid_request"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, "")
			r := tokenRequest(test.form)
			if test.path != "" {
				r.URL, _ = url.Parse(test.path)
			}
			if test.kind != "" {
				r.Header.Set("Content-Type", test.kind)
			}
			if test.basic != nil {
				r.SetBasicAuth(test.basic[0], test.basic[1])
			}
			w := serve(s, r)
			require.Equal(t, test.status, w.Code, w.Body)
			require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			var answer map[string]any
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
			stats := s.Stats()
			require.EqualValues(t, 1, stats.TokenRequests)
			require.EqualValues(t, 1, stats.TokenResponses[fmt.Sprint(test.status)])
			if test.status == http.StatusOK {
				require.Equal(t, "Bearer", answer["token_type"])
				require.EqualValues(t, 300, answer["expires_in"])
				require.NotEmpty(t, answer["access_token"])
				require.EqualValues(t, 1, stats.TokenGrants)
				require.Equal(t, 1, stats.TokensActive)
				return
			}
			require.Equal(t, test.code, answer["error"])
			require.NotEmpty(t, answer["error_description"])
			require.Equal(t, test.status == 401, w.Header().Get("WWW-Authenticate") != "")
			require.Zero(t, stats.TokenGrants)
		})
	}
}

func TestBearerToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, "token-life=10s")
		post := func(authorization string) *httptest.ResponseRecorder {
			r := eventsRequest("", "", "[]")
			if authorization != "" {
				r.Header.Set("Authorization", authorization)
			}
			return serve(s, r)
		}
		refused := func(authorization, why string) {
			t.Helper()
			w := post(authorization)
			require.Equal(t, http.StatusUnauthorized, w.Code)
			require.Contains(t, w.Header().Get("WWW-Authenticate"), `Bearer realm="analytics", error="invalid_token"`)
			require.Contains(t, w.Header().Get("WWW-Authenticate"), why)
		}
		refused("", "no bearer token")
		refused("Basic abc", "no bearer token")
		refused("Bearer ", "no bearer token")
		refused("Bearer guessed", "not known")

		token := getToken(t, s)
		require.Equal(t, http.StatusOK, post("bearer "+token).Code)
		time.Sleep(10*time.Second - time.Nanosecond)
		require.Equal(t, http.StatusOK, post("Bearer "+token).Code)
		time.Sleep(time.Nanosecond)
		refused("Bearer "+token, "expired")
		require.Zero(t, s.Stats().TokensActive)

		token = getToken(t, s)
		require.Equal(t, 1, s.RevokeTokens())
		refused("Bearer "+token, "revoked")
		require.EqualValues(t, 1, s.Stats().TokensRevoked)

		s.SetFaults(Faults{RevokeEvery: time.Minute})
		token = getToken(t, s)
		time.Sleep(time.Minute - time.Nanosecond)
		require.Equal(t, http.StatusOK, post("Bearer "+token).Code)
		time.Sleep(time.Nanosecond)
		refused("Bearer "+token, "revoked")
		require.Equal(t, http.StatusOK, post("Bearer "+getToken(t, s)).Code)
	})
}

func TestTokensAreForgotten(t *testing.T) {
	t.Parallel()
	now := time.Now()
	store := newTokens(now)
	for range 10 * maxRemembered {
		store.issue(time.Second, 0, false, now)
		now = now.Add(time.Second)
	}
	if len(store.granted) > maxRemembered {
		t.Errorf("%d tokens are remembered", len(store.granted))
	}
}

func TestIngestCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, "")
		token := getToken(t, s)
		start := time.Now()
		post := func(key, body string, status int, want string) {
			t.Helper()
			w := serve(s, eventsRequest(token, key, body))
			require.Equal(t, status, w.Code, w.Body)
			require.Contains(t, w.Body.String(), want)
		}
		post("k1", events(0, 3), 200, `{"accepted":3}`)
		time.Sleep(1500 * time.Millisecond)
		post("k2", events(2, 5), 200, `{"accepted":3}`)                  // event 2 once more
		post("k1", events(0, 3), 200, `{"accepted":3}`)                  // replay
		post("k1", events(0, 4), 422, "idempotency_conflict")            // conflict
		post("", `{"a":1}`+"\n"+`{"b":2}`, 200, `{"accepted":2}`)        // NDJSON without ids
		post("", `{"a":1}`+"\n"+`{"b":2}`, 200, `{"accepted":2}`)        // no key: counted again
		post("k3", events(5, 6)[:20], 400, `"error":"invalid_json"`)     // not stored
		post("k3", events(5, 6), 200, `{"accepted":1}`)                  // so the key is free
		post(strings.Repeat("k", 256), "[]", 400, "longer than 255")     // key too long
		post("", `{"events":`+events(6, 8)+`}`, 200, `{"accepted":2}`)   // wrapped
		post("", events(8, 9)[:30]+"\n", 400, `"offset":30`)             // offset
		post("", `[{"log.record.uid":"`+hexID(9)+`"},7]`, 400, "object") // wholly or not at all

		got := s.Stats()
		require.NotNil(t, got.FirstReceived)
		require.Equal(t, start, *got.FirstReceived)
		require.Equal(t, start.Add(1500*time.Millisecond), *got.LastReceived)
		got.FirstReceived, got.LastReceived, got.Bytes = nil, nil, 0
		require.Equal(t, Stats{
			Events: 13, Distinct: 8, Duplicates: 1, LogEvents: 8, Unidentified: 4, Batches: 6, Replays: 1, Conflicts: 1,
			Attempts: 12, Responses: map[string]uint64{"200": 7, "400": 4, "422": 1},
			TokenRequests: 1, TokenGrants: 1, TokenResponses: map[string]uint64{"200": 1}, TokensActive: 1,
			Started: start,
		}, got)

		receipts := map[string]Receipt{}
		for id, r := range s.LogEvents() {
			receipts[id.String()] = r
		}
		require.Len(t, receipts, 8)
		require.Equal(t, Receipt{First: start, Count: 2}, receipts[hexID(2)])
		require.Equal(t, Receipt{First: start.Add(1500 * time.Millisecond), Count: 1}, receipts[hexID(4)])
		r, ok := s.Receipt(eventID([]byte(hexID(2))))
		require.True(t, ok)
		require.Equal(t, 2, r.Count)
		_, ok = s.Receipt(eventID([]byte(hexID(99))))
		require.False(t, ok)
	})
}

func TestIngestGzip(t *testing.T) {
	t.Parallel()
	s := newServer(t, "body-limit=1KiB")
	token := getToken(t, s)
	post := func(encoding string, body []byte) *httptest.ResponseRecorder {
		r := eventsRequest(token, "", string(body))
		r.Header.Set("Content-Encoding", encoding)
		return serve(s, r)
	}
	zip := func(text string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, text)
		_ = z.Close()
		return b.Bytes()
	}
	require.Equal(t, 200, post("gzip", zip(events(0, 2))).Code)
	require.Equal(t, 200, post("identity", []byte(events(2, 3))).Code)
	require.Equal(t, 200, post("", []byte(events(3, 4))).Code)
	require.Equal(t, 400, post("gzip", []byte(events(0, 1))).Code)
	require.Equal(t, 400, post("gzip", zip(events(0, 2))[:30]).Code)
	require.Equal(t, 415, post("br", []byte("x")).Code)
	require.Equal(t, 413, post("gzip", zip("["+strings.Repeat(" ", 1<<20)+"]")).Code, "a bomb")
	require.Equal(t, 413, post("", []byte(events(0, 20))).Code)
	require.Equal(t, 200, post("", []byte("["+strings.Repeat(" ", 1022)+"]")).Code, "just the limit")
	require.EqualValues(t, 4, s.Stats().Distinct)
}

func TestRecentEventsAndIndex(t *testing.T) {
	t.Parallel()
	s := newServer(t, "")
	token := getToken(t, s)
	get := func(path string) *httptest.ResponseRecorder {
		return serve(s, httptest.NewRequest(http.MethodGet, path, nil))
	}
	require.JSONEq(t, `[]`, get("/events").Body.String())
	require.Contains(t, get("/").Body.String(), "None yet")
	for n := range 30 {
		serve(s, eventsRequest(token, "", fmt.Sprintf(`[{"n":%d},{"x":"<script>"}]`, n)))
	}
	require.JSONEq(t, `[{"x":"<script>"},{"n":29},{"x":"<script>"}]`, get("/events?limit=3").Body.String())
	var all []any
	require.NoError(t, json.Unmarshal(get("/events?limit=1000").Body.Bytes(), &all))
	require.Len(t, all, defaultRecent)
	require.Equal(t, 400, get("/events?limit=x").Code)
	page := get("/")
	require.Contains(t, page.Body.String(), "&lt;script&gt;")
	require.NotContains(t, page.Body.String(), "<script>")
	require.Equal(t, "ok\n", get("/healthz").Body.String())
	require.Equal(t, 404, get("/nothing").Code)
	require.Equal(t, 405, get("/v1/events").Code)

	serve(s, eventsRequest(token, "", `[{"x":"`+strings.Repeat("y", maxDisplayed)+`"}]`))
	require.Contains(t, get("/events?limit=1").Body.String(), "larger than is kept")
}

func TestOverTCP(t *testing.T) {
	t.Parallel()
	s := newServer(t, "")
	require.Empty(t, s.URL())
	require.Empty(t, s.EventsURL())
	require.NoError(t, s.Stop(t.Context()), "stop before start")
	require.NoError(t, s.Start(t.Context(), "127.0.0.1:0"))
	require.Error(t, s.Start(t.Context(), "127.0.0.1:0"), "start twice")
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	token := getToken(t, s)
	post := func(key string) (*http.Response, error) {
		// Without GetBody the transport cannot repeat the request by itself.
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.EventsURL(), io.MultiReader(strings.NewReader(events(0, 2))))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Idempotency-Key", key)
		resp, err := client.Do(r)
		if err == nil {
			defer resp.Body.Close()
			_, _ = io.Copy(io.Discard, resp.Body)
		}
		return resp, err
	}

	s.SetFaults(Faults{LostAnswers: 1})
	_, err := post("a")
	require.Error(t, err, "the answer is lost")
	s.SetFaults(Faults{})
	resp, err := post("a")
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	stats := s.Stats()
	require.EqualValues(t, 2, stats.Distinct)
	require.Zero(t, stats.Duplicates)
	require.EqualValues(t, 1, stats.LostAnswers)
	require.EqualValues(t, 1, stats.Replays)

	s.SetFaults(Faults{Outages: []Outage{{For: time.Hour, Reset: true}}})
	_, err = post("b")
	require.Error(t, err, "the connection is reset")
	require.EqualValues(t, 1, s.Stats().Resets)

	s.SetFaults(Faults{BodyLimit: 10})
	resp, err = post("c")
	require.NoError(t, err)
	require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)

	require.NoError(t, s.Stop(t.Context()))
	require.NoError(t, s.Stop(t.Context()), "stop twice")
	_, err = post("d")
	require.Error(t, err)

	other := newServer(t, "")
	require.Error(t, other.Start(t.Context(), "256.0.0.1:0"))
}

func TestConcurrentBatches(t *testing.T) {
	t.Parallel()
	s := newServer(t, "")
	token := getToken(t, s)
	const senders, batches, size = 8, 50, 20
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for n := range batches {
				// All senders race for the same keys: one wins each, the others replay.
				w := serve(s, eventsRequest(token, fmt.Sprint(n), events(n*size, (n+1)*size)))
				if w.Code != http.StatusOK {
					t.Errorf("batch %d: %d %s", n, w.Code, w.Body)
				}
				if got := s.Stats(); got.Events != got.Batches*size || got.Events != got.Distinct {
					t.Errorf("half a batch is seen: %+v", got)
				}
			}
		})
	}
	wg.Wait()
	got := s.Stats()
	require.EqualValues(t, batches*size, got.Distinct)
	require.Zero(t, got.Duplicates)
	require.EqualValues(t, (senders-1)*batches, got.Replays)
	n := 0
	for _, r := range s.LogEvents() {
		require.Equal(t, 1, r.Count)
		if n++; n == 10 {
			break // iteration may be left early
		}
	}
}

func BenchmarkLedger(b *testing.B) {
	l := newLedger(time.Now(), 0)
	const size = 2000
	ids := make([]ID, size)
	n := uint64(0)
	for b.Loop() {
		for i := range ids {
			n++
			ids[i] = sha256.Sum256(fmt.Append(nil, n))
		}
		l.accept("", nil, batch{ids: ids}, time.Now())
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}
