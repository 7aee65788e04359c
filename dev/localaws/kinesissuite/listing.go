package kinesissuite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

func listChecks() []check {
	return []check{
		{name: "list/pages-hold-each-shard-once", run: listPages},
		{name: "list/token-stands-alone", run: listTokenAlone},
		{name: "list/exclusive-start", run: listExclusiveStart},
		{name: "list/filter-at-latest", run: filterCheck(types.ShardFilterTypeAtLatest)},
		{name: "list/filter-at-trim-horizon", run: filterCheck(types.ShardFilterTypeAtTrimHorizon)},
		{name: "list/filter-from-trim-horizon", run: filterCheck(types.ShardFilterTypeFromTrimHorizon)},
		{name: "list/filter-after-shard-id", run: filterCheck(types.ShardFilterTypeAfterShardId)},
		{name: "list/filter-at-timestamp", run: filterCheck(types.ShardFilterTypeAtTimestamp)},
		{name: "list/filter-from-timestamp", run: filterCheck(types.ShardFilterTypeFromTimestamp)},
		{name: "list/filters-page", run: filtersPage},
	}
}

func (b *bench) pages(ctx context.Context, in *kinesis.ListShardsInput) ([]string, error) {
	var ids []string
	for {
		out, err := b.ListShards(ctx, in)
		if err != nil {
			return ids, err
		}
		if in.MaxResults != nil && len(out.Shards) > int(*in.MaxResults) {
			return ids, fmt.Errorf("a page of %d shards, asked for %d", len(out.Shards), *in.MaxResults)
		}
		for _, s := range out.Shards {
			ids = append(ids, *s.ShardId)
		}
		if out.NextToken == nil {
			return ids, nil
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken, MaxResults: in.MaxResults}
	}
}

func allIDs(n int) []string {
	var ids []string
	for i := range n {
		ids = append(ids, fmt.Sprintf("shardId-%012d", i))
	}
	return ids
}

func sameIDs(what string, got, want []string) error {
	if slices.Equal(got, want) {
		return nil
	}
	return fmt.Errorf("%s: got %v, want %v", what, got, want)
}

func listPages(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 5)
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range []int32{1, 2, 5, 6} {
		ids, err := b.pages(ctx, &kinesis.ListShardsInput{StreamName: &s, MaxResults: &n})
		errs = append(errs, err, sameIDs(fmt.Sprintf("pages of %d", n), ids, allIDs(5)))
	}
	return errors.Join(errs...)
}

func listTokenAlone(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 2)
	if err != nil {
		return err
	}
	out, err := b.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &s, MaxResults: aws.Int32(1)})
	if err != nil {
		return err
	}
	_, err = b.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &s, NextToken: out.NextToken})
	first := refused("token and stream name together", err, "InvalidArgumentException")
	_, err = b.ListShards(ctx, &kinesis.ListShardsInput{NextToken: aws.String("AAAA")})
	return errors.Join(first, refused("a token made up", err, "InvalidArgumentException", "ExpiredNextTokenException"))
}

func listExclusiveStart(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 3)
	if err != nil {
		return err
	}
	ids, err := b.pages(ctx, &kinesis.ListShardsInput{StreamName: &s, ExclusiveStartShardId: aws.String(firstShard), MaxResults: aws.Int32(1)})
	return errors.Join(err, sameIDs("after the first", ids, allIDs(3)[1:]))
}

// resharded makes a stream whose shard 0 is split into 2 and 3 while 1 stays. It returns a moment before the split at
// which 0 and 1 were open; the filters about time use the endpoint's own times.
func (b *bench) resharded(ctx context.Context) (stream string, before, later time.Time, err error) {
	if stream, err = b.stream(ctx, 2); err != nil {
		return
	}
	arrival := func() (time.Time, error) {
		if b.advance != nil {
			b.advance(3 * time.Second)
		}
		out, err := b.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: &stream, Data: []byte("x"), PartitionKey: aws.String("key"), ExplicitHashKey: aws.String(lowKey)})
		if err != nil {
			return time.Time{}, err
		}
		r, err := b.read(ctx, stream, *out.ShardId, at(*out.SequenceNumber), 1)
		if err != nil {
			return time.Time{}, err
		}
		return *r.records[0].ApproximateArrivalTimestamp, nil
	}
	if before, err = arrival(); err != nil {
		return
	}
	// The times must differ also where they are kept in seconds.
	for again := before; !again.Truncate(time.Second).After(before); {
		if again, err = arrival(); err != nil {
			return
		}
		if err = pause(ctx); err != nil {
			return
		}
	}
	if _, err = b.split(ctx, stream, firstShard); err != nil {
		return
	}
	closed, err := arrival()
	for later = closed; err == nil && !later.Truncate(time.Second).After(closed); {
		if later, err = arrival(); err == nil {
			err = pause(ctx)
		}
	}
	return
}

func filterCheck(kind types.ShardFilterType) func(context.Context, *bench) error {
	type want struct {
		filter types.ShardFilter
		ids    []string
	}
	all := allIDs(4)
	return func(ctx context.Context, b *bench) error {
		s, before, later, err := b.resharded(ctx)
		if err != nil {
			return err
		}
		f := types.ShardFilter{Type: kind}
		var wants []want
		switch kind {
		case types.ShardFilterTypeAtLatest:
			wants = []want{{f, all[1:]}}
		case types.ShardFilterTypeAtTrimHorizon:
			wants = []want{{f, all[:2]}}
		case types.ShardFilterTypeFromTrimHorizon:
			wants = []want{{f, all}}
		case types.ShardFilterTypeAfterShardId:
			f.ShardId = aws.String(all[1])
			wants = []want{{f, all[2:]}}
		case types.ShardFilterTypeAtTimestamp, types.ShardFilterTypeFromTimestamp:
			early, late := f, f
			early.Timestamp, late.Timestamp = &before, &later
			then := all[:2]
			if kind == types.ShardFilterTypeFromTimestamp {
				then = all
			}
			wants = []want{{early, then}, {late, all[1:]}}
		}
		var errs []error
		for _, w := range wants {
			shards, err := b.shards(ctx, s, &w.filter)
			errs = append(errs, err, sameIDs(string(kind), shardIDs(shards), w.ids))
		}
		return errors.Join(errs...)
	}
}

func filtersPage(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 2)
	if err != nil {
		return err
	}
	if _, err := b.split(ctx, s, firstShard); err != nil {
		return err
	}
	ids, err := b.pages(ctx, &kinesis.ListShardsInput{
		StreamName: &s, MaxResults: aws.Int32(1), ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtLatest},
	})
	return errors.Join(err, sameIDs("open shards, one a page", ids, allIDs(4)[1:]))
}
