package starter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/semaphore"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// script answers reads from a list; then it is at the tip.
type script struct {
	batches []kinesis.Batch
	from    kinesis.Position
	faults  []error // of the first reads
	fail    error   // of all reads after the last batch
	due     time.Time
	reads   int
}

func (s *script) Due() time.Time { return s.due }

func (s *script) Next(ctx context.Context) (kinesis.Batch, error) {
	if ctx.Err() != nil {
		return kinesis.Batch{}, ctx.Err()
	}
	s.reads++
	s.due = time.Now().Add(kinesis.ReadInterval)
	if len(s.faults) > 0 {
		fault := s.faults[0]
		s.faults = s.faults[1:]
		return kinesis.Batch{}, fault
	}
	if len(s.batches) == 0 {
		s.due = time.Now().Add(idleLongest)
		return kinesis.Batch{At: time.Now()}, s.fail
	}
	b := s.batches[0]
	if b.At.IsZero() {
		b.At = time.Now()
	}
	s.batches = s.batches[1:]
	for i := range b.Records {
		b.Records[i].Received = time.Now()
	}
	return b, nil
}

// chainOf accepts every window, unless another's end is planned for its first
// record.
type chainOf struct {
	opened []string // "first-last reason"
	theirs map[window.SequenceNumber]window.SequenceNumber
	fail   error
	slow   time.Duration // of each start
}

func (c *chainOf) Open(_ context.Context, _ string, records []window.Record, why window.Reason) (Accepted, error) {
	time.Sleep(c.slow)
	if c.fail != nil {
		return Accepted{}, c.fail
	}
	first, last := records[0].SequenceNumber, records[len(records)-1].SequenceNumber
	if end, ok := c.theirs[first]; ok {
		return Accepted{Last: end}, nil
	}
	c.opened = append(c.opened, string(first)+"-"+string(last)+" "+string(why))
	return Accepted{Last: last, Ours: true}, nil
}

// someBatch has records first..last of ten bytes each.
func someBatch(first, last int) kinesis.Batch {
	var b kinesis.Batch
	for i := first; i <= last; i++ {
		b.Records = append(b.Records, window.Record{
			SequenceNumber: window.SequenceNumber(strconv.Itoa(i)),
			Arrival:        time.Unix(1_700_000_000, 0), Data: make([]byte, 10),
		})
	}
	return b
}

func atEnd(b kinesis.Batch) kinesis.Batch { b.End = true; return b }

func behind(b kinesis.Batch) kinesis.Batch { b.Behind = time.Minute; return b }

type leaseRun struct {
	result workflows.PollShardResult
	err    error
	beats  []workflows.PollShardHeartbeat
	memory *semaphore.Weighted
}

// runLease runs a lease over the script; prepare may change it.
func runLease(ctx context.Context, s *script, c *chainOf, stop <-chan struct{}, prepare func(*lease)) leaseRun {
	var out leaseRun
	var mu sync.Mutex
	l := newLease(&Poller{
		Stream: "s", Windows: c, Logger: slog.New(slog.DiscardHandler),
		Read:    func(_ string, from kinesis.Position) ShardReader { s.from = from; return s },
		Horizon: endless{}, Markers: noMarkers{}, Ceiling: unbounded{},
		Memory:  semaphore.NewWeighted(largestAnswer),
		Limits:  window.Limits{MaxBytes: 40, MaxRecords: 100, MaxAge: time.Minute},
		Options: workflows.PollOptions{Lease: 5 * time.Minute, HeartbeatTimeout: 15 * time.Second},
	}, workflows.PollShardInput{
		Stream: "s", ShardID: "shardId-000000000001",
		Start: workflows.ChainStart{Kind: workflows.StartAtSequenceNumber, SequenceNumber: "1"},
	}, func(h workflows.PollShardHeartbeat) {
		mu.Lock()
		defer mu.Unlock()
		out.beats = append(out.beats, h)
	})
	if prepare != nil {
		prepare(l)
	}
	out.memory = l.Memory
	out.result, out.err = l.run(ctx, stop)
	mu.Lock()
	defer mu.Unlock()
	return out
}

func TestLeaseDrainsAClosedShardInFullWindows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &chainOf{}
		run := runLease(t.Context(), &script{batches: []kinesis.Batch{behind(someBatch(1, 6)), atEnd(someBatch(7, 10))}}, c, nil, nil)
		require.NoError(t, run.err)
		require.Equal(t, []string{"1-4 bytes", "5-8 bytes", "9-10 shard_end"}, c.opened)
		require.True(t, run.result.Drained)
		require.Equal(t, window.SequenceNumber("10"), run.result.Checkpoint)
		require.Equal(t, 3, run.result.Windows)
		require.Equal(t, 10, run.result.Records)
	})
}

func TestLeaseFlushesQuietTrafficByAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, begin := &chainOf{}, time.Now()
		run := runLease(t.Context(), &script{batches: []kinesis.Batch{someBatch(1, 2)}}, c, nil, nil)
		require.NoError(t, run.err)
		require.Equal(t, []string{"1-2 age"}, c.opened)
		require.Equal(t, endedByLease, run.result.Ended)
		require.GreaterOrEqual(t, time.Since(begin), 4*time.Minute+30*time.Second)
		require.Less(t, time.Since(begin), 5*time.Minute+2*idleLongest)
	})
}

// TestLeaseEndsOnABusyShard: behind each window there is already a record of the next
// one, so waiting for a moment without any would keep the shard for ever.
func TestLeaseEndsOnABusyShard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{}
		for i := range 10_000 {
			s.batches = append(s.batches, behind(someBatch(3*i+1, 3*i+3)))
		}
		c, begin := &chainOf{}, time.Now()
		run := runLease(t.Context(), s, c, nil, nil)
		require.NoError(t, run.err)
		require.Equal(t, endedByLease, run.result.Ended)
		require.Less(t, time.Since(begin), 5*time.Minute+time.Second)
		last := c.opened[len(c.opened)-1]
		require.Contains(t, last, "-"+string(run.result.Checkpoint)+" ", "what is open behind the last window is the next owner's")
	})
}

// TestLeaseKeepsItsShardWhileACallTakesLong: a slow stage is no reason to lose the
// shard, as long as the process lives.
func TestLeaseKeepsItsShardWhileACallTakesLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &chainOf{slow: time.Minute}
		run := runLease(t.Context(), &script{batches: []kinesis.Batch{atEnd(someBatch(1, 4))}}, c, nil, nil)
		require.NoError(t, run.err)
		require.GreaterOrEqual(t, len(run.beats), 12, "every 5 s of a minute")

		stop := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(stop) })
		c = &chainOf{slow: time.Minute}
		run = runLease(t.Context(), &script{batches: []kinesis.Batch{someBatch(1, 2)}}, c, stop, nil)
		require.NoError(t, run.err)
		require.Equal(t, []string{"1-2 drain"}, c.opened)
		require.GreaterOrEqual(t, len(run.beats), 12, "while it hands over, too")
	})
}

func TestLeaseHandsOverAtOnceWhenStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, stop := &chainOf{}, make(chan struct{})
		var stopped time.Time
		time.AfterFunc(10*time.Second+time.Millisecond, func() { stopped = time.Now(); close(stop) })
		run := runLease(t.Context(), &script{batches: []kinesis.Batch{someBatch(1, 2)}}, c, stop, nil)
		require.NoError(t, run.err)
		require.Equal(t, []string{"1-2 drain"}, c.opened, "the part-window is handed over as a window")
		require.Equal(t, endedByStop, run.result.Ended)
		require.False(t, run.result.Drained)
		require.Zero(t, time.Since(stopped), "in the middle of a wait")
	})
}

func TestLeaseFollowsTheChainOfOthers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		theirs window.SequenceNumber
		want   []string
	}{
		"a shorter window":         {"2", []string{"3-6 bytes", "7-10 bytes"}},
		"the same window":          {"4", []string{"5-8 bytes", "9-10 shard_end"}},
		"a longer window":          {"6", []string{"7-10 bytes"}},
		"further than we have got": {"9", []string{"10-10 shard_end"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				chain := &chainOf{theirs: map[window.SequenceNumber]window.SequenceNumber{"1": c.theirs}}
				run := runLease(t.Context(), &script{batches: []kinesis.Batch{behind(someBatch(1, 5)), atEnd(someBatch(6, 10))}}, chain, nil, nil)
				require.NoError(t, run.err)
				require.Equal(t, c.want, chain.opened)
				require.Equal(t, window.SequenceNumber("10"), run.result.Checkpoint)
			})
		})
	}
}

func TestLeaseBeginsAfterItsCheckpoint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{batches: []kinesis.Batch{atEnd(someBatch(5, 6))}}
		run := runLease(t.Context(), s, &chainOf{}, nil, func(l *lease) { l.progress.Checkpoint, l.last = "4", "4" })
		require.NoError(t, run.err)
		require.Equal(t, kinesis.After("4"), s.from)
		s = &script{batches: []kinesis.Batch{atEnd(someBatch(1, 2))}}
		run = runLease(t.Context(), s, &chainOf{}, nil, nil)
		require.NoError(t, run.err)
		require.Equal(t, position(workflows.ChainStart{Kind: workflows.StartAtSequenceNumber, SequenceNumber: "1"}), s.from)
	})
}

func TestLeaseReportsOnlyAcceptedWindows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("Temporal is down")
		run := runLease(t.Context(), &script{batches: []kinesis.Batch{someBatch(1, 6)}}, &chainOf{fail: down}, nil, nil)
		require.ErrorIs(t, run.err, down)
		for _, b := range run.beats {
			require.Empty(t, b.Checkpoint, "nothing was accepted")
		}

		broken := errors.New("Kinesis is down")
		run = runLease(t.Context(), &script{batches: []kinesis.Batch{behind(someBatch(1, 6))}, fail: broken}, &chainOf{}, nil, nil)
		requireStreamError(t, run.err)
		require.Equal(t, window.SequenceNumber("6"), run.beats[len(run.beats)-1].Checkpoint, "the next attempt goes on behind what could be put into windows")
	})
}

func TestLeaseThatIsLostOpensNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Second, cancel)
		c := &chainOf{}
		run := runLease(ctx, &script{batches: []kinesis.Batch{someBatch(1, 2)}}, c, nil, nil)
		require.ErrorIs(t, run.err, context.Canceled)
		require.Empty(t, c.opened)
	})
}

// TestLeaseEndsBeforeItIsCutOff: its time was set by the settings of the lease before,
// and none of the following may keep it from telling how far it got.
func TestLeaseEndsBeforeItIsCutOff(t *testing.T) {
	t.Parallel()
	throttled := fmt.Errorf("read: %w", kinesis.ErrThrottled)
	for name, c := range map[string]struct {
		batch   kinesis.Batch
		fail    error
		prepare func(*lease)
	}{
		"windows get older now":    {someBatch(1, 2), nil, func(l *lease) { l.Limits.MaxAge = time.Hour }},
		"leases are longer now":    {someBatch(1, 2), nil, func(l *lease) { l.Options.Lease = 24 * time.Hour }},
		"others read all there is": {behind(someBatch(1, 2)), throttled, func(*lease) {}},
		"there is no memory":       {behind(someBatch(1, 2)), nil, func(l *lease) { l.Memory = semaphore.NewWeighted(1) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 16*time.Minute)
				defer cancel()
				chain, begin := &chainOf{}, time.Now()
				run := runLease(ctx, &script{batches: []kinesis.Batch{c.batch}, fail: c.fail}, chain, nil, c.prepare)
				require.NoError(t, run.err)
				require.Equal(t, endedByLease, run.result.Ended)
				require.LessOrEqual(t, time.Since(begin), 16*time.Minute-openTimeout)
				if name != "there is no memory" {
					require.Len(t, chain.opened, 1, "what was open is not read again")
				}
			})
		})
	}
}

// TestLeaseWalksAcrossWhatIsEmpty: Kinesis answers without records, a few minutes of the
// shard at a time, where there are none. Whoever comes next would begin anew.
func TestLeaseWalksAcrossWhatIsEmpty(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &script{}
		for range 7 * 24 * 12 { // a week
			s.batches = append(s.batches, behind(kinesis.Batch{}))
		}
		s.batches = append(s.batches, atEnd(someBatch(1, 2)))
		c, begin := &chainOf{}, time.Now()
		run := runLease(t.Context(), s, c, nil, nil)
		require.NoError(t, run.err)
		require.True(t, run.result.Drained)
		require.Equal(t, []string{"1-2 shard_end"}, c.opened)
		require.Greater(t, time.Since(begin), 5*time.Minute, "longer than a lease")
	})
}

// stopsAtRead is asked to stop while a read is answered.
type stopsAtRead struct {
	ShardReader
	stop chan struct{}
}

func (s stopsAtRead) Next(ctx context.Context) (kinesis.Batch, error) {
	b, err := s.ShardReader.Next(ctx)
	close(s.stop)
	synctest.Wait()
	return b, err
}

// TestLeaseThatStopsPassesNoGap: what a read has brought as the process was asked to stop
// was not held against the horizon.
func TestLeaseThatStopsPassesNoGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, stop := &chainOf{}, make(chan struct{})
		run := runLease(t.Context(), &script{batches: []kinesis.Batch{arrived(someBatch(9, 9), time.Now())}}, c, stop, func(l *lease) {
			l.Horizon = &horizon{}
			l.progress = workflows.Progress{Checkpoint: "4", CompleteUntil: time.Now().Add(-48 * time.Hour)}
			l.last, l.readUntil = "4", l.progress.CompleteUntil
			read := l.Read
			l.Read = func(shard string, from kinesis.Position) ShardReader { return stopsAtRead{read(shard, from), stop} }
		})
		require.NoError(t, run.err)
		require.Empty(t, c.opened)
		require.Equal(t, window.SequenceNumber("4"), run.result.Checkpoint, "the next owner finds the gap")
	})
}

// TestLeaseClosesItsWindowWhileOthersHoldTheMemory: shards far behind are no reason for
// a window at the tip to get old.
func TestLeaseClosesItsWindowWhileOthersHoldTheMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, begin := &chainOf{}, time.Now()
		var memory *semaphore.Weighted
		time.AfterFunc(10*time.Second+time.Millisecond, func() {
			require.NoError(t, memory.Acquire(t.Context(), largestAnswer))
		})
		var opened time.Time
		stop := make(chan struct{})
		time.AfterFunc(2*time.Minute, func() { close(stop) })
		run := runLease(t.Context(), &script{batches: []kinesis.Batch{someBatch(1, 2)}}, c, stop, func(l *lease) {
			memory = l.Memory
			l.heartbeat = func(h workflows.PollShardHeartbeat) {
				if h.Windows == 1 && opened.IsZero() {
					opened = time.Now()
				}
			}
		})
		require.NoError(t, run.err)
		require.Equal(t, []string{"1-2 age"}, c.opened)
		require.Equal(t, time.Minute, opened.Sub(begin))
	})
}

func TestLeaseExpectsWhatCanHaveCome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &lease{Poller: &Poller{}, now: time.Now}
		require.EqualValues(t, largestAnswer, l.expects(), "nobody knows yet where the tip is")
		for since, want := range map[time.Duration]int64{0: 1 << 20, 1200 * time.Millisecond: 1 << 20, 5 * time.Second: 5 << 20, time.Hour: largestAnswer} {
			l.take(kinesis.Batch{At: time.Now()})
			time.Sleep(since)
			require.Equal(t, want, l.expects(), since)
		}
		l.take(behind(kinesis.Batch{At: time.Now()}))
		require.EqualValues(t, largestAnswer, l.expects())
	})
}

func requireStreamError(t *testing.T, err error) {
	t.Helper()
	require.ErrorContains(t, err, "Kinesis is down")
	require.ErrorContains(t, err, ErrorStream)
}
