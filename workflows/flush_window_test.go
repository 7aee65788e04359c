package workflows_test

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// worker is a hand-written worker process: each activity is a function that a
// test can replace.
type worker struct {
	format  func(workflows.FormatLogsInput) (workflows.FormatLogsResult, error)
	acquire func(workflows.AcquireTokenInput) (workflows.TokenVersion, error)
	deliver func(workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error)
	// together is nil for a worker that has no token at hand: each batch is sent by itself.
	together func(workflows.DeliverBatchesInput) (workflows.DeliverBatchesResult, error)
	split    func(workflows.SplitBatchInput) (workflows.SplitBatchResult, error)
	clear    func(workflows.ClearStageInput) error

	// Activities of a workflow run at the same time; a fake takes one after another.
	mu        sync.Mutex
	here      bool     // format is called by a local activity
	formatted []string // where format was called, "here" or "apart"
	attempt   int      // number of the attempt that deliver is called for
	delivered []string // idempotency keys, as accepted
	cleared   []string // stage keys
	divided   []string // stage keys of batches whose parts were cleared
	acquired  []int64  // refused versions that a token was asked for
	kept      []workflows.KeepDiscardedInput
	keep      func(workflows.KeepDiscardedInput) error // nil succeeds
}

// newWorker formats every window into two batches and delivers them at once.
func newWorker() *worker {
	w := &worker{}
	w.format = func(workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
		return workflows.FormatLogsResult{
			Batches: []workflows.Batch{
				{StageKey: "batch-0", IdempotencyKey: "key-0", Events: 2, Bytes: 20},
				{StageKey: "batch-1", IdempotencyKey: "key-1", Events: 1, Bytes: 10},
			},
			Events: 3, Bytes: 30, Concurrency: 2,
		}, nil
	}
	w.acquire = func(in workflows.AcquireTokenInput) (workflows.TokenVersion, error) {
		return workflows.TokenVersion{Parameter: "/token", Version: in.RefusedVersion + 1}, nil
	}
	w.deliver = func(workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		return workflows.DeliverBatchResult{HTTPStatus: 202, Attempts: 1}, nil
	}
	w.split = func(in workflows.SplitBatchInput) (workflows.SplitBatchResult, error) {
		half := in.Batch
		half.Events /= 2
		first, second := half, half
		first.IdempotencyKey += ".a"
		second.IdempotencyKey += ".b"
		second.Events = in.Batch.Events - first.Events
		return workflows.SplitBatchResult{Batches: []workflows.Batch{first, second}}, nil
	}
	w.clear = func(workflows.ClearStageInput) error { return nil }
	return w
}

func (w *worker) register(env *testsuite.TestWorkflowEnvironment) {
	env.RegisterActivityWithOptions(func(ctx context.Context, in workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		where := "apart"
		if w.here = activity.GetInfo(ctx).IsLocalActivity; w.here {
			where = "here"
		}
		w.formatted = append(w.formatted, where)
		return w.format(in)
	}, activity.RegisterOptions{Name: workflows.FormatLogsName})
	env.RegisterActivityWithOptions(func(_ context.Context, in workflows.AcquireTokenInput) (workflows.TokenVersion, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.acquired = append(w.acquired, in.RefusedVersion)
		return w.acquire(in)
	}, activity.RegisterOptions{Name: workflows.AcquireTokenName})
	env.RegisterActivityWithOptions(func(ctx context.Context, in workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.attempt = int(activity.GetInfo(ctx).Attempt)
		out, err := w.deliver(in)
		if err == nil {
			w.delivered = append(w.delivered, in.Batch.IdempotencyKey)
		}
		return out, err
	}, activity.RegisterOptions{Name: workflows.DeliverBatchName})
	env.RegisterActivityWithOptions(func(_ context.Context, in workflows.DeliverBatchesInput) (workflows.DeliverBatchesResult, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.together == nil {
			return workflows.DeliverBatchesResult{}, nil
		}
		out, err := w.together(in)
		for i, o := range out.Outcomes {
			if o.Result != nil {
				w.delivered = append(w.delivered, in.Batches[i].IdempotencyKey)
			}
		}
		return out, err
	}, activity.RegisterOptions{Name: workflows.DeliverBatchesName})
	env.RegisterActivityWithOptions(func(_ context.Context, in workflows.SplitBatchInput) (workflows.SplitBatchResult, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.split(in)
	}, activity.RegisterOptions{Name: workflows.SplitBatchName})
	env.RegisterActivityWithOptions(func(_ context.Context, in workflows.ClearStageInput) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if err := w.clear(in); err != nil {
			return err
		}
		w.cleared = append(w.cleared, in.StageKeys...)
		w.divided = append(w.divided, in.Divided...)
		return nil
	}, activity.RegisterOptions{Name: workflows.ClearStageName})
	env.RegisterActivityWithOptions(func(_ context.Context, in workflows.KeepDiscardedInput) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.kept = append(w.kept, in)
		if w.keep != nil {
			return w.keep(in)
		}
		return nil
	}, activity.RegisterOptions{Name: workflows.KeepDiscardedName})
}

func aWindow() workflows.FlushWindowInput {
	return workflows.FlushWindowInput{
		Pipeline: "p", Stream: "s", ShardID: "shardId-000000000001",
		FirstSequenceNumber: "10", LastSequenceNumber: "20", Records: 3, StoredBytes: 300, StageKey: "raw",
	}
}

// environment is a workflow test environment that fails the test on activities
// it does not know.
func environment(t *testing.T) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	// Both are of the wall clock, and a busy machine takes its time.
	env.SetTestTimeout(2 * time.Minute)
	env.SetWorkerOptions(sdkworker.Options{DeadlockDetectionTimeout: time.Minute})
	return env
}

// flushed runs FlushWindow to its end and returns its result.
func flushed(t *testing.T, env *testsuite.TestWorkflowEnvironment) workflows.FlushWindowResult {
	t.Helper()
	env.ExecuteWorkflow(workflows.FlushWindow, aWindow())
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError())
	var out workflows.FlushWindowResult
	require.NoError(t, env.GetWorkflowResult(&out))
	return out
}

func refused(kind string, status int) error {
	return temporal.NewNonRetryableApplicationError("no", kind, nil, workflows.Refusal{HTTPStatus: status, Attempts: 1})
}

func TestFlushWindowDeliversAndClears(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	w.register(env)
	out := flushed(t, env)
	require.Equal(t, workflows.FlushWindowResult{
		Status: visibility.StatusDelivered, Events: 3, Batches: 2, Bytes: 30, Attempts: 2, HTTPStatus: 202,
	}, out)
	require.ElementsMatch(t, []string{"key-0", "key-1"}, w.delivered)
	require.ElementsMatch(t, []string{"raw", "batch-0", "batch-1"}, w.cleared)
	require.Equal(t, []int64{0}, w.acquired, "one token serves all batches of a window")
}

func TestFlushWindowWithoutEvents(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	w.format = func(workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
		return workflows.FormatLogsResult{ControlMessages: 1, Concurrency: 2}, nil
	}
	w.register(env)
	out := flushed(t, env)
	require.Equal(t, visibility.StatusDelivered, out.Status)
	require.Empty(t, w.acquired, "nothing to deliver needs no token")
	require.Equal(t, []string{"raw"}, w.cleared)
}

// TestFlushWindowOfPieces: pieces are deleted when they are delivered, and those that
// fail again are not.
func TestFlushWindowOfPieces(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		retried []string
		batches []workflows.Batch
	}{
		"some delivered":              {[]string{"piece-0", "piece-2"}, []workflows.Batch{{StageKey: "batch-0", IdempotencyKey: "key-0", Events: 2, Bytes: 20}}},
		"all fail again":              {},
		"only control messages in it": {retried: []string{"piece-0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, w := environment(t), newWorker()
			in := aWindow()
			in.StageKey, in.Pieces, in.RetryGroup = "", []string{"piece-0", "piece-1", "piece-2"}, 7
			w.format = func(got workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
				if !reflect.DeepEqual(got.Window, in) || !in.IsRetry() || in.Retry().Group != 7 || in.Retry().Window != in.Range() {
					return workflows.FormatLogsResult{}, refused("WrongInput", 0)
				}
				return workflows.FormatLogsResult{Batches: c.batches, Retried: c.retried, QuarantinedTotal: 1}, nil
			}
			w.register(env)
			env.ExecuteWorkflow(workflows.FlushWindow, in)
			require.NoError(t, env.GetWorkflowError())
			want := slices.Clone(c.retried)
			for _, b := range c.batches {
				want = append(want, b.StageKey)
			}
			require.ElementsMatch(t, want, w.cleared)
			require.Len(t, w.delivered, len(c.batches))
		})
	}
}

func TestFlushWindowRetriesAnOutage(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	tried := 0
	w.deliver = func(workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		// The test environment, unlike a server, gives up after ten attempts.
		if tried++; tried < 10 {
			return workflows.DeliverBatchResult{}, temporal.NewApplicationError("HTTP status 503", workflows.ErrorDestinationUnavailable)
		}
		return workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: 1}, nil
	}
	w.register(env)
	require.Equal(t, visibility.StatusDelivered, flushed(t, env).Status)
	require.Len(t, w.delivered, 2)
}

func TestFlushWindowReplacesARefusedTokenOnce(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	w.deliver = func(in workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		if in.TokenVersion == 1 {
			return workflows.DeliverBatchResult{}, refused(workflows.ErrorTokenRefused, 401)
		}
		return workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: 1}, nil
	}
	w.register(env)
	out := flushed(t, env)
	require.Equal(t, visibility.StatusDelivered, out.Status)
	require.Equal(t, []int64{0, 1}, w.acquired, "both batches share the new token")
	require.Equal(t, 4, out.Attempts, "two refused, two accepted")
}

func TestFlushWindowSlowsDownWhenEveryTokenIsRefused(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	start := env.Now()
	w.deliver = func(workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		if env.Now().Sub(start) < time.Hour {
			return workflows.DeliverBatchResult{}, refused(workflows.ErrorTokenRefused, 401)
		}
		return workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: 1}, nil
	}
	w.register(env)
	flushed(t, env)
	require.LessOrEqual(t, len(w.acquired), 2*(60+10), "about one token in a minute and batch")
}

func TestFlushWindowParksWhatIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		signal    string
		status    string
		delivered int
		cleared   bool
	}{
		{workflows.SignalRedrive, visibility.StatusDelivered, 2, true},
		{workflows.SignalDiscard, visibility.StatusDiscarded, 1, false},
	} {
		t.Run(c.signal, func(t *testing.T) {
			t.Parallel()
			env, w := environment(t), newWorker()
			mended := false
			w.deliver = func(in workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
				if in.Batch.IdempotencyKey == "key-1" && !mended {
					return workflows.DeliverBatchResult{}, refused(workflows.ErrorDestinationRefused, 400)
				}
				return workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: 1}, nil
			}
			w.register(env)
			env.RegisterDelayedCallback(func() {
				require.False(t, env.IsWorkflowCompleted(), "it waits for an operator, for days")
				mended = true
				env.SignalWorkflow(c.signal, nil)
			}, 50*time.Hour)
			out := flushed(t, env)
			require.Equal(t, c.status, out.Status)
			require.Len(t, w.delivered, c.delivered)
			require.Equal(t, c.cleared, len(w.cleared) > 0)
			require.Equal(t, !c.cleared, len(w.kept) > 0)
		})
	}
}

func TestFlushWindowParksWhatCannotBeFormatted(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	good := w.format
	w.format = func(workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
		return workflows.FormatLogsResult{}, temporal.NewNonRetryableApplicationError("damaged", workflows.ErrorStageObject, nil)
	}
	w.register(env)
	env.RegisterDelayedCallback(func() {
		w.format = good
		env.SignalWorkflow(workflows.SignalRedrive, nil)
	}, time.Hour)
	require.Equal(t, visibility.StatusDelivered, flushed(t, env).Status)
	require.Len(t, w.delivered, 2)
}

func TestSignalsBeforeParkingMeanNothing(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	w.register(env)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.SignalDiscard, nil) }, 0)
	require.Equal(t, visibility.StatusDelivered, flushed(t, env).Status)
	require.Len(t, w.delivered, 2)
}

func TestFlushWindowContinuesAsNewWithWhatIsLeft(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	w.deliver = func(in workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		if in.Batch.IdempotencyKey == "key-0" {
			return workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: 3}, nil
		}
		env.SetContinueAsNewSuggested(true)
		return workflows.DeliverBatchResult{}, refused(workflows.ErrorTokenRefused, 401)
	}
	w.register(env)
	env.ExecuteWorkflow(workflows.FlushWindow, aWindow())
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next)
	in := continuedInput[workflows.FlushWindowInput](t, next)
	require.Equal(t, []int{0}, in.Progress.Finished)
	require.Equal(t, 4, in.Progress.Attempts)
	require.Empty(t, w.cleared)

	env, w = environment(t), newWorker()
	w.format = func(workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
		return workflows.FormatLogsResult{}, errors.New("formatted twice")
	}
	w.register(env)
	env.ExecuteWorkflow(workflows.FlushWindow, in)
	require.NoError(t, env.GetWorkflowError())
	var out workflows.FlushWindowResult
	require.NoError(t, env.GetWorkflowResult(&out))
	require.Equal(t, []string{"key-1"}, w.delivered, "what was delivered is not sent again")
	require.Equal(t, visibility.StatusDelivered, out.Status)
	require.Equal(t, 5, out.Attempts)
	require.Equal(t, 3, out.Events)
	require.ElementsMatch(t, []string{"raw", "batch-0", "batch-1"}, w.cleared)
}

func TestFlushWindowEndsWhenCancelled(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	w.deliver = func(workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		return workflows.DeliverBatchResult{}, errors.New("never")
	}
	w.register(env)
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Hour)
	env.ExecuteWorkflow(workflows.FlushWindow, aWindow())
	require.True(t, env.IsWorkflowCompleted())
	var cancelled *temporal.CanceledError
	require.ErrorAs(t, env.GetWorkflowError(), &cancelled)
	require.Empty(t, w.cleared, "what is not delivered stays in the stage")
}

// What the destination did not take of a batch is sent, and what it refused waits.
func TestFlushWindowDeliversTheRest(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	w.deliver = func(in workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		out := workflows.DeliverBatchResult{HTTPStatus: 207, Attempts: 1}
		if in.Batch.IdempotencyKey == "key-0" {
			out.Remainder = &workflows.Batch{StageKey: "rest", IdempotencyKey: "rest", Events: 1, Bytes: 5}
			out.Refused = &workflows.RefusedPart{
				Batch:   workflows.Batch{StageKey: "refused", IdempotencyKey: "refused", Events: 1, Bytes: 5},
				Refusal: workflows.Refusal{HTTPStatus: 422, Attempts: 1},
			}
		}
		return out, nil
	}
	w.register(env)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.SignalRedrive, nil) }, time.Hour)
	out := flushed(t, env)
	require.ElementsMatch(t, []string{"key-0", "key-1", "rest", "refused"}, w.delivered)
	require.Equal(t, visibility.StatusDelivered, out.Status)
	require.Equal(t, 4, out.Attempts)
}
