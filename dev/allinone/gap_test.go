package allinone

import (
	"bytes"
	"encoding/json"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"

	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// TestGap has nobody read the stream for longer than Kinesis keeps its records. What is
// lost has to be reported with its range, and everything before and after it has to
// arrive. A quiet shard of the same age must not report anything.
func TestGap(t *testing.T) {
	t.Parallel()
	for policy, stops := range map[string]bool{"continue": false, "fail": true} {
		t.Run(policy, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			o := testOptions(t, &out)
			o.Shards, o.For = 1, time.Second
			var ahead atomic.Int64 // of the clock of Kinesis
			o.awsNow = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
			s := servers(t, o)
			r := &run{stack: s, out: &out, watcher: newWatcher(s.client, &out)}
			environment := s.environment()
			environment["LOGPIPE_ON_GAP"], environment["LOGPIPE_HEARTBEAT_TIMEOUT"] = policy, "5s"
			startLogpipe(t, "worker", environment)
			starter := startLogpipe(t, "starter", environment)
			end := func() string {
				require.NoError(t, starter.Process.Signal(syscall.SIGTERM))
				require.Zero(t, starter.end(t), starter.stderr)
				return starter.stderr.String()
			}

			put := func() int {
				require.NoError(t, r.traffic(t.Context()))
				require.NoError(t, s.aws.Flush(t.Context()))
				return s.produced.Count()
			}
			before := put()
			await(t, "the events before the gap", func() bool { return int(s.api.Stats().LogEvents) == before })
			// A day and a night in which nothing comes are no gap.
			for range 2 {
				require.NotContains(t, end(), "gap in the shard")
				ahead.Add(int64(20 * time.Hour))
				starter = startLogpipe(t, "starter", environment)
				await(t, "a shard that was read to its tip", func() bool { return o.awsNow().Sub(completeUntil(t, s)) < time.Minute })
			}
			require.NotContains(t, end(), "gap in the shard")

			lost := put() - before
			ahead.Add(int64(25 * time.Hour))
			starter = startLogpipe(t, "starter", environment)
			after := put() - lost
			if stops {
				await(t, "a reader that has stopped", func() bool { return gapOf(t, s) != nil })
				require.Equal(t, before, int(s.api.Stats().LogEvents))
				require.NoError(t, s.client.SignalWorkflow(t.Context(), window.ShardReaderID(pipeline, firstShard), "", workflows.SignalSkipGap, nil))
			}
			await(t, "the events after the gap", func() bool { return int(s.api.Stats().LogEvents) == after })
			require.Zero(t, s.api.Stats().Duplicates)

			gap := gapOf(t, s)
			require.NotNil(t, gap)
			require.Equal(t, workflows.GapTrimmed, gap.Kind)
			require.NotEmpty(t, gap.After)
			require.WithinDuration(t, o.awsNow().Add(-25*time.Hour), gap.From, 10*time.Minute)
			require.WithinDuration(t, o.awsNow().Add(-24*time.Hour), gap.To, 10*time.Minute)
			require.Equal(t, 1, strings.Count(end(), "gap in the shard"))
		})
	}
}

const firstShard = "shardId-000000000000"

// gapOf returns the gap that the reader of the first shard was told of, nil for none.
func gapOf(t *testing.T, s *stack) *workflows.Gap {
	t.Helper()
	history := s.client.GetWorkflowHistory(t.Context(), window.ShardReaderID(pipeline, firstShard), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		require.NoError(t, err)
		done := event.GetActivityTaskCompletedEventAttributes()
		if done == nil {
			continue
		}
		var text json.RawMessage
		require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(done.GetResult(), &text))
		var result workflows.PollShardResult
		if err := json.Unmarshal(text, &result); err == nil && result.Gap != nil {
			return result.Gap
		}
	}
	return nil
}

// completeUntil is until when the poller of the first shard has everything in windows,
// as its last heartbeat says.
func completeUntil(t *testing.T, s *stack) time.Time {
	t.Helper()
	return heartbeatOf(t, s).CompleteUntil
}

// heartbeatOf is the last heartbeat of the poller of the first shard.
func heartbeatOf(t *testing.T, s *stack) workflows.PollShardHeartbeat {
	t.Helper()
	described, err := s.client.DescribeWorkflowExecution(t.Context(), window.ShardReaderID(pipeline, firstShard), "")
	require.NoError(t, err)
	var last workflows.PollShardHeartbeat
	for _, pending := range described.GetPendingActivities() {
		if details := pending.GetHeartbeatDetails(); details != nil {
			require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(details, &last))
		}
	}
	return last
}
