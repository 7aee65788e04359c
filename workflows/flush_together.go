package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// mostTogether bounds the batches of one DeliverBatches, and with them its input and what
// is sent again if its worker is killed.
const mostTogether = 64

// deliverTogether sends all batches for the first time. That is all there is to do nearly
// always, and then one activity does it: each one costs Temporal more than a batch costs
// the worker. Whatever is not accepted is in line afterwards, and each batch goes on by
// itself.
func (f *flush) deliverTogether(ctx workflow.Context) error {
	if f.formatted.Paced || f.in.Progress != nil {
		return nil
	}
	// What is put in line meanwhile are parts, which have their own time.
	unsent := f.queue
	f.queue = nil
	for len(unsent) > 0 {
		parts := unsent[:min(len(unsent), mostTogether)]
		unsent = unsent[len(parts):]
		in := DeliverBatchesInput{Concurrency: max(1, f.formatted.Concurrency)}
		events := 0
		for _, part := range parts {
			in.Batches = append(in.Batches, part.Batch)
			events += part.Batch.Events
		}
		summary := fmt.Sprintf("%d of %d batches: %d events", len(parts), len(f.formatted.Batches), events)
		var out DeliverBatchesResult
		f.active += len(parts) + len(unsent)
		err := workflow.ExecuteActivity(deliverBatchesOptions(ctx, f.in.Pipeline, summary), DeliverBatchesName, in).Get(ctx, &out)
		f.active -= len(parts) + len(unsent)
		if temporal.IsCanceledError(err) {
			return err
		}
		// Without an answer nobody knows what has become of them, and each is sent again.
		out.Outcomes = append(out.Outcomes, make([]DeliveryOutcome, max(0, len(parts)-len(out.Outcomes)))...)
		var again []BatchPart
		var pause time.Duration
		for i, part := range parts {
			open, err := f.conclude(ctx, part, out.Outcomes[i])
			if err != nil {
				return err
			}
			if open {
				again = append(again, part)
				pause = max(pause, pauseAfter(out.Outcomes[i].Failure))
			}
		}
		for i := range again {
			again[i].NotBefore = workflow.Now(ctx).Add(pause)
		}
		if out.Paused != nil && knowsPauses(ctx) {
			if err := f.stand(ctx, *out.Paused); err != nil {
				return err
			}
		}
		if len(again) > 0 || f.interrupted() {
			f.queue = slices.Concat(f.queue, again, unsent)
			return nil
		}
	}
	return nil
}

// conclude takes the outcome of the first delivery of a batch. It is open where the batch
// is to be sent again.
func (f *flush) conclude(ctx workflow.Context, part BatchPart, outcome DeliveryOutcome) (open bool, err error) {
	var out DeliverBatchResult
	var failure error
	switch {
	case outcome.Result != nil:
		out = *outcome.Result
	case outcome.Failure != nil:
		failure = outcome.Failure.asError()
	default:
		return true, nil
	}
	f.count(out, failure)
	if failure == nil {
		return false, f.settle(ctx, part, out)
	}
	if outcome.Failure.Type == ErrorTokenRefused {
		f.lastRefused = outcome.Failure.Refusal.TokenVersion
		return true, nil
	}
	if passing(failure) {
		return true, nil
	}
	return false, f.refuse(ctx, part, failure)
}

// pauseAfter is how long batches wait after a first failure that time can mend, by which
// the destination can have asked to be left alone.
func pauseAfter(f *DeliveryFailure) time.Duration {
	if f == nil || f.NonRetryable {
		return 0
	}
	return max(firstRetry, f.Refusal.RetryAfter)
}

// asError is what DeliverBatch would have returned.
func (f *DeliveryFailure) asError() error {
	return temporal.NewApplicationErrorWithOptions(f.Message, f.Type, temporal.ApplicationErrorOptions{
		NonRetryable: f.NonRetryable, Details: []any{f.Refusal},
	})
}
