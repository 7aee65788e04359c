package kinesis

import (
	"context"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

type splitIn struct {
	streamRef
	ShardToSplit       string
	NewStartingHashKey string
}

// openShard finds a shard that can be resharded, with the stream's lock held.
func (s *Service) openShard(st *stream, id string) (*shard, error) {
	index, ok := parseShardID(id)
	if !ok || int(index) >= len(st.shards) {
		return nil, wire.Errorf("ResourceNotFoundException", "Could not find shard %s in stream %s under account %s.", id, st.name, s.cfg.Account)
	}
	sh := st.shards[index]
	if !sh.open() {
		return nil, wire.Errorf("InvalidArgumentException", "Shard %s in stream %s under account %s has already been merged or split, and thus is not eligible for merging or splitting.", sh.id, st.name, s.cfg.Account)
	}
	return sh, nil
}

func (s *Service) splitShard(_ context.Context, in *splitIn) (*wire.Empty, error) {
	if in.ShardToSplit == "" {
		return nil, wire.Missing("shardToSplit")
	}
	at, ok := parseHashKey(in.NewStartingHashKey)
	if !ok {
		return nil, wire.Invalid("newStartingHashKey", in.NewStartingHashKey, `satisfy regular expression pattern: 0|([1-9]\d{0,38}), and be less than 2^128`)
	}
	if err := s.withinShardLimit(1); err != nil {
		return nil, err
	}
	return s.change(in.streamRef, func(st *stream) error {
		if err := s.provisioned(st, "SplitShard"); err != nil {
			return err
		}
		sh, err := s.openShard(st, in.ShardToSplit)
		if err != nil {
			return err
		}
		if at.compare(sh.hashes.lo.next()) <= 0 || at.compare(sh.hashes.hi) >= 0 {
			return wire.Errorf("InvalidArgumentException",
				"NewStartingHashKey %s used in SplitShard() on shard %s in stream %s under account %s is not both greater than one plus the shard's StartingHashKey %s and less than the shard's EndingHashKey %s.",
				at, sh.id, st.name, s.cfg.Account, sh.hashes.lo, sh.hashes.hi)
		}
		st.splitLocked(sh, at, s.cfg.Now(), s.cfg.Throttle)
		return nil
	})
}

type mergeIn struct {
	streamRef
	ShardToMerge         string
	AdjacentShardToMerge string
}

func (s *Service) mergeShards(_ context.Context, in *mergeIn) (*wire.Empty, error) {
	if in.ShardToMerge == "" {
		return nil, wire.Missing("shardToMerge")
	}
	if in.AdjacentShardToMerge == "" {
		return nil, wire.Missing("adjacentShardToMerge")
	}
	return s.change(in.streamRef, func(st *stream) error {
		if err := s.provisioned(st, "MergeShards"); err != nil {
			return err
		}
		a, err := s.openShard(st, in.ShardToMerge)
		if err != nil {
			return err
		}
		b, err := s.openShard(st, in.AdjacentShardToMerge)
		if err != nil {
			return err
		}
		// Of the whole space's two ends the one wraps to the other, which does not make them neighbours.
		adjacent := a != b && (a.hashes.hi != maxHashKey && a.hashes.hi.next() == b.hashes.lo ||
			b.hashes.hi != maxHashKey && b.hashes.hi.next() == a.hashes.lo)
		if !adjacent {
			return wire.Errorf("InvalidArgumentException", "Shards %s and %s in stream %s under account %s are not an adjacent pair of shards eligible for merging", a.id, b.id, st.name, s.cfg.Account)
		}
		st.mergeLocked(a, b, s.cfg.Now(), s.cfg.Throttle)
		return nil
	})
}

type shardCountIn struct {
	streamRef
	TargetShardCount *int
	ScalingType      string
}

type shardCountOut struct {
	StreamName        string
	StreamARN         string
	CurrentShardCount int
	TargetShardCount  int
}

func (s *Service) updateShardCount(_ context.Context, in *shardCountIn) (*shardCountOut, error) {
	if in.TargetShardCount == nil {
		return nil, wire.Missing("targetShardCount")
	}
	target := *in.TargetShardCount
	if target < 1 {
		return nil, wire.Invalid("targetShardCount", target, "have value greater than or equal to 1")
	}
	if in.ScalingType != "UNIFORM_SCALING" {
		return nil, wire.Invalid("scalingType", in.ScalingType, "satisfy enum value set: [UNIFORM_SCALING]")
	}
	if err := s.withinShardLimit(0); err != nil {
		return nil, err
	}
	limit := s.cfg.ShardLimit - s.openShards()
	var out shardCountOut
	_, err := s.change(in.streamRef, func(st *stream) error {
		if err := s.provisioned(st, "UpdateShardCount"); err != nil {
			return err
		}
		n := len(st.open)
		switch {
		case target > 2*n:
			return wire.Errorf("InvalidArgumentException", "UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: %d Target shard count: %d", n, target)
		case target < (n+1)/2:
			return wire.Errorf("InvalidArgumentException", "UpdateShardCount cannot scale down below half your current open shard count. Current open shard count: %d Target shard count: %d", n, target)
		case target-n > limit:
			return wire.Errorf("LimitExceededException", "Target shard count %d of stream %s exceeds the account's shard limit of %d.", target, st.name, s.cfg.ShardLimit)
		}
		out = shardCountOut{st.name, st.arn, n, target}
		st.rescaleLocked(target, s.cfg.Now(), s.cfg.Throttle)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &out, nil
}
