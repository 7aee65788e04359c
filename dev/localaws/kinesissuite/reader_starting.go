package kinesissuite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

func startingChecks() []check {
	return []check{
		{name: "start/horizon-is-the-oldest-record", run: startAtHorizon},
		{name: "start/horizon-of-an-empty-shard-is-its-beginning", run: startEmpty},
		{name: "start/latest-and-now-split-before-from-after", run: startLatest},
		{name: "start/latest-of-an-empty-shard", run: startLatestEmpty},
		{name: "start/time-is-the-first-record-from-then", run: startAtTime},
		{name: "start/time-to-come", run: startToCome},
		{name: "start/horizon-with-a-margin", run: startWithMargin, ages: true},
		{name: "start/horizon-of-a-trimmed-shard", run: startTrimmed, ages: true},
		{name: "start/retention-is-remembered", run: startRetention},
	}
}

// resolve is Resolve of the first shard without a margin.
func (s subject) resolve(ctx context.Context, position string) (kinesis.Position, error) {
	return s.Resolve(ctx, firstShard, position, 0, time.Now(), func() {})
}

func startAtHorizon(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	seqs, err := b.put(ctx, s.name, "r", 3, lowKey)
	if err != nil {
		return err
	}
	at, err := s.resolve(ctx, "TRIM_HORIZON")
	if err != nil {
		return err
	}
	if at.Kind != types.ShardIteratorTypeAtSequenceNumber || at.SequenceNumber != window.SequenceNumber(seqs[0]) {
		return fmt.Errorf("the horizon is %s, the first record %s", at, seqs[0])
	}
	got, err := collect(ctx, s.from(at), 3)
	if err != nil {
		return err
	}
	if !got[0].Arrival.Equal(at.Arrival) {
		return fmt.Errorf("the record arrived at %v, the position says %v", got[0].Arrival, at.Arrival)
	}
	return sameData("from there", dataOf(got), series("r", 0, 3))
}

// startEmpty begins in each shard of a stream, so that each has to be found.
func startEmpty(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 4)
	if err != nil {
		return err
	}
	shards, err := s.Shards(ctx, "")
	if err != nil {
		return err
	}
	raw, err := b.shards(ctx, s.name, nil)
	if err != nil {
		return err
	}
	var errs []error
	for i, sh := range shards {
		at, err := s.beginning(ctx, sh.ID)
		if err != nil {
			return err
		}
		if want := kinesis.After(window.SequenceNumber(sh.First)); at != want {
			errs = append(errs, fmt.Errorf("shard %s begins %s, want %s", sh.ID, at, want))
		}
		prefix := fmt.Sprint("s", i, "-")
		if _, err := b.put(ctx, s.name, prefix, 2, aws.ToString(raw[i].HashKeyRange.StartingHashKey)); err != nil {
			return err
		}
		errs = append(errs, brings(ctx, "shard "+sh.ID, s.Reader(sh.ID, at, kinesis.ReaderOptions{}), series(prefix, 0, 2)))
	}
	return errors.Join(errs...)
}

func startLatest(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	if _, err := b.put(ctx, s.name, "before", 2, lowKey); err != nil {
		return err
	}
	if err := b.nextSecond(ctx); err != nil {
		return err
	}
	latest, err := s.resolve(ctx, "LATEST")
	if err != nil {
		return err
	}
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	if _, err := b.put(ctx, s.name, "after", 2, lowKey); err != nil {
		return err
	}
	return errors.Join(
		s.bringsFrom(ctx, latest, series("after", 0, 2)),
		s.bringsFrom(ctx, kinesis.AtTime(now), series("after", 0, 2)))
}

func startLatestEmpty(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	latest, err := s.resolve(ctx, "LATEST")
	if err != nil {
		return err
	}
	if _, err := b.put(ctx, s.name, "r", 2, lowKey); err != nil {
		return err
	}
	return s.bringsFrom(ctx, latest, series("r", 0, 2))
}

func startAtTime(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	if err := b.putSpread(ctx, s.name, 4); err != nil {
		return err
	}
	begin, err := s.beginning(ctx, firstShard)
	if err != nil {
		return err
	}
	all, err := collect(ctx, s.from(begin), 4)
	if err != nil {
		return err
	}
	first := 0
	for all[first].Arrival.Before(all[2].Arrival) {
		first++
	}
	at, err := s.resolve(ctx, all[2].Arrival.Format(time.RFC3339Nano))
	if err != nil {
		return err
	}
	if at.SequenceNumber != all[first].SequenceNumber || !at.Arrival.Equal(all[first].Arrival) {
		return fmt.Errorf("from the arrival of record 2 it begins %s, want record %d, %s", at, first, all[first].SequenceNumber)
	}
	before, err := s.resolve(ctx, all[0].Arrival.Add(-time.Hour).Format(time.RFC3339Nano))
	if err == nil && before.SequenceNumber != all[0].SequenceNumber {
		err = fmt.Errorf("from before the stream it begins %s", before)
	}
	return err
}

// startToCome: whoever asks for a time to come is refused until it has come.
func startToCome(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	_, err = s.from(kinesis.AtTime(time.Now().Add(1000 * time.Hour))).Next(ctx)
	return is("a time to come", err, kinesis.ErrUnavailable)
}

func startWithMargin(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	if _, err := b.put(ctx, s.name, "old", 2, lowKey); err != nil {
		return err
	}
	b.advance(10 * time.Minute)
	young, err := b.put(ctx, s.name, "young", 2, lowKey)
	if err != nil {
		return err
	}
	// The old records are to go within a minute, the young ones in eleven.
	b.advance(24*time.Hour - 10*time.Minute - 30*time.Second)
	near, err := s.Resolve(ctx, firstShard, "TRIM_HORIZON", 5*time.Minute, time.Now(), func() {})
	if err != nil {
		return err
	}
	if near.SequenceNumber != window.SequenceNumber(young[0]) {
		return fmt.Errorf("with a margin of 5 minutes it begins %s, want %s", near, young[0])
	}
	far, err := s.Resolve(ctx, firstShard, "TRIM_HORIZON", time.Hour, time.Now(), func() {})
	if err != nil {
		return err
	}
	if far.Kind != types.ShardIteratorTypeAtTimestamp {
		return fmt.Errorf("with a margin that no record has it begins %s", far)
	}
	if _, err := b.put(ctx, s.name, "new", 2, lowKey); err != nil {
		return err
	}
	return errors.Join(
		s.bringsFrom(ctx, near, append(series("young", 0, 2), series("new", 0, 2)...)),
		s.bringsFrom(ctx, far, series("new", 0, 2)))
}

func startTrimmed(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	if _, err := b.put(ctx, s.name, "old", 2, lowKey); err != nil {
		return err
	}
	b.advance(24*time.Hour + time.Minute)
	empty, err := s.resolve(ctx, "TRIM_HORIZON")
	if err != nil {
		return err
	}
	if empty.Kind != types.ShardIteratorTypeAfterSequenceNumber {
		return fmt.Errorf("a shard whose records are all trimmed begins %s", empty)
	}
	seqs, err := b.put(ctx, s.name, "new", 2, lowKey)
	if err != nil {
		return err
	}
	oldest, err := s.resolve(ctx, "TRIM_HORIZON")
	if err == nil && oldest.SequenceNumber != window.SequenceNumber(seqs[0]) {
		err = fmt.Errorf("the horizon is %s, want %s", oldest, seqs[0])
	}
	return errors.Join(err, s.bringsFrom(ctx, empty, series("new", 0, 2)))
}

func startRetention(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	check := func(s subject, want time.Duration) error {
		got, err := s.Retention(ctx)
		if err == nil && got != want {
			err = fmt.Errorf("the retention is %v, want %v", got, want)
		}
		return err
	}
	errs := []error{check(s, 24*time.Hour)}
	_, err = b.IncreaseStreamRetentionPeriod(ctx, &awskinesis.IncreaseStreamRetentionPeriodInput{StreamName: &s.name, RetentionPeriodHours: aws.Int32(48)})
	if err != nil {
		return err
	}
	errs = append(errs, b.waitActive(ctx, s.name), check(s, 24*time.Hour), check(b.subjectOf(s.name), 48*time.Hour))
	if n := s.net.made("DescribeStreamSummary"); n != 1 {
		errs = append(errs, fmt.Errorf("asked %d times", n))
	}
	return errors.Join(errs...)
}
