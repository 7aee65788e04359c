package starter

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// ShardLister lists the shards of a stream and tells the time; *kinesis.Stream does.
type ShardLister interface {
	Shards(ctx context.Context, after string) ([]kinesis.Shard, error)
	Now(ctx context.Context) (time.Time, error)
}

// Backfiller is the activities PlanBackfill and BackfillShard and what they need.
type Backfiller struct {
	// Stream is the name or ARN of the stream that this process reads.
	Stream   string
	Pipeline string
	Shards   ShardLister
	Horizon  Horizon
	Read     func(shardID string, from kinesis.Position) ShardReader
	Temporal client.Client
	Stage    Stage
	// Pauses tells whether an operator has paused reading.
	Pauses Pauses
	Limits window.Limits
	Logger *slog.Logger
}

// RegisterBackfill registers the activities under the names that the workflows use.
func RegisterBackfill(r worker.ActivityRegistry, b *Backfiller) {
	r.RegisterActivityWithOptions(b.PlanBackfill, activity.RegisterOptions{Name: workflows.PlanBackfillName})
	r.RegisterActivityWithOptions(b.BackfillShard, activity.RegisterOptions{Name: workflows.BackfillShardName})
}

// clocksApart is how far ahead of Kinesis' clock, which tells whole seconds, the end of a
// range may be: reading goes on until that clock has passed it.
const clocksApart = time.Minute

// PlanBackfill finds the shards of a run, and refuses one whose range Kinesis does not have.
func (b *Backfiller) PlanBackfill(ctx context.Context, in workflows.PlanBackfillInput) (workflows.PlanBackfillResult, error) {
	var out workflows.PlanBackfillResult
	if err := sameStream(in.Stream, b.Stream); err != nil {
		return out, err
	}
	now, err := b.Shards.Now(ctx)
	if err == nil {
		err = b.checkRange(ctx, in.From, now)
	}
	switch {
	case isRange(err):
		return out, err
	case err != nil:
		return out, newStreamError(err)
	case in.To.After(now.Add(clocksApart)):
		return out, newRangeError("the range ends at %s, and it is %s by Kinesis' clock: choose an end that has passed", stamp(in.To), stamp(now))
	}
	listed, err := b.Shards.Shards(ctx, "")
	if err != nil {
		return out, newStreamError(err)
	}
	known := make([]string, len(listed))
	for i, shard := range listed {
		known[i] = shard.ID
	}
	for _, id := range in.Shards {
		if !slices.Contains(known, id) {
			return out, newRangeError("stream %s has no shard %s: it never had, or all of its records are deleted", b.Stream, id)
		}
	}
	if out.Shards = in.Shards; len(out.Shards) == 0 {
		out.Shards = known
	}
	return out, nil
}

// checkRange fails where Kinesis may have deleted records that arrived at a time or later.
func (b *Backfiller) checkRange(ctx context.Context, from, now time.Time) error {
	if from.IsZero() {
		return nil
	}
	retention, err := b.Horizon.Retention(ctx)
	if err != nil {
		return err
	}
	if oldest := now.Add(-retention); from.Before(oldest) {
		return newRangeError("records that arrived from %s to %s are missing: stream %s keeps records for %s, and has deleted them; begin later",
			stamp(from), stamp(oldest), b.Stream, retention)
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func newRangeError(format string, args ...any) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(format, args...), ErrorBackfillRange, nil)
}
