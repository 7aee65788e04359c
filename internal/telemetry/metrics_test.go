package telemetry_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.temporal.io/sdk/client"

	"github.com/log-event-pipeline/logpipe/internal/telemetry"
	"github.com/log-event-pipeline/logpipe/internal/telemetry/metricstest"
)

// served returns metrics that are served on a free port until the test ends.
func served(t *testing.T) *telemetry.Metrics {
	t.Helper()
	m, err := telemetry.NewMetrics(telemetry.MetricsOptions{
		Listen: "127.0.0.1:0", Pipeline: "orders", Role: "starter", Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	require.NoError(t, m.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, m.Stop(context.WithoutCancel(t.Context()))) })
	return m
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	m := served(t)
	counter, err := m.Meter().Int64Counter("logpipe.things", metric.WithUnit("{thing}"), metric.WithDescription("Things."))
	require.NoError(t, err)
	counter.Add(t.Context(), 3)
	families := metricstest.Scrape(t, m.Address())

	things := families["logpipe_things_total"]
	require.NotNil(t, things)
	require.Equal(t, "Things.", things.GetHelp())
	require.InDelta(t, 3.0, things.GetMetric()[0].GetCounter().GetValue(), 0)

	for _, name := range []string{"go_goroutines", "go_build_info", "process_resident_memory_bytes", "process_cpu_seconds_total"} {
		require.Contains(t, families, name)
	}
	for name, family := range families {
		for _, series := range family.GetMetric() {
			labels := metricstest.Labels(series)
			require.Equal(t, "orders", labels["pipeline"], name)
			require.Equal(t, "starter", labels["role"], name)
			require.NotContains(t, labels, "otel_scope_name", name)
		}
	}
	info := metricstest.Labels(families["target_info"].GetMetric()[0])
	require.Equal(t, "logpipe", info["service_name"])
	require.Equal(t, "orders", info["logpipe_pipeline"])
}

// TestTemporalMetrics: the SDK makes its instruments anew with each use.
func TestTemporalMetrics(t *testing.T) {
	t.Parallel()
	m := served(t)
	for range 2 {
		handler := m.Temporal().WithTags(map[string]string{"operation": "StartWorkflowExecution"})
		handler.Counter("temporal_request").Inc(1)
		handler.Gauge("temporal_worker_task_slots_available").Update(7)
		handler.Timer("temporal_request_latency").Record(20 * time.Millisecond)
	}
	families := metricstest.Scrape(t, m.Address())
	require.InDelta(t, 2.0, families["temporal_request_total"].GetMetric()[0].GetCounter().GetValue(), 0)
	require.InDelta(t, 7.0, families["temporal_worker_task_slots_available"].GetMetric()[0].GetGauge().GetValue(), 0)
	latency := families["temporal_request_latency_seconds"].GetMetric()[0]
	require.Equal(t, "StartWorkflowExecution", metricstest.Labels(latency)["operation"])
	var within uint64
	for _, bucket := range latency.GetHistogram().GetBucket() {
		if bucket.GetUpperBound() == .025 {
			within = bucket.GetCumulativeCount()
		}
	}
	require.Equal(t, uint64(2), within, "buckets are for seconds")
}

func TestMetricsThatAreOff(t *testing.T) {
	t.Parallel()
	m, err := telemetry.NewMetrics(telemetry.MetricsOptions{Pipeline: "orders", Role: "worker", Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.Equal(t, noop.Meter{}, m.Meter())
	require.Equal(t, client.MetricsNopHandler, m.Temporal())
	require.NoError(t, m.Start(t.Context()))
	require.Empty(t, m.Address())
	require.NoError(t, m.Stop(t.Context()))
}

func TestMetricsAddressThatIsTaken(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	m, err := telemetry.NewMetrics(telemetry.MetricsOptions{Listen: listener.Addr().String(), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	err = m.Start(t.Context())
	require.ErrorContains(t, err, listener.Addr().String())
	require.ErrorContains(t, err, "address already in use")
	require.ErrorContains(t, err, "LOGPIPE_METRICS_LISTEN")
	require.NotContains(t, err.Error(), "\n")
	require.Empty(t, m.Address())
	require.NoError(t, m.Stop(t.Context()))
}

func TestMetricsServesNothingElse(t *testing.T) {
	t.Parallel()
	m := served(t)
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, telemetry.MetricsPath, http.StatusOK},
		{http.MethodHead, telemetry.MetricsPath, http.StatusOK},
		{http.MethodPost, telemetry.MetricsPath, http.StatusMethodNotAllowed},
		{http.MethodGet, "/", http.StatusNotFound},
		{http.MethodGet, "/debug/pprof/", http.StatusNotFound},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+m.Address()+c.path, http.NoBody)
		require.NoError(t, err)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, c.status, response.StatusCode, "%s %s", c.method, c.path)
	}
}

func TestMetricsStop(t *testing.T) {
	t.Parallel()
	var logs bytes.Buffer
	m, err := telemetry.NewMetrics(telemetry.MetricsOptions{Listen: "127.0.0.1:0", Logger: telemetry.NewLogger(&logs, slog.LevelInfo)})
	require.NoError(t, err)
	require.NoError(t, m.Stop(t.Context()), "before the start")
	require.NoError(t, m.Start(t.Context()))
	address := m.Address()
	require.Contains(t, logs.String(), "http://"+address+"/metrics")
	require.NoError(t, m.Stop(t.Context()))
	require.NoError(t, m.Stop(t.Context()), "twice")
	again, err := net.Listen("tcp", address)
	require.NoError(t, err, "the address is free again")
	require.NoError(t, again.Close())
}
