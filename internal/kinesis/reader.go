package kinesis

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

// readTimeout bounds one read. Kinesis answers within a second, an answer of 10 MiB may
// take a while longer; a connection that says nothing any more must not keep the shard
// for ever.
const readTimeout = 30 * time.Second

// Batch is the answer to one read.
type Batch struct {
	// Records in the order of the shard. Their data is that of the answer, not a copy.
	Records []window.Record
	// Bytes is the size of the records' data as stored, up to 10 MiB.
	Bytes int
	// Behind is how far the end of this answer is behind the tip of the shard. An answer
	// can be without records and behind: there is a gap in the shard, and reading on
	// leads across.
	Behind time.Duration
	// At is when Kinesis answered by its own clock, in whole seconds and not ahead of
	// it; by the local clock where the answer does not tell.
	At time.Time
	// End: the shard is closed and this was the last of it.
	End bool
	// Children are the shards that continue a shard read to its end.
	Children []Shard
}

// ReaderOptions adapt a Reader.
type ReaderOptions struct {
	// LongestIdle is the longest time between two reads at the tip of a shard; a
	// second where zero, never less than ReadInterval.
	LongestIdle time.Duration
}

// Stats count what a Reader has done.
type Stats struct {
	// Reads are the calls of GetRecords, failed ones too.
	Reads int64
	// Expired are the iterators that expired before they were used.
	Expired int64
	// Throttled and Unavailable are the reads that ended with ErrThrottled and
	// ErrUnavailable.
	Throttled, Unavailable int64
}

// Reader reads one shard in order. It is used by one goroutine; only Stats may be
// called by others.
type Reader struct {
	stream   *Stream
	shardID  string
	next     Position
	iterator *string
	pace     pace
	// stuck counts answers in a row that found nothing and stood at the horizon.
	stuck int
	// overtaken: the iterator comes from the horizon, since next was trimmed.
	overtaken bool
	// typical is the size of a record as of late, 0 before the first one.
	typical int

	reads, expired, throttled, unavailable atomic.Int64
}

// Reader returns a reader of the shard that begins at the position.
func (s *Stream) Reader(shardID string, from Position, opt ReaderOptions) *Reader {
	return &Reader{stream: s, shardID: shardID, next: from, pace: newPace(opt.LongestIdle)}
}

// Due is when the next read may be made, the zero time before the first one. It keeps
// within five reads and 2 MB a second, rests at the tip of a shard, and backs off
// after faults. Next waits for it.
func (r *Reader) Due() time.Time { return r.pace.due }

// Stats returns what was counted so far.
func (r *Reader) Stats() Stats {
	return Stats{
		Reads: r.reads.Load(), Expired: r.expired.Load(),
		Throttled: r.throttled.Load(), Unavailable: r.unavailable.Load(),
	}
}

// Next makes one read when it is due. An iterator that has expired is replaced at once;
// any other fault is returned and leaves the reader where it was, so that Next may be
// called again. It then waits, longer from fault to fault: this is the only rule by
// which reads are repeated.
//
// Kinesis gives no error for a position that it has trimmed. The reader goes on with
// the oldest record there is; Holds tells whether something is missing.
func (r *Reader) Next(ctx context.Context) (Batch, error) {
	return r.read(ctx, aws.Int32(r.most()))
}

const (
	// answerBytes is about what one answer may hold: what a shard gives in a second. One
	// of 10 MiB brings no more, since nothing may be read for five seconds after it, and
	// is held in memory meanwhile.
	answerBytes = readBytesPerSecond
	// firstRecords is how many records are asked for while nothing is known of their
	// size, mostRecords how many at most; Kinesis allows no more.
	firstRecords = 50
	mostRecords  = 10_000
)

// most is how many records the next answer may hold. Kinesis takes a number of records,
// so the size can only be guessed by those that were read.
func (r *Reader) most() int32 {
	if r.typical == 0 {
		return firstRecords
	}
	return int32(min(max(answerBytes/r.typical, 1), mostRecords))
}

// learn adapts the typical size to an answer: at once to larger records, and slowly to
// smaller ones.
func (r *Reader) learn(b Batch, records int) {
	if records == 0 {
		return
	}
	mean := max(b.Bytes/records, 1)
	r.typical = max(mean, (3*r.typical+mean)/4)
}

// read is Next with at most so many records.
func (r *Reader) read(ctx context.Context, limit *int32) (Batch, error) {
	if err := r.pace.wait(ctx); err != nil {
		return Batch{}, err
	}
	begun := time.Now()
	out, err := r.ask(ctx, limit)
	var b Batch
	if err == nil {
		b, err = r.accept(out)
	}
	if err != nil {
		if ctx.Err() != nil {
			// Not a fault of Kinesis, whatever the SDK made of it.
			r.pace.due = begun.Add(ReadInterval)
			return Batch{}, fmt.Errorf("read shard %s of stream %s: %w", r.shardID, r.stream, ctx.Err())
		}
		r.count(err)
		r.pace.failed(err)
		return Batch{}, err
	}
	r.pace.answered(begun, b)
	r.watchHorizon(ctx, b)
	return b, nil
}

func (r *Reader) count(err error) {
	switch {
	case errors.Is(err, ErrThrottled):
		r.throttled.Add(1)
	case errors.Is(err, ErrUnavailable):
		r.unavailable.Add(1)
	}
}

// ask calls GetRecords, with a new iterator where there is none or the old one is no
// longer good.
func (r *Reader) ask(ctx context.Context, limit *int32) (*kinesis.GetRecordsOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	for replaced := false; ; replaced = true {
		if r.iterator == nil {
			from := r.next
			if r.overtaken {
				from = horizon
			}
			out, err := r.stream.iterator(ctx, r.shardID, from)
			if err != nil {
				return nil, err
			}
			r.iterator = out.ShardIterator
		}
		r.reads.Add(1)
		out, err := r.stream.api.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: r.iterator, StreamARN: r.stream.arn, Limit: limit}, once)
		if err == nil {
			return out, nil
		}
		// After a failure the iterator may be the cause; a new one costs one call.
		r.iterator = nil
		_, expired := errors.AsType[*types.ExpiredIteratorException](err)
		if expired {
			r.expired.Add(1)
		}
		message, missing := notFound(err)
		_, refused := invalid(err)
		switch {
		case !replaced && (expired || missing || refused):
			// What is wrong with the shard or the stream, a new iterator tells better.
			continue
		case expired:
			err = fmt.Errorf("%w: a new iterator expired at once: %w", ErrUnavailable, err)
		case missing:
			err = r.stream.missing(ctx, r.shardID, message)
		default:
			err = classify(err)
		}
		return nil, fmt.Errorf("read shard %s of stream %s: %w", r.shardID, r.stream, err)
	}
}

// accept turns an answer into a Batch and moves the reader behind it.
func (r *Reader) accept(out *kinesis.GetRecordsOutput) (Batch, error) {
	received := time.Now()
	b := Batch{
		Behind: time.Duration(aws.ToInt64(out.MillisBehindLatest)) * time.Millisecond,
		At:     orNow(clock(out.ResultMetadata)),
		End:    out.NextShardIterator == nil,
	}
	next, overtaken := r.next, r.overtaken
	if len(out.Records) > 0 {
		b.Records = make([]window.Record, 0, len(out.Records))
	}
	for _, rec := range out.Records {
		seq, err := window.ParseSequenceNumber(aws.ToString(rec.SequenceNumber))
		if err != nil {
			return Batch{}, fmt.Errorf("read shard %s of stream %s: %w", r.shardID, r.stream, err)
		}
		// It was paid for, wanted or not.
		b.Bytes += len(rec.Data)
		record := window.Record{
			SequenceNumber: seq,
			Arrival:        aws.ToTime(rec.ApproximateArrivalTimestamp),
			Received:       received,
			Data:           rec.Data,
		}
		if overtaken && next.before(record) {
			continue
		}
		b.Records = append(b.Records, record)
		next, overtaken = After(seq), false
	}
	for _, child := range out.ChildShards {
		b.Children = append(b.Children, Shard{ID: aws.ToString(child.ShardId), Parents: child.ParentShards})
	}
	// Only now: an answer that is not handed on must be read again.
	r.next, r.iterator, r.overtaken = next, out.NextShardIterator, overtaken
	r.learn(b, len(out.Records))
	return b, nil
}

// stuckLimit is how many answers in a row a reader stands for that find nothing at the
// horizon.
const stuckLimit = 10

// watchHorizon frees a reader whose position was trimmed. Its iterator begins somewhere
// before the oldest record, and there are reports that it may stay there: each answer is
// empty and as old as the retention, since the horizon moves on as fast as the iterator.
// A new iterator begins at the horizon itself; what would lie before the position is
// left out.
func (r *Reader) watchHorizon(ctx context.Context, b Batch) {
	if len(b.Records) > 0 || b.Behind < ShortestRetention || r.next == horizon {
		r.stuck = 0
		return
	}
	if retention, err := r.stream.Retention(ctx); err != nil || b.Behind < retention {
		r.stuck = 0
		return
	}
	if r.stuck++; r.stuck >= stuckLimit {
		r.stuck, r.iterator, r.overtaken = 0, nil, true
	}
}

// iterator asks for an iterator.
func (s *Stream) iterator(ctx context.Context, shardID string, at Position) (*kinesis.GetShardIteratorOutput, error) {
	in := &kinesis.GetShardIteratorInput{
		StreamName: s.name, StreamARN: s.arn, ShardId: &shardID, ShardIteratorType: at.Kind,
		StartingSequenceNumber: given(string(at.SequenceNumber)),
	}
	if at.Kind == types.ShardIteratorTypeAtTimestamp {
		in.Timestamp = aws.Time(at.Timestamp)
	}
	out, err := s.api.GetShardIterator(ctx, in, once)
	if err == nil {
		return out, nil
	}
	message, missing := notFound(err)
	refusal, refused := invalid(err)
	switch {
	case missing:
		err = s.missing(ctx, shardID, message)
	case refused && at.SequenceNumber != "":
		err = fmt.Errorf("%w: %s", ErrPosition, refusal)
	case refused && at.Kind == types.ShardIteratorTypeAtTimestamp:
		// A time that is still to come, by the clock of the host that was asked.
		err = fmt.Errorf("%w: %s", ErrUnavailable, refusal)
	default:
		err = classify(err)
	}
	return nil, fmt.Errorf("find %s in shard %s of stream %s: %w", at, shardID, s, err)
}
