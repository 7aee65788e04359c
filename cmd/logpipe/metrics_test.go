package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"
	"go.uber.org/fx"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect/frontendtest"
	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/telemetry"
	"github.com/log-event-pipeline/logpipe/internal/telemetry/metricstest"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/starter"
)

var update = flag.Bool("update", false, "write the metrics table of docs/operations.md anew")

// The table of metrics stands between these lines of docs/operations.md.
const (
	metricsBegin = "<!-- metrics -->\n"
	metricsEnd   = "<!-- /metrics -->\n"
)

// TestDocumentedMetrics scrapes what a process is made of and holds the documentation
// against it: the table of our own metrics, and every other name that it tells.
func TestDocumentedMetrics(t *testing.T) { //nolint:paralleltest // it sets the environment of the process
	families := scrapeAll(t)
	path := filepath.Join("..", "..", "docs", "operations.md")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, opened := strings.Cut(string(text), metricsBegin)
	table, after, closed := strings.Cut(rest, metricsEnd)
	require.True(t, opened && closed, "%s needs the lines %q and %q", path, metricsBegin, metricsEnd)
	want := "\n" + metricsTable(families) + "\n"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(before+metricsBegin+want+metricsEnd+after), 0o644))
	} else {
		require.Equal(t, want, table, "go test ./cmd/logpipe -update writes the table")
	}

	named := regexp.MustCompile(`\b(?:logpipe|temporal|go|process)_[a-z0-9_]+`).FindAllString(before+after, -1)
	require.NotEmpty(t, named)
	for _, name := range named {
		if family := families[strings.TrimSuffix(name, "_bucket")]; family.GetType() == dto.MetricType_HISTOGRAM {
			continue
		}
		require.Contains(t, slices.Collect(maps.Keys(families)), name, "%s names it", path)
	}
}

// scrapeAll uses every instrument in a process and scrapes it.
func scrapeAll(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	for name, value := range isolated(t) {
		t.Setenv(name, value)
	}
	t.Setenv("TEMPORAL_ADDRESS", frontendtest.Start(t, "default").Address)
	cfg := config.Default()
	cfg.MetricsListen = "127.0.0.1:0"
	var (
		served   *telemetry.Metrics
		reading  *starter.Metrics
		temporal client.Client
	)
	app := fx.New(
		process(t.Context(), config.RoleStarter, cfg, slog.New(slog.DiscardHandler)),
		fx.Provide(starter.NewMetrics),
		fx.Populate(&served, &reading, &temporal),
	)
	require.NoError(t, app.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, app.Stop(context.WithoutCancel(t.Context()))) })

	ctx := t.Context()
	reading.Hold(ctx, 1)
	reading.Window(ctx, window.ReasonAge, true, time.Minute)
	_, err := reading.Reader(oneRead{}).Next(ctx)
	require.NoError(t, err)
	worker := sdkworker.New(temporal, "queue", sdkworker.Options{DisableWorkflowWorker: true})
	worker.RegisterActivity(func() error { return nil })
	require.NoError(t, worker.Start())
	t.Cleanup(worker.Stop)
	_, err = temporal.DescribeWorkflowExecution(ctx, "none", "")
	require.Error(t, err)

	var families map[string]*dto.MetricFamily
	require.Eventually(t, func() bool {
		families = metricstest.Scrape(t, served.Address())
		return families["temporal_num_pollers"] != nil // the worker's pollers have begun
	}, 10*time.Second, 10*time.Millisecond)
	return families
}

// oneRead is a shard that is read to its tip.
type oneRead struct{}

func (oneRead) Due() time.Time                              { return time.Time{} }
func (oneRead) Next(context.Context) (kinesis.Batch, error) { return kinesis.Batch{}, nil }

// metricsTable lists our own metrics, with all values of a label that were seen.
func metricsTable(families map[string]*dto.MetricFamily) string {
	var table strings.Builder
	table.WriteString("| metric | type | labels | meaning |\n|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(families)) {
		if !strings.HasPrefix(name, "logpipe_") {
			continue
		}
		values := make(map[string][]string)
		for _, series := range families[name].GetMetric() {
			for label, value := range metricstest.Labels(series) {
				if label != "pipeline" && label != "role" && !slices.Contains(values[label], value) {
					values[label] = append(values[label], value)
				}
			}
		}
		var labels []string
		for _, label := range slices.Sorted(maps.Keys(values)) {
			slices.Sort(values[label])
			labels = append(labels, fmt.Sprintf("`%s`: `%s`", label, strings.Join(values[label], "`, `")))
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", name,
			strings.ToLower(families[name].GetType().String()), strings.Join(labels, "; "), families[name].GetHelp())
	}
	return table.String()
}
