package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/internal/pausing"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/workflows"
)

var maintenance = pausing.Pause{By: "ann", Since: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Reason: "maintenance"}

func deliveryPaused() error {
	return temporal.NewApplicationErrorWithOptions("paused", workflows.ErrorDeliveryPaused, temporal.ApplicationErrorOptions{
		NextRetryDelay: time.Minute, Details: []any{workflows.Refusal{Paused: &maintenance}},
	})
}

// A pause is no failure: nothing is counted as an attempt, nothing is given up, and the
// window is delivered at the end, whichever activity has met the pause.
func TestFlushWindowSitsOutAPause(t *testing.T) {
	t.Parallel()
	const pause = 72 * time.Hour
	for name, c := range map[string]struct{ together, told bool }{
		"in its batches":            {},
		"in all batches together":   {together: true},
		"and is told that it ended": {together: true, told: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, w := environment(t), newWorker()
			start := env.Now()
			var tries []time.Duration
			paused := func() bool {
				since := env.Now().Sub(start)
				if c.told && since > time.Minute && since < pause {
					return false // another one would be told so by itself
				}
				if since < pause {
					tries = append(tries, since)
					return true
				}
				return false
			}
			if c.together {
				w.together = func(in workflows.DeliverBatchesInput) (workflows.DeliverBatchesResult, error) {
					out := outcomes(in, func(workflows.Batch) (workflows.DeliverBatchResult, error) {
						return workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: 1}, nil
					})
					require.True(t, paused())
					out.Outcomes[1], out.Paused = workflows.DeliveryOutcome{}, &maintenance
					return out, nil
				}
			}
			w.deliver = func(workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
				if paused() {
					return workflows.DeliverBatchResult{}, deliveryPaused()
				}
				return workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: 1}, nil
			}
			w.register(env)
			look := pause / 2
			if c.told {
				look = time.Minute + time.Second
				env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.SignalResume, nil) }, look+time.Second)
			}
			env.RegisterDelayedCallback(func() {
				text := details(t, env)
				require.Contains(t, text, "**"+visibility.StatusPaused+"** · ")
				require.Contains(t, text, "**delivery is paused by ann since 2026-03-04T05:06:07Z: maintenance**")
				require.Contains(t, text, "`logpipe resume delivery`")
				require.NotContains(t, text, "tried")
				env.SignalWorkflow(workflows.SignalRedrive, nil) // means nothing to it
				env.SignalWorkflow(workflows.SignalDiscard, nil) // neither
			}, look)
			out := flushed(t, env)
			require.Equal(t, visibility.StatusDelivered, out.Status)
			require.Equal(t, 2, out.Attempts)
			require.NotContains(t, details(t, env), "paused")
			if c.told {
				require.Less(t, env.Now().Sub(start), 2*time.Minute)
				return
			}
			require.Less(t, env.Now().Sub(start), pause+5*time.Minute, "it finds out by itself")
			for i := 3; i < len(tries); i++ {
				require.GreaterOrEqual(t, tries[i]-tries[i-1], 4*time.Minute, "one batch tries for all of them")
				require.LessOrEqual(t, tries[i]-tries[i-1], 5*time.Minute+time.Second)
			}
		})
	}
}

// The time of a pause does not count against delivery_give_up_after.
func TestAPauseDoesNotBringTheEndNearer(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	start := env.Now()
	w.deliver = func(workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		switch since := env.Now().Sub(start); {
		case since >= 10*time.Minute && since < 48*time.Hour:
			return workflows.DeliverBatchResult{}, deliveryPaused()
		case since < 48*time.Hour+20*time.Minute:
			return workflows.DeliverBatchResult{}, unavailable(workflows.ErrorDestinationUnavailable, workflows.Refusal{Attempts: 1, GiveUpAfter: time.Hour})
		}
		return workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: 1}, nil
	}
	w.register(env)
	env.RegisterDelayedCallback(func() {
		require.Contains(t, details(t, env), "**"+visibility.StatusPaused+"**")
	}, 24*time.Hour)
	env.RegisterDelayedCallback(func() {
		require.Contains(t, details(t, env), "**"+visibility.StatusRetrying+"**")
	}, 48*time.Hour+15*time.Minute)
	require.Equal(t, visibility.StatusDelivered, flushed(t, env).Status)
}

// A next run of the workflow goes on waiting.
func TestAPauseOutlastsARun(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	w.deliver = func(workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		return workflows.DeliverBatchResult{}, deliveryPaused()
	}
	w.register(env)
	env.RegisterDelayedCallback(func() { env.SetContinueAsNewSuggested(true) }, time.Hour)
	env.ExecuteWorkflow(workflows.FlushWindow, aWindow())
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &again)
	next := continuedInput[workflows.FlushWindowInput](t, again)
	require.Equal(t, &maintenance, next.Progress.Paused)
	require.Positive(t, env.Now().Sub(next.Progress.PausedAt))
	require.Empty(t, next.Progress.Finished)

	env, w = environment(t), newWorker()
	w.register(env)
	env.RegisterDelayedCallback(func() {
		require.Contains(t, details(t, env), "**delivery is paused by ann")
		require.Empty(t, w.delivered)
		env.SignalWorkflow(workflows.SignalResume, nil)
	}, time.Minute)
	env.ExecuteWorkflow(workflows.FlushWindow, next)
	require.NoError(t, env.GetWorkflowError())
	require.ElementsMatch(t, []string{"key-0", "key-1"}, w.delivered)
}
