package starter

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/semaphore"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/marker"
	"github.com/log-event-pipeline/logpipe/internal/pausing"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Windows opens windows; *Chain does.
type Windows interface {
	Open(ctx context.Context, shardID string, records []window.Record, why window.Reason) (Accepted, error)
}

// ShardReader reads one shard in order; *kinesis.Reader does.
type ShardReader interface {
	// Due is when the next read may be made.
	Due() time.Time
	// Next waits until then and reads.
	Next(ctx context.Context) (kinesis.Batch, error)
}

// Horizon tells what Kinesis still has; *kinesis.Stream does.
type Horizon interface {
	// Retention is how long Kinesis keeps a record.
	Retention(ctx context.Context) (time.Duration, error)
	// Holds reports whether the record is still in the shard.
	Holds(ctx context.Context, shardID string, record window.SequenceNumber) (bool, error)
}

// Markers are kept in the stage; marker.Store keeps them.
type Markers interface {
	Get(ctx context.Context, shardID string) (marker.Marker, bool, error)
	Advance(ctx context.Context, m marker.Marker) error
	Replace(ctx context.Context, m marker.Marker) error
}

// Ceiling bounds the open windows of the pipeline; *OpenWindows does.
type Ceiling interface {
	// Take reports whether one more window may be opened.
	Take(ctx context.Context) bool
	// Open is how many are open, as last counted, and Most how many may be.
	Open(ctx context.Context) int64
	Most() int64
}

// Pauses tells what an operator has paused; *pausing.Watch does.
type Pauses interface {
	// Paused is the pause of what, nil where it goes on. Its error says that nobody knows.
	Paused(ctx context.Context, what pausing.What) (*pausing.Pause, error)
}

// Poller is the activity PollShard and what it needs.
type Poller struct {
	// Stream is the name or ARN of the stream that this process reads.
	Stream string
	// Read starts reading a shard.
	Read    func(shardID string, from kinesis.Position) ShardReader
	Horizon Horizon
	Windows Windows
	// Begun tells whether Temporal knows a window that begins with the record. Nil where
	// nobody can tell.
	Begun   func(ctx context.Context, shardID string, first window.SequenceNumber) (bool, error)
	Markers Markers
	Ceiling Ceiling
	// Pauses tells whether an operator has paused reading. Nil where nobody can.
	Pauses Pauses
	Limits window.Limits
	// Memory bounds the answers of Kinesis that are held at once, in bytes.
	Memory *semaphore.Weighted
	// Remembered is how long Temporal knows the id of a workflow that has ended: the
	// retention of the namespace.
	Remembered time.Duration
	// Options are told to the ShardReader workflow with every result.
	Options workflows.PollOptions
	// Identity of this process, as Temporal shows it.
	Identity string
	Logger   *slog.Logger
	Metrics  *Metrics
	// Leases may be nil.
	Leases *Leases

	held atomic.Int64 // shards that are polled now
}

// PollShard reads one shard and opens its windows, until the lease is over, the
// process is asked to stop, the shard is drained, or records may be missing.
func (p *Poller) PollShard(ctx context.Context, in workflows.PollShardInput) (workflows.PollShardResult, error) {
	info := activity.GetInfo(ctx)
	if err := sameStream(in.Stream, p.Stream); err != nil {
		return workflows.PollShardResult{}, withDelay(err, info.Attempt)
	}
	var last workflows.PollShardHeartbeat
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &last); err == nil && last.Checkpoint.Compare(in.Checkpoint) >= 0 {
			in.Progress = last.Progress
		}
	}
	l := newLease(p, in, func(h workflows.PollShardHeartbeat) { activity.RecordHeartbeat(ctx, h) })
	l.goOn(last)
	// The timeout is that of the lease before; this process can be set to another one.
	l.every = info.HeartbeatTimeout / heartbeatsPerTimeout
	l.now = clockOf(info)
	result, err := l.guarded(ctx, activity.GetWorkerStopChannel(ctx))
	return result, withDelay(err, info.Attempt)
}

// goOn counts what earlier attempts have opened that failed in the end: it belongs to the
// lease, too.
func (l *lease) goOn(last workflows.PollShardHeartbeat) {
	l.windows, l.records = last.Windows, last.Records
}

// clockOf is the clock of Temporal, as it was told when the activity began.
func clockOf(info activity.Info) func() time.Time {
	begun := time.Now()
	return func() time.Time { return info.StartedTime.Add(time.Since(begun)) }
}
