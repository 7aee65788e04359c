package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/delivery"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/token"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// DeliverBatch makes one attempt to deliver one batch. The body is the staged one,
// byte for byte, on every attempt. Errors after which the batch is to be delivered again
// later have a workflows.Refusal as their detail, as those have that refuse it.
func (d *Deliver) DeliverBatch(ctx context.Context, in workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
	ctx, done := d.underWay(ctx, nil)
	defer done()
	out, refusal, err := d.attempt(ctx, in)
	switch cause := context.Cause(ctx); {
	case err == nil:
		return out, nil
	case temporal.IsCanceledError(cause):
		return workflows.DeliverBatchResult{}, cause
	case isPaused(err):
		return workflows.DeliverBatchResult{}, err
	}
	return workflows.DeliverBatchResult{}, d.later(err, refusal, activity.GetInfo(ctx).Attempt)
}

// attempt is DeliverBatch without what all attempts have in common. The refusal tells how
// far an attempt came that has failed.
func (d *Deliver) attempt(ctx context.Context, in workflows.DeliverBatchInput) (workflows.DeliverBatchResult, workflows.Refusal, error) {
	attempts := int(activity.GetInfo(ctx).Attempt)
	var none workflows.DeliverBatchResult
	unsent := workflows.Refusal{Attempts: attempts - 1}
	if err := d.checkPaused(ctx, attempts); err != nil {
		return none, unsent, err
	}
	// A newer token than the workflow knows is taken as it comes, so that an outage of
	// days does not fill the window's history with tokens.
	bearer, ok, err := d.Cache.AtLeast(ctx, in.TokenVersion)
	switch {
	case err != nil:
		return none, unsent, newTokenUnavailable(err)
	case !ok:
		return none, unsent, newTokenRefused(delivery.Answer{}, attempts-1, in.TokenVersion)
	}
	return d.send(ctx, in.Batch, bearer, attempts)
}

// send makes one request, when the process has one free.
func (d *Deliver) send(ctx context.Context, batch workflows.Batch, bearer token.Token, attempts int) (workflows.DeliverBatchResult, workflows.Refusal, error) {
	var none workflows.DeliverBatchResult
	unsent := workflows.Refusal{Attempts: attempts - 1}
	if err := d.Requests.Acquire(ctx, 1); err != nil {
		return none, unsent, err
	}
	defer d.Requests.Release(1)
	// Here, too: it may have waited.
	if err := d.checkPaused(ctx, attempts); err != nil {
		return none, unsent, err
	}
	body, err := readBatch(ctx, d.Stage, batch)
	if err != nil {
		return none, unsent, err
	}
	answer := d.request(ctx, batch, delivery.Request{
		Body: body, ContentType: batch.ContentType, ContentEncoding: batch.ContentEncoding, Events: batch.Events,
		IdempotencyKey: batch.IdempotencyKey, Token: bearer.AccessToken, TokenType: bearer.Type,
	})
	refusal := refusalBy(answer, attempts)
	refusal.RetryAfter = answer.RetryAfter
	switch answer.Verdict {
	case delivery.Accepted:
		return workflows.DeliverBatchResult{HTTPStatus: answer.Status, Attempts: attempts}, refusal, nil
	case delivery.PartlyAccepted:
		out, err := d.divide(ctx, batch, body, answer, attempts)
		return out, refusal, err
	case delivery.TokenRefused:
		return none, refusal, newTokenRefused(answer, attempts, bearer.Version)
	case delivery.TooLarge:
		return none, refusal, newBatchTooLarge(answer, attempts, len(body))
	case delivery.Refused:
		return none, refusal, newDestinationRefused(answer, attempts)
	default:
		return none, refusal, newDestinationUnavailable(answer)
	}
}

// request has the destination asked, and tells how that went.
func (d *Deliver) request(ctx context.Context, batch workflows.Batch, r delivery.Request) delivery.Answer {
	begun := time.Now()
	ctx, span := d.startSpan(ctx, batch)
	answer := d.Destination.Deliver(ctx, r)
	endSpan(span, answer)
	told(d.Metrics).Delivered(ctx, Delivery{
		Answer: answer, Batch: batch, Took: time.Since(begun), Interrupted: answer.Status == 0 && ctx.Err() != nil,
	})
	return answer
}

// later completes an error after which the batch is to be delivered again later: with when
// that is, and with what the workflow has to know where it goes on itself. Other errors stay
// as they are.
func (d *Deliver) later(err error, refusal workflows.Refusal, attempt int32) error {
	failure, ok := errors.AsType[*temporal.ApplicationError](err)
	if !ok || failure.NonRetryable() {
		return err
	}
	refusal.GiveUpAfter = d.GiveUpAfter
	return temporal.NewApplicationErrorWithOptions(failure.Message(), failure.Type(), temporal.ApplicationErrorOptions{
		NextRetryDelay: deliveryPause(attempt, refusal.RetryAfter, d.Chance),
		Details:        []any{refusal},
	})
}

// DeliverBeat is how often Temporal is told that an attempt is under way. The worker must
// let it through as often, which is why it is no secret of this package.
const DeliverBeat = workflows.DeliverBatchHeartbeat / 3

// errStopping ends an attempt when its worker stops and has waited for long enough.
var errStopping = errors.New("the worker stops")

// underWay tells Temporal that the attempt is under way until it is done, and how far it is
// where there is a progress. An attempt that takes less than a beat tells nothing. The context ends when the worker has been stopping
// for as long as the attempt may go on.
func (d *Deliver) underWay(ctx context.Context, progress func() any) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancelCause(ctx)
	go func() {
		beat := time.NewTicker(DeliverBeat)
		defer beat.Stop()
		stopping := activity.GetWorkerStopChannel(ctx)
		var over <-chan time.Time
		for {
			select {
			case <-ctx.Done():
				return
			case <-beat.C:
				if progress == nil {
					activity.RecordHeartbeat(ctx)
				} else {
					activity.RecordHeartbeat(ctx, progress())
				}
			case <-stopping:
				stopping, over = nil, time.After(d.StopTimeout)
			case <-over:
				end(errStopping)
			}
		}
	}()
	return ctx, func() { end(nil) }
}

// readBatch reads a batch from the stage.
func readBatch(ctx context.Context, from Stage, b workflows.Batch) ([]byte, error) {
	body, err := from.Get(ctx, b.StageKey)
	switch {
	case errors.Is(err, stage.ErrNotFound):
		return nil, newStageObject(err)
	case err != nil:
		return nil, newStageUnavailable(err)
	case len(body) != b.Bytes:
		return nil, newStageObject(fmt.Errorf("read %s: %d bytes, %d were written", b.StageKey, len(body), b.Bytes))
	}
	return body, nil
}

// divide stages what the destination has not taken of a batch: what can be sent again,
// and what it has refused.
func (d *Deliver) divide(ctx context.Context, whole workflows.Batch, body []byte, answer delivery.Answer, attempts int) (workflows.DeliverBatchResult, error) {
	var again, refused []int
	status := 0
	for _, item := range answer.Failed {
		if item.Retry {
			again = append(again, item.Index)
			continue
		}
		refused = append(refused, item.Index)
		if status == 0 {
			status = item.Status
		}
	}
	out := workflows.DeliverBatchResult{HTTPStatus: answer.Status, Attempts: attempts, RetryAfter: answer.RetryAfter}
	parts, err := stageParts(ctx, d.Stage, whole, body, again, refused)
	if err != nil {
		return workflows.DeliverBatchResult{}, err
	}
	if len(again) > 0 {
		out.Remainder, out.GiveUpAfter = &parts[0], d.GiveUpAfter
	}
	if len(refused) > 0 {
		refusal := refusalBy(answer, attempts)
		if status != 0 {
			refusal.HTTPStatus = status
		}
		out.Refused = &workflows.RefusedPart{Batch: parts[1], Refusal: refusal}
	}
	return out, nil
}
