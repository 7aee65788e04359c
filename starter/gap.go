package starter

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// trimMargin is how close to the end of its retention a record has to be before it is
// asked whether it is still there. The clocks and the trimming of Kinesis are not exact.
const trimMargin = 5 * time.Minute

// arrivalMargin is by how much the times of Kinesis may be wrong: the arrival that it
// shows of a record is approximate and need not rise from one to the next, and its clock
// is known in whole seconds.
const arrivalMargin = time.Minute

// checkTrimmed reports the time before which records are deleted if some may have been
// between what was read last and this batch, and the zero time if not.
//
// Kinesis does not say so: an iterator whose place was deleted goes on at the oldest
// record there is. But nothing is missing where everything was read that arrived until
// a time from which on Kinesis keeps all; and where the last record read is still there
// after the next ones were read, too.
func (l *lease) checkTrimmed(ctx context.Context, batch kinesis.Batch) (time.Time, error) {
	if l.readUntil.IsZero() && l.last == "" && l.in.Start.Kind != workflows.StartAtSequenceNumber {
		return time.Time{}, nil // nothing was promised yet
	}
	if len(batch.Records) > 0 && l.last == "" && batch.Records[0].SequenceNumber == l.in.Start.SequenceNumber {
		return time.Time{}, nil // the record at which the chain begins
	}
	// Most are not a day behind, and need not depend on one more answer.
	if l.readUntil.After(batch.At.Add(trimMargin - kinesis.ShortestRetention)) {
		return time.Time{}, nil
	}
	var retention time.Duration
	err := l.ask(ctx, func() (err error) {
		retention, err = l.Horizon.Retention(ctx)
		return err
	})
	if err != nil {
		return time.Time{}, err
	}
	horizon := batch.At.Add(-retention)
	if l.readUntil.After(horizon.Add(trimMargin)) {
		return time.Time{}, nil
	}
	before := l.last
	if before == "" {
		before = l.in.Start.SequenceNumber
	}
	if before != "" {
		held := false
		err := l.ask(ctx, func() (err error) {
			held, err = l.Horizon.Holds(ctx, l.in.ShardID, before)
			return err
		})
		if err != nil || held {
			return time.Time{}, err
		}
	}
	// The record at which the chain begins was not read yet: without it, one is missing.
	first := l.last == "" && before != "" && l.in.Start.Kind == workflows.StartAtSequenceNumber
	if !first && l.readUntil.After(horizon.Add(arrivalMargin)) {
		return time.Time{}, nil
	}
	return horizon, nil
}

// ask asks Kinesis, and asks again where it does not answer: what was read must not be
// given up for that.
func (l *lease) ask(ctx context.Context, question func() error) error {
	for until := time.Now().Add(longestTrouble); ; {
		err := question()
		mends := errors.Is(err, kinesis.ErrThrottled) || errors.Is(err, kinesis.ErrUnavailable)
		if !mends || time.Now().After(until) {
			return err
		}
		if err := waitUntil(ctx, time.Now().Add(time.Second)); err != nil {
			return err
		}
	}
}

// stopAtGap ends the lease where records may be missing. What was read before becomes
// a window first.
func (l *lease) stopAtGap(ctx, reading context.Context, kind workflows.GapKind, horizon time.Time) (workflows.PollShardResult, error) {
	_, err := l.cut(ctx, window.Situation{Draining: true}, l.orPause(ctx, reading))
	if errors.Is(err, errPaused) {
		return l.result(endedByPause), nil
	}
	if err != nil {
		return workflows.PollShardResult{}, err
	}
	l.beat()
	return l.gap(ctx, workflows.Gap{Kind: kind, After: l.progress.Checkpoint, From: l.progress.CompleteUntil, To: horizon}), nil
}

// gap reports one to everybody.
func (l *lease) gap(ctx context.Context, gap workflows.Gap) workflows.PollShardResult {
	l.Metrics.Gap(ctx, gap.Kind)
	l.log.Error("gap in the shard", "kind", gap.Kind, "after", gap.After, "from", gap.From, "to", gap.To, "on_gap", l.Options.OnGap)
	result := l.result(endedByGap)
	result.Gap = &gap
	return result
}

// checkRemembered reports a gap where the checkpoint is so old that Temporal may have
// forgotten windows that came after it: then nobody is told that they exist, and their
// records are put into windows again. The marker in the stage can know of a later window.
func (l *lease) checkRemembered(ctx context.Context) (workflows.PollShardResult, error) {
	if !l.mayBeForgotten() {
		return workflows.PollShardResult{}, nil
	}
	m, found, err := l.Markers.Get(ctx, l.in.ShardID)
	if err != nil {
		return workflows.PollShardResult{}, temporal.NewApplicationError(err.Error(), ErrorStage)
	}
	// A poller that has slept through a gap can have left a marker of the chain before it.
	younger := sameStart(startOf(m), l.in.Start) && m.WrittenAt.After(l.progress.CheckpointAt)
	if found && younger && m.Checkpoint.Compare(l.progress.Checkpoint) > 0 {
		l.progress = progressOf(m)
		l.last, l.readUntil = m.Checkpoint, m.CompleteUntil
		if !l.mayBeForgotten() {
			return workflows.PollShardResult{}, nil
		}
	}
	return l.gap(ctx, workflows.Gap{Kind: workflows.GapForgotten, After: l.progress.Checkpoint, From: l.progress.CompleteUntil}), nil
}

// mayBeForgotten reports whether Temporal may have forgotten windows behind the
// checkpoint. A tenth of its memory is left to the pollers that are at work, which can
// be stopped for a while, and to their clocks.
func (l *lease) mayBeForgotten() bool {
	known := l.progress.CheckpointAt
	return l.Remembered > 0 && !known.IsZero() && l.now().Sub(known) >= l.Remembered/10*9
}
