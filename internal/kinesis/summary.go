package kinesis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	smithymiddleware "github.com/aws/smithy-go/middleware"
)

const (
	// retentionMemory is how long a stream's retention is taken as known. It hardly ever
	// changes; but who is far behind when it is shortened jumps over what was deleted, and
	// has to know that it was.
	retentionMemory = 10 * time.Second
	// statusMemory is how long a stream is taken as being there: when a stream is
	// deleted, the readers of all its shards ask at once.
	statusMemory = time.Second
	// summaryTimeout bounds one DescribeStreamSummary with its retries.
	summaryTimeout = 30 * time.Second
)

// summary is what DescribeStreamSummary tells.
type summary struct {
	status    types.StreamStatus
	created   time.Time
	retention time.Duration
	// at is the time of Kinesis, zero where the answer did not tell it.
	at time.Time
	// received is when the answer came, by the local clock.
	received time.Time
}

// summaries remembers the last summary of a stream and lets all who want a newer one
// wait for the same answer: the call has a limit of 20 a second for the whole account.
type summaries struct {
	mu     sync.Mutex
	last   summary
	asking *question
}

// question is a call under way.
type question struct {
	waiting int // callers, guarded by summaries.mu; the last one to go ends the call
	cancel  context.CancelFunc

	done   chan struct{} // closed when the two below are set
	answer summary
	err    error
}

// describe returns a summary of the stream that is at most so old.
func (s *Stream) describe(ctx context.Context, maxAge time.Duration) (summary, error) {
	s.summaries.mu.Lock()
	if last := s.summaries.last; !last.received.IsZero() && time.Since(last.received) < maxAge {
		s.summaries.mu.Unlock()
		return last, nil
	}
	q := s.summaries.asking
	if q == nil {
		q = &question{done: make(chan struct{})}
		// It outlives whoever asked first, as long as others wait for it.
		var asking context.Context
		asking, q.cancel = context.WithTimeout(context.WithoutCancel(ctx), summaryTimeout)
		s.summaries.asking = q
		go s.ask(asking, q)
	}
	q.waiting++
	s.summaries.mu.Unlock()
	select {
	case <-q.done:
		return q.answer, q.err
	case <-ctx.Done():
		s.leave(q)
		return summary{}, fmt.Errorf("describe stream %s: %w", s, ctx.Err())
	}
}

// leave takes a caller off who does not wait any longer.
func (s *Stream) leave(q *question) {
	s.summaries.mu.Lock()
	defer s.summaries.mu.Unlock()
	if q.waiting--; q.waiting > 0 {
		return
	}
	q.cancel()
	if s.summaries.asking == q {
		s.summaries.asking = nil
	}
}

func (s *Stream) ask(ctx context.Context, q *question) {
	defer q.cancel()
	out, err := s.api.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: s.name, StreamARN: s.arn})
	if err != nil {
		q.err = fmt.Errorf("describe stream %s: %w", s, s.ofStream(err))
	} else {
		q.answer = summary{received: time.Now(), at: clock(out.ResultMetadata)}
		if d := out.StreamDescriptionSummary; d != nil {
			q.answer.status = d.StreamStatus
			q.answer.created = aws.ToTime(d.StreamCreationTimestamp).UTC()
			q.answer.retention = time.Duration(aws.ToInt32(d.RetentionPeriodHours)) * time.Hour
		}
	}
	s.summaries.mu.Lock()
	defer s.summaries.mu.Unlock()
	if s.summaries.asking == q {
		s.summaries.asking = nil
	}
	if err == nil {
		s.summaries.last = q.answer
	}
	close(q.done)
}

// ofStream classifies an error of a call that names no shard.
func (s *Stream) ofStream(err error) error {
	if message, ok := notFound(err); ok {
		return fmt.Errorf("%w: %s", ErrNoStream, message)
	}
	return classify(err)
}

// missing tells what is not there, the stream or only the shard, when Kinesis has
// answered "not found" with the message. Its words would tell, too, but they are not
// part of the API.
//
// A shard counts as gone only if Kinesis does not list it either: who believes that it
// is gone never reads it again, and one answer is little to go by.
func (s *Stream) missing(ctx context.Context, shardID, message string) error {
	sum, err := s.describe(ctx, statusMemory)
	switch {
	case err != nil:
		return err
	case sum.status == types.StreamStatusDeleting:
		return fmt.Errorf("%w: it is being deleted: %s", ErrNoStream, message)
	case sum.status == types.StreamStatusCreating:
		return fmt.Errorf("%w: the stream is being made: %s", ErrUnavailable, message)
	}
	_, err = s.shard(ctx, shardID)
	switch {
	case errors.Is(err, ErrNoShard):
		return fmt.Errorf("%w: %s", ErrNoShard, message)
	case err != nil:
		return err
	}
	return fmt.Errorf("%w: the shard is listed, and yet: %s", ErrUnavailable, message)
}

// Check reports whether the stream is there and may be described.
func (s *Stream) Check(ctx context.Context) error {
	_, err := s.describe(ctx, 0)
	return err
}

// ShortestRetention is how long any stream keeps a record at least.
const ShortestRetention = 24 * time.Hour

// Retention is how long the stream keeps a record. The answer may be ten seconds old,
// and all who ask meanwhile share one call.
func (s *Stream) Retention(ctx context.Context) (time.Duration, error) {
	sum, err := s.describe(ctx, retentionMemory)
	if err != nil {
		return 0, err
	}
	if sum.retention <= 0 {
		return 0, fmt.Errorf("describe stream %s: the answer tells no retention", s)
	}
	return sum.retention, nil
}

// Created is when the stream was made, in whole seconds and zero where Kinesis does not
// tell. A stream that is deleted and made again under its name has another time. The
// answer may be ten minutes old.
func (s *Stream) Created(ctx context.Context) (time.Time, error) {
	sum, err := s.describe(ctx, retentionMemory)
	return sum.created.Truncate(time.Second), err
}

// Now is the time by the clock of Kinesis, in whole seconds and never ahead of it. It
// is what LATEST means: resolved once, it holds for all shards of a stream. Where an
// answer does not tell the time, it is that of the local clock.
func (s *Stream) Now(ctx context.Context) (time.Time, error) {
	// Of the calls that a reader needs anyway, listing has the widest limit.
	out, err := s.api.ListShards(ctx, &kinesis.ListShardsInput{StreamName: s.name, StreamARN: s.arn, MaxResults: aws.Int32(1)})
	if err != nil {
		return time.Time{}, fmt.Errorf("ask stream %s for the time: %w", s, s.ofStream(err))
	}
	return orNow(clock(out.ResultMetadata)), nil
}

// clock is the time of Kinesis when it answered, zero where the answer does not tell
// it. It comes in a header that holds whole seconds.
func clock(answer smithymiddleware.Metadata) time.Time {
	at, _ := middleware.GetServerTime(answer)
	return at.UTC()
}

// orNow is the local time in whole seconds where Kinesis told none.
func orNow(at time.Time) time.Time {
	if at.IsZero() {
		return time.Now().UTC().Truncate(time.Second)
	}
	return at
}
