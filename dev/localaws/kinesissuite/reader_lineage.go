package kinesissuite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

func lineageChecks() []check {
	return []check{
		{name: "lineage/listing-that-begins-behind-a-shard", run: shardsBehind},
		{name: "lineage/listing-whose-token-expired", run: shardsAgain},
		{name: "lineage/split-ends-with-its-children", run: splitEnds},
		{name: "lineage/split-at-the-tip-ends-with-its-children", run: splitAtTip},
		{name: "lineage/merge-ends-with-its-child", run: mergeEnds},
		{name: "lineage/children-read-where-their-parent-ended", run: childrenGoOn},
	}
}

func idsOf(shards []kinesis.Shard) []string {
	var ids []string
	for _, sh := range shards {
		ids = append(ids, sh.ID)
	}
	return ids
}

func shardsBehind(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 3)
	if err != nil {
		return err
	}
	if _, err := b.split(ctx, s.name, firstShard); err != nil {
		return err
	}
	ids := allIDs(5)
	var errs []error
	for i, after := range append([]string{""}, ids...) {
		shards, err := s.Shards(ctx, after)
		errs = append(errs, err, sameIDs("after "+cmp.Or(after, "nothing"), idsOf(shards), ids[i:]))
	}
	shards, err := s.Shards(ctx, "")
	if err != nil {
		return err
	}
	for i, sh := range shards {
		if closed := i == 0; sh.Closed != closed {
			errs = append(errs, fmt.Errorf("shard %s closed=%v", sh.ID, sh.Closed))
		}
		if child := i > 2; child != slices.Equal(sh.Parents, []string{firstShard}) || !child && len(sh.Parents) > 0 {
			errs = append(errs, fmt.Errorf("shard %s has parents %v", sh.ID, sh.Parents))
		}
	}
	return errors.Join(errs...)
}

func shardsAgain(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 3)
	if err != nil {
		return err
	}
	s.net.set("ListShards", refuse(400, "ExpiredNextTokenException"))
	shards, err := s.Shards(ctx, "")
	return errors.Join(err, sameIDs("begun again", idsOf(shards), allIDs(3)))
}

// endsAs checks that a batch is the end of its shard and names the children as the listing does.
func (s subject) endsAs(ctx context.Context, end kinesis.Batch, parent string) error {
	shards, err := s.Shards(ctx, "")
	if err != nil {
		return err
	}
	want := map[string][]string{}
	for _, sh := range shards {
		if slices.Contains(sh.Parents, parent) {
			want[sh.ID] = slices.Sorted(slices.Values(sh.Parents))
		}
	}
	got := map[string][]string{}
	for _, child := range end.Children {
		got[child.ID] = slices.Sorted(slices.Values(child.Parents))
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("the end of %s names children %v, want %v", parent, got, want)
	}
	return nil
}

func splitEnds(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	seqs, err := b.put(ctx, s.name, "r", 5, lowKey)
	if err != nil {
		return err
	}
	if _, err := b.split(ctx, s.name, firstShard); err != nil {
		return err
	}
	begin, err := s.beginning(ctx, firstShard)
	if err != nil {
		return err
	}
	var errs []error
	for from, want := range map[kinesis.Position][]string{
		begin: series("r", 0, 5),
		kinesis.After(window.SequenceNumber(seqs[2])): series("r", 3, 5),
		kinesis.After(window.SequenceNumber(seqs[4])): {},
	} {
		got, end, err := drain(ctx, s.from(from))
		if err != nil {
			return err
		}
		errs = append(errs, sameData(from.String(), dataOf(got), want), s.endsAs(ctx, end, firstShard))
	}
	return errors.Join(errs...)
}

func splitAtTip(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	if _, err := b.put(ctx, s.name, "r", 2, lowKey); err != nil {
		return err
	}
	begin, err := s.beginning(ctx, firstShard)
	if err != nil {
		return err
	}
	r := s.from(begin)
	if err := brings(ctx, "before the split", r, series("r", 0, 2)); err != nil {
		return err
	}
	if _, err := b.split(ctx, s.name, firstShard); err != nil {
		return err
	}
	got, end, err := drain(ctx, r)
	if err != nil {
		return err
	}
	return errors.Join(sameData("after the split", dataOf(got), []string{}), s.endsAs(ctx, end, firstShard))
}

func mergeEnds(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 2)
	if err != nil {
		return err
	}
	ids := allIDs(2)
	if _, err := b.put(ctx, s.name, "r", 3, lowKey); err != nil {
		return err
	}
	_, err = b.MergeShards(ctx, &awskinesis.MergeShardsInput{StreamName: &s.name, ShardToMerge: &ids[0], AdjacentShardToMerge: &ids[1]})
	if err != nil {
		return err
	}
	if err := b.waitActive(ctx, s.name); err != nil {
		return err
	}
	var errs []error
	for i, id := range ids {
		begin, err := s.beginning(ctx, id)
		if err != nil {
			return err
		}
		got, end, err := drain(ctx, s.Reader(id, begin, kinesis.ReaderOptions{}))
		if err != nil {
			return err
		}
		want := series("r", 0, 3*(1-i)) // all are in the first one
		errs = append(errs, sameData(id, dataOf(got), want), s.endsAs(ctx, end, id))
	}
	return errors.Join(errs...)
}

// childrenGoOn writes around a split and a merge, and reads the shards parents first.
func childrenGoOn(ctx context.Context, b *bench) error {
	s, err := b.subject(ctx, 1)
	if err != nil {
		return err
	}
	want := []string{}
	write := func(prefix string) error {
		_, err := b.put(ctx, s.name, prefix, 4, lowKey)
		want = append(want, series(prefix, 0, 4)...)
		return err
	}
	if err := write("before"); err != nil {
		return err
	}
	children, err := b.split(ctx, s.name, firstShard)
	if err != nil {
		return err
	}
	if err := write("split"); err != nil {
		return err
	}
	_, err = b.MergeShards(ctx, &awskinesis.MergeShardsInput{
		StreamName: &s.name, ShardToMerge: children[0].ShardId, AdjacentShardToMerge: children[1].ShardId,
	})
	if err != nil {
		return err
	}
	if err := b.waitActive(ctx, s.name); err != nil {
		return err
	}
	if err := write("merged"); err != nil {
		return err
	}
	shards, err := s.Shards(ctx, "")
	if err != nil {
		return err
	}
	got := []string{}
	for _, sh := range shards { // by id, so parents come before their children
		begin, err := s.beginning(ctx, sh.ID)
		if err != nil {
			return err
		}
		r := s.Reader(sh.ID, begin, kinesis.ReaderOptions{})
		if sh.Closed {
			records, _, err := drain(ctx, r)
			if err != nil {
				return err
			}
			got = append(got, dataOf(records)...)
			continue
		}
		records, err := collect(ctx, r, len(want)-len(got))
		if err != nil {
			return err
		}
		got = append(got, dataOf(records)...)
	}
	return sameData("in the order of the shards", got, want)
}
