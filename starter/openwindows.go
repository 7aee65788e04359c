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

	counting sync.Mutex // held by who asks Temporal
	mu       sync.Mutex // guards what follows
	counted  int64      // at the last count
	taken    int64      // since
	at       time.Time
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
	o.refresh(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.counted+o.taken >= o.most {
		return false
	}
	o.taken++
	return true
}

// refresh counts where the last count is too old. While one who takes counts, the last
// number holds for the others; only before there is any, they wait for it.
func (o *OpenWindows) refresh(ctx context.Context) {
	known, stale := o.state()
	if !stale {
		return
	}
	if !known {
		o.counting.Lock()
	} else if !o.counting.TryLock() {
		return
	}
	defer o.counting.Unlock()
	if _, stale := o.state(); stale {
		o.count(ctx)
	}
}

// state reports whether there was a count, and whether it is time for the next one.
func (o *OpenWindows) state() (known, stale bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	interval := countFar
	if o.counted+o.taken >= o.most/2 {
		interval = countNear
	}
	return !o.at.IsZero(), time.Since(o.at) >= interval
}

// count asks Temporal. While it does not answer, the last number holds: windows cannot
// be opened then, either.
func (o *OpenWindows) count(ctx context.Context) {
	o.mu.Lock()
	before := o.taken
	o.mu.Unlock()
	limited, cancel := context.WithTimeout(ctx, countNear)
	defer cancel()
	counted, err := o.temporal.CountWorkflow(limited, &workflowservice.CountWorkflowExecutionsRequest{Query: o.query})
	if err != nil && ctx.Err() == nil {
		o.logger.Warn("the open windows cannot be counted", "error", err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.at = time.Now() // an answer that takes long must not be asked for again at once
	if err == nil {
		o.counted, o.taken = counted.GetCount(), o.taken-before
	}
}

// Open is how many windows are open, as far as this process knows.
func (o *OpenWindows) Open(ctx context.Context) int64 {
	o.refresh(ctx)
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counted + o.taken
}

// Most is the ceiling.
func (o *OpenWindows) Most() int64 { return o.most }
