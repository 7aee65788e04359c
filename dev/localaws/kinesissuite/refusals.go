package kinesissuite

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

const (
	notFound        = "ResourceNotFoundException"
	invalidArgument = "InvalidArgumentException"
	validation      = "ValidationException"
	inUse           = "ResourceInUseException"
)

func refusalChecks() []check {
	return []check{
		{name: "refuse/what-does-not-exist", run: refuseMissing},
		{name: "refuse/bad-positions", run: refusePositions},
		{name: "refuse/position-of-another-shard", run: refuseForeign},
		{name: "refuse/timestamp-in-the-future", run: refuseFuture},
		{name: "refuse/bad-limits", run: refuseLimits},
		{name: "refuse/bad-records", run: refuseRecords},
		{name: "refuse/bad-reshards", run: refuseReshards},
		{name: "refuse/iterator-of-a-deleted-stream", run: refuseDeleted},
	}
}

func refuseMissing(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	missing := aws.String("no-such-stream")
	_, list := b.ListShards(ctx, &kinesis.ListShardsInput{StreamName: missing})
	_, put := b.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: missing, Data: []byte("x"), PartitionKey: aws.String("k")})
	_, sum := b.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: missing})
	_, stream := b.iterator(ctx, *missing, firstShard, latest())
	_, shard := b.iterator(ctx, s, "shardId-000000000077", latest())
	_, again := b.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &s, ShardCount: aws.Int32(1)})
	return errors.Join(
		refused("ListShards", list, notFound), refused("PutRecord", put, notFound), refused("DescribeStreamSummary", sum, notFound),
		refused("iterator, no stream", stream, notFound), refused("iterator, no shard", shard, notFound),
		refused("CreateStream of an existing name", again, inUse))
}

func refusePositions(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	_, bogus := b.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("AAAAbogus")})
	_, letters := b.iterator(ctx, s, firstShard, after("123abc"))
	_, none := b.iterator(ctx, s, firstShard, after(""))
	_, both := b.iterator(ctx, s, firstShard, position{kind: types.ShardIteratorTypeLatest, seq: "49590338271490256608559692538361571095921575989136588898"})
	_, timeless := b.iterator(ctx, s, firstShard, position{kind: types.ShardIteratorTypeAtTimestamp})
	return errors.Join(
		refused("iterator made up", bogus, invalidArgument), refused("sequence number with letters", letters, invalidArgument, validation),
		refused("no sequence number", none, invalidArgument), refused("LATEST with a sequence number", both, invalidArgument),
		refused("no timestamp", timeless, invalidArgument))
}

func refuseForeign(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 2)
	if err != nil {
		return err
	}
	seqs, err := b.put(ctx, s, "r", 1, lowKey)
	if err != nil {
		return err
	}
	_, err = b.iterator(ctx, s, "shardId-000000000001", after(seqs[0]))
	return refused("sequence number of shard 0 on shard 1", err, invalidArgument)
}

func refuseFuture(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	_, err = b.iterator(ctx, s, firstShard, atTime(time.Now().Add(1000*time.Hour)))
	return refused("a timestamp to come", err, invalidArgument)
}

func refuseLimits(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	it, err := b.iterator(ctx, s, firstShard, trimHorizon())
	if err != nil {
		return err
	}
	_, many := b.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it, Limit: aws.Int32(10001)})
	_, zero := b.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it, Limit: aws.Int32(0)})
	return errors.Join(refused("limit 10001", many, invalidArgument, validation), refused("limit 0", zero, invalidArgument, validation))
}

func refuseRecords(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	entry := types.PutRecordsRequestEntry{Data: []byte("x"), PartitionKey: aws.String("k")}
	many := make([]types.PutRecordsRequestEntry, 501)
	for i := range many {
		many[i] = entry
	}
	_, tooMany := b.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &s, Records: many})
	_, none := b.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &s, Records: many[:0]})
	_, large := b.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: &s, Data: make([]byte, 1<<20+1), PartitionKey: aws.String("k")})
	bad := entry
	bad.ExplicitHashKey = aws.String("340282366920938463463374607431768211456")
	_, hash := b.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &s, Records: []types.PutRecordsRequestEntry{bad}})
	return errors.Join(
		refused("501 records", tooMany, invalidArgument, validation), refused("no record", none, invalidArgument, validation),
		refused("a record above 1 MiB", large, invalidArgument, validation), refused("hash key 2^128", hash, invalidArgument, validation))
}

func refuseReshards(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 3)
	if err != nil {
		return err
	}
	ids := allIDs(3)
	_, apart := b.MergeShards(ctx, &kinesis.MergeShardsInput{StreamName: &s, ShardToMerge: &ids[0], AdjacentShardToMerge: &ids[2]})
	_, outside := b.SplitShard(ctx, &kinesis.SplitShardInput{StreamName: &s, ShardToSplit: &ids[2], NewStartingHashKey: aws.String("10")})
	_, absent := b.SplitShard(ctx, &kinesis.SplitShardInput{StreamName: &s, ShardToSplit: aws.String("shardId-000000000099"), NewStartingHashKey: aws.String("10")})
	if err := b.waitActive(ctx, s); err != nil {
		return err
	}
	if _, err := b.split(ctx, s, ids[0]); err != nil {
		return err
	}
	_, closed := b.SplitShard(ctx, &kinesis.SplitShardInput{StreamName: &s, ShardToSplit: &ids[0], NewStartingHashKey: aws.String("1000")})
	return errors.Join(
		refused("merge of shards that are apart", apart, invalidArgument), refused("split outside the shard", outside, invalidArgument),
		refused("split of no shard", absent, notFound, invalidArgument), refused("split of a closed shard", closed, invalidArgument, inUse))
}

func refuseDeleted(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	it, err := b.iterator(ctx, s, firstShard, trimHorizon())
	if err != nil {
		return err
	}
	if _, err := b.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: &s}); err != nil {
		return err
	}
	for {
		_, err := b.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &s})
		if code(err) == notFound {
			break
		}
		if err := pause(ctx); err != nil {
			return errors.Join(errors.New("the stream stays after its deletion"), err)
		}
	}
	_, err = b.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it})
	return refused("read of a deleted stream", err, notFound)
}
