package kinesis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Shard is one shard as Kinesis lists it.
type Shard struct {
	ID string
	// Parents are the shards this one came from, one after a split, two after a
	// merge, none for a shard of the stream's beginning. Kinesis may have forgotten
	// them.
	Parents []string
	// Closed shards take no more records. It is not known of Batch.Children.
	Closed bool
	// First is the sequence number below which the shard has no record. It is not known
	// of Batch.Children.
	First string
}

// listings is how often a listing is begun before it is given up.
const listings = 3

// Shards lists the shards that Kinesis still knows, closed ones too, in its order,
// which is that of their ids: all of them, or those that follow the shard after.
func (s *Stream) Shards(ctx context.Context, after string) ([]Shard, error) {
	for begun := 1; ; begun++ {
		shards, err := s.list(ctx, after)
		if err == nil {
			return shards, nil
		}
		// The process slept for longer than the five minutes that a token lives.
		if _, expired := errors.AsType[*types.ExpiredNextTokenException](err); expired && begun < listings {
			continue
		}
		return nil, fmt.Errorf("list the shards of stream %s: %w", s, s.ofStream(err))
	}
}

// list is one listing, page by page. Its errors are those of the API.
func (s *Stream) list(ctx context.Context, after string) ([]Shard, error) {
	var shards []Shard
	// A page holds 1,000 shards, which is also the most that may be asked for.
	in := &kinesis.ListShardsInput{StreamName: s.name, StreamARN: s.arn, ExclusiveStartShardId: given(after)}
	for {
		out, err := s.api.ListShards(ctx, in)
		if err != nil {
			return nil, err
		}
		shards = slices.Grow(shards, len(out.Shards))
		for _, sh := range out.Shards {
			shards = append(shards, listed(sh))
		}
		if out.NextToken == nil {
			return shards, nil
		}
		// A token stands for the stream; both together are refused.
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
}

// shard finds one shard. Kinesis has no call for that: a listing that begins behind the
// id before has it first, and where it has not, for whatever reason, the whole listing
// decides.
func (s *Stream) shard(ctx context.Context, id string) (Shard, error) {
	if before, ok := idBefore(id); ok {
		out, err := s.api.ListShards(ctx, &kinesis.ListShardsInput{
			StreamName: s.name, StreamARN: s.arn, ExclusiveStartShardId: given(before), MaxResults: aws.Int32(1),
		})
		if err == nil && len(out.Shards) > 0 && aws.ToString(out.Shards[0].ShardId) == id {
			return listed(out.Shards[0]), nil
		}
	}
	shards, err := s.Shards(ctx, "")
	if err != nil {
		return Shard{}, err
	}
	at := slices.IndexFunc(shards, func(sh Shard) bool { return sh.ID == id })
	if at < 0 {
		return Shard{}, fmt.Errorf("list the shards of stream %s: shard %s: %w", s, id, ErrNoShard)
	}
	return shards[at], nil
}

const shardIDPrefix = "shardId-"

// idBefore is the shard id that precedes another one, "" for the very first.
func idBefore(id string) (before string, ok bool) {
	digits, ok := strings.CutPrefix(id, shardIDPrefix)
	if !ok {
		return "", false
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	switch {
	case err != nil:
		return "", false
	case n == 0:
		return "", true
	}
	return fmt.Sprintf("%s%0*d", shardIDPrefix, len(digits), n-1), true
}

// given is the optional argument that s stands for.
func given(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func listed(sh types.Shard) Shard {
	shard := Shard{ID: aws.ToString(sh.ShardId)}
	for _, parent := range []*string{sh.ParentShardId, sh.AdjacentParentShardId} {
		if parent != nil {
			shard.Parents = append(shard.Parents, *parent)
		}
	}
	if r := sh.SequenceNumberRange; r != nil {
		shard.Closed = r.EndingSequenceNumber != nil
		shard.First = aws.ToString(r.StartingSequenceNumber)
	}
	return shard
}
