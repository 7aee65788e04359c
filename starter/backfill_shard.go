package starter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/pausing"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

const (
	// A shard serves five reads and 2 MB in a second to all who read it. A backfill takes at
	// most one and half of these, and leaves the rest to those who read it live.
	backfillInterval = time.Second
	backfillBytes    = 1 << 20 // in a second

	// firstRecords is how many records the first window of a run with a rate has. By those
	// that have ended, how many events a record has is known, and a window has what the rate
	// allows in rateSlice.
	firstRecords = 10
	rateSlice    = 5 * time.Second
)

// refill is one run of BackfillShard.
type refill struct {
	*Backfiller
	in    workflows.BackfillShardInput
	chain Chain
	beat  func(workflows.BackfillProgress)
	// ranges are the windows of the chain whose cuts are repeated, from the first that is not
	// done; none where the cuts are the run's own. before is the end of the last one that
	// begins before the range.
	ranges []window.Range
	before window.SequenceNumber

	open  []window.Record
	ended bool      // nothing of the range comes any more
	next  time.Time // when the rate allows another window

	mu       sync.Mutex // guards what follows
	progress workflows.BackfillProgress
}

// BackfillShard reads the range of one shard and opens windows of it, until all are
// delivered, or for as long as a lease takes. It hands back how far it has come.
func (b *Backfiller) BackfillShard(ctx context.Context, in workflows.BackfillShardInput) (workflows.BackfillProgress, error) {
	if err := sameStream(in.Stream, b.Stream); err != nil {
		return in.Progress, err
	}
	if activity.HasHeartbeatDetails(ctx) {
		var last workflows.BackfillProgress
		if err := activity.GetHeartbeatDetails(ctx, &last); err == nil && last.ShardID == in.Progress.ShardID {
			in.Progress = last
		}
	}
	r := b.refill(in, func(p workflows.BackfillProgress) { activity.RecordHeartbeat(ctx, p) })
	reading, release := untilStopped(ctx, activity.GetWorkerStopChannel(ctx))
	defer release()
	reading, cancel := context.WithTimeoutCause(reading, workflows.BackfillLease, errLeaseOver)
	defer cancel()
	stop := make(chan struct{})
	defer close(stop)
	go r.keepAlive(stop, activity.GetInfo(ctx).HeartbeatTimeout/heartbeatsPerTimeout)
	err := r.run(ctx, reading)
	if err != nil && ctx.Err() == nil && reading.Err() != nil {
		err = nil // the time is over, or the process stops: the next one goes on
	}
	return r.state(), err
}

func (b *Backfiller) refill(in workflows.BackfillShardInput, beat func(workflows.BackfillProgress)) *refill {
	return &refill{
		Backfiller: b, in: in, beat: beat, progress: in.Progress,
		chain: Chain{
			Client: b.Temporal, Stage: b.Stage, Pipeline: b.Pipeline, Stream: b.Stream,
			Run: in.Run, OriginalKeys: in.Keys == workflows.BackfillOriginal,
		},
	}
}

func (r *refill) keepAlive(stop <-chan struct{}, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.beat(r.state())
		case <-stop:
			return
		}
	}
}

func (r *refill) state() workflows.BackfillProgress {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.progress
	out.Open = slices.Clone(out.Open)
	return out
}

// note changes the progress and reports it.
func (r *refill) note(change func(*workflows.BackfillProgress)) {
	r.mu.Lock()
	change(&r.progress)
	r.mu.Unlock()
	r.beat(r.state())
}

func (r *refill) run(ctx, reading context.Context) error {
	from, err := r.from(reading)
	if err != nil {
		return err
	}
	reader := r.Read(r.progress.ShardID, from)
	var due, trouble time.Time
	for !r.ended {
		if due.Before(reader.Due()) {
			due = reader.Due()
		}
		if err := r.awaitTurn(reading, due); err != nil {
			return err
		}
		batch, err := reader.Next(reading)
		switch {
		case errors.Is(err, kinesis.ErrThrottled), errors.Is(err, kinesis.ErrUnavailable) && (trouble.IsZero() || time.Since(trouble) < longestTrouble):
			if trouble.IsZero() {
				trouble = time.Now()
			}
			r.note(func(p *workflows.BackfillProgress) { p.Waiting = err.Error() })
			continue
		case errors.Is(err, kinesis.ErrNoShard), errors.Is(err, kinesis.ErrPosition):
			return newRangeError("records that arrived from %s on are missing: %v", stamp(r.reached()), err)
		case err != nil && reading.Err() != nil:
			return reading.Err()
		case err != nil:
			return newStreamError(err)
		}
		trouble = time.Time{}
		due = time.Now().Add(max(backfillInterval, time.Duration(batch.Bytes)*time.Second/backfillBytes))
		if err := r.checkRange(reading, r.reached(), batch.At); err != nil {
			if isRange(err) {
				return err
			}
			return newStreamError(err)
		}
		r.take(batch)
		if err := r.cut(ctx, reading); err != nil {
			return err
		}
	}
	for len(r.progress.Open) > 0 {
		if err := r.awaitOldest(reading); err != nil {
			return err
		}
	}
	r.note(func(p *workflows.BackfillProgress) { p.Done, p.CompleteUntil, p.Waiting = true, r.in.To, "" })
	return nil
}

// from is where reading begins.
func (r *refill) from(ctx context.Context) (kinesis.Position, error) {
	if r.in.Keys == workflows.BackfillOriginal {
		if err := r.findRanges(ctx); err != nil {
			return kinesis.Position{}, err
		}
	}
	if r.progress.Checkpoint != "" {
		return kinesis.After(r.progress.Checkpoint), nil
	}
	return kinesis.AtTime(r.in.From), nil
}

// reached is until when everything is in windows, by arrival.
func (r *refill) reached() time.Time {
	if r.progress.CompleteUntil.IsZero() {
		return r.in.From
	}
	return r.progress.CompleteUntil
}

// awaitTurn waits until the next read may be made, and for as long as reading is paused.
func (r *refill) awaitTurn(reading context.Context, due time.Time) error {
	for {
		if err := waitUntil(reading, due); err != nil {
			return err
		}
		if r.Pauses == nil {
			return nil
		}
		pause, err := r.Pauses.Paused(reading, pausing.Reading)
		if err == nil && pause == nil {
			return nil
		}
		why := fmt.Sprint(err)
		if pause != nil {
			why = pause.Sentence(pausing.Reading)
		}
		r.note(func(p *workflows.BackfillProgress) { p.Waiting = why })
		due = time.Now().Add(ceilingInterval)
	}
}

// take adds what was read and lies in the range.
func (r *refill) take(b kinesis.Batch) {
	r.open = append(r.open, window.After(window.After(b.Records, r.progress.Checkpoint), r.before)...)
	r.trim()
	r.ended = r.ended || b.End || len(r.ranges) == 0 && !b.At.Add(-b.Behind).Before(r.in.To)
	r.note(func(p *workflows.BackfillProgress) {
		p.Waiting = ""
		if at := b.At.Add(-b.Behind); len(r.open) == 0 && at.After(p.CompleteUntil) {
			p.CompleteUntil = at
		}
	})
}

// trim leaves out what lies behind the range. A window of the chain may reach beyond it.
func (r *refill) trim() {
	if len(r.ranges) > 0 {
		return
	}
	for i, record := range r.open {
		if !record.Arrival.Before(r.in.To) {
			r.open, r.ended = r.open[:i], true
			return
		}
	}
}

// cut opens the windows that are due.
func (r *refill) cut(ctx, reading context.Context) error {
	for {
		if n, _, err := r.due(); err != nil || n == 0 {
			return err
		}
		if err := r.awaitRoom(reading); err != nil {
			return err
		}
		n, why, err := r.due() // by what has ended meanwhile
		if err != nil || n == 0 {
			return err
		}
		last := r.open[n-1].Arrival
		first := r.open[0].SequenceNumber
		accepted, err := r.chain.Open(ctx, r.progress.ShardID, r.open[:n], why)
		if err != nil {
			return err
		}
		id := r.chain.idOf(window.Range{ShardID: r.progress.ShardID, First: first, Last: accepted.Last})
		r.open = slices.Clone(window.After(r.open, accepted.Last))
		r.note(func(p *workflows.BackfillProgress) {
			p.Checkpoint = accepted.Last
			p.CompleteUntil = last
			p.Open = append(p.Open, id)
			p.Windows++
		})
		if len(r.ranges) > 0 {
			r.ranges = r.ranges[1:]
			r.trim()
		}
	}
}

// due is how many of the records form the next window.
func (r *refill) due() (int, window.Reason, error) {
	if len(r.ranges) > 0 {
		return r.dueOf(r.ranges[0])
	}
	if r.in.Keys == workflows.BackfillOriginal && len(r.open) > 0 {
		return 0, "", r.unknown(r.open[0])
	}
	limits := r.Limits
	if r.in.Rate > 0 {
		limits.MaxRecords = firstRecords
		if p := r.state(); p.Formatted > 0 && p.Events > 0 {
			limits.MaxRecords = max(1, int(r.in.Rate*rateSlice.Seconds()*float64(p.Formatted)/float64(p.Events)))
		}
		if r.Limits.MaxRecords > 0 {
			limits.MaxRecords = min(limits.MaxRecords, r.Limits.MaxRecords)
		}
	}
	n, why := limits.Cut(r.open, window.Situation{AtEnd: r.ended})
	return n, why, nil
}

// awaitRoom waits until the run may open another window.
func (r *refill) awaitRoom(reading context.Context) error {
	most := r.in.MaxOpen
	if r.in.Rate > 0 {
		most = 1 // what a window has come to is known when it has ended
	}
	for len(r.progress.Open) >= max(1, most) {
		if err := r.awaitOldest(reading); err != nil {
			return err
		}
	}
	return waitUntil(reading, r.next)
}

// awaitOldest waits until the oldest of the open windows has ended. One that was terminated
// has, too.
func (r *refill) awaitOldest(reading context.Context) error {
	id := r.progress.Open[0]
	r.note(func(p *workflows.BackfillProgress) { p.Waiting = "for " + id })
	var result workflows.FlushWindowResult
	err := r.Temporal.GetWorkflow(reading, id, "").Get(reading, &result)
	if reading.Err() != nil {
		return reading.Err()
	}
	_, ended := errors.AsType[*temporal.WorkflowExecutionError](err)
	_, forgotten := errors.AsType[*serviceerror.NotFound](err)
	switch {
	case ended, forgotten:
		r.Logger.Warn("what became of a window of a backfill is not known", "workflow", id, "error", err)
	case err != nil:
		return temporal.NewApplicationError(fmt.Sprintf("wait for workflow %s: %v", id, err), ErrorWindowStart)
	}
	records, err := r.recordsOf(reading, id)
	if err != nil {
		return err
	}
	if r.in.Rate > 0 {
		r.next = time.Now().Add(time.Duration(float64(result.Events) / r.in.Rate * float64(time.Second)))
	}
	r.note(func(p *workflows.BackfillProgress) {
		p.Open = p.Open[1:]
		p.Events += result.Events
		p.Formatted += records
		p.Records += records
		p.Waiting = ""
	})
	return nil
}

func isRange(err error) bool {
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	return ok && app.Type() == ErrorBackfillRange
}
