package starter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// TestHeartbeatSaysWhatIsWaitedFor: in a word beside the sentence, and no longer than it is
// so.
func TestHeartbeatSaysWhatIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{faults: []error{fmt.Errorf("read: %w", kinesis.ErrThrottled), fmt.Errorf("read: %w", kinesis.ErrUnavailable)}, batches: []kinesis.Batch{behind(someBatch(1, 6)), atEnd(someBatch(7, 8))}}
		top := withLeft(1)
		time.AfterFunc(time.Minute, func() { top.left.Store(2) })
		run := runLease(t.Context(), s, &chainOf{}, nil, func(l *lease) { l.Ceiling = top })
		require.NoError(t, run.err)
		var said []workflows.WaitingFor
		for _, beat := range run.beats {
			require.Equal(t, beat.Waiting == "", beat.WaitingFor == "")
			if len(said) == 0 || said[len(said)-1] != beat.WaitingFor {
				said = append(said, beat.WaitingFor)
			}
		}
		require.Equal(t, []workflows.WaitingFor{"", workflows.WaitingForThrottle, workflows.WaitingForStream, "", workflows.WaitingForRoom, ""}, said)
		require.Empty(t, run.result.Waiting)
		require.Zero(t, run.result.MillisBehindLatest)
	})
}

// TestHeartbeatComparesClocks with that of Temporal.
func TestHeartbeatComparesClocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		batch := atEnd(someBatch(1, 3))
		batch.At = time.Now().Add(-2 * time.Minute)
		run := runLease(t.Context(), &script{batches: []kinesis.Batch{batch}}, &chainOf{}, nil, func(l *lease) {
			l.now = func() time.Time { return time.Now().Add(-5 * time.Minute).Round(0) }
		})
		require.NoError(t, run.err)
		require.EqualValues(t, 5*60*1000, run.beats[0].StarterAheadMillis)
		require.Zero(t, run.beats[0].KinesisAheadMillis, "nothing was read yet")
		require.Equal(t, workflows.Clocks{StarterAheadMillis: 5 * 60 * 1000, KinesisAheadMillis: 3 * 60 * 1000}, run.result.Clocks)
		require.WithinDuration(t, time.Now().Add(-5*time.Minute), run.beats[len(run.beats)-1].At, time.Second)
	})
}

// TestHeartbeatGoesOnWithTheCounts: an attempt counts what the one before it has opened, and
// says what came before the lease.
func TestHeartbeatGoesOnWithTheCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := runLease(t.Context(), &script{batches: []kinesis.Batch{atEnd(someBatch(1, 3))}}, &chainOf{}, nil, func(l *lease) {
			l.in.WindowsBefore, l.in.RecordsBefore = 7, 70
			l.goOn(workflows.PollShardHeartbeat{Windows: 2, Records: 20})
		})
		require.NoError(t, run.err)
		require.Equal(t, 3, run.result.Windows)
		require.Equal(t, 23, run.result.Records)
		last := run.beats[len(run.beats)-1]
		require.Equal(t, []int{7, 70, 3, 23}, []int{last.WindowsBefore, last.RecordsBefore, last.Windows, last.Records})
	})
}

// byStatus answers counts by what their query contains.
type byStatus struct {
	counts map[string]int64
	err    error
}

func (c byStatus) CountWorkflow(_ context.Context, in *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	for part, n := range c.counts {
		if strings.Contains(in.GetQuery(), part) && strings.Contains(in.GetQuery(), "LogpipePipeline = 'p'") {
			return &workflowservice.CountWorkflowExecutionsResponse{Count: n}, c.err
		}
	}
	return nil, errors.New("nobody asks that: " + in.GetQuery())
}

func TestWaitingCounts(t *testing.T) {
	t.Parallel()
	w := Waiting{Pipeline: "p", Logger: slog.New(slog.DiscardHandler), Temporal: byStatus{counts: map[string]int64{
		"LogpipeStatus = 'parked'": 3, "LogpipeStatus = 'retrying'": 4, "LogpipeStatus = 'gap'": 5,
	}}}
	got := w.Count(t.Context())
	require.NotNil(t, got)
	require.Equal(t, []int64{3, 4, 5}, []int64{got.Parked, got.Retrying, got.Gaps})
	require.False(t, got.At.IsZero())
	w.Temporal = byStatus{counts: map[string]int64{"Logpipe": 3}, err: errors.New("away")}
	require.Nil(t, w.Count(t.Context()), "a listing does without")
}
