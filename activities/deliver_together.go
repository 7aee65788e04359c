package activities

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"

	"github.com/log-event-pipeline/logpipe/internal/panics"
	"github.com/log-event-pipeline/logpipe/internal/pausing"
	"github.com/log-event-pipeline/logpipe/internal/token"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// DeliverBatches makes one attempt to deliver each of several batches, some at a time, with
// the token at hand. It begins no more of them once one has met what others would meet, too
// (no token, one that is refused, a destination or a stage that is away, a pause), or when
// workflows.DeliverBatchesTime is over. It does not fail: its result has the failures.
//
// An attempt that follows a killed one sends only what that had not told about.
func (d *Deliver) DeliverBatches(ctx context.Context, in workflows.DeliverBatchesInput) (workflows.DeliverBatchesResult, error) {
	t := &together{Deliver: d, attempt: int(activity.GetInfo(ctx).Attempt), outcomes: make([]workflows.DeliveryOutcome, len(in.Batches))}
	if activity.HasHeartbeatDetails(ctx) {
		var before []workflows.DeliveryOutcome
		if err := activity.GetHeartbeatDetails(ctx, &before); err == nil && len(before) == len(in.Batches) {
			t.outcomes = before
		}
	}
	ctx, done := d.underWay(ctx, func() any { return t.known() })
	defer done()
	if err := t.deliver(ctx, in); err != nil {
		return workflows.DeliverBatchesResult{}, err
	}
	return workflows.DeliverBatchesResult{Outcomes: t.known(), Paused: t.paused.Load()}, nil
}

// together is one attempt of DeliverBatches.
type together struct {
	*Deliver
	attempt int
	enough  atomic.Bool // no more are begun
	paused  atomic.Pointer[pausing.Pause]

	mu       sync.Mutex
	outcomes []workflows.DeliveryOutcome
}

func (t *together) deliver(ctx context.Context, in workflows.DeliverBatchesInput) error {
	bearer, _, ok, err := t.Cache.Usable(ctx, 0)
	if err != nil || !ok {
		// Who sends a batch by itself acquires a token, and tells what is wrong with that.
		return nil
	}
	until := time.AfterFunc(workflows.DeliverBatchesTime, func() { t.enough.Store(true) })
	defer until.Stop()
	var group errgroup.Group
	group.SetLimit(max(1, in.Concurrency))
	for n, batch := range in.Batches {
		if o := t.known()[n]; o.Result != nil || o.Failure != nil {
			continue
		}
		group.Go(func() error {
			if !t.over(ctx) {
				out, refusal, err := t.sendOne(ctx, batch, bearer)
				if err != nil {
					told(t.Metrics).Failed(ctx, workflows.DeliverBatchesName, err)
				}
				t.note(n, out, refusal, err)
			}
			return nil
		})
	}
	_ = group.Wait() // what fails is noted
	if cause := context.Cause(ctx); temporal.IsCanceledError(cause) {
		return cause
	}
	return nil
}

// sendOne makes one request. Nobody else could recover from a panic in it: the SDK does for
// the goroutine of the activity only.
func (t *together) sendOne(ctx context.Context, batch workflows.Batch, bearer token.Token) (out workflows.DeliverBatchResult, refusal workflows.Refusal, err error) {
	defer panics.Recover(&err, workflows.ErrorPanic)
	return t.send(ctx, batch, bearer, t.attempt)
}

// over: no more batches are to be begun.
func (t *together) over(ctx context.Context) bool { return t.enough.Load() || ctx.Err() != nil }

// note keeps the outcome of a batch.
func (t *together) note(n int, out workflows.DeliverBatchResult, refusal workflows.Refusal, err error) {
	outcome := workflows.DeliveryOutcome{Result: &out}
	if err != nil {
		failure, ok := errors.AsType[*temporal.ApplicationError](err)
		if !ok {
			t.enough.Store(true) // cancelled, or the worker stops: as if not sent
			return
		}
		if isPaused(err) {
			t.enough.Store(true)
			t.paused.Store(pauseIn(failure))
			return
		}
		outcome = workflows.DeliveryOutcome{Failure: &workflows.DeliveryFailure{
			Type: failure.Type(), Message: failure.Message(), NonRetryable: failure.NonRetryable(), Refusal: refusal,
		}}
		if failure.HasDetails() {
			_ = failure.Details(&outcome.Failure.Refusal) // of another form: what there is of it will do
		}
		if !failure.NonRetryable() || failure.Type() == workflows.ErrorTokenRefused {
			t.enough.Store(true)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.outcomes[n] = outcome
}

// known are the outcomes until now.
func (t *together) known() []workflows.DeliveryOutcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.outcomes)
}
