package kinesissuite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

func missingChecks() []check {
	return []check{
		{name: "missing/stream-or-shard", run: missingStreamOrShard},
		{name: "missing/stream-deleted-while-it-is-read", run: missingDeleted},
		{name: "missing/stream-made-again-while-it-is-read", run: missingIterator},
		{name: "missing/position-of-a-stream-made-again", run: missingPosition},
		{name: "missing/position-of-another-shard", run: missingForeign},
		{name: "missing/shard-that-was-forgotten", run: missingForgotten, ages: true},
		{name: "holds/what-is-there", run: holdsThere},
		{name: "holds/not-what-was-trimmed", run: holdsTrimmed, ages: true},
	}
}

func missingStreamOrShard(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	const absent = "shardId-000000000077"
	none := b.subjectOf("no-such-stream")
	_, list := none.Shards(ctx, "")
	_, now := none.Now(ctx)
	_, retention := none.Retention(ctx)
	_, resolve := none.resolve(ctx, "TRIM_HORIZON")
	_, read := none.from(kinesis.AtTime(time.Now().Add(-time.Minute))).Next(ctx)
	_, shard := s.Reader(absent, kinesis.AtTime(time.Now().Add(-time.Minute)), kinesis.ReaderOptions{}).Next(ctx)
	_, start := s.Resolve(ctx, absent, "LATEST", 0, time.Now(), func() {})
	return errors.Join(
		is("Check", none.Check(ctx), kinesis.ErrNoStream), is("Shards", list, kinesis.ErrNoStream), is("Now", now, kinesis.ErrNoStream),
		is("Retention", retention, kinesis.ErrNoStream), is("Resolve", resolve, kinesis.ErrNoStream), is("Next", read, kinesis.ErrNoStream),
		is("Next of no shard", shard, kinesis.ErrNoShard), is("Resolve of no shard", start, kinesis.ErrNoShard))
}

// remove deletes a stream and waits until it is gone.
func (b *bench) remove(ctx context.Context, name string) error {
	if _, err := b.DeleteStream(ctx, &awskinesis.DeleteStreamInput{StreamName: &name}); err != nil {
		return err
	}
	for {
		_, err := b.DescribeStreamSummary(ctx, &awskinesis.DescribeStreamSummaryInput{StreamName: &name})
		if code(err) == notFound {
			return nil
		}
		if err := pause(ctx); err != nil {
			return errors.Join(errors.New("the stream stays after its deletion"), err)
		}
	}
}

// readingOne returns a reader that has read the one record of its shard, and that record.
func (b *bench) readingOne(ctx context.Context, s subject) (r *kinesis.Reader, last window.SequenceNumber, err error) {
	seqs, err := b.put(ctx, s.name, "r", 1, lowKey)
	if err != nil {
		return nil, "", err
	}
	begin, err := s.beginning(ctx, firstShard)
	if err != nil {
		return nil, "", err
	}
	r = s.from(begin)
	return r, window.SequenceNumber(seqs[0]), brings(ctx, "at first", r, []string{"r0"})
}

func missingDeleted(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	r, _, err := b.readingOne(ctx, s)
	if err != nil {
		return err
	}
	if err := b.remove(ctx, s.name); err != nil {
		return err
	}
	_, err = r.Next(ctx)
	return is("a read of what was deleted", err, kinesis.ErrNoStream)
}

// madeAgain returns a stream that was deleted and made again, a reader of the old one, and what that read last.
func (b *bench) madeAgain(ctx context.Context) (s subject, r *kinesis.Reader, last window.SequenceNumber, err error) {
	if s, err = b.subject(ctx, 1); err != nil {
		return
	}
	if r, last, err = b.readingOne(ctx, s); err != nil {
		return
	}
	if err = b.remove(ctx, s.name); err != nil {
		return
	}
	// Sequence numbers know their shard by the second it was made in.
	if err = b.nextSecond(ctx); err != nil {
		return
	}
	if _, err = b.CreateStream(ctx, &awskinesis.CreateStreamInput{StreamName: &s.name, ShardCount: aws.Int32(1)}); err != nil {
		return
	}
	if err = b.waitActive(ctx, s.name); err != nil {
		return
	}
	_, err = b.put(ctx, s.name, "other", 1, lowKey)
	return
}

func missingIterator(ctx context.Context, b *bench) error {
	_, r, _, err := b.madeAgain(ctx)
	if err != nil {
		return err
	}
	_, err = r.Next(ctx)
	return is("reading on", err, kinesis.ErrPosition)
}

func missingPosition(ctx context.Context, b *bench) error {
	s, _, last, err := b.madeAgain(ctx)
	if err != nil {
		return err
	}
	_, err = s.from(kinesis.After(last)).Next(ctx)
	return errors.Join(is("reading from the old position", err, kinesis.ErrPosition), s.held(ctx, string(last), false))
}

func missingForeign(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 2)
	if err != nil {
		return err
	}
	seqs, err := b.put(ctx, s.name, "r", 1, lowKey)
	if err != nil {
		return err
	}
	_, err = s.Reader(allIDs(2)[1], kinesis.After(window.SequenceNumber(seqs[0])), kinesis.ReaderOptions{}).Next(ctx)
	return is("a number of the first shard in the second", err, kinesis.ErrPosition)
}

func missingForgotten(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	r, last, err := b.readingOne(ctx, s)
	if err != nil {
		return err
	}
	if _, err := b.split(ctx, s.name, firstShard); err != nil {
		return err
	}
	b.advance(24*time.Hour + time.Minute)
	_, reading := r.Next(ctx)
	_, resolve := s.resolve(ctx, "TRIM_HORIZON")
	_, holds := s.Holds(ctx, firstShard, last)
	return errors.Join(is("reading on", reading, kinesis.ErrNoShard), is("Resolve", resolve, kinesis.ErrNoShard), is("Holds", holds, kinesis.ErrNoShard))
}

// held checks what Holds says.
func (s subject) held(ctx context.Context, seq string, want bool) error {
	got, err := s.Holds(ctx, firstShard, window.SequenceNumber(seq))
	if err == nil && got != want {
		err = fmt.Errorf("record %s held=%v, want %v", seq, got, want)
	}
	return err
}

func holdsThere(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	seqs, err := b.put(ctx, s.name, "r", 3, lowKey)
	if err != nil {
		return err
	}
	s.net.set("GetRecords", nothing, refuse(400, "ProvisionedThroughputExceededException"))
	errs := []error{s.held(ctx, seqs[0], true), s.held(ctx, seqs[2], true)}
	if _, err := b.split(ctx, s.name, firstShard); err != nil {
		return err
	}
	return errors.Join(append(errs, s.held(ctx, seqs[2], true))...)
}

func holdsTrimmed(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	old, err := b.put(ctx, s.name, "old", 2, lowKey)
	if err != nil {
		return err
	}
	b.advance(23 * time.Hour)
	young, err := b.put(ctx, s.name, "new", 2, lowKey)
	if err != nil {
		return err
	}
	errs := []error{s.held(ctx, old[0], true)}
	b.advance(time.Hour + time.Minute)
	errs = append(errs, s.held(ctx, old[0], false), s.held(ctx, old[1], false), s.held(ctx, young[0], true),
		s.bringsFrom(ctx, kinesis.After(window.SequenceNumber(old[0])), series("new", 0, 2)))
	b.advance(24 * time.Hour)
	return errors.Join(append(errs, s.held(ctx, young[1], false))...)
}
