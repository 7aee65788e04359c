package workflows_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/log-event-pipeline/logpipe/internal/telemetry"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// TestFlushWindowTellsItsFreshness: alarms go by these lines.
func TestFlushWindowTellsItsFreshness(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(telemetry.TemporalLogger(telemetry.NewLogger(&out, slog.LevelInfo)))
	env, w := suite.NewTestWorkflowEnvironment(), newWorker()
	w.register(env)
	in := aWindow()
	in.FirstArrival = time.Date(2026, 1, 31, 15, 4, 5, 0, time.UTC)
	env.SetStartTime(in.FirstArrival.Add(61_500 * time.Millisecond))
	env.ExecuteWorkflow(workflows.FlushWindow, in)
	require.NoError(t, env.GetWorkflowError())
	var told map[string]any
	for line := range bytes.Lines(out.Bytes()) {
		var fields map[string]any
		require.NoError(t, json.Unmarshal(line, &fields))
		if fields["msg"] == workflows.LogDelivered {
			require.Nil(t, told, "told once")
			told = fields
		}
	}
	require.Equal(t, "INFO", told["level"])
	require.InDelta(t, 61_500, told["freshness_ms"], 1000)
	require.InDelta(t, 3, told["events"], 0)
	require.Equal(t, in.ShardID, told["shard"])
}
