package kinesis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

// Resolve turns a start position into one that always means the same record:
// TRIM_HORIZON becomes the oldest record that Kinesis holds now, or, in a shard
// without any, the beginning of the shard; a time becomes the first record that
// arrived then or later, or, where none has, the time itself; LATEST is the time
// now by the clock of Kinesis, in whole seconds, as the answer to a request tells
// it. Only where no answer does, it is now: a clock that is ahead would ask for a
// time in the future, which Kinesis refuses. LATEST is another time for each shard;
// whoever starts many resolves it once with Now.
//
// The oldest record may be trimmed before its position is used. With a margin,
// TRIM_HORIZON is the first record that Kinesis keeps for that much longer.
//
// beat is called between reads, which can be many in a shard that is mostly empty.
// A few faults in a row that time mends are waited out.
func (s *Stream) Resolve(ctx context.Context, shardID, position string, margin time.Duration, now time.Time, beat func()) (Position, error) {
	switch position {
	case "TRIM_HORIZON":
		if margin <= 0 {
			return s.resolveHorizon(ctx, shardID, beat)
		}
		at, err := s.horizonTime(ctx, margin, now)
		if err != nil {
			return Position{}, err
		}
		return s.resolveTime(ctx, shardID, at, beat)
	case "LATEST":
		out, err := s.iterator(ctx, shardID, Position{Kind: types.ShardIteratorTypeLatest})
		if err != nil {
			return Position{}, err
		}
		at := clock(out.ResultMetadata)
		if at.IsZero() {
			at = now
		}
		return s.resolveTime(ctx, shardID, at, beat)
	}
	at, err := time.Parse(time.RFC3339Nano, position)
	if err != nil {
		return Position{}, fmt.Errorf("start position %q: want TRIM_HORIZON, LATEST or a time like 2006-01-02T15:04:05Z", position)
	}
	return s.resolveTime(ctx, shardID, at, beat)
}

// horizonTime is when the records arrived that Kinesis keeps for the margin and no
// longer. It asks anew: a retention that was shortened since may be why it is asked.
func (s *Stream) horizonTime(ctx context.Context, margin time.Duration, now time.Time) (time.Time, error) {
	sum, err := s.describe(ctx, statusMemory)
	if err != nil {
		return time.Time{}, err
	}
	at := sum.at
	if at.IsZero() {
		at = now
	}
	return at.Add(min(margin, sum.retention) - sum.retention), nil
}

func (s *Stream) resolveTime(ctx context.Context, shardID string, at time.Time, beat func()) (Position, error) {
	from := AtTime(at)
	first, found, err := s.Reader(shardID, from, ReaderOptions{}).first(ctx, beat)
	switch {
	case err != nil:
		return Position{}, err
	case !found:
		return from, nil
	}
	return atRecord(first), nil
}

func (s *Stream) resolveHorizon(ctx context.Context, shardID string, beat func()) (Position, error) {
	first, found, err := s.Reader(shardID, horizon, ReaderOptions{}).first(ctx, beat)
	switch {
	case err != nil:
		return Position{}, err
	case found:
		return atRecord(first), nil
	}
	// A record that arrives meanwhile lies behind the beginning, too.
	shard, err := s.shard(ctx, shardID)
	if err != nil {
		return Position{}, err
	}
	begin, err := window.ParseSequenceNumber(shard.First)
	if err != nil {
		return Position{}, fmt.Errorf("begin of shard %s: %w", shardID, err)
	}
	return After(begin), nil
}

func atRecord(rec window.Record) Position {
	p := At(rec.SequenceNumber)
	p.Arrival = rec.Arrival
	return p
}

// Holds reports whether a record is still in its shard, so that nothing after it was
// trimmed either. A number that Kinesis refuses is of no record in the shard.
//
// Kinesis takes the number of a trimmed record and goes on with the oldest one there
// is, so the record that is read tells, not the answer to GetShardIterator.
func (s *Stream) Holds(ctx context.Context, shardID string, seq window.SequenceNumber) (bool, error) {
	first, found, err := s.Reader(shardID, At(seq), ReaderOptions{}).first(ctx, func() {})
	if errors.Is(err, ErrPosition) {
		return false, nil
	}
	return found && first.SequenceNumber == seq, err
}

// patience is how many faults in a row that time mends first waits out.
const patience = 4

// first reads on until there is a record, or nothing more to read.
func (r *Reader) first(ctx context.Context, beat func()) (rec window.Record, found bool, err error) {
	for faults := 0; ; {
		b, err := r.read(ctx, aws.Int32(1))
		switch {
		case err != nil:
			mends := errors.Is(err, ErrThrottled) || errors.Is(err, ErrUnavailable)
			if faults++; !mends || faults > patience {
				return window.Record{}, false, err
			}
		case len(b.Records) > 0:
			return b.Records[0], true, nil
		case b.End || b.Behind == 0:
			return window.Record{}, false, nil
		default:
			faults = 0
		}
		beat()
	}
}
