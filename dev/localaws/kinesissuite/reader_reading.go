package kinesissuite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

func readingChecks() []check {
	return []check{
		{name: "read/from-every-position", run: readFromEverywhere},
		{name: "read/by-arn", run: readByARN},
		{name: "read/on-at-the-tip", run: readOnAtTheTip},
		{name: "read/tells-the-time", run: readTellsTime},
		{name: "read/over-empty-pages", run: readOverEmptyPages},
		{name: "read/records-of-1-mib", run: readMiB},
		{name: "read/a-record-of-10-mib", run: readTenMiB},
	}
}

func readFromEverywhere(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	if err := b.putSpread(ctx, s.name, 8); err != nil {
		return err
	}
	begin, err := s.beginning(ctx, firstShard)
	if err != nil {
		return err
	}
	all, err := collect(ctx, s.from(begin), 8)
	if err != nil {
		return err
	}
	errs := []error{sameData("from the beginning", dataOf(all), series("r", 0, 8))}
	for i, rec := range all {
		first := 0
		for all[first].Arrival.Before(rec.Arrival) {
			first++
		}
		errs = append(errs,
			s.bringsFrom(ctx, kinesis.At(rec.SequenceNumber), series("r", i, 8)),
			s.bringsFrom(ctx, kinesis.After(rec.SequenceNumber), series("r", i+1, 8)),
			s.bringsFrom(ctx, kinesis.AtTime(rec.Arrival), series("r", first, 8)))
		if i > 0 && rec.SequenceNumber.Compare(all[i-1].SequenceNumber) <= 0 {
			errs = append(errs, fmt.Errorf("record %d does not follow the one before", i))
		}
	}
	return errors.Join(errs...)
}

func readByARN(ctx context.Context, b *bench) error {
	name, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	if _, err := b.put(ctx, name, "r", 3, lowKey); err != nil {
		return err
	}
	sum, err := b.DescribeStreamSummary(ctx, &awskinesis.DescribeStreamSummaryInput{StreamName: &name})
	if err != nil {
		return err
	}
	s := b.subjectOf(*sum.StreamDescriptionSummary.StreamARN)
	shards, err := s.Shards(ctx, "")
	if err != nil {
		return err
	}
	begin, err := s.beginning(ctx, shards[0].ID)
	if err != nil {
		return err
	}
	return errors.Join(s.Check(ctx), s.bringsFrom(ctx, begin, series("r", 0, 3)))
}

func readOnAtTheTip(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	begin, err := s.beginning(ctx, firstShard)
	if err != nil {
		return err
	}
	r := s.from(begin)
	var errs []error
	for round := range 3 {
		batch, err := r.Next(ctx)
		switch {
		case err != nil:
			return err
		case len(batch.Records) > 0 || batch.Behind != 0 || batch.End || batch.Bytes != 0:
			return fmt.Errorf("at the tip: %+v", batch)
		}
		if _, err := b.put(ctx, s.name, "r", 2*round+2, lowKey); err != nil {
			return err
		}
		errs = append(errs, brings(ctx, fmt.Sprintf("after round %d", round), r, series("r", 0, 2*round+2)))
	}
	if n := s.net.made("GetShardIterator"); n != 2 {
		errs = append(errs, fmt.Errorf("asked for %d iterators, want one to resolve and one to read", n))
	}
	return errors.Join(errs...)
}

// aMoment is more than clocks of one machine are apart when one of them has no fractions of a second.
const aMoment = 5 * time.Second

func readTellsTime(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	var errs []error
	expected := time.Now
	if b.advance != nil {
		b.advance(3 * time.Hour)
		expected = func() time.Time { return time.Now().Add(3 * time.Hour) }
	}
	near := func(what string, at time.Time) {
		if off := at.Sub(expected()).Abs(); off > aMoment {
			errs = append(errs, fmt.Errorf("%s is %v off", what, off))
		}
	}
	now, err := s.Now(ctx)
	if err != nil {
		return err
	}
	near("the time", now)
	if now.Nanosecond() != 0 {
		errs = append(errs, fmt.Errorf("the time %v is not in whole seconds", now))
	}
	seqs, err := b.put(ctx, s.name, "r", 1, lowKey)
	if err != nil {
		return err
	}
	batch, err := s.from(kinesis.At(window.SequenceNumber(seqs[0]))).Next(ctx)
	if err != nil {
		return err
	}
	near("the time of a batch", batch.At)
	return errors.Join(errs...)
}

func readOverEmptyPages(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	seqs, err := b.put(ctx, s.name, "r", 3, lowKey)
	if err != nil {
		return err
	}
	s.net.set("GetRecords", nothing, nothing, nothing)
	begin, err := s.beginning(ctx, firstShard)
	if err != nil {
		return err
	}
	if begin.SequenceNumber != window.SequenceNumber(seqs[0]) {
		return fmt.Errorf("begins %s, the first record is %s", begin, seqs[0])
	}
	s.net.set("GetRecords", nothing, nothing, nil, nothing)
	return s.bringsFrom(ctx, begin, series("r", 0, 3))
}

// megabyte is a record's data, which may have 1 MiB with its key.
const megabyte = 1<<20 - 16

func readMiB(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	const n = 12
	for i := range n {
		_, err := b.PutRecord(ctx, &awskinesis.PutRecordInput{
			StreamName: &s.name, Data: bytes.Repeat([]byte{byte('a' + i)}, megabyte), PartitionKey: aws.String("key"),
		})
		if err != nil {
			return err
		}
	}
	begin, err := s.beginning(ctx, firstShard)
	if err != nil {
		return err
	}
	for read := 0; read < n; {
		asked := time.Now()
		r := s.from(begin) // a new one for each page need not wait until the last one is paid for
		batch, err := r.Next(ctx)
		switch {
		case err != nil:
			return err
		case len(batch.Records) == 0:
			return fmt.Errorf("no record after %d of %d", read, n)
		case batch.Bytes != len(batch.Records)*megabyte:
			return fmt.Errorf("%d records of 1 MiB have %d bytes", len(batch.Records), batch.Bytes)
		}
		for _, rec := range batch.Records {
			if want := byte('a' + read); len(rec.Data) != megabyte || rec.Data[0] != want || rec.Data[megabyte-1] != want {
				return fmt.Errorf("record %d is not what was put", read)
			}
			read++
			begin = kinesis.After(rec.SequenceNumber)
		}
		if paid := asked.Add(time.Duration(batch.Bytes) * time.Second / (2 << 20)); r.Due().Before(paid) {
			return fmt.Errorf("after %d bytes the next read is due %v too early", batch.Bytes, paid.Sub(r.Due()))
		}
	}
	return nil
}

func readTenMiB(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	sum, err := b.DescribeStreamSummary(ctx, &awskinesis.DescribeStreamSummaryInput{StreamName: &s.name})
	if err != nil {
		return err
	}
	_, err = b.UpdateMaxRecordSize(ctx, &awskinesis.UpdateMaxRecordSizeInput{
		StreamARN: sum.StreamDescriptionSummary.StreamARN, MaxRecordSizeInKiB: aws.Int32(10 << 10),
	})
	if err != nil {
		return err
	}
	if err := b.waitActive(ctx, s.name); err != nil {
		return err
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), (10<<20-16)/16)
	for _, data := range [][]byte{[]byte("before"), large, []byte("after")} {
		_, err := b.PutRecord(ctx, &awskinesis.PutRecordInput{StreamName: &s.name, Data: data, PartitionKey: aws.String("key")})
		if err != nil {
			return err
		}
	}
	begin, err := s.beginning(ctx, firstShard)
	if err != nil {
		return err
	}
	got, err := collect(ctx, s.from(begin), 3)
	if err != nil {
		return err
	}
	if string(got[0].Data) != "before" || !bytes.Equal(got[1].Data, large) || string(got[2].Data) != "after" {
		return errors.New("the records are not what was put")
	}
	return nil
}
