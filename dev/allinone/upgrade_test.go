package allinone

import (
	"bytes"
	"maps"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

// TestUpgrade replaces one version of all processes by a second one while windows are open that
// wait for the API, and that by the first one again: the way out of a bad release. Every window
// goes on with the version that there is, none is parked, and every event arrives once.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	for name, versioned := range map[string]bool{"rolling": false, "versioned": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const outage = "5xx=100%"
			var out bytes.Buffer
			o := testOptions(t, &out)
			o.For, o.Faults = 2*time.Second, faults(t, outage)
			s := servers(t, o)
			r := &run{stack: s, out: &out, watcher: newWatcher(s.client, &out)}
			deployment := s.client.WorkerDeploymentClient().GetHandle("logpipe-" + pipeline)
			// begin starts the processes of a version. While another one is current they take no
			// tasks, and cannot become the current one before they ask for tasks of every queue
			// that there is work in.
			begin := func(buildID string) []*process {
				environment := s.environment()
				if versioned {
					maps.Copy(environment, map[string]string{"LOGPIPE_WORKER_DEPLOYMENT": "logpipe-" + pipeline, "LOGPIPE_WORKER_BUILD_ID": buildID})
				}
				processes := []*process{startLogpipe(t, "worker", environment), startLogpipe(t, "starter", environment)}
				if !versioned {
					return processes
				}
				var last error
				await(t, "version "+buildID+" to be made the current one", func() bool {
					_, last = deployment.SetCurrentVersion(t.Context(), client.WorkerDeploymentSetCurrentVersionOptions{BuildID: buildID})
					return last == nil
				})
				return processes
			}
			old := begin("1")
			for i, buildID := range []string{"2", "1"} {
				require.NoError(t, r.traffic(t.Context()))
				require.NoError(t, s.aws.Flush(t.Context()))
				await(t, "windows that wait", func() bool {
					open, err := r.watcher.busy(t.Context())
					require.NoError(t, err)
					return open >= int64(2*(i+1))
				})
				before := s.api.Stats().LogEvents
				current := begin(buildID)
				for _, p := range old {
					require.NoError(t, p.Process.Signal(syscall.SIGTERM))
				}
				for _, p := range old {
					require.Zero(t, p.end(t), p.stderr)
				}
				require.Equal(t, before, s.api.Stats().LogEvents, "the windows are still open")
				old = current
				if versioned {
					// Readers go over with their next task, however long they have been running.
					await(t, "the reader of a shard in version "+buildID, func() bool { return versionOf(t, s, window.ShardReaderID(pipeline, firstShard)) == buildID })
				}
			}
			s.api.SetFaults(faults(t, ""))
			report, err := r.do(t.Context())
			require.NoError(t, err, out.String())
			require.True(t, report.OK(), "%+v\n%s", report, out.String())
			require.Zero(t, report.Parked)
			require.Zero(t, s.api.Stats().Duplicates)
			t.Logf("%d events in %d windows, %d requests", report.Produced, report.Windows, s.api.Stats().Attempts)
			for id, events := range histories(t, s, "FlushWindow") {
				for _, event := range events {
					require.NotEqual(t, enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED, event.GetEventType(), "%s: %s", id, event)
				}
			}
		})
	}
}

// versionOf is the build id of the version that a workflow's last task was done by.
func versionOf(t *testing.T, s *stack, id string) string {
	t.Helper()
	described, err := s.client.DescribeWorkflowExecution(t.Context(), id, "")
	require.NoError(t, err)
	versioning := described.GetWorkflowExecutionInfo().GetVersioningInfo()
	require.Equal(t, enumspb.VERSIONING_BEHAVIOR_AUTO_UPGRADE, versioning.GetBehavior(), id)
	return versioning.GetDeploymentVersion().GetBuildId()
}
