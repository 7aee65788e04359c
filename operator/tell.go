package operator

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"golang.org/x/sync/errgroup"
)

const (
	// atOnce and pace bound the load on Temporal, and on the destination, which thousands
	// of redriven windows would meet together.
	atOnce = 8
	pace   = 20 * time.Millisecond

	// tellTimeout bounds one signal, with what the SDK repeats of it.
	tellTimeout = 15 * time.Second
)

// Outcome is what became of a window that was to be told.
type Outcome string

// The outcomes.
const (
	// Told: the window has the signal.
	Told Outcome = "told"
	// Ended: the window has ended since it was listed.
	Ended Outcome = "ended"
)

// Tell tells the windows what was decided, at a modest pace, and reports each, one after
// the other. It stops at the first fault and when ctx ends, but not in the middle of a
// signal: what is not reported was not told, or nobody knows. Windows that are no longer
// parked take no notice, so all of them can be told again.
func (w *Windows) Tell(ctx context.Context, windows []Window, report func(Window, Outcome)) error {
	var mu sync.Mutex
	group, running := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	next := time.NewTicker(pace)
	defer next.Stop()
	for _, window := range windows {
		select {
		case <-next.C:
		case <-running.Done():
		}
		if running.Err() != nil {
			break
		}
		group.Go(func() error {
			outcome, err := w.tell(ctx, window.WorkflowID)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			report(window, outcome)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

func (w *Windows) tell(ctx context.Context, id string) (Outcome, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTimeout)
	defer cancel()
	// Without a run id: a window goes on as a new run when its history is long.
	err := w.Temporal.SignalWorkflow(ctx, id, "", string(w.Action), nil)
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
		return Ended, nil
	}
	if err != nil {
		return "", fmt.Errorf("signal workflow %s: %w", id, err)
	}
	return Told, nil
}
