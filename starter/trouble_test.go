package starter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

func TestLeasePutsUpWithKinesis(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		throttled := fmt.Errorf("read: %w", kinesis.ErrThrottled)
		down := fmt.Errorf("read: %w", kinesis.ErrUnavailable)
		s := &script{batches: []kinesis.Batch{atEnd(someBatch(1, 3))}}
		for range 1000 { // 200 s
			s.faults = append(s.faults, throttled)
		}
		run := runLease(t.Context(), s, &chainOf{}, nil, nil)
		require.NoError(t, run.err, "others read the shard, too")

		s = &script{faults: []error{throttled, down, throttled}, batches: []kinesis.Batch{atEnd(someBatch(1, 3))}}
		run = runLease(t.Context(), s, &chainOf{}, nil, nil)
		require.NoError(t, run.err)
		require.True(t, run.result.Drained)
		var said []string
		for _, beat := range run.beats {
			if beat.Waiting != "" {
				said = append(said, beat.Waiting)
			}
		}
		require.Equal(t, []string{"read: throttled", "read: unavailable", "read: throttled"}, said)

		begin := time.Now()
		run = runLease(t.Context(), &script{batches: []kinesis.Batch{behind(someBatch(1, 3))}, fail: down}, &chainOf{}, nil, nil)
		require.Error(t, run.err)
		require.GreaterOrEqual(t, time.Since(begin), longestTrouble)
	})
}

func TestStreamErrorsHaveTheirRules(t *testing.T) {
	t.Parallel()
	for kind, c := range map[string]struct {
		is   error
		slow bool
	}{
		ErrorStreamDenied:    {kinesis.ErrDenied, true},
		ErrorStreamKey:       {kinesis.ErrKey, true},
		ErrorStreamGone:      {kinesis.ErrNoStream, true},
		ErrorStreamThrottled: {kinesis.ErrThrottled, false},
		ErrorStream:          {kinesis.ErrUnavailable, false},
	} {
		var app *temporal.ApplicationError
		require.ErrorAs(t, newStreamError(fmt.Errorf("read shard 7: %w", c.is)), &app)
		require.Equal(t, kind, app.Type())
		require.False(t, app.NonRetryable())
		require.Equal(t, c.slow, app.NextRetryDelay() == slowRetry)
		require.Contains(t, app.Message(), "read shard 7")
	}
}

func TestFailedLeasesAreTriedAgainLater(t *testing.T) {
	t.Parallel()
	for attempt, want := range map[int32]time.Duration{1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 4: 5 * time.Second, 1000: 5 * time.Second} {
		var app *temporal.ApplicationError
		require.ErrorAs(t, withDelay(temporal.NewApplicationError("no room", ErrorStage), attempt), &app)
		require.Equal(t, want, app.NextRetryDelay())
		require.Equal(t, ErrorStage, app.Type())
		require.Equal(t, "no room", app.Message())
	}
	var app *temporal.ApplicationError
	require.ErrorAs(t, withDelay(newStreamError(kinesis.ErrDenied), 1), &app)
	require.Equal(t, slowRetry, app.NextRetryDelay(), "a person has to mend that")
	require.NoError(t, withDelay(nil, 1))
	require.ErrorIs(t, withDelay(context.Canceled, 1), context.Canceled)
}

// TestLeaseThatPanics is tried again at the pace of other failures, and says where.
func TestLeaseThatPanics(t *testing.T) {
	t.Parallel()
	l := newLease(&Poller{
		Logger: slog.New(slog.DiscardHandler), Options: workflows.PollOptions{Lease: time.Minute, HeartbeatTimeout: time.Minute},
		Read: func(string, kinesis.Position) ShardReader { panic("the canary of a log line") },
	}, workflows.PollShardInput{}, func(workflows.PollShardHeartbeat) {})
	_, err := l.guarded(t.Context(), nil)
	var app *temporal.ApplicationError
	require.ErrorAs(t, withDelay(err, 1), &app)
	require.Equal(t, ErrorPanic, app.Type())
	require.Contains(t, app.Message(), "panic: a value of type string")
	require.NotContains(t, app.Message(), "canary")
	require.Contains(t, app.Message(), "trouble_test.go")
	require.Equal(t, firstRetry, app.NextRetryDelay())
}

// ceiling lets some windows be opened, then none until it is raised.
type ceiling struct{ left atomic.Int64 }

func withLeft(n int64) *ceiling {
	c := &ceiling{}
	c.left.Store(n)
	return c
}

func (c *ceiling) Take(context.Context) bool {
	if c.left.Add(-1) < 0 {
		c.left.Add(1)
		return false
	}
	return true
}
func (c *ceiling) Open(context.Context) int64 { return 7 }
func (c *ceiling) Most() int64                { return 7 }

func TestLeasePausesBelowTheCeiling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		top := withLeft(1)
		time.AfterFunc(time.Minute, func() { top.left.Store(2) })
		c, s := &chainOf{}, &script{batches: []kinesis.Batch{behind(someBatch(1, 6)), atEnd(someBatch(7, 9))}}
		begin := time.Now()
		run := runLease(t.Context(), s, c, nil, func(l *lease) { l.Ceiling = top })
		require.NoError(t, run.err)
		require.True(t, run.result.Drained)
		require.Equal(t, []string{"1-4 bytes", "5-8 bytes", "9-9 shard_end"}, c.opened[:3])
		require.GreaterOrEqual(t, time.Since(begin), time.Minute)
		require.Contains(t, run.beats[len(run.beats)/2].Waiting, "7 windows are open, max_open_windows allows 7")

		// A process that is stopped meanwhile leaves the rest in Kinesis, at once.
		stop := make(chan struct{})
		var stopped time.Time
		time.AfterFunc(90*time.Second+time.Millisecond, func() { stopped = time.Now(); close(stop) })
		c, s = &chainOf{}, &script{batches: []kinesis.Batch{behind(someBatch(1, 6)), behind(someBatch(7, 9))}}
		run = runLease(t.Context(), s, c, stop, func(l *lease) { l.Ceiling = withLeft(1) })
		require.NoError(t, run.err)
		require.Equal(t, []string{"1-4 bytes"}, c.opened)
		require.Equal(t, window.SequenceNumber("4"), run.result.Checkpoint)
		require.Zero(t, time.Since(stopped))

		// A long pause gives the shard and its memory back.
		run = runLease(t.Context(), &script{batches: []kinesis.Batch{behind(someBatch(1, 6))}}, c, nil, func(l *lease) { l.Ceiling = withLeft(0) })
		require.NoError(t, run.err)
		require.Equal(t, endedByPause, run.result.Ended)
		require.True(t, run.memory.TryAcquire(largestAnswer), "the memory was given back")
	})
}

// TestLeaseOpensItsWindowBeforeAGapWhereThereIsRoomForOne: one place is enough for it.
func TestLeaseOpensItsWindowBeforeAGapWhereThereIsRoomForOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &chainOf{}
		run := runLease(t.Context(), &script{
			batches: []kinesis.Batch{behind(someBatch(1, 3))}, fail: fmt.Errorf("find it: %w", kinesis.ErrPosition),
		}, c, nil, func(l *lease) { l.Ceiling = withLeft(1) })
		require.NoError(t, run.err)
		require.Equal(t, []string{"1-3 drain"}, c.opened)
		require.NotNil(t, run.result.Gap)
	})
}

// TestCheckpointDoesNotAgeInAPause: it can last for days, and is no gap.
func TestCheckpointDoesNotAgeInAPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			begun bool
			err   error
			young bool
		}{
			"nobody has gone on":    {young: true},
			"somebody has":          {begun: true},
			"Temporal is not there": {err: errors.New("down")},
		} {
			known := time.Now().Add(-60 * time.Hour)
			run := runLease(t.Context(), &script{batches: []kinesis.Batch{behind(someBatch(5, 9))}}, &chainOf{}, nil, func(l *lease) {
				l.Ceiling = withLeft(0)
				l.progress = workflows.Progress{Checkpoint: "4", CheckpointAt: known}
				l.Begun = func(_ context.Context, _ string, first window.SequenceNumber) (bool, error) {
					require.Equal(t, window.SequenceNumber("5"), first)
					return c.begun, c.err
				}
			})
			require.NoError(t, run.err, name)
			require.Equal(t, endedByPause, run.result.Ended, name)
			require.Equal(t, c.young, run.result.CheckpointAt.After(known), name)
		}
	})
}

// TestLeaseOfAProcessThatSlept: what it had read may be behind a gap by now, and in
// windows of others.
func TestLeaseOfAProcessThatSlept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &chainOf{}
		run := runLease(t.Context(), &script{batches: []kinesis.Batch{someBatch(1, 2)}}, c, nil, func(l *lease) {
			l.Limits.MaxAge = time.Minute
			take := l.Read
			l.Read = func(shard string, from kinesis.Position) ShardReader {
				return sleeper{take(shard, from)}
			}
		})
		var app *temporal.ApplicationError
		require.ErrorAs(t, run.err, &app)
		require.Equal(t, ErrorStalled, app.Type())
		require.Empty(t, c.opened)
	})
}

// sleeper is a reader in a process that is stopped for a day after each read.
type sleeper struct{ ShardReader }

func (s sleeper) Next(ctx context.Context) (kinesis.Batch, error) {
	b, err := s.ShardReader.Next(ctx)
	time.Sleep(24 * time.Hour)
	return b, err
}
