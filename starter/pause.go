package starter

import (
	"context"
	"fmt"
	"time"

	"github.com/log-event-pipeline/logpipe/workflows"
)

const (
	// ceilingInterval is how often a paused lease looks whether it may go on, and
	// longestPause when it gives up what it has read and the shard with it.
	ceilingInterval = time.Second
	longestPause    = 5 * time.Minute
)

// orPause waits for room under the ceiling.
func (l *lease) orPause(ctx, reading context.Context) func() error {
	return func() error { return l.pause(ctx, reading) }
}

// orLeave does not wait: what there is no room for stays in Kinesis.
func (l *lease) orLeave(ctx context.Context) func() error {
	return func() error {
		if !l.Ceiling.Take(ctx) {
			return errPaused
		}
		return nil
	}
}

// pause waits until one more window may be opened. If that takes too long, or the
// process is asked to stop meanwhile, what is open stays in Kinesis for the next owner.
func (l *lease) pause(ctx, reading context.Context) error {
	if l.Ceiling.Take(reading) {
		return nil
	}
	l.Metrics.Pause(ctx, 1)
	defer l.Metrics.Pause(context.WithoutCancel(ctx), -1)
	l.lookForNext(ctx)
	for until := time.Now().Add(longestPause); time.Now().Before(until); {
		l.say(ctx, workflows.WaitingForRoom, fmt.Sprintf("%d windows are open, max_open_windows allows %d", l.Ceiling.Open(ctx), l.Ceiling.Most()))
		if err := waitUntil(reading, time.Now().Add(ceilingInterval)); err != nil {
			return errPaused
		}
		if l.Ceiling.Take(reading) {
			l.log.Info("reading goes on")
			l.reads()
			return nil
		}
	}
	return errPaused
}

// lookForNext finds out whether the checkpoint is the end of the chain still. A pause can
// last for days, lease after lease in which no window is opened; the checkpoint would
// seem older than Temporal's memory in the end.
func (l *lease) lookForNext(ctx context.Context) {
	asked := l.now()
	if l.Begun == nil || l.progress.CheckpointAt.IsZero() || asked.Sub(l.progress.CheckpointAt) < longestPause {
		return
	}
	begun, err := l.Begun(ctx, l.in.ShardID, l.open[0].SequenceNumber)
	if err != nil {
		l.log.Warn("whether the next window exists is not known", "error", err)
		return
	}
	// A window that Temporal has forgotten is not there either. Looked at after the answer:
	// the process can have slept before it.
	if !begun && !l.mayBeForgotten() {
		l.endsAt(asked)
	}
}
