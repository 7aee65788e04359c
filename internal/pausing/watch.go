package pausing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

const (
	// lookInterval is how old an answer may be while nothing is paused, and pausedInterval
	// while it is: whoever was told that a pause is over must not find it still there.
	lookInterval   = 5 * time.Second
	pausedInterval = time.Second
	// lookTimeout bounds one look.
	lookTimeout = 10 * time.Second
)

// Describer describes workflows; client.Client does.
type Describer interface {
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
}

// Watch tells a process whether something is paused. However many ask, Temporal is asked
// once in some seconds, and not at all while nobody wants to know. The zero value is
// not usable; nil tells that nothing is paused.
type Watch struct {
	temporal Describer
	pipeline string
	logger   *slog.Logger

	looking sync.Mutex // held by who asks Temporal
	mu      sync.Mutex // guards what follows
	at      time.Time  // of the last look
	known   bool       // there was an answer
	paused  map[What]*Pause
}

// NewWatch watches the pauses of a pipeline.
func NewWatch(temporal Describer, pipeline string, logger *slog.Logger) *Watch {
	return &Watch{temporal: temporal, pipeline: pipeline, logger: logger}
}

// Paused is the pause of what, nil where it goes on. While Temporal does not answer, its
// last answer holds. Before there was one nobody knows, and that is the error: what an
// operator has paused must not go on because a process was restarted.
func (w *Watch) Paused(ctx context.Context, what What) (*Pause, error) {
	if w == nil {
		return nil, nil
	}
	if err := w.refresh(ctx, what); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.paused[what], nil
}

// refresh looks where the last answer is too old. While one looks, the last answer holds
// for the others, unless there is none, or it was that what they ask for is paused.
func (w *Watch) refresh(ctx context.Context, what What) error {
	known, stale := w.state(what)
	if !stale {
		return nil
	}
	if known && w.last(what) == nil {
		if !w.looking.TryLock() {
			return nil
		}
	} else {
		w.looking.Lock()
	}
	defer w.looking.Unlock()
	if known, stale := w.state(what); known && !stale {
		return nil
	}
	return w.look(ctx)
}

func (w *Watch) last(what What) *Pause {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.paused[what]
}

func (w *Watch) state(what What) (known, stale bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	interval := lookInterval
	if w.paused[what] != nil {
		interval = pausedInterval
	}
	return w.known, !w.known || time.Since(w.at) >= interval
}

// look asks Temporal. It fails only where nothing was ever known.
func (w *Watch) look(ctx context.Context) error {
	paused, err := w.ask(ctx)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = time.Now()
	switch {
	case err == nil:
		w.known, w.paused = true, paused
	case w.known:
		w.logger.Warn("whether the pipeline is paused cannot be asked, the last answer holds", "error", err)
	default:
		return fmt.Errorf("whether the pipeline is paused is not known: %w", err)
	}
	return nil
}

func (w *Watch) ask(ctx context.Context) (map[What]*Pause, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	id := window.StreamReaderID(w.pipeline)
	described, err := w.temporal.DescribeWorkflowExecution(ctx, id, "")
	if _, unknown := errors.AsType[*serviceerror.NotFound](err); unknown {
		return nil, nil // nobody can have paused it
	}
	if err != nil {
		return nil, fmt.Errorf("describe workflow %s: %w", id, err)
	}
	paused := map[What]*Pause{}
	for _, what := range []What{Reading, Delivery} {
		if paused[what], err = Of(described.GetWorkflowExecutionInfo().GetMemo(), what); err != nil {
			return nil, fmt.Errorf("workflow %s: %w", id, err)
		}
	}
	return paused, nil
}
