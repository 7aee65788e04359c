package starter

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/pausing"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// probeInterval is how often a lease that an operator has paused finds out whether its
// checkpoint is the end of the chain still, and probesPerMemory at least how often in the
// time that Temporal remembers a window. A pause can last for longer than that.
const (
	probeInterval   = time.Hour
	probesPerMemory = 4
)

// standStill waits while an operator has paused reading. What is open becomes a window
// first, so that nothing is in memory meanwhile, and the lease ends; the next one waits
// with nothing. A result means that the lease is over. Without one reading goes on, as it
// does for a moment now and then, to find out where the chain ends.
func (l *lease) standStill(ctx, reading context.Context, until time.Time) (*workflows.PollShardResult, error) {
	why := l.pausedBecause(reading)
	if why == "" {
		l.probing = false
		return nil, nil
	}
	if len(l.open) > 0 {
		return l.handOverPaused(ctx)
	}
	l.Metrics.Pause(ctx, 1)
	defer l.Metrics.Pause(context.WithoutCancel(ctx), -1)
	for ; why != ""; why = l.pausedBecause(reading) {
		l.say(ctx, "", why)
		l.probing = l.probeIsDue()
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case reading.Err() != nil:
			return l.resultOf(ended(reading)), nil
		case !time.Now().Before(until):
			return l.resultOf(endedByLease), nil
		case l.probing:
			return nil, nil
		}
		_ = waitUntil(reading, time.Now().Add(ceilingInterval)) // the loop sees that it was interrupted
	}
	l.log.Info("reading goes on")
	l.waiting = ""
	return nil, nil
}

// pausedBecause says why an operator's word keeps the shard from being read, empty if it
// does not. As long as nobody knows whether there is one, it may.
func (l *lease) pausedBecause(ctx context.Context) string {
	if l.Pauses == nil {
		return ""
	}
	pause, err := l.Pauses.Paused(ctx, pausing.Reading)
	switch {
	case err != nil:
		return err.Error()
	case pause != nil:
		return pause.Sentence(pausing.Reading) + "; " + pausing.Remedy(pausing.Reading)
	}
	return ""
}

// probeIsDue: it is long ago that the checkpoint was known to be the end of the chain.
func (l *lease) probeIsDue() bool {
	interval := probeInterval
	if l.Remembered > 0 {
		interval = min(interval, l.Remembered/probesPerMemory)
	}
	at := l.progress.CheckpointAt
	return !at.IsZero() && l.now().Sub(at) >= interval
}

// handOverPaused ends the lease where records are open. Those that were read before the
// pause become a window. Those that a probe has found stay in Kinesis, unless there is a
// window for them already, which is followed.
func (l *lease) handOverPaused(ctx context.Context) (*workflows.PollShardResult, error) {
	if l.probing && l.Begun != nil {
		asked := l.now()
		begun, err := l.Begun(ctx, l.in.ShardID, l.open[0].SequenceNumber)
		if err != nil {
			return nil, temporal.NewApplicationError(fmt.Sprintf("whether the next window exists is not known: %v", err), ErrorWindowStart)
		}
		if !begun && !l.mayBeForgotten() { // after the answer, as in lookForNext
			l.endsAt(asked)
			return l.resultOf(endedByPause), nil
		}
	}
	result, err := l.handOver(ctx, endedByPause)
	return &result, err
}

func (l *lease) resultOf(because string) *workflows.PollShardResult {
	result := l.result(because)
	return &result
}
