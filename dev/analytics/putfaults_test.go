package analytics

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPutFaults(t *testing.T) {
	t.Parallel()
	s, err := New(Config{ClientID: "a", ClientSecret: "b"})
	require.NoError(t, err)
	served := httptest.NewServer(s)
	defer served.Close()
	faults := Faults{Outages: []Outage{{For: time.Hour}}, Latency: time.Second}
	require.NoError(t, PutFaults(t.Context(), served.URL, faults))
	require.Equal(t, faults, s.Faults())
	require.NoError(t, PutFaults(t.Context(), served.URL, Faults{}))
	require.Equal(t, Faults{}, s.Faults())

	require.ErrorContains(t, PutFaults(t.Context(), served.URL+"/elsewhere", faults), "404 Not Found")
	refusing := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer refusing.Close()
	require.ErrorContains(t, PutFaults(t.Context(), refusing.URL, faults), "set the faults of the analytics API")
}
