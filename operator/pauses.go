package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"

	"github.com/log-event-pipeline/logpipe/internal/pausing"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

const (
	// confirmInterval is how often it is looked whether a pause was taken note of, and
	// confirmTimeout for how long.
	confirmInterval = 200 * time.Millisecond
	confirmTimeout  = 15 * time.Second
)

// ErrUnconfirmed says that Temporal has the order, and no worker has carried it out yet.
var ErrUnconfirmed = errors.New("no worker has taken note of it yet; Temporal keeps it until one does: are workers running?")

// Pauses pause a pipeline, and have it go on.
type Pauses struct {
	Temporal Temporal
	Pipeline string
}

// Get returns what is paused, nil for what goes on.
func (p *Pauses) Get(ctx context.Context, what pausing.What) (*pausing.Pause, error) {
	id := window.StreamReaderID(p.Pipeline)
	described, err := p.Temporal.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return nil, p.explain(err)
	}
	pause, err := pausing.Of(described.GetWorkflowExecutionInfo().GetMemo(), what)
	if err != nil {
		return nil, fmt.Errorf("workflow %s: %w", id, err)
	}
	return pause, nil
}

// Set pauses, or has it go on, and returns when that is so: the pause that holds then,
// which may be one of before, or nil. The error wraps ErrUnconfirmed where it is not
// certain when it will be.
func (p *Pauses) Set(ctx context.Context, request pausing.Request) (*pausing.Pause, error) {
	if err := p.Temporal.SignalWorkflow(ctx, window.StreamReaderID(p.Pipeline), "", workflows.SignalSetPaused, request); err != nil {
		return nil, p.explain(err)
	}
	limit, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	look := time.NewTicker(confirmInterval)
	defer look.Stop()
	for {
		pause, err := p.Get(limit, request.What)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case limit.Err() != nil:
			return nil, ErrUnconfirmed
		case err != nil:
			return nil, err
		case (pause != nil) == request.Paused:
			return pause, nil
		}
		select {
		case <-look.C:
		case <-limit.Done():
		}
	}
}

func (p *Pauses) explain(err error) error {
	id := window.StreamReaderID(p.Pipeline)
	if _, unknown := errors.AsType[*serviceerror.NotFound](err); unknown {
		return fmt.Errorf("pipeline %s has no running workflow %s: start a starter first, or set LOGPIPE_PIPELINE and TEMPORAL_NAMESPACE to the pipeline you mean", p.Pipeline, id)
	}
	return fmt.Errorf("workflow %s: %w", id, err)
}
