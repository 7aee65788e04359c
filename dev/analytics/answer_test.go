package analytics

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func decodeAnswer(t *testing.T, body []byte) partialAnswer {
	t.Helper()
	var answer partialAnswer
	require.NoError(t, json.Unmarshal(body, &answer))
	return answer
}

// TestPartial sends what failed again under keys of its own until nothing but what is
// refused for good is left, in every form of the body: each event is then counted once.
func TestPartial(t *testing.T) {
	t.Parallel()
	const all = 2000
	for name, form := range map[string]func(events []string) string{
		"array":  func(events []string) string { return "[" + strings.Join(events, ",") + "]" },
		"NDJSON": func(events []string) string { return strings.Join(events, "\n") + "\n" },
		"object": func(events []string) string {
			return `{"pipeline":"p","window":"w","shard":"s","batch":0,"events":[` + strings.Join(events, ",") + `]}`
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, "partial=30%,partial-refuse=2%,retry-after=3s")
			token := getToken(t, s)
			var events []string
			for n := range all {
				events = append(events, fmt.Sprintf(`{"log.record.uid":%q}`, hexID(n)))
			}
			refused, rounds := 0, 0
			for rounds < 20 && len(events) > 0 {
				rounds++
				key := fmt.Sprintf("key-%d", rounds)
				w := serve(s, eventsRequest(token, key, form(events)))
				replay := serve(s, eventsRequest(token, key, form(events)))
				require.Equal(t, w.Body.String(), replay.Body.String(), "the same answer for the same key")
				answer := decodeAnswer(t, w.Body.Bytes())
				require.Equal(t, len(events), answer.Accepted+len(answer.Failed))
				if len(answer.Failed) > 0 {
					require.Equal(t, http.StatusMultiStatus, w.Code)
					require.Equal(t, "3", w.Header().Get("Retry-After"))
				} else {
					require.Equal(t, http.StatusOK, w.Code)
				}
				var left []string
				for _, item := range answer.Failed {
					if item.Status == http.StatusServiceUnavailable {
						left = append(left, events[item.Index])
					} else {
						require.Equal(t, http.StatusUnprocessableEntity, item.Status)
						refused++
					}
				}
				events = left
			}
			require.Empty(t, events)
			require.Greater(t, rounds, 3)
			require.InDelta(t, all/50, refused, 25)
			stats := s.Stats()
			require.EqualValues(t, all-refused, stats.Distinct)
			require.EqualValues(t, all-refused, stats.LogEvents)
			require.Zero(t, stats.Duplicates)
			require.Greater(t, stats.FailedEvents, uint64(refused))
		})
	}
}

// TestFormsOfTheBody: each is counted event by event.
func TestFormsOfTheBody(t *testing.T) {
	t.Parallel()
	s := newServer(t, "")
	token := getToken(t, s)
	one, two := fmt.Sprintf(`{"log.record.uid":%q}`, hexID(1)), fmt.Sprintf(`{"log.record.uid":%q}`, hexID(2))
	for i, body := range []string{
		"[" + one + "," + two + "]", one + "\n" + two + "\n", `{"pipeline":"p","window":"w","shard":"s","batch":0,"events":[` + one + "," + two + "]}",
	} {
		w := serve(s, eventsRequest(token, fmt.Sprint(i), body))
		require.Equal(t, 2, decodeAnswer(t, w.Body.Bytes()).Accepted)
	}
	stats := s.Stats()
	require.EqualValues(t, 6, stats.Events)
	require.EqualValues(t, 2, stats.Distinct)
	require.EqualValues(t, 4, stats.Duplicates)
}

func TestDrip(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, "drip=100%")
		token := getToken(t, s)
		begin := time.Now()
		w := serve(s, eventsRequest(token, "k", events(0, 3)))
		require.Equal(t, 3, decodeAnswer(t, w.Body.Bytes()).Accepted)
		require.Equal(t, time.Duration(w.Body.Len())*time.Second, time.Since(begin))

		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		w = serve(s, eventsRequest(token, "k", events(0, 3)).WithContext(ctx))
		require.Equal(t, 3, w.Body.Len(), "it ends with the client")
		require.EqualValues(t, 1, s.Stats().Replays)
	})
}

func TestHugeAndClosedAnswers(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"huge=100%", "close=100%"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, fault)
			server := httptest.NewServer(s)
			defer server.Close()
			r := eventsRequest(getToken(t, s), "k", events(0, 3))
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/v1/events", r.Body)
			require.NoError(t, err)
			req.Header = r.Header
			res, err := server.Client().Do(req)
			require.NoError(t, err)
			defer res.Body.Close()
			require.Equal(t, http.StatusOK, res.StatusCode)
			const some = 8 << 20
			n, err := io.Copy(io.Discard, io.LimitReader(res.Body, some))
			if fault == "close=100%" {
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				require.Less(t, n, int64(100))
			} else {
				require.NoError(t, err)
				require.EqualValues(t, some, n)
			}
			require.EqualValues(t, 3, s.Stats().Distinct, "it is stored all the same")
		})
	}
}
