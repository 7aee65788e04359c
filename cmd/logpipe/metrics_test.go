package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"
	"go.uber.org/fx"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect/frontendtest"
	"github.com/log-event-pipeline/logpipe/internal/delivery"
	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/telemetry"
	"github.com/log-event-pipeline/logpipe/internal/telemetry/metricstest"
	"github.com/log-event-pipeline/logpipe/internal/token"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/starter"
	"github.com/log-event-pipeline/logpipe/worker"
	"github.com/log-event-pipeline/logpipe/workflows"
)

var update = flag.Bool("update", false, "write the metrics table of docs/operations.md anew")

// The table of metrics stands between these lines of docs/operations.md.
const (
	metricsBegin = "<!-- metrics -->\n"
	metricsEnd   = "<!-- /metrics -->\n"
)

// TestDocumentedMetrics scrapes what the processes are made of and holds the documentation
// against it: the table of our own metrics, and every other name that it tells.
func TestDocumentedMetrics(t *testing.T) { //nolint:paralleltest // it sets the environment of the process
	families := make(map[string]*dto.MetricFamily)
	for _, role := range []config.Role{config.RoleStarter, config.RoleWorker} {
		for name, family := range scrapeAll(t, role) {
			if known := families[name]; known != nil {
				require.Equal(t, known.GetHelp(), family.GetHelp(), name)
				family.Metric = append(family.Metric, known.GetMetric()...)
			}
			families[name] = family
		}
	}
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
func scrapeAll(t *testing.T, role config.Role) map[string]*dto.MetricFamily {
	t.Helper()
	for name, value := range isolated(t) {
		t.Setenv(name, value)
	}
	t.Setenv("TEMPORAL_ADDRESS", frontendtest.Start(t, "default").Address)
	cfg := config.Default()
	cfg.MetricsListen, cfg.StageURL = "127.0.0.1:0", "file://"+filepath.ToSlash(t.TempDir())
	var (
		served   *telemetry.Metrics
		temporal client.Client
	)
	uses := fx.Options(fx.Provide(starter.NewMetrics), fx.Invoke(useStarterMetrics(t)))
	if role == config.RoleWorker {
		uses = fx.Options(fx.Provide(worker.NewMetrics), fx.Invoke(useWorkerMetrics(t)))
	}
	app := fx.New(
		process(t.Context(), role, cfg, slog.New(slog.DiscardHandler)),
		uses,
		fx.Populate(&served, &temporal),
	)
	require.NoError(t, app.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, app.Stop(context.WithoutCancel(t.Context()))) })

	ctx := t.Context()
	polling := sdkworker.New(temporal, "queue", sdkworker.Options{DisableWorkflowWorker: true})
	polling.RegisterActivity(func() error { return nil })
	require.NoError(t, polling.Start())
	t.Cleanup(polling.Stop)
	_, err := temporal.DescribeWorkflowExecution(ctx, "none", "")
	require.Error(t, err)

	var families map[string]*dto.MetricFamily
	require.Eventually(t, func() bool {
		families = metricstest.Scrape(t, served.Address())
		// The worker's pollers have begun, and the open windows are counted.
		return families["temporal_num_pollers"] != nil && (role == config.RoleWorker || families["logpipe_windows_open"] != nil)
	}, 10*time.Second, 10*time.Millisecond)
	return families
}

func useStarterMetrics(t *testing.T) any {
	t.Helper()
	return func(m *starter.Metrics, meter metric.Meter, st *stage.Stage) error {
		ctx := t.Context()
		m.Hold(ctx, 1)
		m.Window(ctx, window.ReasonAge, true, time.Minute)
		if _, err := m.Reader(oneRead{}).Next(ctx); err != nil {
			return err
		}
		if err := st.Put(ctx, "key", nil); err != nil {
			return err
		}
		_, err := starter.NewWindowCounts(meter, noWindows{}, "orders", slog.New(slog.DiscardHandler))
		return err
	}
}

func useWorkerMetrics(t *testing.T) any {
	t.Helper()
	return func(m *worker.Metrics, st *stage.Stage) error {
		if err := st.Put(t.Context(), "key", nil); err != nil {
			return err
		}
		m.Delivered(t.Context(), activities.Delivery{
			Answer: delivery.Answer{Status: http.StatusOK}, Batch: workflows.Batch{Events: 1, FirstArrival: time.Now()}, Took: time.Second,
		})
		return m.WatchToken(func() token.Token { return token.Token{ObtainedAt: time.Now(), ExpiresAt: time.Now()} })
	}
}

// noWindows is a Temporal without any.
type noWindows struct{}

func (noWindows) CountWorkflow(context.Context, *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	return &workflowservice.CountWorkflowExecutionsResponse{}, nil
}

// oneRead is a shard that is read to its tip.
type oneRead struct{}

func (oneRead) Due() time.Time                              { return time.Time{} }
func (oneRead) Next(context.Context) (kinesis.Batch, error) { return kinesis.Batch{}, nil }

// metricsTable lists our own metrics, with all values of a label that were seen.
func metricsTable(families map[string]*dto.MetricFamily) string {
	var table strings.Builder
	table.WriteString("| metric | type | of | labels | meaning |\n|---|---|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(families)) {
		if !strings.HasPrefix(name, "logpipe_") {
			continue
		}
		values := make(map[string][]string)
		var roles []string
		for _, series := range families[name].GetMetric() {
			for label, value := range metricstest.Labels(series) {
				if label == "role" && !slices.Contains(roles, value) {
					roles = append(roles, value)
				}
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
		slices.Sort(roles)
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s | %s |\n", name,
			strings.ToLower(families[name].GetType().String()), strings.Join(roles, ", "), strings.Join(labels, "; "), families[name].GetHelp())
	}
	return table.String()
}
