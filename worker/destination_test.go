package worker_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/delivery"
	"github.com/log-event-pipeline/logpipe/worker"
)

// TestNewDestination: what the settings say is what is sent, and how answers are read.
func TestNewDestination(t *testing.T) {
	t.Parallel()
	var got http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		w.WriteHeader(http.StatusMultiStatus)
		_, _ = io.WriteString(w, `[{"at":1,"why":{"status":429}}]`)
	}))
	defer server.Close()
	cfg := settings()
	cfg.DestinationURL = server.URL
	cfg.DestinationTokenHeader, cfg.DestinationTokenScheme, cfg.DestinationIdempotencyHeader = "X-Token", config.None, "X-Batch"
	cfg.DestinationHeaders = config.Headers{"X-Tenant": "blue", "X-Api-Key": config.HeaderParameter + "/p/key"}
	cfg.DestinationFailedItems, cfg.DestinationFailedIndex, cfg.DestinationFailedStatus = config.WholeAnswer, "/at", "/why/status"
	cfg.DestinationProxy = config.None
	destination, err := worker.NewDestination(cfg, parameters{"/p/key": secretCanary}, 1)
	require.NoError(t, err)
	defer destination.Close()
	a := destination.Deliver(t.Context(), delivery.Request{Body: []byte("[1,2]"), Events: 2, IdempotencyKey: "k", Token: config.NewSecret("t")})
	require.NoError(t, a.Err)
	require.Equal(t, delivery.PartlyAccepted, a.Verdict, a.Reason)
	require.Equal(t, []delivery.FailedItem{{Index: 1, Status: 429, Retry: true}}, a.Failed)
	for name, want := range map[string]string{"X-Token": "t", "X-Batch": "k", "X-Tenant": "blue", "X-Api-Key": secretCanary, "Authorization": ""} {
		require.Equal(t, want, got.Get(name), name)
	}

	cfg.DestinationCAFile = "/no/such/file"
	_, err = worker.NewDestination(cfg, nil, 1)
	require.ErrorContains(t, err, "destination: destination_ca_file: open /no/such/file")
}
