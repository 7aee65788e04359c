package starter

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/pausing"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// between pauses reading from one time to another.
type between struct {
	from, to time.Time
	err      error
}

func (b between) Paused(_ context.Context, what pausing.What) (*pausing.Pause, error) {
	if now := time.Now(); what != pausing.Reading || now.Before(b.from) || !now.Before(b.to) {
		return nil, nil
	}
	return &pausing.Pause{By: "ann", Since: b.from, Reason: "maintenance"}, b.err
}

// TestAPauseOfReadingHandsOver: what was read becomes a window, nothing is read meanwhile,
// and the next lease says why it waits.
func TestAPauseOfReadingHandsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		paused := between{from: begin.Add(10 * time.Second), to: begin.Add(13 * time.Minute)}
		c := &chainOf{}
		run := runLease(t.Context(), &script{batches: []kinesis.Batch{someBatch(1, 3)}}, c, nil, func(l *lease) { l.Pauses = paused })
		require.NoError(t, run.err)
		require.Equal(t, endedByPause, run.result.Ended)
		require.Equal(t, []string{"1-3 drain"}, c.opened)
		require.Equal(t, window.SequenceNumber("3"), run.result.Checkpoint)
		require.Less(t, time.Since(begin), 13*time.Second)

		// As long as it lasts, lease after lease reads nothing, and gives the shard back in time.
		s := &script{batches: []kinesis.Batch{someBatch(4, 5)}}
		leases := 0
		for time.Now().Before(paused.to.Add(-5 * time.Minute)) {
			leases++
			run = runLease(t.Context(), s, c, nil, func(l *lease) { l.Pauses, l.progress = paused, run.result.Progress })
			require.NoError(t, run.err)
			require.Equal(t, endedByLease, run.result.Ended)
			require.Equal(t, "reading is paused by ann since "+paused.from.UTC().Format(time.RFC3339)+": maintenance; logpipe resume reading", run.beats[len(run.beats)-1].Waiting)
			require.True(t, run.memory.TryAcquire(largestAnswer), "it holds no memory")
		}
		require.Equal(t, 2, leases)
		require.Zero(t, s.reads)
		require.Len(t, c.opened, 1)

		// Then it goes on where it was.
		s = &script{batches: []kinesis.Batch{someBatch(4, 5)}}
		run = runLease(t.Context(), s, c, nil, func(l *lease) { l.Pauses, l.progress = paused, run.result.Progress })
		require.NoError(t, run.err)
		require.Equal(t, kinesis.After("3"), s.from)
		require.Equal(t, []string{"1-3 drain", "4-5 age"}, c.opened)
		require.Empty(t, run.beats[len(run.beats)-1].Waiting)
	})
}

// TestAPausedLeaseStopsAtOnce: a deployment does not wait for the end of a pause.
func TestAPausedLeaseStopsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		time.AfterFunc(time.Minute, func() { close(stop) })
		begin := time.Now()
		run := runLease(t.Context(), &script{batches: []kinesis.Batch{someBatch(1, 3)}}, &chainOf{}, stop, func(l *lease) {
			l.Pauses = between{from: begin, to: begin.Add(time.Hour)}
		})
		require.NoError(t, run.err)
		require.Equal(t, endedByStop, run.result.Ended)
		require.Equal(t, time.Minute, time.Since(begin))
	})
}

// TestNothingIsReadWhereNobodyKnowsOfPauses: what is paused must not go on because a
// process was restarted.
func TestNothingIsReadWhereNobodyKnowsOfPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{batches: []kinesis.Batch{someBatch(1, 3)}}
		run := runLease(t.Context(), s, &chainOf{}, nil, func(l *lease) {
			l.Pauses = between{from: time.Now(), to: time.Now().Add(time.Hour), err: errors.New("nobody knows")}
		})
		require.NoError(t, run.err)
		require.Zero(t, s.reads)
		require.Equal(t, "nobody knows", run.beats[len(run.beats)-1].Waiting)
	})
}

// TestCheckpointDoesNotAgeWhilePaused: a pause can last for longer than Temporal remembers
// windows. Now and then it is looked whether the chain still ends at the checkpoint, and
// nothing is opened for that.
func TestCheckpointDoesNotAgeWhilePaused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			batches []kinesis.Batch
			begun   bool
			err     error
			opened  []string
			young   bool
		}{
			"nobody has gone on":    {batches: []kinesis.Batch{behind(someBatch(5, 9))}, young: true},
			"there is nothing":      {young: true},
			"somebody has":          {batches: []kinesis.Batch{behind(someBatch(5, 6))}, begun: true, opened: []string{"5-6 drain"}, young: true},
			"Temporal is not there": {batches: []kinesis.Batch{behind(someBatch(5, 9))}, err: errors.New("down")},
		} {
			known := time.Now().Add(-60 * time.Hour)
			chain := &chainOf{}
			run := runLease(t.Context(), &script{batches: c.batches}, chain, nil, func(l *lease) {
				l.Pauses = between{from: known, to: known.Add(1000 * time.Hour)}
				l.progress = workflows.Progress{Checkpoint: "4", CheckpointAt: known}
				l.Remembered = 72 * time.Hour
				l.Begun = func(_ context.Context, _ string, first window.SequenceNumber) (bool, error) {
					require.Equal(t, window.SequenceNumber("5"), first)
					return c.begun, c.err
				}
			})
			require.Equal(t, c.opened, chain.opened, name)
			if c.err != nil {
				var app *temporal.ApplicationError
				require.ErrorAs(t, run.err, &app, name)
				require.Equal(t, ErrorWindowStart, app.Type(), name)
				continue
			}
			require.NoError(t, run.err, name)
			require.Equal(t, c.young, run.result.CheckpointAt.After(known), name)
		}
	})
}
