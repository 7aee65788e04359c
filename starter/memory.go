package starter

import (
	"context"
	"time"

	"github.com/log-event-pipeline/logpipe/workflows"
)

const (
	// largestAnswer is what a read can need, and answerPerSecond what a shard takes in.
	largestAnswer   = 10 << 20
	answerPerSecond = 1 << 20
)

// acquire takes the memory for the next answer. It fails where the open window has to
// be closed before there is any.
func (l *lease) acquire(ctx context.Context) error {
	need := l.expects()
	if !l.Memory.TryAcquire(need) {
		if closes, ok := l.closes(); ok {
			var release func()
			ctx, release = context.WithDeadline(ctx, closes)
			defer release()
		}
		l.waiting, l.waitingFor = "this starter holds as many answers of Kinesis as read_memory allows", workflows.WaitingForMemory
		l.beat()
		if err := l.Memory.Acquire(ctx, need); err != nil {
			return err
		}
		l.reads()
	}
	l.memory = need
	return nil
}

// expects is how much the next answer can hold: at the tip of a shard, what has come
// since the last read.
func (l *lease) expects() int64 {
	if !l.atTip {
		return largestAnswer
	}
	seconds := max(1, int64(time.Since(l.readAt)/time.Second))
	return min(seconds*answerPerSecond, largestAnswer)
}

// release gives back the memory that the last answer was held in. What is left open of
// it is less than a window.
func (l *lease) release() {
	l.Memory.Release(l.memory)
	l.memory = 0
}
