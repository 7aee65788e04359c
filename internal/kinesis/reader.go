package kinesis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

// ReadInterval is the shortest time between two reads of a shard: Kinesis allows
// five a second, shared by all who read it.
const ReadInterval = 200 * time.Millisecond

// readTimeout bounds one read with its retries. Kinesis answers within a second, an
// answer of 10 MiB may take a while longer; a connection that says nothing any more
// must not keep the shard for ever.
const readTimeout = time.Minute

// Position is a place in a shard. Unlike TRIM_HORIZON and LATEST it does not move
// with time: whoever reads from it, whenever, reads the same records.
type Position struct {
	// Kind is AT_SEQUENCE_NUMBER, AFTER_SEQUENCE_NUMBER or AT_TIMESTAMP.
	Kind           types.ShardIteratorType
	SequenceNumber window.SequenceNumber
	Timestamp      time.Time
}

// After is the position behind a record.
func After(s window.SequenceNumber) Position {
	return Position{Kind: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: s}
}

func (p Position) String() string {
	if p.Kind == types.ShardIteratorTypeAtTimestamp {
		return fmt.Sprintf("%s %s", p.Kind, p.Timestamp.UTC().Format(time.RFC3339Nano))
	}
	return fmt.Sprintf("%s %s", p.Kind, p.SequenceNumber)
}

// Batch is the answer to one read.
type Batch struct {
	Records []window.Record
	// Behind is how far the end of this answer is behind the tip of the shard.
	Behind time.Duration
	// End: the shard is closed and this was the last of it.
	End bool
	// Children are the shards that continue a shard read to its end.
	Children []string
}

// Reader reads one shard in order. It is used by one goroutine.
type Reader struct {
	stream   *Stream
	shardID  string
	next     Position
	iterator *string
	readAt   time.Time
}

// Reader returns a reader of the shard that begins at the position.
func (s *Stream) Reader(shardID string, from Position) *Reader {
	return &Reader{stream: s, shardID: shardID, next: from}
}

// Next makes one read, not sooner than ReadInterval after the last one. An
// expired iterator is replaced; any other fault is returned and leaves the reader
// where it was.
func (r *Reader) Next(ctx context.Context) (Batch, error) {
	return r.read(ctx, nil)
}

func (r *Reader) read(ctx context.Context, limit *int32) (Batch, error) {
	if err := r.pace(ctx); err != nil {
		return Batch{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	for attempt := 0; ; attempt++ {
		if r.iterator == nil {
			iterator, err := r.stream.iterator(ctx, r.shardID, r.next)
			if err != nil {
				return Batch{}, err
			}
			r.iterator = iterator
		}
		out, err := r.stream.api.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: r.iterator, StreamARN: r.stream.arn, Limit: limit})
		if _, expired := errors.AsType[*types.ExpiredIteratorException](err); expired && attempt == 0 {
			r.iterator = nil
			continue
		}
		if err != nil {
			// After a failure the iterator may be the cause; a new one costs one call.
			r.iterator = nil
			return Batch{}, fmt.Errorf("read shard %s of stream %s: %w", r.shardID, r.stream, classify(err))
		}
		return r.accept(out)
	}
}

func (r *Reader) accept(out *kinesis.GetRecordsOutput) (Batch, error) {
	received := time.Now()
	b := Batch{
		Behind: time.Duration(aws.ToInt64(out.MillisBehindLatest)) * time.Millisecond,
		End:    out.NextShardIterator == nil,
	}
	next := r.next
	if len(out.Records) > 0 {
		b.Records = make([]window.Record, len(out.Records))
	}
	for i, rec := range out.Records {
		seq, err := window.ParseSequenceNumber(aws.ToString(rec.SequenceNumber))
		if err != nil {
			return Batch{}, fmt.Errorf("read shard %s of stream %s: %w", r.shardID, r.stream, err)
		}
		b.Records[i] = window.Record{
			SequenceNumber: seq,
			Arrival:        aws.ToTime(rec.ApproximateArrivalTimestamp),
			Received:       received,
			Data:           rec.Data,
		}
		next = After(seq)
	}
	for _, child := range out.ChildShards {
		b.Children = append(b.Children, aws.ToString(child.ShardId))
	}
	// Only now: an answer that is not handed on must be read again.
	r.next, r.iterator = next, out.NextShardIterator
	return b, nil
}

// pace waits until the next read is allowed.
func (r *Reader) pace(ctx context.Context) error {
	wait := ReadInterval - time.Since(r.readAt)
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.readAt = time.Now()
	return nil
}

// iterator asks for an iterator at a fixed position.
func (s *Stream) iterator(ctx context.Context, shardID string, p Position) (*string, error) {
	in := &kinesis.GetShardIteratorInput{ShardIteratorType: p.Kind}
	switch p.Kind {
	case types.ShardIteratorTypeAtTimestamp:
		in.Timestamp = aws.Time(p.Timestamp)
	default:
		in.StartingSequenceNumber = aws.String(string(p.SequenceNumber))
	}
	out, err := s.shardIterator(ctx, shardID, in, p)
	if err != nil {
		return nil, err
	}
	return out.ShardIterator, nil
}

func (s *Stream) shardIterator(ctx context.Context, shardID string, in *kinesis.GetShardIteratorInput, at fmt.Stringer) (*kinesis.GetShardIteratorOutput, error) {
	in.StreamName, in.StreamARN, in.ShardId = s.name, s.arn, &shardID
	out, err := s.api.GetShardIterator(ctx, in)
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		return nil, fmt.Errorf("find %s in shard %s of stream %s: %w", at, shardID, s, ErrNoShard)
	}
	if err != nil {
		return nil, fmt.Errorf("find %s in shard %s of stream %s: %w", at, shardID, s, classify(err))
	}
	return out, nil
}
