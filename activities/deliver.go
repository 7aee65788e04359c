package activities

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/activity"

	"github.com/log-event-pipeline/logpipe/internal/delivery"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// DeliverBatch makes one attempt to deliver one batch. The body is the staged one,
// byte for byte, on every attempt.
func (d *Deliver) DeliverBatch(ctx context.Context, in workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
	attempts := int(activity.GetInfo(ctx).Attempt)
	// A newer token than the workflow knows is taken as it comes, so that an outage of
	// days does not fill the window's history with tokens.
	bearer, ok, err := d.Cache.AtLeast(ctx, in.TokenVersion)
	switch {
	case err != nil:
		return workflows.DeliverBatchResult{}, newTokenUnavailable(err)
	case !ok:
		return workflows.DeliverBatchResult{}, newTokenRefused(0, attempts-1, in.TokenVersion)
	}
	body, err := d.Stage.Get(ctx, in.Batch.StageKey)
	switch {
	case errors.Is(err, stage.ErrNotFound):
		return workflows.DeliverBatchResult{}, newStageObject(err)
	case err != nil:
		return workflows.DeliverBatchResult{}, newStageUnavailable(err)
	case len(body) != in.Batch.Bytes:
		return workflows.DeliverBatchResult{}, newStageObject(fmt.Errorf("read %s: %d bytes, %d were written", in.Batch.StageKey, len(body), in.Batch.Bytes))
	}

	answer := d.Destination.Deliver(ctx, delivery.Request{
		Body: body, IdempotencyKey: in.Batch.IdempotencyKey, Token: bearer.AccessToken, TokenType: bearer.Type,
	})
	switch answer.Verdict {
	case delivery.Accepted:
		return workflows.DeliverBatchResult{HTTPStatus: answer.Status, Attempts: attempts}, nil
	case delivery.TokenRefused:
		return workflows.DeliverBatchResult{}, newTokenRefused(answer.Status, attempts, bearer.Version)
	case delivery.Refused:
		return workflows.DeliverBatchResult{}, newDestinationRefused(answer, attempts)
	default:
		return workflows.DeliverBatchResult{}, newDestinationUnavailable(answer)
	}
}
