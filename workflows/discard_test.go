package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// TestDiscardedWindowsAreKept: whatever was given up, the stage knows when, and no object
// is deleted.
func TestDiscardedWindowsAreKept(t *testing.T) {
	t.Parallel()
	retry := aWindow()
	retry.StageKey, retry.Pieces, retry.RetryGroup = "", []string{"piece-0"}, 7
	damaged := func(workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
		return workflows.FormatLogsResult{}, temporal.NewNonRetryableApplicationError("damaged", workflows.ErrorStageObject, nil)
	}
	for name, c := range map[string]struct {
		in      workflows.FlushWindowInput
		prepare func(*worker)
		want    workflows.KeepDiscardedInput
	}{
		"refused":             {aWindow(), func(*worker) {}, workflows.KeepDiscardedInput{Events: 3}},
		"never formatted":     {aWindow(), func(w *worker) { w.format = damaged }, workflows.KeepDiscardedInput{}},
		"quarantined, before": {retry, func(*worker) {}, workflows.KeepDiscardedInput{Events: 3, Retry: true, RetryGroup: 7}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, w := environment(t), newWorker()
			w.deliver = func(workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
				return workflows.DeliverBatchResult{}, refused(workflows.ErrorDestinationRefused, 400)
			}
			c.prepare(w)
			w.register(env)
			var decided time.Time
			env.RegisterDelayedCallback(func() {
				decided = env.Now()
				env.SignalWorkflow(workflows.SignalDiscard, nil)
			}, 50*time.Hour)
			env.ExecuteWorkflow(workflows.FlushWindow, c.in)
			require.NoError(t, env.GetWorkflowError())
			var out workflows.FlushWindowResult
			require.NoError(t, env.GetWorkflowResult(&out))
			require.Equal(t, visibility.StatusDiscarded, out.Status)
			require.Empty(t, w.cleared)
			require.Len(t, w.kept, 1)
			got := w.kept[0]
			require.False(t, got.At.Before(decided), "a window that was parked for days is as young as the decision")
			c.want.Pipeline, c.want.ShardID, c.want.FirstSequenceNumber, c.want.LastSequenceNumber = "p", "shardId-000000000001", "10", "20"
			c.want.At = got.At
			require.Equal(t, c.want, got)
			require.Equal(t, window.Discarded{Window: c.in.Range(), IsRetry: c.in.IsRetry(), Group: c.in.RetryGroup, At: got.At}, got.Discarded())
		})
	}
}

// TestDiscardedWindowsWaitForTheStage: without its note a window would be swept, and
// started again by a recovery. So it does not end before.
func TestDiscardedWindowsWaitForTheStage(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	w.deliver = func(workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		return workflows.DeliverBatchResult{}, refused(workflows.ErrorDestinationRefused, 400)
	}
	decided := env.Now().Add(time.Hour)
	back := decided.Add(50 * time.Hour)
	w.keep = func(workflows.KeepDiscardedInput) error {
		if env.Now().Before(back) {
			return temporal.NewApplicationError("bucket is gone", "StageUnavailable")
		}
		return nil
	}
	w.register(env)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(workflows.SignalDiscard, nil) }, time.Hour)
	require.Equal(t, visibility.StatusDiscarded, flushed(t, env).Status)
	require.Greater(t, len(w.kept), 1)
	for _, in := range w.kept {
		require.Equal(t, w.kept[0], in, "however often it is tried, the note is the same")
	}
	require.WithinRange(t, w.kept[0].At, decided, decided.Add(time.Minute))
	require.False(t, env.Now().Before(back))
}
