package starter

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// shardsPerListing bounds a listing, so that its result stays below the 256 KiB from
// which Temporal warns.
const shardsPerListing = 1000

// Shards is the activities ListShards and ResolveStart and what they need.
type Shards struct {
	Stream  *kinesis.Stream
	Markers Markers
	Ceiling Ceiling
	// Waiting counts what does not get on; nil where nobody can.
	Waiting func(context.Context) *workflows.WaitingCounts
}

// ListShards lists the shards that Kinesis knows, some at a time.
func (s *Shards) ListShards(ctx context.Context, in workflows.ListShardsInput) (workflows.ListShardsResult, error) {
	if err := sameStream(in.Stream, s.Stream.String()); err != nil {
		return workflows.ListShardsResult{}, err
	}
	at, err := s.Stream.Now(ctx)
	if err != nil {
		return workflows.ListShardsResult{}, newStreamError(err)
	}
	created, err := s.Stream.Created(ctx)
	if err != nil {
		return workflows.ListShardsResult{}, newStreamError(err)
	}
	if !in.Created.IsZero() && !created.IsZero() && !created.Equal(in.Created) {
		return workflows.ListShardsResult{}, newRecreatedError(in, created)
	}
	shards, err := s.Stream.Shards(ctx, in.After)
	if err != nil {
		return workflows.ListShardsResult{}, newStreamError(err)
	}
	out := workflows.ListShardsResult{At: at, Created: created, OpenWindows: s.Ceiling.Open(ctx), MaxOpenWindows: s.Ceiling.Most()}
	if s.Waiting != nil {
		out.Waiting = s.Waiting(ctx)
	}
	if len(shards) > shardsPerListing {
		shards, out.More = shards[:shardsPerListing], true
	}
	out.Shards = make([]workflows.Shard, len(shards))
	for i, sh := range shards {
		out.Shards[i] = workflows.Shard{ID: sh.ID, Parents: sh.Parents, Closed: sh.Closed}
	}
	return out, nil
}

// ResolveStart finds where the chain of a shard's windows begins. A shard of which the
// stage has a marker was read before, by a ShardReader that Temporal has forgotten:
// then it goes on where that one was.
func (s *Shards) ResolveStart(ctx context.Context, in workflows.ResolveStartInput) (workflows.ResolveStartResult, error) {
	if err := sameStream(in.Stream, s.Stream.String()); err != nil {
		return workflows.ResolveStartResult{}, err
	}
	if !in.AfterGap {
		m, found, err := s.Markers.Get(ctx, in.ShardID)
		if err != nil {
			return workflows.ResolveStartResult{}, temporal.NewApplicationError(err.Error(), ErrorStage)
		}
		if found {
			if err := sameStream(m.Stream, in.Stream); err != nil {
				return workflows.ResolveStartResult{}, err
			}
			return workflows.ResolveStartResult{Start: startOf(m), Progress: progressOf(m), Drained: m.Drained}, nil
		}
	}
	// The first record can be hours away, and a process that is asked to stop must not
	// wait for it.
	ctx, release := untilStopped(ctx, activity.GetWorkerStopChannel(ctx))
	defer release()
	now := activity.GetInfo(ctx).StartedTime // by the clock of Temporal
	p, err := s.Stream.Resolve(ctx, in.ShardID, in.Position, in.Margin, now, func() { activity.RecordHeartbeat(ctx) })
	if errors.Is(err, kinesis.ErrNoShard) {
		return workflows.ResolveStartResult{Gone: true}, nil
	}
	if err != nil {
		return workflows.ResolveStartResult{}, newStreamError(err)
	}
	out := workflows.ResolveStartResult{
		Start:    workflows.ChainStart{Kind: workflows.StartKind(p.Kind), SequenceNumber: p.SequenceNumber, Timestamp: p.Timestamp},
		Progress: workflows.Progress{CheckpointAt: now, CompleteUntil: p.Arrival},
	}
	if out.Start.Kind != workflows.StartAtSequenceNumber {
		// There is no record yet from where the chain begins.
		if out.CompleteUntil, err = s.Stream.Now(ctx); err != nil {
			return workflows.ResolveStartResult{}, newStreamError(err)
		}
	}
	// Before the first poll, so that the stage knows where the chain begins as soon as
	// there is one.
	if err := s.Markers.Replace(ctx, markerOf(in.Stream, in.ShardID, out.Start, out.Progress)); err != nil {
		return workflows.ResolveStartResult{}, temporal.NewApplicationError(err.Error(), ErrorStage)
	}
	return out, nil
}

func position(c workflows.ChainStart) kinesis.Position {
	return kinesis.Position{Kind: types.ShardIteratorType(c.Kind), SequenceNumber: c.SequenceNumber, Timestamp: c.Timestamp}
}

// RegisterListing registers ListShards and ResolveStart under the names that the
// workflows use.
func RegisterListing(r worker.ActivityRegistry, s *Shards) {
	r.RegisterActivityWithOptions(s.ListShards, activity.RegisterOptions{Name: workflows.ListShardsName})
	r.RegisterActivityWithOptions(s.ResolveStart, activity.RegisterOptions{Name: workflows.ResolveStartName})
}

// RegisterPolling registers PollShard under the name that the workflows use.
func RegisterPolling(r worker.ActivityRegistry, p *Poller) {
	r.RegisterActivityWithOptions(p.PollShard, activity.RegisterOptions{Name: workflows.PollShardName})
}
