package activities_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/delivery"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// stopTimeout is how long an attempt may go on when the worker stops.
const stopTimeout = 18 * time.Second

// slowDestination accepts a batch after some time.
type slowDestination time.Duration

func (d slowDestination) Deliver(ctx context.Context, _ delivery.Request) delivery.Answer {
	select {
	case <-ctx.Done():
		return delivery.Answer{Verdict: delivery.Unavailable, Err: errors.New("the attempt was cancelled")}
	case <-time.After(time.Duration(d)):
		return delivery.Answer{Verdict: delivery.Accepted, Status: 200}
	}
}

// beats counts heartbeats, those too that the SDK would hold back for a moment.
type beats struct {
	interceptor.WorkerInterceptorBase
	atomic.Int32
}

func (b *beats) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	in := &beatsInbound{beats: b}
	in.Next = next
	return in
}

type beatsInbound struct {
	interceptor.ActivityInboundInterceptorBase
	beats *beats
}

func (b *beatsInbound) Init(outbound interceptor.ActivityOutboundInterceptor) error {
	out := &beatsOutbound{beats: b.beats}
	out.Next = outbound
	return b.Next.Init(out)
}

type beatsOutbound struct {
	interceptor.ActivityOutboundInterceptorBase
	beats *beats
}

func (b *beatsOutbound) RecordHeartbeat(ctx context.Context, details ...any) {
	b.beats.Add(1)
	b.Next.RecordHeartbeat(ctx, details...)
}

// slowAttempt is one attempt, as Temporal sees it.
type slowAttempt struct {
	err   error
	took  time.Duration
	beats int32
}

// deliverSlowly makes an attempt that the destination takes so long for. The worker begins
// to stop with it if stopping is set; all its attempts have ctx above them.
func deliverSlowly(ctx context.Context, t *testing.T, takes time.Duration, stopping bool) slowAttempt {
	t.Helper()
	d, _, _, _ := newDeliver(t, delivery.Answer{})
	d.Destination = slowDestination(takes)
	env := environment(t)
	var told beats
	env.SetWorkerOptions(worker.Options{BackgroundActivityContext: ctx, Interceptors: []interceptor.WorkerInterceptor{&told}})
	if stopping {
		stop := make(chan struct{})
		close(stop)
		env.SetWorkerStopChannel(stop)
	}
	env.RegisterActivity(d.DeliverBatch)
	began := time.Now()
	_, err := env.ExecuteActivity(d.DeliverBatch, workflows.DeliverBatchInput{Batch: batch, TokenVersion: 2})
	return slowAttempt{err: err, took: time.Since(began), beats: told.Load()}
}

// TestDeliverBatchHeartbeats: an attempt tells often enough that it is under way, and
// nothing if it ends soon.
func TestDeliverBatchHeartbeats(t *testing.T) {
	t.Parallel()
	require.LessOrEqual(t, 3*activities.DeliverBeat, workflows.DeliverBatchHeartbeat, "one that is lost is no reason to try again")
	for takes, beats := range map[time.Duration]int32{
		100 * time.Millisecond: 0, 4900 * time.Millisecond: 0, 6 * time.Second: 1, 12 * time.Second: 2, 48 * time.Second: 9,
	} {
		synctest.Test(t, func(t *testing.T) {
			got := deliverSlowly(t.Context(), t, takes, false)
			require.NoError(t, got.err)
			require.Equal(t, slowAttempt{took: takes, beats: beats}, got)
		})
	}
}

// TestDeliverBatchIsCancelled: whoever cancels an attempt does not wait for the
// destination.
func TestDeliverBatchIsCancelled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cause  error
		judged func(t *testing.T, err error)
	}{
		"by the workflow": {temporal.NewCanceledError(), func(t *testing.T, err error) {
			t.Helper()
			require.True(t, temporal.IsCanceledError(err), err)
		}},
		"by its worker": {worker.ErrWorkerShutdown, func(t *testing.T, err error) {
			t.Helper()
			requireFailure(t, err, workflows.ErrorDestinationUnavailable, true)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(7*time.Second, func() { cancel(c.cause) })
				got := deliverSlowly(ctx, t, 40*time.Second, false)
				require.Equal(t, 7*time.Second, got.took)
				c.judged(t, got.err)
			})
		})
	}
}

// TestDeliverBatchOfAStoppingWorker: an attempt under way goes on, but not for so long that
// nobody could be told what became of it.
func TestDeliverBatchOfAStoppingWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		got := deliverSlowly(t.Context(), t, stopTimeout-1, true)
		require.NoError(t, got.err)
		require.Equal(t, stopTimeout-1, got.took)
	})
	synctest.Test(t, func(t *testing.T) {
		got := deliverSlowly(t.Context(), t, 40*time.Second, true)
		failure := requireFailure(t, got.err, workflows.ErrorDestinationUnavailable, true)
		require.Equal(t, stopTimeout, got.took)
		require.Less(t, failure.NextRetryDelay(), time.Second, "another worker takes it at once")
	})
}
