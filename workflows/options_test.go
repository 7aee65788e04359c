package workflows

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

// TestActivitiesAreRetriedForEver: an outage of days must not end a window, so no
// activity may have a deadline over all attempts, or a last one that nobody asked for: a
// FlushWindow repeats its activities itself after some tries. Those of the TokenKeeper are
// none of a window, and it repeats them, too.
func TestActivitiesAreRetriedForEver(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		for name, options := range map[string]workflow.Context{
			FormatLogsName:    formatLogsOptions(ctx, FlushWindowInput{}, 0),
			AcquireTokenName:  acquireTokenOptions(ctx, 0),
			DeliverBatchName:  deliverBatchOptions(ctx, "p", "", 0),
			SplitBatchName:    splitBatchOptions(ctx, "", 0),
			ClearStageName:    clearStageOptions(ctx, 0),
			KeepDiscardedName: keepDiscardedOptions(ctx, 0),
			StartReadersName:  startReadersOptions(ctx, 1),
			SweepStageName:    sweepStageOptions(ctx),
			ListShardsName:    listShardsOptions(ctx, "p"),
			ResolveStartName:  resolveStartOptions(ctx, "p"),
			PollShardName:     pollShardOptions(ctx, "p", "", PollOptions{}),
		} {
			o := workflow.GetActivityOptions(options)
			require.Zero(t, o.ScheduleToCloseTimeout, name)
			require.Zero(t, o.RetryPolicy.MaximumAttempts, name)
			if name == DeliverBatchName { // what the workflow itself waits for
				require.Equal(t, []string{ErrorDeliveryPaused}, o.RetryPolicy.NonRetryableErrorTypes)
				o.RetryPolicy.NonRetryableErrorTypes = nil
			}
			require.Empty(t, o.RetryPolicy.NonRetryableErrorTypes, name)
			require.Positive(t, o.StartToCloseTimeout, name)
			require.Positive(t, o.RetryPolicy.MaximumInterval, name)
		}
		return nil
	})
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError())
}

// TestDeliveriesHaveAQueueOfTheirOwn: its rate is limited, so nothing else may wait in it.
func TestDeliveriesHaveAQueueOfTheirOwn(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		o := workflow.GetActivityOptions(deliverBatchOptions(ctx, "p", "", 0))
		require.Equal(t, window.DeliveryQueue("p"), o.TaskQueue)
		require.Zero(t, o.ScheduleToStartTimeout, "a batch waits for its turn however long that takes")
		require.Less(t, o.HeartbeatTimeout, o.StartToCloseTimeout)
		for _, other := range []string{window.WorkerQueue("p"), window.TokenQueue("p"), window.StarterQueue("p"), window.ListingQueue("p")} {
			require.NotEqual(t, other, o.TaskQueue)
		}
		return nil
	})
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError())
}
