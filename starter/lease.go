package starter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/panics"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

const (
	// longestTrouble is how long a lease puts up with a Kinesis that does not answer.
	// Then another process may try: the fault can be on the way from this one.
	longestTrouble = 30 * time.Second

	// handOverTime is how long before its time is over a lease ends by itself: opening
	// what is open takes a while, and Temporal must hear how far it got.
	handOverTime = openTimeout + time.Minute

	// longestHeld is how long a record may lie in memory before it is in a window. A
	// process that was stopped for longer than Kinesis keeps records must not open
	// windows of what it once read: others have gone on behind a gap meanwhile.
	longestHeld = 15 * time.Minute

	// leaseSpread: a lease is shorter than its setting by up to this fraction.
	leaseSpread = 10
)

// lease is one run of PollShard.
type lease struct {
	*Poller
	in        workflows.PollShardInput
	heartbeat func(workflows.PollShardHeartbeat)
	// every is how often a heartbeat is due.
	every time.Duration
	// now is the clock by which the age of a checkpoint counts. That of Temporal: the
	// clocks of two starters can differ by days.
	now func() time.Time
	log *slog.Logger

	// progress is what the next lease begins with: it only ever speaks of accepted
	// windows.
	progress workflows.Progress
	// open holds the records read and not yet in a window.
	open []window.Record
	// asked is when the last read was begun, and tip when that was of the last one behind
	// which there was nothing in the shard.
	asked, tip time.Time
	// readUntil: every record that arrived before, by Kinesis' clock, has been read.
	readUntil time.Time
	// last is the last record read, empty before the first.
	last    window.SequenceNumber
	readAt  time.Time // when that was, by the local clock
	behind  time.Duration
	atTip   bool
	windows int
	records int

	// probing: reading is paused, and only goes on to find the next record.
	probing bool
	// waiting says why nothing is being read, and waitingFor in a word, for the heartbeat.
	waiting    string
	waitingFor workflows.WaitingFor
	// kinesisAhead is by how much the clock of Kinesis was ahead of now at the last answer.
	kinesisAhead time.Duration
	// memory is what is taken of Memory.
	memory int64
	marks  marks
	// state is what the last heartbeat said.
	state atomic.Pointer[workflows.PollShardHeartbeat]
}

func newLease(p *Poller, in workflows.PollShardInput, heartbeat func(workflows.PollShardHeartbeat)) *lease {
	return &lease{
		Poller: p, in: in, heartbeat: heartbeat,
		every: p.Options.HeartbeatTimeout / heartbeatsPerTimeout, now: time.Now,
		log:      p.Logger.With("shard", in.ShardID),
		progress: in.Progress, readUntil: in.CompleteUntil, last: in.Checkpoint,
	}
}

// The causes by which waiting and reading are interrupted.
var (
	errStopping  = errors.New("the process is stopping")
	errLeaseOver = errors.New("the time of the lease is over")
	errPaused    = errors.New("paused for too long, or stopped meanwhile")
)

// The values of PollShardResult.Ended.
const (
	endedByLease = "lease"
	endedByStop  = "stop"
	endedByDrain = "drained"
	endedByGap   = "gap"
	endedByPause = "pause"
)

// guarded is run, with a panic as an error, so that it is paced like any other.
func (l *lease) guarded(ctx context.Context, stop <-chan struct{}) (result workflows.PollShardResult, err error) {
	defer panics.Recover(&err, ErrorPanic)
	return l.run(ctx, stop)
}

func (l *lease) run(ctx context.Context, stop <-chan struct{}) (workflows.PollShardResult, error) {
	l.log.Info("shard taken over", "checkpoint", l.progress.Checkpoint)
	// A stopping process interrupts the wait for the next read, but not the start of
	// the last window.
	reading, release := untilStopped(ctx, stop)
	defer release()
	if end, bounded := ctx.Deadline(); bounded {
		// Set when the lease was given away, by what the one before was set to. Whatever
		// keeps this one from its end, a lease that is cut off loses what is open, and the
		// next one as well: it must come to an end by itself.
		var cancel func()
		reading, cancel = context.WithDeadlineCause(reading, end.Add(-handOverTime), errLeaseOver)
		defer cancel()
	}

	// Not with reading: the last window of a stopping process may take long, too.
	alive, end := context.WithCancel(ctx)
	defer end()
	l.beat()
	l.Leases.begin(l)
	defer l.Leases.end(l)
	go l.keepAlive(alive)
	l.Metrics.Hold(ctx, 1)
	defer l.Metrics.Hold(context.WithoutCancel(ctx), -1)
	l.held.Add(1)
	defer l.held.Add(-1)

	result, err := l.checkRemembered(ctx)
	if err == nil && result.Gap == nil {
		result, err = l.poll(ctx, reading)
	}
	switch {
	case ctx.Err() != nil:
		// The lease is lost: another poller has the shard. Nothing is handed over.
		return workflows.PollShardResult{}, ctx.Err()
	case err != nil:
		l.log.Warn("shard given back", "error", err, "checkpoint", l.progress.Checkpoint)
		return workflows.PollShardResult{}, err
	}
	l.markLast(ctx, result.Drained)
	l.log.Info("shard handed over", "because", result.Ended, "checkpoint", l.progress.Checkpoint, "windows", l.windows)
	return result, nil
}

// untilStopped is a context that ends when the process is asked to stop.
func untilStopped(ctx context.Context, stop <-chan struct{}) (context.Context, func()) {
	ctx, interrupt := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-stop:
			interrupt(errStopping)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { interrupt(nil) }
}

// poll reads and cuts until the lease is over.
func (l *lease) poll(ctx, reading context.Context) (workflows.PollShardResult, error) {
	reader := l.Metrics.Reader(l.Read(l.in.ShardID, l.from()))
	// The leases of a process begin together, and should not end together.
	until := time.Now().Add(l.Options.Lease - rand.N(l.Options.Lease/leaseSpread+1))
	var trouble time.Time // since when Kinesis does not answer
	defer func() { l.release() }()
	for {
		l.release()
		switch over, err := l.standStill(ctx, reading, until); {
		case err != nil:
			return workflows.PollShardResult{}, err
		case over != nil:
			return *over, nil
		}
		batch, read, err := l.next(reading, reader)
		switch {
		case ctx.Err() != nil:
			return workflows.PollShardResult{}, ctx.Err()
		case reading.Err() != nil:
			// What was just read, and not yet held against the horizon, is left to the next
			// owner.
			return l.handOver(ctx, ended(reading))
		case errors.Is(err, kinesis.ErrThrottled):
			trouble = time.Time{}
			l.say(ctx, workflows.WaitingForThrottle, err.Error())
			continue
		case errors.Is(err, kinesis.ErrUnavailable):
			if trouble.IsZero() {
				trouble = time.Now()
			}
			if time.Since(trouble) >= longestTrouble {
				return l.giveUp(ctx, err)
			}
			l.say(ctx, workflows.WaitingForStream, err.Error())
			continue
		case errors.Is(err, kinesis.ErrPosition):
			return l.stopAtGap(ctx, reading, workflows.GapPosition, time.Time{})
		case errors.Is(err, kinesis.ErrNoShard):
			return l.stopAtGap(ctx, reading, workflows.GapShardGone, time.Time{})
		case err != nil:
			return l.giveUp(ctx, err)
		}

		situation := window.Situation{AtTip: l.atTip, AtEnd: batch.End}
		if read {
			trouble = time.Time{}
			horizon, err := l.checkTrimmed(ctx, batch)
			switch {
			case err != nil:
				return l.giveUp(ctx, err)
			case !horizon.IsZero():
				return l.stopAtGap(ctx, reading, workflows.GapTrimmed, horizon)
			}
			l.take(batch)
			situation.AtTip = l.atTip
		}
		if l.probing && len(l.open) > 0 {
			continue
		}
		situation.Now = time.Now()
		cut, err := l.cut(ctx, situation, l.orPause(ctx, reading))
		if errors.Is(err, errPaused) {
			return l.result(endedByPause), nil
		}
		if err != nil {
			return workflows.PollShardResult{}, err
		}
		l.beat()
		if batch.End {
			return l.drained(batch), nil
		}
		// At the end of the lease the open window is completed first, so that handing
		// over makes no small ones. What is open behind a window that was just completed
		// is read again by the next owner. A stretch without records is walked to its end:
		// the next owner would begin it anew.
		if (cut || len(l.open) == 0 && l.atTip) && !time.Now().Before(until) {
			return l.result(endedByLease), nil
		}
		l.mark(ctx)
	}
}

// next reads. It does not where the open window has to be closed before the next
// read may be made; then it returns when that is.
func (l *lease) next(ctx context.Context, reader ShardReader) (batch kinesis.Batch, read bool, err error) {
	if closes, ok := l.closes(); ok && closes.Before(reader.Due()) {
		return kinesis.Batch{}, false, waitUntil(ctx, closes)
	}
	if err := waitUntil(ctx, reader.Due()); err != nil {
		return kinesis.Batch{}, false, err
	}
	if err := l.acquire(ctx); err != nil {
		return kinesis.Batch{}, false, ctx.Err() // nil where the open window comes first
	}
	l.asked = l.now()
	batch, err = reader.Next(ctx)
	return batch, err == nil, err
}

// closes is when the open window is old enough at the tip.
func (l *lease) closes() (time.Time, bool) {
	if !l.atTip || len(l.open) == 0 || l.Limits.MaxAge <= 0 {
		return time.Time{}, false
	}
	return l.open[0].Received.Add(l.Limits.MaxAge), true
}

func waitUntil(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// from is where reading begins.
func (l *lease) from() kinesis.Position {
	if l.progress.Checkpoint != "" {
		return kinesis.After(l.progress.Checkpoint)
	}
	return position(l.in.Start)
}

// take adds what was read. Records up to the checkpoint are in windows already:
// the chain can lead further than this poller has read.
func (l *lease) take(b kinesis.Batch) {
	l.open = append(l.open, window.After(b.Records, l.progress.Checkpoint)...)
	if n := len(b.Records); n > 0 {
		l.last = b.Records[n-1].SequenceNumber
		l.readUntil = b.Records[n-1].Arrival
	}
	l.readAt, l.behind, l.atTip = time.Now(), b.Behind, b.Behind == 0
	if l.atTip {
		l.tip = l.asked
	}
	// Between the last record and the place that was reached is nothing.
	if reached := b.At.Add(-b.Behind); reached.After(l.readUntil) {
		l.readUntil = reached
	}
	if !b.At.IsZero() {
		l.kinesisAhead = b.At.Sub(l.now())
	}
	l.reads()
}

// reads notes that nothing is waited for.
func (l *lease) reads() { l.waiting, l.waitingFor = "", "" }

// cut opens all windows that are due and reports whether there were any. Before each it
// asks for room under the ceiling.
func (l *lease) cut(ctx context.Context, s window.Situation, room func() error) (opened bool, err error) {
	for {
		n, why := l.Limits.Cut(l.open, s)
		if n == 0 {
			return opened, nil
		}
		if err := room(); err != nil {
			return opened, err
		}
		if held := age(l.open[0].Received); held > l.Limits.MaxAge+longestHeld {
			return opened, temporal.NewApplicationError(fmt.Sprintf("the open window was read %s ago, it is read again", held.Round(time.Second)), ErrorStalled)
		}
		if l.mayBeForgotten() {
			return opened, temporal.NewApplicationError(fmt.Sprintf("windows behind %s may be forgotten since %s, it is looked up again", l.progress.Checkpoint, l.progress.CheckpointAt), ErrorStalled)
		}
		asked := l.now()
		accepted, err := l.Windows.Open(ctx, l.in.ShardID, l.open[:n], why)
		if err != nil {
			return opened, err
		}
		opened = true
		if accepted.Ours {
			l.windows++
			l.records += n
		} else {
			l.log.Info("window was there before, following it",
				"first", l.open[0].SequenceNumber, "ours_ends", l.open[n-1].SequenceNumber, "theirs_ends", accepted.Last)
		}
		l.Metrics.Window(ctx, why, accepted.Ours, time.Since(l.open[0].Arrival))
		l.progress.Checkpoint = accepted.Last
		if accepted.Ours {
			l.endsAt(asked)
		}
		// A copy: the tail of a slice would keep the data of all records before it.
		l.open = slices.Clone(window.After(l.open, accepted.Last))
		l.beat()
		l.mark(ctx)
	}
}

// age is how long ago that was. The clock that cannot be set stands still while the
// machine is suspended, and the other one can be set: the longer of the two is safe.
func age(t time.Time) time.Duration {
	return max(time.Since(t), time.Now().Round(0).Sub(t.Round(0)))
}

// handOver makes a window of what is open, so that the next owner begins behind it.
// Where there is no room for one it stays in Kinesis.
func (l *lease) handOver(ctx context.Context, because string) (workflows.PollShardResult, error) {
	_, err := l.cut(ctx, window.Situation{Draining: true}, l.orLeave(ctx))
	if err != nil && !errors.Is(err, errPaused) {
		return workflows.PollShardResult{}, err
	}
	return l.result(because), nil
}

// ended says why reading was interrupted.
func ended(reading context.Context) string {
	if errors.Is(context.Cause(reading), errLeaseOver) {
		return endedByLease
	}
	return endedByStop
}

// giveUp ends the lease with an error. What is open becomes a window first, if that
// can be done: by the time the shard is read again it may be gone from Kinesis.
func (l *lease) giveUp(ctx context.Context, cause error) (workflows.PollShardResult, error) {
	if _, err := l.handOver(ctx, endedByStop); err != nil {
		l.log.Warn("the open window could not be handed over", "error", err, "records", len(l.open))
	}
	return workflows.PollShardResult{}, newStreamError(cause)
}

// beat reports how far the lease has come.
func (l *lease) beat() {
	if l.atTip && len(l.open) == 0 {
		l.endsAt(l.tip) // there was no record that another poller could have opened a window at
	}
	if len(l.open) == 0 {
		l.progress.CompleteUntil = l.readUntil
	} else {
		l.progress.CompleteUntil = l.open[0].Arrival
	}
	state := workflows.PollShardHeartbeat{
		Progress: l.progress, Windows: l.windows, Records: l.records,
		MillisBehindLatest: l.behind.Milliseconds(), Starter: l.Identity,
		Waiting: l.waiting, WaitingFor: l.waitingFor, At: l.now().UTC(),
		WindowsBefore: l.in.WindowsBefore, RecordsBefore: l.in.RecordsBefore, Clocks: l.clocks(),
	}
	l.state.Store(&state)
	l.heartbeat(state)
}

// clocks compares those by which the lease goes with Temporal's.
func (l *lease) clocks() workflows.Clocks {
	return workflows.Clocks{
		StarterAheadMillis: time.Now().Round(0).Sub(l.now()).Milliseconds(), KinesisAheadMillis: l.kinesisAhead.Milliseconds(),
	}
}

// endsAt notes that the checkpoint was the end of the chain at some time. What has
// happened since, this poller may have slept through.
func (l *lease) endsAt(at time.Time) {
	if at.After(l.progress.CheckpointAt) {
		l.progress.CheckpointAt = at
	}
}

// say reports why the shard is not being read.
func (l *lease) say(ctx context.Context, what workflows.WaitingFor, why string) {
	if l.waiting == "" {
		l.log.Warn("shard is not being read", "because", why)
	}
	l.waiting, l.waitingFor = why, what
	l.beat()
	l.mark(ctx)
}

// heartbeatsPerTimeout: two may be lost.
const heartbeatsPerTimeout = 3

// keepAlive repeats the last heartbeat while a call takes long: a slow stage must
// not cost the shard. A call that never ends is ended by its own timeout.
func (l *lease) keepAlive(ctx context.Context) {
	ticker := time.NewTicker(l.every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			l.heartbeat(*l.state.Load())
		case <-ctx.Done():
			return
		}
	}
}

func (l *lease) drained(end kinesis.Batch) workflows.PollShardResult {
	result := l.result(endedByDrain)
	for _, child := range end.Children {
		result.Children = append(result.Children, workflows.Shard{ID: child.ID, Parents: child.Parents})
	}
	return result
}

func (l *lease) result(ended string) workflows.PollShardResult {
	return workflows.PollShardResult{
		Progress: l.progress, Drained: ended == endedByDrain,
		Windows: l.windows, Records: l.records,
		Starter: l.Identity, Ended: ended, Options: l.Options,
		MillisBehindLatest: l.behind.Milliseconds(), Waiting: l.waiting, Clocks: l.clocks(),
	}
}
