package analytics

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestFetch: what another process is told of the log events is what the server knows.
func TestFetch(t *testing.T) {
	t.Parallel()
	s, err := New(Config{ClientID: "id", ClientSecret: "secret"})
	require.NoError(t, err)
	ids := []ID{eventID([]byte("a")), eventID([]byte("b"))}
	s.ledger.accept("", []byte("[]"), batch{ids: []ID{ids[0], ids[1], ids[1]}}, time.Now())
	served := httptest.NewServer(s)
	t.Cleanup(served.Close)

	receipts, failed := FetchLogEvents(t.Context(), served.URL)
	fetched := maps.Collect(receipts)
	require.NoError(t, failed())
	require.Len(t, fetched, 2)
	for id, want := range s.LogEvents() {
		require.Equal(t, want.Count, fetched[id].Count)
		require.Equal(t, want.First.UnixMilli(), fetched[id].First.UnixMilli())
	}
	stats, err := FetchStats(t.Context(), served.URL)
	require.NoError(t, err)
	require.Equal(t, uint64(3), stats.Events)
	require.Equal(t, uint64(2), stats.LogEvents)
}

func TestFetchFails(t *testing.T) {
	t.Parallel()
	torn := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == statsPath {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write(make([]byte, receiptSize+1))
	}))
	t.Cleanup(torn.Close)
	receipts, failed := FetchLogEvents(t.Context(), torn.URL)
	require.Len(t, maps.Collect(receipts), 1)
	require.ErrorContains(t, failed(), "unexpected EOF")
	_, err := FetchStats(t.Context(), torn.URL)
	require.ErrorContains(t, err, "404")
}
