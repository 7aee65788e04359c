package starter

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.temporal.io/api/workflowservice/v1"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/workflows"
)

const (
	// countNear and countFar are how often the open windows are counted, above and below
	// half of the ceiling.
	countNear = 5 * time.Second
	countFar  = 30 * time.Second
)

// Counter counts workflows; client.Client does.
type Counter interface {
	CountWorkflow(ctx context.Context, in *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error)
}

// OpenWindows is the ceiling on how many windows of the pipeline are open at once, in
// all processes. Temporal is asked for their number now and then; in between, the
// windows that this process has opened are added. Several starters do not know of each
// other's windows until the next count, so the ceiling can be exceeded by what they open
// within some seconds.
type OpenWindows struct {
	temporal Counter
	query    string
	most     int64
	logger   *slog.Logger

	mu      sync.Mutex
	counted int64 // at the last count
	taken   int64 // since
	at      time.Time
}

// NewOpenWindows is a ceiling on the open windows of a pipeline.
func NewOpenWindows(temporal Counter, pipeline string, most int, logger *slog.Logger) *OpenWindows {
	return &OpenWindows{
		temporal: temporal, most: int64(most), logger: logger,
		query: fmt.Sprintf("WorkflowType = '%s' AND %s = '%s' AND ExecutionStatus = 'Running'",
			workflows.FlushWindowName, visibility.Pipeline.GetName(), pipeline),
	}
}

// Take reports whether one more window may be opened, and counts it.
func (o *OpenWindows) Take(ctx context.Context) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	interval := countFar
	if o.counted+o.taken >= o.most/2 {
		interval = countNear
	}
	if time.Since(o.at) >= interval {
		o.count(ctx)
	}
	if o.counted+o.taken >= o.most {
		return false
	}
	o.taken++
	return true
}

// count asks Temporal. While it does not answer, the last number holds: windows cannot
// be opened then, either.
func (o *OpenWindows) count(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, countNear)
	defer cancel()
	o.at = time.Now()
	counted, err := o.temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: o.query})
	if err != nil {
		if ctx.Err() == nil {
			o.logger.Warn("the open windows cannot be counted", "error", err)
		}
		return
	}
	o.counted, o.taken = counted.GetCount(), 0
}

// Open is how many windows are open, as far as this process knows.
func (o *OpenWindows) Open() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counted + o.taken
}

// Most is the ceiling.
func (o *OpenWindows) Most() int64 { return o.most }
