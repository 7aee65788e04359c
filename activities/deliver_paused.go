package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/pausing"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// pausedRetry is when a batch is tried again by a workflow that does not know of pauses,
// because a worker of before has it.
const pausedRetry = time.Minute

// checkPaused fails while an operator has paused delivery.
func (d *Deliver) checkPaused(ctx context.Context, attempts int) error {
	pause, err := d.Pauses.Paused(ctx, pausing.Delivery)
	switch {
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		return temporal.NewApplicationError(err.Error(), ErrorTemporal)
	case pause == nil:
		return nil
	}
	return newDeliveryPaused(*pause, attempts)
}

// newDeliveryPaused: nothing was sent. It is not marked as one that is not retried: the
// workflow asks for that itself, and one of before has to go on trying.
func newDeliveryPaused(pause pausing.Pause, attempts int) error {
	return temporal.NewApplicationErrorWithOptions(
		pause.Sentence(pausing.Delivery)+"; "+pausing.Remedy(pausing.Delivery), workflows.ErrorDeliveryPaused,
		temporal.ApplicationErrorOptions{
			NextRetryDelay: pausedRetry,
			Details:        []any{workflows.Refusal{Attempts: attempts - 1, Paused: &pause}},
		})
}

func isPaused(err error) bool {
	failure, ok := errors.AsType[*temporal.ApplicationError](err)
	return ok && failure.Type() == workflows.ErrorDeliveryPaused
}

// pauseIn is the pause that an error tells of.
func pauseIn(failure *temporal.ApplicationError) *pausing.Pause {
	var refusal workflows.Refusal
	if failure.HasDetails() && failure.Details(&refusal) == nil && refusal.Paused != nil {
		return refusal.Paused
	}
	return &pausing.Pause{}
}
