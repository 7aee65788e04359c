package kinesis

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

// moving names a start position that moves with time, for error messages.
type moving string

func (m moving) String() string { return string(m) }

// Resolve turns a start position into one that always means the same record:
// TRIM_HORIZON becomes the oldest record that Kinesis holds now, or, in a shard
// without any, the beginning of the shard; a time becomes the first record that
// arrived then or later, or, where none has, the time itself; LATEST is the time
// now by the clock of Kinesis, in whole seconds, as the answer to a request tells
// it. Only where no answer does, it is now: a clock that is ahead would ask for a
// time in the future, which Kinesis refuses.
//
// beat is called between reads, which can be many in a shard that is mostly empty.
func (s *Stream) Resolve(ctx context.Context, shardID, position string, now time.Time, beat func()) (Position, error) {
	var at time.Time
	switch position {
	case "TRIM_HORIZON":
		return s.resolveHorizon(ctx, shardID, beat)
	case "LATEST":
		out, err := s.shardIterator(ctx, shardID,
			&kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeLatest}, moving("LATEST"))
		if err != nil {
			return Position{}, err
		}
		var told bool
		if at, told = middleware.GetServerTime(out.ResultMetadata); !told {
			at = now
		}
	default:
		var err error
		if at, err = time.Parse(time.RFC3339Nano, position); err != nil {
			return Position{}, fmt.Errorf("start position %q: want TRIM_HORIZON, LATEST or a time like 2006-01-02T15:04:05Z", position)
		}
	}
	from := Position{Kind: types.ShardIteratorTypeAtTimestamp, Timestamp: at.UTC().Truncate(time.Millisecond)}
	first, err := s.firstRecord(ctx, &Reader{stream: s, shardID: shardID, next: from}, beat)
	if err != nil || first == "" {
		return from, err
	}
	return Position{Kind: types.ShardIteratorTypeAtSequenceNumber, SequenceNumber: first}, nil
}

func (s *Stream) resolveHorizon(ctx context.Context, shardID string, beat func()) (Position, error) {
	horizon, err := s.shardIterator(ctx, shardID,
		&kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon}, moving("TRIM_HORIZON"))
	if err != nil {
		return Position{}, err
	}
	shards, err := s.Shards(ctx)
	if err != nil {
		return Position{}, err
	}
	at := slices.IndexFunc(shards, func(sh Shard) bool { return sh.ID == shardID })
	if at < 0 {
		return Position{}, fmt.Errorf("list the shards of stream %s: shard %s: %w", s, shardID, ErrNoShard)
	}
	begin, err := window.ParseSequenceNumber(shards[at].First)
	if err != nil {
		return Position{}, fmt.Errorf("begin of shard %s: %w", shardID, err)
	}
	// next stands in for the horizon should the iterator expire on the way: what
	// was trimmed since is gone for everybody.
	first, err := s.firstRecord(ctx, &Reader{stream: s, shardID: shardID, next: After(begin), iterator: horizon.ShardIterator}, beat)
	if err != nil {
		return Position{}, err
	}
	if first == "" {
		return After(begin), nil
	}
	return Position{Kind: types.ShardIteratorTypeAtSequenceNumber, SequenceNumber: first}, nil
}

// firstRecord reads until there is a record, or nothing more to read; then it
// returns "".
func (s *Stream) firstRecord(ctx context.Context, r *Reader, beat func()) (window.SequenceNumber, error) {
	for {
		b, err := r.read(ctx, aws.Int32(1))
		switch {
		case err != nil:
			return "", err
		case len(b.Records) > 0:
			return b.Records[0].SequenceNumber, nil
		case b.End || b.Behind == 0:
			return "", nil
		}
		beat()
	}
}
