package kinesissuite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

const (
	firstShard = "shardId-000000000000"
	lowKey     = "1" // a hash key that the first shard of any even division holds
)

func positionChecks() []check {
	return []check{
		{name: "positions/every-kind-is-exact", run: everyKindExact},
		{name: "positions/shard-start-means-everything", run: shardStart},
		{name: "positions/after-last-gives-only-what-is-new", run: afterLast},
		{name: "positions/latest-starts-at-the-call", run: latestStartsAtCall},
		{name: "positions/iterator-can-be-used-again", run: iteratorReuse},
		{name: "positions/pages-join-without-gap-or-overlap", run: pagesJoin},
		{name: "positions/timestamp-is-deterministic", run: timestampDeterministic},
		{name: "positions/timestamp-before-the-stream-means-everything", run: timestampBefore},
		{name: "positions/behind-while-records-remain", run: millisBehind},
		{name: "positions/arrival-times-in-milliseconds", run: arrivalTimes},
		{name: "positions/page-holds-at-most-10-mib", run: pageCap},
		{name: "positions/by-arn", run: byARN},
	}
}

func everyKindExact(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	seqs, err := b.put(ctx, s, "r", 10, lowKey)
	if err != nil {
		return err
	}
	var errs []error
	for i, seq := range seqs {
		for _, c := range []struct {
			what string
			p    position
			from int
		}{{"at", at(seq), i}, {"after", after(seq), i + 1}} {
			r, err := b.read(ctx, s, firstShard, c.p, 0)
			errs = append(errs, err, sameData(fmt.Sprintf("%s record %d", c.what, i), r.data(), series("r", c.from, 10)))
		}
	}
	r, err := b.read(ctx, s, firstShard, trimHorizon(), 0)
	errs = append(errs, err, sameData("trim horizon", r.data(), series("r", 0, 10)))
	for i, rec := range r.records {
		if i < len(seqs) && *rec.SequenceNumber != seqs[i] {
			errs = append(errs, fmt.Errorf("record %d reads back as %s, was acknowledged as %s", i, *rec.SequenceNumber, seqs[i]))
		}
	}
	return errors.Join(errs...)
}

func shardStart(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	shards, err := b.shards(ctx, s, nil)
	if err != nil {
		return err
	}
	start := *shards[0].SequenceNumberRange.StartingSequenceNumber
	early, err := b.iterator(ctx, s, firstShard, after(start))
	if err != nil {
		return err
	}
	if _, err := b.put(ctx, s, "r", 3, lowKey); err != nil {
		return err
	}
	r, err := b.toTip(ctx, early, 0)
	errs := []error{err, sameData("after the start, taken while empty", r.data(), series("r", 0, 3))}
	for _, p := range []position{at(start), after(start)} {
		r, err := b.read(ctx, s, firstShard, p, 0)
		errs = append(errs, err, sameData(string(p.kind)+" the shard's start", r.data(), series("r", 0, 3)))
	}
	return errors.Join(errs...)
}

func afterLast(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	seqs, err := b.put(ctx, s, "old", 5, lowKey)
	if err != nil {
		return err
	}
	it, err := b.iterator(ctx, s, firstShard, after(seqs[4]))
	if err != nil {
		return err
	}
	r, err := b.toTip(ctx, it, 0)
	if err := errors.Join(err, sameData("after the last record", r.data(), nil)); err != nil {
		return err
	}
	if r.ended() {
		return errors.New("an open shard ended")
	}
	if _, err := b.put(ctx, s, "new", 5, lowKey); err != nil {
		return err
	}
	onward, err := b.toTip(ctx, r.last.NextShardIterator, 0)
	errs := []error{err, sameData("following the iterator", onward.data(), series("new", 0, 5))}
	anew, err := b.read(ctx, s, firstShard, after(seqs[4]), 0)
	return errors.Join(append(errs, err, sameData("a new iterator", anew.data(), series("new", 0, 5)))...)
}

func latestStartsAtCall(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	empty, err := b.iterator(ctx, s, firstShard, latest())
	if err != nil {
		return err
	}
	if _, err := b.put(ctx, s, "a", 3, lowKey); err != nil {
		return err
	}
	between, err := b.iterator(ctx, s, firstShard, latest())
	if err != nil {
		return err
	}
	if _, err := b.put(ctx, s, "b", 3, lowKey); err != nil {
		return err
	}
	all, err1 := b.toTip(ctx, empty, 0)
	some, err2 := b.toTip(ctx, between, 0)
	none, err3 := b.read(ctx, s, firstShard, latest(), 0)
	return errors.Join(err1, err2, err3,
		sameData("taken on the empty shard", all.data(), append(series("a", 0, 3), series("b", 0, 3)...)),
		sameData("taken between", some.data(), series("b", 0, 3)),
		sameData("taken last", none.data(), nil))
}

func iteratorReuse(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	if _, err := b.put(ctx, s, "r", 6, lowKey); err != nil {
		return err
	}
	it, err := b.iterator(ctx, s, firstShard, trimHorizon())
	if err != nil {
		return err
	}
	var errs []error
	for i := range 3 {
		r, err := b.toTip(ctx, it, 2)
		errs = append(errs, err, sameData(fmt.Sprintf("use %d", i+1), r.data(), series("r", 0, 6)))
	}
	return errors.Join(errs...)
}

func pagesJoin(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	if _, err := b.put(ctx, s, "r", 23, lowKey); err != nil {
		return err
	}
	var errs []error
	for _, limit := range []int32{1, 2, 5, 22, 23, 24} {
		r, err := b.read(ctx, s, firstShard, trimHorizon(), limit)
		errs = append(errs, err, sameData(fmt.Sprintf("limit %d", limit), r.data(), series("r", 0, 23)))
	}
	return errors.Join(errs...)
}

// putSpread puts records one by one, so that the endpoint's clock moves between them, and moves it where it can.
func (b *bench) putSpread(ctx context.Context, s string, n int) error {
	for i := range n {
		if b.advance != nil {
			b.advance(7 * time.Millisecond)
		}
		_, err := b.PutRecord(ctx, &kinesis.PutRecordInput{
			StreamName: &s, Data: fmt.Appendf(nil, "r%d", i), PartitionKey: aws.String("key"), ExplicitHashKey: aws.String(lowKey),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func timestampDeterministic(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	const n = 20
	if err := b.putSpread(ctx, s, n); err != nil {
		return err
	}
	all, err := b.read(ctx, s, firstShard, trimHorizon(), 0)
	if err := errors.Join(err, sameData("everything", all.data(), series("r", 0, n))); err != nil {
		return err
	}
	var errs []error
	for _, rec := range all.records {
		when := *rec.ApproximateArrivalTimestamp
		first := 0
		for all.records[first].ApproximateArrivalTimestamp.Before(when) {
			first++
		}
		for range 2 {
			r, err := b.read(ctx, s, firstShard, atTime(when), 0)
			errs = append(errs, err, sameData(fmt.Sprintf("from the arrival of %s", rec.Data), r.data(), series("r", first, n)))
		}
	}
	return errors.Join(errs...)
}

func timestampBefore(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	if _, err := b.put(ctx, s, "r", 4, lowKey); err != nil {
		return err
	}
	sum, err := b.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &s})
	if err != nil {
		return err
	}
	created := *sum.StreamDescriptionSummary.StreamCreationTimestamp
	r, err := b.read(ctx, s, firstShard, atTime(created.Add(-time.Hour)), 0)
	return errors.Join(err, sameData("an hour before the stream", r.data(), series("r", 0, 4)))
}

func millisBehind(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	if err := b.putSpread(ctx, s, 8); err != nil {
		return err
	}
	it, err := b.iterator(ctx, s, firstShard, trimHorizon())
	if err != nil {
		return err
	}
	limit := int32(1)
	for got := 0; got < 8; {
		out, err := b.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it, Limit: &limit})
		if err != nil {
			return err
		}
		got += len(out.Records)
		switch behind := aws.ToInt64(out.MillisBehindLatest); {
		case out.MillisBehindLatest == nil:
			return errors.New("MillisBehindLatest is missing")
		case got < 8 && behind == 0:
			return fmt.Errorf("says it is at the tip with %d of 8 records read", got)
		case got == 8 && behind != 0:
			return fmt.Errorf("says it is %d ms behind with all records read", behind)
		}
		it = out.NextShardIterator
	}
	return nil
}

func arrivalTimes(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	if err := b.putSpread(ctx, s, 20); err != nil {
		return err
	}
	r, err := b.read(ctx, s, firstShard, trimHorizon(), 0)
	if err != nil {
		return err
	}
	fine := false
	for i, rec := range r.records {
		when := rec.ApproximateArrivalTimestamp
		if when == nil {
			return fmt.Errorf("record %d has no arrival time", i)
		}
		if i > 0 && when.Before(*r.records[i-1].ApproximateArrivalTimestamp) {
			return fmt.Errorf("record %d arrived before the one ahead of it", i)
		}
		fine = fine || when.Nanosecond()/int(time.Millisecond) != 0
	}
	if !fine {
		return errors.New("arrival times are whole seconds")
	}
	return nil
}

func pageCap(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	const size, n = 1<<20 - 16, 12
	for range n {
		_, err := b.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: &s, Data: make([]byte, size), PartitionKey: aws.String("key")})
		if err != nil {
			return err
		}
	}
	it, err := b.iterator(ctx, s, firstShard, trimHorizon())
	if err != nil {
		return err
	}
	total := 0
	for total < n && it != nil {
		out, err := b.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it})
		if err != nil {
			return err
		}
		if bytes := len(out.Records) * size; bytes > 10<<20 {
			return fmt.Errorf("a page holds %d bytes", bytes)
		}
		total += len(out.Records)
		it = out.NextShardIterator
	}
	if total != n {
		return fmt.Errorf("read %d of %d records", total, n)
	}
	return nil
}

func byARN(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	sum, err := b.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &s})
	if err != nil {
		return err
	}
	arn := sum.StreamDescriptionSummary.StreamARN
	put, err := b.PutRecord(ctx, &kinesis.PutRecordInput{StreamARN: arn, Data: []byte("x"), PartitionKey: aws.String("key")})
	if err != nil {
		return fmt.Errorf("put: %w", err)
	}
	list, err := b.ListShards(ctx, &kinesis.ListShardsInput{StreamARN: arn})
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	if len(list.Shards) != 1 {
		return fmt.Errorf("%d shards", len(list.Shards))
	}
	it, err := b.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamARN: arn, ShardId: put.ShardId, ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, StartingSequenceNumber: put.SequenceNumber,
	})
	if err != nil {
		return fmt.Errorf("iterator: %w", err)
	}
	out, err := b.GetRecords(ctx, &kinesis.GetRecordsInput{StreamARN: arn, ShardIterator: it.ShardIterator})
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if len(out.Records) != 1 {
		return fmt.Errorf("read %d records", len(out.Records))
	}
	return nil
}
