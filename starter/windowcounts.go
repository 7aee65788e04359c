package starter

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/log-event-pipeline/logpipe/internal/telemetry"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/workflows"
)

const (
	// windowsAge is how old the numbers of open windows may be before they are counted
	// again, and windowsLife when they are no longer shown.
	windowsAge  = 15 * time.Second
	windowsLife = 3 * time.Minute
	// windowsTimeout bounds one counting.
	windowsTimeout = 10 * time.Second
)

// windowsActive are those that neither wait nor are parked.
const windowsActive = "active"

// WindowCounts are how many windows of the pipeline are open in Temporal, by what they do.
// They are counted only while somebody scrapes them, and never while he waits.
type WindowCounts struct {
	temporal Counter
	query    string
	logger   *slog.Logger
	now      func() time.Time

	mu       sync.Mutex
	counting bool
	tried    time.Time
	at       time.Time // of counts
	counts   map[string]int64
}

// NewWindowCounts makes the gauge.
func NewWindowCounts(meter metric.Meter, temporal Counter, pipeline string, logger *slog.Logger) (*WindowCounts, error) {
	w := &WindowCounts{
		temporal: temporal, logger: logger, now: time.Now,
		query: fmt.Sprintf("WorkflowType = '%s' AND %s = '%s' AND ExecutionStatus = 'Running'",
			workflows.FlushWindowName, visibility.Pipeline.GetName(), pipeline),
	}
	i := telemetry.Instruments{Meter: meter}
	gauge := i.IntGauge("logpipe.windows.open", "{window}",
		"Windows of the pipeline that are open in Temporal, by what they do. Every starter tells of all of them: take the maximum.")
	i.Observe(func(ctx context.Context, o metric.Observer) error {
		for status, n := range w.known(ctx) {
			o.ObserveInt64(gauge, n, metric.WithAttributes(attribute.String("status", status)))
		}
		return nil
	}, gauge)
	if err := i.Err(); err != nil {
		return nil, fmt.Errorf("make the instruments of open windows: %w", err)
	}
	return w, nil
}

// known are the numbers of late. Where they are old it has them counted.
func (w *WindowCounts) known(ctx context.Context) map[string]int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	if !w.counting && (w.tried.IsZero() || now.Sub(w.tried) >= windowsAge) {
		w.counting, w.tried = true, now
		go w.count(context.WithoutCancel(ctx)) // the scrape does not wait
	}
	if w.at.IsZero() || now.Sub(w.at) > windowsLife {
		return nil
	}
	return w.counts
}

func (w *WindowCounts) count(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, windowsTimeout)
	defer cancel()
	counts, err := w.ask(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counting = false
	if err != nil {
		w.logger.Warn("the open windows cannot be counted for the metrics", "error", err)
		return
	}
	w.counts, w.at = counts, w.now()
}

func (w *WindowCounts) ask(ctx context.Context) (map[string]int64, error) {
	number := func(query string) (int64, error) {
		counted, err := w.temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
		return counted.GetCount(), err
	}
	all, err := number(w.query)
	if err != nil {
		return nil, err
	}
	counts := make(map[string]int64)
	for _, status := range []string{visibility.StatusRetrying, visibility.StatusParked} {
		if counts[status], err = number(fmt.Sprintf("%s AND %s = '%s'", w.query, visibility.Status.GetName(), status)); err != nil {
			return nil, err
		}
		all -= counts[status]
	}
	counts[windowsActive] = max(0, all) // some can have changed in between
	return counts, nil
}
