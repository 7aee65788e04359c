package allinone

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/telemetry"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// TestRecover loses the database of Temporal while the API is down: some windows were
// delivered, some wait in the stage, and Kinesis has records that nobody has read. A
// starter that would begin at LATEST has to refuse, and after the recovery every event
// is at the API once.
func TestRecover(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	o := testOptions(t, &out)
	o.For = 8 * time.Second
	s := servers(t, o)
	st, err := stage.Open(t.Context(), s.environment()["LOGPIPE_STAGE_URL"])
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })

	worker := startLogpipe(t, "worker", s.environment())
	starter := startLogpipe(t, "starter", s.environment())
	traffic := make(chan error, 1)
	go func() { traffic <- (&run{stack: s, out: &out}).traffic(t.Context()) }()
	await(t, "a delivery", func() bool { return s.api.Stats().LogEvents > 0 })
	s.api.SetFaults(faults(t, "5xx=100%"))
	down := time.Now()
	await(t, "windows that wait in every shard", func() bool { return waiting(t, st, down) == o.Shards })
	for _, p := range []*process{worker, starter} {
		require.NoError(t, p.Process.Signal(syscall.SIGKILL))
		p.end(t)
	}
	require.NoError(t, <-traffic)
	require.NoError(t, s.aws.Flush(t.Context()))
	require.NoError(t, s.temporal.Stop())
	require.NoError(t, s.startTemporal(t.Context()))

	environment := s.environment()
	maps.Copy(environment, map[string]string{"LOGPIPE_START_POSITION": "LATEST"})
	refused := startLogpipe(t, "starter", environment)
	require.Equal(t, 1, refused.end(t), refused.stderr)
	require.Contains(t, refused.stderr.String(), "run logpipe recover")

	keys := stagedWindows(t, st)
	require.Zero(t, sweepNow(t, s, st), "what is staged is all that is left")
	dry := startLogpipe(t, "recover --dry-run", environment)
	require.Zero(t, dry.end(t), dry.stderr)
	t.Log(dry.stdout)
	require.Contains(t, dry.stdout.String(), fmt.Sprintf("0 of %d windows begin inside the one before", len(keys)))
	recovery := startLogpipe(t, "recover", environment)
	require.Zero(t, recovery.end(t), recovery.stderr)
	require.Contains(t, recovery.stdout.String(), fmt.Sprintf("windows started: %d, ", len(keys)))
	again := startLogpipe(t, "recover", environment)
	require.Equal(t, 1, again.end(t), again.stdout)
	require.Contains(t, again.stderr.String(), "there is nothing to recover")

	described, err := s.client.DescribeWorkflowExecution(t.Context(), window.StreamReaderID(pipeline), "")
	require.NoError(t, err)
	require.NotEmpty(t, described.GetWorkflowExecutionInfo().GetFirstRunId(), "by it a sweep knows the database again")
	swept := sweepNow(t, s, st)
	require.Zero(t, swept.Swept, "all windows are open")
	require.GreaterOrEqual(t, swept.Kept, len(keys))

	s.api.SetFaults(analytics.Faults{})
	for _, role := range []string{"worker", "starter"} {
		startLogpipe(t, role, environment)
	}
	r := &run{stack: s, out: &out, watcher: newWatcher(s.client, &out)}
	report, err := r.do(t.Context())
	require.NoError(t, err, out.String())
	require.Zero(t, report.Lost, "%+v\n%s", report, out.String())
	// Every shard had a staged window behind all that was delivered, and no two share
	// records: by the plan nothing comes twice.
	require.True(t, report.OK(), "%+v\n%s", report, out.String())
	t.Logf("%+v", report)

	await(t, "a stage that is cleared", func() bool { return len(stagedWindows(t, st)) == 0 })
	left := window.Range{ShardID: "shardId-000000000000", First: "1", Last: "2"}
	require.NoError(t, st.Put(t.Context(), left.RawKey(pipeline), []byte("of a crash")))
	require.Equal(t, 1, sweepNow(t, s, st).Swept)
	require.Empty(t, stagedWindows(t, st))
}

// stagedWindows are the keys of all windows in the stage. What a process was writing
// when it was killed is none.
func stagedWindows(t *testing.T, st *stage.Stage) []string {
	t.Helper()
	keys, err := st.Keys(t.Context(), window.RawPrefix(pipeline))
	require.NoError(t, err)
	return slices.DeleteFunc(keys, func(key string) bool {
		_, err := window.ParseRawKey(pipeline, key)
		return err != nil
	})
}

// sweepNow sweeps as if everything staged were old.
func sweepNow(t *testing.T, s *stack, st *stage.Stage) workflows.SweepStageResult {
	t.Helper()
	sweep := &activities.Sweep{Stage: st, Temporal: s.client, After: time.Hour, Now: func() time.Time { return time.Now().Add(2 * time.Hour) }}
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(telemetry.TemporalLogger(s.logger))
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(sweep.SweepStage)
	value, err := env.ExecuteActivity(sweep.SweepStage, workflows.SweepStageInput{Pipeline: pipeline})
	require.NoError(t, err)
	var out workflows.SweepStageResult
	require.NoError(t, value.Get(&out))
	return out
}

// waiting counts the shards of which several windows were staged after the time.
func waiting(t *testing.T, st *stage.Stage, since time.Time) int {
	t.Helper()
	shards := map[string]int{}
	for object, err := range st.List(t.Context(), window.RawPrefix(pipeline)) {
		require.NoError(t, err)
		if object.ModTime.After(since) {
			shards[path.Dir(object.Key)]++
		}
	}
	maps.DeleteFunc(shards, func(_ string, windows int) bool { return windows < 2 })
	return len(shards)
}

// await returns when the condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	awaitFor(t, time.Minute, what, holds)
}

// awaitFor is await for what takes longer.
func awaitFor(t *testing.T, atMost time.Duration, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), atMost)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
