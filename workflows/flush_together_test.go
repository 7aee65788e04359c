package workflows_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// outcomes are those of batches that are sent one after the other with the same function.
func outcomes(in workflows.DeliverBatchesInput, deliver func(workflows.Batch) (workflows.DeliverBatchResult, error)) workflows.DeliverBatchesResult {
	var all workflows.DeliverBatchesResult
	for _, batch := range in.Batches {
		out, err := deliver(batch)
		outcome := workflows.DeliveryOutcome{Result: &out}
		if app, ok := errors.AsType[*temporal.ApplicationError](err); ok {
			failure := &workflows.DeliveryFailure{Type: app.Type(), Message: app.Message(), NonRetryable: app.NonRetryable()}
			_ = app.Details(&failure.Refusal)
			outcome = workflows.DeliveryOutcome{Failure: failure}
		} else if err != nil {
			outcome = workflows.DeliveryOutcome{}
		}
		all.Outcomes = append(all.Outcomes, outcome)
	}
	return all
}

// What is accepted at once takes one activity, and no token is asked for.
func TestFlushWindowDeliversTogether(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	format := w.format
	w.format = func(in workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
		out, err := format(in)
		for n := len(out.Batches); n < 100; n++ {
			out.Batches = append(out.Batches, workflows.Batch{StageKey: fmt.Sprint("batch-", n), IdempotencyKey: fmt.Sprint("key-", n), Events: 1, Bytes: 10})
		}
		return out, err
	}
	calls := 0
	w.together = func(in workflows.DeliverBatchesInput) (workflows.DeliverBatchesResult, error) {
		calls++
		return outcomes(in, func(workflows.Batch) (workflows.DeliverBatchResult, error) {
			return workflows.DeliverBatchResult{HTTPStatus: 202, Attempts: 1}, nil
		}), nil
	}
	w.register(env)
	upserts := 0
	env.OnUpsertTypedSearchAttributes(mock.Anything).Run(func(mock.Arguments) { upserts++ }).Return(nil)
	out := flushed(t, env)
	require.Equal(t, visibility.StatusDelivered, out.Status)
	require.Equal(t, 1, upserts, "at the end")
	require.Equal(t, 100, out.Attempts)
	require.Equal(t, 202, out.HTTPStatus)
	require.Len(t, w.delivered, 100)
	require.Len(t, w.cleared, 101)
	require.Equal(t, 2, calls)
	require.Empty(t, w.acquired)
}

// What is not accepted at once goes on by itself, and nothing is sent twice for it.
func TestFlushWindowGoesOnWithEachBatch(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	w.format = func(workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
		var out workflows.FormatLogsResult
		for n := range 6 {
			out.Batches = append(out.Batches, workflows.Batch{StageKey: fmt.Sprint("batch-", n), IdempotencyKey: fmt.Sprint("key-", n), Events: 2, Bytes: 10})
		}
		return out, nil
	}
	w.together = func(in workflows.DeliverBatchesInput) (workflows.DeliverBatchesResult, error) {
		out := outcomes(in, func(b workflows.Batch) (workflows.DeliverBatchResult, error) {
			ok := workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: 1}
			switch b.IdempotencyKey {
			case "key-0":
				return ok, unavailable(workflows.ErrorDestinationUnavailable, workflows.Refusal{HTTPStatus: 503, Attempts: 1})
			case "key-1":
				return ok, refused(workflows.ErrorBatchTooLarge, 413)
			case "key-2":
				return ok, refused(workflows.ErrorDestinationRefused, 400)
			case "key-3":
				return ok, temporal.NewNonRetryableApplicationError("no", workflows.ErrorTokenRefused, nil,
					workflows.Refusal{HTTPStatus: 401, Attempts: 1, TokenVersion: 7})
			}
			return ok, nil
		})
		out.Outcomes[5] = workflows.DeliveryOutcome{}
		return out, nil
	}
	w.register(env)
	env.RegisterDelayedCallback(func() {
		require.Contains(t, details(t, env), "**1 parked**")
		env.SignalWorkflow(workflows.SignalRedrive, nil)
	}, time.Hour)
	out := flushed(t, env)
	require.Equal(t, visibility.StatusDelivered, out.Status)
	require.ElementsMatch(t, []string{"key-4", "key-0", "key-1.a", "key-1.b", "key-2", "key-3", "key-5"}, w.delivered)
	require.Equal(t, []int64{7}, w.acquired, "the refused token is not sent again")
	require.Equal(t, 5+6, out.Attempts)
}

// A limited rate is one of tasks, so each batch is one.
func TestPacedBatchesAreDeliveredOneByOne(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	format := w.format
	w.format = func(in workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
		out, err := format(in)
		out.Paced = true
		return out, err
	}
	w.together = func(workflows.DeliverBatchesInput) (workflows.DeliverBatchesResult, error) {
		return workflows.DeliverBatchesResult{}, refused("Called", 0)
	}
	w.register(env)
	require.Equal(t, visibility.StatusDelivered, flushed(t, env).Status)
	require.Len(t, w.delivered, 2)
}
