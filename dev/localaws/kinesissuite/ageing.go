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

func ageChecks() []check {
	return []check{
		{name: "age/iterators-expire-after-five-minutes", run: iteratorsExpire, ages: true},
		{name: "age/list-tokens-expire-after-five-minutes", run: tokensExpire, ages: true},
		{name: "age/records-are-trimmed-by-retention", run: trimming, ages: true},
		{name: "age/positions-before-the-trim-horizon-go-on-from-it", run: trimmedPositions, ages: true},
		{name: "age/closed-shards-vanish-after-retention", run: closedShardsVanish, ages: true},
		{name: "age/longer-retention-keeps-longer", run: longerRetention, ages: true},
	}
}

func iteratorsExpire(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	it, err := b.iterator(ctx, s, firstShard, trimHorizon())
	if err != nil {
		return err
	}
	b.advance(5*time.Minute - time.Second)
	out, err := b.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it})
	if err != nil {
		return fmt.Errorf("before five minutes: %w", err)
	}
	b.advance(2 * time.Second)
	_, old := b.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it})
	_, next := b.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: out.NextShardIterator})
	return errors.Join(refused("after five minutes", old, "ExpiredIteratorException"), next)
}

func tokensExpire(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 2)
	if err != nil {
		return err
	}
	out, err := b.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &s, MaxResults: aws.Int32(1)})
	if err != nil {
		return err
	}
	b.advance(5*time.Minute + time.Second)
	_, err = b.ListShards(ctx, &kinesis.ListShardsInput{NextToken: out.NextToken})
	return refused("after five minutes", err, "ExpiredNextTokenException")
}

func trimming(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	if _, err := b.put(ctx, s, "old", 3, lowKey); err != nil {
		return err
	}
	b.advance(12 * time.Hour)
	if _, err := b.put(ctx, s, "new", 3, lowKey); err != nil {
		return err
	}
	b.advance(12*time.Hour - time.Second)
	r, err := b.read(ctx, s, firstShard, trimHorizon(), 0)
	errs := []error{err, sameData("within 24 h", r.data(), append(series("old", 0, 3), series("new", 0, 3)...))}
	b.advance(2 * time.Second)
	r, err = b.read(ctx, s, firstShard, trimHorizon(), 0)
	return errors.Join(append(errs, err, sameData("after 24 h", r.data(), series("new", 0, 3)))...)
}

func trimmedPositions(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	seqs, err := b.put(ctx, s, "old", 3, lowKey)
	if err != nil {
		return err
	}
	started := time.Now()
	b.advance(23*time.Hour + 58*time.Minute)
	held, err := b.iterator(ctx, s, firstShard, at(seqs[1]))
	if err != nil {
		return err
	}
	if _, err := b.put(ctx, s, "new", 3, lowKey); err != nil {
		return err
	}
	b.advance(3 * time.Minute)
	r, err := b.toTip(ctx, held, 0)
	errs := []error{err, sameData("an iterator held while its records were trimmed", r.data(), series("new", 0, 3))}
	for _, p := range []position{at(seqs[0]), after(seqs[0]), after(seqs[2]), atTime(started.Add(-time.Hour))} {
		r, err := b.read(ctx, s, firstShard, p, 0)
		errs = append(errs, err, sameData(string(p.kind)+" before the horizon", r.data(), series("new", 0, 3)))
	}
	return errors.Join(errs...)
}

func closedShardsVanish(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	if _, err := b.split(ctx, s, firstShard); err != nil {
		return err
	}
	b.advance(24*time.Hour - time.Second)
	shards, err := b.shards(ctx, s, nil)
	errs := []error{err, sameIDs("within retention", shardIDs(shards), allIDs(3))}
	b.advance(2 * time.Second)
	shards, err = b.shards(ctx, s, nil)
	errs = append(errs, err, sameIDs("after retention", shardIDs(shards), allIDs(3)[1:]))
	horizon, err := b.shards(ctx, s, &types.ShardFilter{Type: types.ShardFilterTypeAtTrimHorizon})
	errs = append(errs, err, sameIDs("at the trim horizon", shardIDs(horizon), allIDs(3)[1:]))
	_, err = b.iterator(ctx, s, firstShard, trimHorizon())
	return errors.Join(append(errs, refused("iterator on a shard that is gone", err, notFound))...)
}

func longerRetention(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	if _, err := b.IncreaseStreamRetentionPeriod(ctx, &kinesis.IncreaseStreamRetentionPeriodInput{StreamName: &s, RetentionPeriodHours: aws.Int32(48)}); err != nil {
		return err
	}
	if err := b.waitActive(ctx, s); err != nil {
		return err
	}
	if _, err := b.put(ctx, s, "r", 2, lowKey); err != nil {
		return err
	}
	b.advance(47 * time.Hour)
	r, err := b.read(ctx, s, firstShard, trimHorizon(), 0)
	errs := []error{err, sameData("with 48 h, after 47 h", r.data(), series("r", 0, 2))}
	if _, err := b.DecreaseStreamRetentionPeriod(ctx, &kinesis.DecreaseStreamRetentionPeriodInput{StreamName: &s, RetentionPeriodHours: aws.Int32(24)}); err != nil {
		return errors.Join(append(errs, err)...)
	}
	r, err = b.read(ctx, s, firstShard, trimHorizon(), 0)
	return errors.Join(append(errs, err, sameData("with 24 h, after 47 h", r.data(), nil))...)
}
