package starter

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Shards is the activities ListShards and ResolveStart and what they need.
type Shards struct {
	Stream *kinesis.Stream
}

// ListShards lists the shards that Kinesis knows.
func (s *Shards) ListShards(ctx context.Context, in workflows.ListShardsInput) (workflows.ListShardsResult, error) {
	if err := sameStream(in.Stream, s.Stream.String()); err != nil {
		return workflows.ListShardsResult{}, err
	}
	shards, err := s.Stream.Shards(ctx, "")
	if err != nil {
		return workflows.ListShardsResult{}, newStreamError(err)
	}
	out := workflows.ListShardsResult{Shards: make([]workflows.Shard, len(shards))}
	for i, sh := range shards {
		out.Shards[i] = workflows.Shard{ID: sh.ID, Parents: sh.Parents, Closed: sh.Closed}
	}
	return out, nil
}

// ResolveStart finds where the chain of a shard's windows begins.
func (s *Shards) ResolveStart(ctx context.Context, in workflows.ResolveStartInput) (workflows.ChainStart, error) {
	if err := sameStream(in.Stream, s.Stream.String()); err != nil {
		return workflows.ChainStart{}, err
	}
	p, err := s.Stream.Resolve(ctx, in.ShardID, in.Position, 0, time.Now(), func() { activity.RecordHeartbeat(ctx) })
	if err != nil {
		return workflows.ChainStart{}, newStreamError(err)
	}
	return workflows.ChainStart{Kind: workflows.StartKind(p.Kind), SequenceNumber: p.SequenceNumber, Timestamp: p.Timestamp}, nil
}

func position(c workflows.ChainStart) kinesis.Position {
	return kinesis.Position{Kind: types.ShardIteratorType(c.Kind), SequenceNumber: c.SequenceNumber, Timestamp: c.Timestamp}
}

// Register registers the starter's activities under the names that the workflows
// use.
func Register(r worker.ActivityRegistry, s *Shards, p *Poller) {
	register := func(name string, fn any) {
		r.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
	}
	register(workflows.ListShardsName, s.ListShards)
	register(workflows.ResolveStartName, s.ResolveStart)
	register(workflows.PollShardName, p.PollShard)
}
