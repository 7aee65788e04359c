package workflows

import (
	"errors"

	"go.temporal.io/sdk/workflow"
)

// keepDiscarded leaves a note in the stage that the window was given up: giving up is not
// deleting, and Temporal forgets the window long before its data may go.
func (f *flush) keepDiscarded(ctx workflow.Context) error {
	in := KeepDiscardedInput{
		Pipeline: f.in.Pipeline, ShardID: f.in.ShardID,
		FirstSequenceNumber: f.in.FirstSequenceNumber, LastSequenceNumber: f.in.LastSequenceNumber,
		Retry: f.in.IsRetry(), RetryGroup: f.in.RetryGroup,
		Events: f.result.Events, At: workflow.Now(ctx),
	}
	err := f.persist(ctx, f.stage, func(ctx workflow.Context, tries int32) error {
		return workflow.ExecuteActivity(keepDiscardedOptions(ctx, tries), KeepDiscardedName, in).Get(ctx, nil)
	})
	if errors.Is(err, errInterrupted) {
		return nil
	}
	return err
}
