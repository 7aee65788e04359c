package allinone

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/dev/temporal"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// TestFormattingInWorkflowTasks: what a workflow task has formatted is lost when its worker dies
// before it is told, and when it takes too long. Nothing was sent by then, so the window is
// formatted anew, and each batch is sent once.
func TestFormattingInWorkflowTasks(t *testing.T) {
	t.Parallel()
	server, err := temporal.Start(t.Context(), temporal.Options{
		Listen: "127.0.0.1:0", UIListen: "127.0.0.1:0", SearchAttributes: visibility.Types(),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	c, err := server.NewClient(t.Context(), client.Options{})
	require.NoError(t, err)
	t.Cleanup(c.Close)

	for name, test := range map[string]struct {
		// dies: the worker is gone while it formats. If not, it hangs.
		dies bool
		// local tells of each FormatLogs whether it ran in a workflow task.
		local []bool
		// timedOut counts workflow tasks.
		timedOut int
	}{
		"worker dies": {dies: true, local: []bool{true, true}, timedOut: 1},
		"stage hangs": {local: []bool{true, false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pipeline := strings.ReplaceAll(name, " ", "-")
			reached := make(chan struct{})
			calls := make(chan bool, 10) // of FormatLogs, whether local
			sent := make(chan string, 10)
			begin := func(hangs bool) sdkworker.Worker {
				register := func(w sdkworker.Worker, name string, fn any) {
					w.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
				}
				w := sdkworker.New(c, window.WorkerQueue(pipeline), sdkworker.Options{})
				w.RegisterWorkflowWithOptions(workflows.FlushWindow, workflow.RegisterOptions{Name: workflows.FlushWindowName})
				register(w, workflows.FormatLogsName, func(ctx context.Context, _ workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
					local := activity.GetInfo(ctx).IsLocalActivity
					calls <- local
					if hangs && local {
						close(reached)
						<-ctx.Done()
						return workflows.FormatLogsResult{}, ctx.Err()
					}
					return workflows.FormatLogsResult{Events: 1, Batches: []workflows.Batch{{StageKey: "batch", IdempotencyKey: "key", Events: 1}}}, nil
				})
				register(w, workflows.ClearStageName, func(context.Context, workflows.ClearStageInput) error { return nil })
				d := sdkworker.New(c, window.DeliveryQueue(pipeline), sdkworker.Options{DisableWorkflowWorker: true})
				register(d, workflows.DeliverBatchesName, func(_ context.Context, in workflows.DeliverBatchesInput) (workflows.DeliverBatchesResult, error) {
					var out workflows.DeliverBatchesResult
					for _, b := range in.Batches {
						sent <- b.IdempotencyKey
						out.Outcomes = append(out.Outcomes, workflows.DeliveryOutcome{Result: &workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: 1}})
					}
					return out, nil
				})
				require.NoError(t, w.Start())
				require.NoError(t, d.Start())
				t.Cleanup(d.Stop)
				return w
			}
			first := begin(true)
			run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
				ID: pipeline + "/flush", TaskQueue: window.WorkerQueue(pipeline), WorkflowTaskTimeout: 10 * time.Second,
			}, workflows.FlushWindowName, workflows.FlushWindowInput{Pipeline: pipeline, StoredBytes: 1, StageKey: "raw"})
			require.NoError(t, err)
			<-reached
			if test.dies {
				first.Stop() // which waits for nothing
				t.Cleanup(begin(false).Stop)
			} else {
				t.Cleanup(first.Stop)
			}
			var out workflows.FlushWindowResult
			require.NoError(t, run.Get(t.Context(), &out))
			require.Equal(t, visibility.StatusDelivered, out.Status)
			require.Equal(t, 1, out.Attempts)
			close(calls)
			close(sent)
			var local []bool
			for l := range calls {
				local = append(local, l)
			}
			require.Equal(t, test.local, local)
			var keys []string
			for k := range sent {
				keys = append(keys, k)
			}
			require.Equal(t, []string{"key"}, keys)

			timedOut := 0
			history := c.GetWorkflowHistory(t.Context(), run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
			for history.HasNext() {
				e, err := history.Next()
				require.NoError(t, err)
				if e.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT {
					timedOut++
				}
			}
			require.Equal(t, test.timedOut, timedOut)
		})
	}
}
