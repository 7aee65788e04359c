package starter

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Windows opens windows; *Chain does.
type Windows interface {
	Open(ctx context.Context, shardID string, records []window.Record, why window.Reason) (Accepted, error)
}

// ShardReader reads one shard in order; *kinesis.Reader does.
type ShardReader interface {
	Next(ctx context.Context) (kinesis.Batch, error)
}

// Poller is the activity PollShard and what it needs.
type Poller struct {
	// Stream is the name or ARN of the stream that this process reads.
	Stream string
	// Open starts reading a shard.
	Open    func(shardID string, from kinesis.Position) ShardReader
	Windows Windows
	Limits  window.Limits
	// Options are told to the ShardReader workflow with every result.
	Options workflows.PollOptions
	// Identity of this process, as Temporal shows it.
	Identity string
	Logger   *slog.Logger
}

// The bounds of how long the poller waits between two reads at the tip of a shard.
const (
	idleReadShortest = kinesis.ReadInterval
	idleReadLongest  = time.Second
)

// PollShard reads one shard and opens its windows, until the lease is over, the
// process is asked to stop, or the shard is drained.
func (p *Poller) PollShard(ctx context.Context, in workflows.PollShardInput) (workflows.PollShardResult, error) {
	if err := sameStream(in.Stream, p.Stream); err != nil {
		return workflows.PollShardResult{}, err
	}
	l := &lease{
		Poller: p, in: in, checkpoint: in.Checkpoint,
		heartbeat: func(h workflows.PollShardHeartbeat) { activity.RecordHeartbeat(ctx, h) },
	}
	if activity.HasHeartbeatDetails(ctx) {
		var last workflows.PollShardHeartbeat
		if err := activity.GetHeartbeatDetails(ctx, &last); err == nil && last.Checkpoint.Compare(l.checkpoint) > 0 {
			l.checkpoint = last.Checkpoint
		}
	}
	return l.run(ctx, activity.GetWorkerStopChannel(ctx))
}

// lease is one run of PollShard.
type lease struct {
	*Poller
	in         workflows.PollShardInput
	checkpoint window.SequenceNumber
	heartbeat  func(workflows.PollShardHeartbeat)

	// open holds the records read and not yet in a window.
	open    []window.Record
	behind  time.Duration
	windows int
	records int
	// state is what the last heartbeat said.
	state atomic.Pointer[workflows.PollShardHeartbeat]
}

func (l *lease) run(ctx context.Context, stop <-chan struct{}) (workflows.PollShardResult, error) {
	log := l.Logger.With("shard", l.in.ShardID)
	log.Info("shard taken over", "checkpoint", l.checkpoint)
	// A stopping process interrupts the wait for the next read, but not the start of
	// the last window.
	reading, interrupt := context.WithCancelCause(ctx)
	defer interrupt(nil)
	go func() {
		select {
		case <-stop:
			interrupt(errStopping)
		case <-reading.Done():
		}
	}()

	// Not with reading: the last window of a stopping process may take long, too.
	alive, end := context.WithCancel(ctx)
	defer end()
	l.beat()
	go l.keepAlive(alive)

	reader := l.Open(l.in.ShardID, l.from())
	until := time.Now().Add(l.Options.Lease)
	for {
		batch, err := reader.Next(reading)
		switch {
		case ctx.Err() != nil:
			// The lease is lost: another poller has the shard. Nothing is handed over.
			return workflows.PollShardResult{}, ctx.Err()
		case errors.Is(context.Cause(reading), errStopping):
			if err == nil {
				l.take(batch)
			}
			_, err := l.cut(ctx, window.Situation{Draining: true})
			log.Info("shard handed over", "checkpoint", l.checkpoint, "windows", l.windows)
			return l.result(endedByStop), err
		case err != nil:
			return workflows.PollShardResult{}, newStreamError(err)
		}

		l.take(batch)
		cut, err := l.cut(ctx, window.Situation{Now: time.Now(), AtTip: batch.Behind == 0, AtEnd: batch.End})
		if err != nil {
			return workflows.PollShardResult{}, err
		}
		l.beat()
		if batch.End {
			log.Info("shard drained", "checkpoint", l.checkpoint, "windows", l.windows, "children", batch.Children)
			return l.result(endedByDrain), nil
		}
		// At the end of the lease the open window is completed first, so that handing
		// over makes no small ones. What is open behind a window that was just completed
		// is read again by the next owner.
		if (cut || len(l.open) == 0) && !time.Now().Before(until) {
			return l.result(endedByLease), nil
		}
		if batch.Behind == 0 {
			idle(reading, l.Limits.MaxAge)
		}
	}
}

// errStopping is the cause by which a stopping process interrupts a read.
var errStopping = errors.New("the process is stopping")

// The values of PollShardResult.Ended.
const (
	endedByLease = "lease"
	endedByStop  = "stop"
	endedByDrain = "drained"
)

// from is where reading begins.
func (l *lease) from() kinesis.Position {
	if l.checkpoint != "" {
		return kinesis.After(l.checkpoint)
	}
	return position(l.in.Start)
}

// take adds what was read. Records up to the checkpoint are in windows already:
// the chain can lead further than this poller has read.
func (l *lease) take(b kinesis.Batch) {
	l.open = append(l.open, window.After(b.Records, l.checkpoint)...)
	l.behind = b.Behind
}

// cut opens all windows that are due and reports whether there were any.
func (l *lease) cut(ctx context.Context, s window.Situation) (opened bool, err error) {
	for {
		n, why := l.Limits.Cut(l.open, s)
		if n == 0 {
			return opened, nil
		}
		accepted, err := l.Windows.Open(ctx, l.in.ShardID, l.open[:n], why)
		if err != nil {
			return opened, err
		}
		opened = true
		if accepted.Ours {
			l.windows++
			l.records += n
		} else {
			l.Logger.Info("window was there before, following it", "shard", l.in.ShardID,
				"first", l.open[0].SequenceNumber, "ours_ends", l.open[n-1].SequenceNumber, "theirs_ends", accepted.Last)
		}
		l.checkpoint = accepted.Last
		// A copy: the tail of a slice would keep the data of all records before it.
		l.open = slices.Clone(window.After(l.open, accepted.Last))
		l.beat()
	}
}

// beat reports how far the lease has come.
func (l *lease) beat() {
	state := workflows.PollShardHeartbeat{
		Checkpoint: l.checkpoint, Windows: l.windows, Records: l.records,
		MillisBehindLatest: l.behind.Milliseconds(), Starter: l.Identity,
	}
	l.state.Store(&state)
	l.heartbeat(state)
}

// keepAlive repeats the last heartbeat while a call takes long: a slow stage must
// not cost the shard. A call that never ends is ended by its own timeout.
func (l *lease) keepAlive(ctx context.Context) {
	ticker := time.NewTicker(l.Options.HeartbeatTimeout / 3)
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

func (l *lease) result(ended string) workflows.PollShardResult {
	return workflows.PollShardResult{
		Checkpoint: l.checkpoint, Drained: ended == endedByDrain,
		Windows: l.windows, Records: l.records,
		Starter: l.Identity, Ended: ended, Options: l.Options,
	}
}

// idle waits at the tip of a shard: a quarter of a window's age, so that a window
// is closed soon after it is due, within bounds that spare the shard's read limit.
func idle(ctx context.Context, maxAge time.Duration) {
	timer := time.NewTimer(min(max(maxAge/4, idleReadShortest), idleReadLongest))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
