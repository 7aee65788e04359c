package workflows_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/workflows"
)

const (
	here  = "here"
	apart = "apart"
)

// A small window is formatted within the workflow task, and nothing else is.
func TestSmallWindowsAreFormattedHere(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*workflows.FlushWindowInput)
		where  string
	}{
		"small":           {func(*workflows.FlushWindowInput) {}, here},
		"as large as may": {func(in *workflows.FlushWindowInput) { in.StoredBytes = 256 << 10 }, here},
		"large":           {func(in *workflows.FlushWindowInput) { in.StoredBytes = 256<<10 + 1 }, apart},
		"pieces":          {func(in *workflows.FlushWindowInput) { in.Pieces = []string{"piece"} }, apart},
		"after an outage": {func(in *workflows.FlushWindowInput) {
			in.Progress = &workflows.FlushProgress{Unformatted: true, Stage: &workflows.FlushTrouble{Type: workflows.ErrorStageUnavailable}}
		}, apart},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, w := environment(t), newWorker()
			w.register(env)
			in := aWindow()
			c.change(&in)
			env.ExecuteWorkflow(workflows.FlushWindow, in)
			require.NoError(t, env.GetWorkflowError())
			require.Equal(t, []string{c.where}, w.formatted)
			require.Len(t, w.delivered, 2)
		})
	}
}

// What fails within the workflow task, whatever it is that time can mend, goes on as an
// activity, which Temporal tries as often as any.
func TestFormattingGoesOnApart(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]error{
		"stage":    unavailable(workflows.ErrorStageUnavailable, workflows.Refusal{}),
		"not here": unavailable(workflows.ErrorNotHere, workflows.Refusal{}),
		"panic":    temporal.NewApplicationError("panic", workflows.ErrorPanic),
		"timeout":  temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE, nil),
	} {
		for faults, want := range map[int]string{
			1: "here apart",
			6: "here apart apart apart apart apart apart",
			// The six are over, and the workflow waits by itself.
			9: "here apart apart apart apart apart apart apart apart apart",
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				env, w := environment(t), newWorker()
				good := w.format
				w.format = func(in workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
					switch {
					case len(w.formatted) > faults:
						return good(in)
					case w.here:
						return workflows.FormatLogsResult{}, fault
					}
					return workflows.FormatLogsResult{}, unavailable(workflows.ErrorStageUnavailable, workflows.Refusal{})
				}
				w.register(env)
				told := false
				var look func()
				look = func() {
					if !env.IsWorkflowCompleted() {
						told = told || strings.Contains(details(t, env), "tried")
						env.RegisterDelayedCallback(look, time.Second)
					}
				}
				env.RegisterDelayedCallback(look, time.Second)
				out := flushed(t, env)
				require.Equal(t, visibility.StatusDelivered, out.Status)
				require.Equal(t, want, strings.Join(w.formatted, " "))
				require.Equal(t, faults > 6, told, "six tries are not worth telling")
				require.Equal(t, 3, out.Events)
				require.ElementsMatch(t, []string{"raw", "batch-0", "batch-1"}, w.cleared)
			})
		}
	}
}

// What cannot be formatted is parked at once, wherever that was found.
func TestWhatCannotBeFormattedHereIsParked(t *testing.T) {
	t.Parallel()
	for _, signal := range []string{workflows.SignalRedrive, workflows.SignalDiscard} {
		t.Run(signal, func(t *testing.T) {
			t.Parallel()
			env, w := environment(t), newWorker()
			good := w.format
			w.format = func(in workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
				if w.here {
					return workflows.FormatLogsResult{}, temporal.NewNonRetryableApplicationError("damaged", workflows.ErrorStageObject, nil)
				}
				return good(in)
			}
			w.register(env)
			env.RegisterDelayedCallback(func() {
				require.Equal(t, []string{here}, w.formatted)
				require.Contains(t, details(t, env), "the window, since")
				require.Contains(t, details(t, env), "StageObject: damaged")
				env.SignalWorkflow(signal, nil)
			}, time.Hour)
			out := flushed(t, env)
			if signal == workflows.SignalDiscard {
				require.Equal(t, visibility.StatusDiscarded, out.Status)
				require.Equal(t, []string{here}, w.formatted)
				return
			}
			require.Equal(t, visibility.StatusDelivered, out.Status)
			require.Equal(t, []string{here, apart}, w.formatted, "who has waited for an hour is in no hurry")
		})
	}
}

// A run that ends while the stage is waited for is gone on with by an activity.
func TestNothingIsFormattedHereInALaterRun(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	w.format = func(workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
		return workflows.FormatLogsResult{}, unavailable(workflows.ErrorStageUnavailable, workflows.Refusal{})
	}
	w.register(env)
	env.RegisterDelayedCallback(func() { env.SetContinueAsNewSuggested(true) }, time.Hour)
	env.ExecuteWorkflow(workflows.FlushWindow, aWindow())
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next)
	require.Equal(t, here, w.formatted[0])
	require.NotContains(t, w.formatted[1:], here)

	env, w = environment(t), newWorker()
	w.register(env)
	env.ExecuteWorkflow(workflows.FlushWindow, continuedInput[workflows.FlushWindowInput](t, next))
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{apart}, slices.Compact(w.formatted))
}
