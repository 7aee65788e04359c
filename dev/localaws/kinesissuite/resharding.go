package kinesissuite

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

func reshardChecks() []check {
	return []check{
		{name: "reshard/split-parent-drains-to-an-end-with-children", run: splitDrains},
		{name: "reshard/end-of-a-closed-shard-from-every-position", run: closedPositions},
		{name: "reshard/children-hold-only-what-came-after", run: childrenAfter},
		{name: "reshard/reader-at-the-tip-sees-the-end", run: endAtTip},
		{name: "reshard/merge-parents-end-with-one-child", run: mergeDrains},
		{name: "reshard/lineage-in-the-shard-list", run: lineage},
		{name: "reshard/lineage-walk-reads-everything-once-in-order", run: lineageWalk},
		{name: "reshard/update-shard-count-covers-the-key-space", run: updateCount},
	}
}

// split divides a shard in the middle and returns its children in the order of their ranges.
func (b *bench) split(ctx context.Context, stream, shard string) ([]types.Shard, error) {
	shards, err := b.shards(ctx, stream, nil)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(shards, func(s types.Shard) bool { return *s.ShardId == shard })
	if i < 0 {
		return nil, fmt.Errorf("shard %s is not listed", shard)
	}
	from, _ := new(big.Int).SetString(*shards[i].HashKeyRange.StartingHashKey, 10)
	to, _ := new(big.Int).SetString(*shards[i].HashKeyRange.EndingHashKey, 10)
	middle := from.Add(from, to)
	middle.Rsh(middle, 1)
	_, err = b.SplitShard(ctx, &kinesis.SplitShardInput{StreamName: &stream, ShardToSplit: &shard, NewStartingHashKey: aws.String(middle.String())})
	if err != nil {
		return nil, fmt.Errorf("split: %w", err)
	}
	return b.childrenOf(ctx, stream, shard, 2)
}

func (b *bench) childrenOf(ctx context.Context, stream, parent string, want int) ([]types.Shard, error) {
	if err := b.waitActive(ctx, stream); err != nil {
		return nil, err
	}
	shards, err := b.shards(ctx, stream, nil)
	if err != nil {
		return nil, err
	}
	children := slices.DeleteFunc(shards, func(s types.Shard) bool {
		return aws.ToString(s.ParentShardId) != parent && aws.ToString(s.AdjacentParentShardId) != parent
	})
	if len(children) != want {
		return nil, fmt.Errorf("shard %s has %d children in the list, want %d", parent, len(children), want)
	}
	return children, nil
}

func shardIDs(shards []types.Shard) []string {
	var ids []string
	for _, s := range shards {
		ids = append(ids, *s.ShardId)
	}
	slices.Sort(ids)
	return ids
}

// endsWith checks that a reading reached the shard's end and that the end names these children.
func (r reading) endsWith(parents []string, children []types.Shard) error {
	if !r.ended() {
		return errors.New("the closed shard did not end")
	}
	var ids []string
	for _, c := range r.last.ChildShards {
		ids = append(ids, *c.ShardId)
		got := slices.Sorted(slices.Values(c.ParentShards))
		if !slices.Equal(got, parents) {
			return fmt.Errorf("child %s names parents %v, want %v", *c.ShardId, got, parents)
		}
		if c.HashKeyRange == nil || c.HashKeyRange.StartingHashKey == nil || c.HashKeyRange.EndingHashKey == nil {
			return fmt.Errorf("child %s has no hash range", *c.ShardId)
		}
	}
	slices.Sort(ids)
	if want := shardIDs(children); !slices.Equal(ids, want) {
		return fmt.Errorf("the end names children %v, want %v", ids, want)
	}
	return nil
}

func splitDrains(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	if _, err := b.put(ctx, s, "r", 11, lowKey); err != nil {
		return err
	}
	children, err := b.split(ctx, s, firstShard)
	if err != nil {
		return err
	}
	var errs []error
	for _, limit := range []int32{0, 1, 3, 11} {
		it, err := b.iterator(ctx, s, firstShard, trimHorizon())
		if err != nil {
			return err
		}
		r, err := b.toEnd(ctx, it, limit)
		if err != nil {
			return err
		}
		errs = append(errs, sameData(fmt.Sprintf("drained with limit %d", limit), r.data(), series("r", 0, 11)), r.endsWith([]string{firstShard}, children))
	}
	return errors.Join(errs...)
}

func closedPositions(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	seqs, err := b.put(ctx, s, "r", 4, lowKey)
	if err != nil {
		return err
	}
	if _, err := b.split(ctx, s, firstShard); err != nil {
		return err
	}
	shards, err := b.shards(ctx, s, nil)
	if err != nil {
		return err
	}
	end := aws.ToString(shards[0].SequenceNumberRange.EndingSequenceNumber)
	if end == "" {
		return errors.New("the closed shard has no ending sequence number")
	}
	var errs []error
	for _, c := range []struct {
		what string
		p    position
		want []string
	}{
		{"latest", latest(), nil},
		{"after the last record", after(seqs[3]), nil},
		{"at the last record", at(seqs[3]), series("r", 3, 4)},
		{"after the ending sequence number", after(end), nil},
	} {
		it, err := b.iterator(ctx, s, firstShard, c.p)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.what, err))
			continue
		}
		r, err := b.toEnd(ctx, it, 0)
		errs = append(errs, err, sameData(c.what, r.data(), c.want))
	}
	return errors.Join(errs...)
}

func childrenAfter(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	seqs, err := b.put(ctx, s, "before", 3, lowKey)
	if err != nil {
		return err
	}
	children, err := b.split(ctx, s, firstShard)
	if err != nil {
		return err
	}
	if _, err := b.put(ctx, s, "after", 3, lowKey); err != nil {
		return err
	}
	last, _ := new(big.Int).SetString(seqs[2], 10)
	for i, c := range children {
		r, err := b.read(ctx, s, *c.ShardId, trimHorizon(), 0)
		if err != nil {
			return err
		}
		var want []string
		if i == 0 {
			want = series("after", 0, 3)
		}
		if err := sameData("child "+*c.ShardId, r.data(), want); err != nil {
			return err
		}
		for _, rec := range r.records {
			if n, ok := new(big.Int).SetString(*rec.SequenceNumber, 10); !ok || n.Cmp(last) <= 0 {
				return fmt.Errorf("sequence number %s of a child is not above the parent's %s", *rec.SequenceNumber, last)
			}
		}
	}
	return nil
}

func endAtTip(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 1)
	if err != nil {
		return err
	}
	if _, err := b.put(ctx, s, "r", 2, lowKey); err != nil {
		return err
	}
	r, err := b.read(ctx, s, firstShard, trimHorizon(), 0)
	if err != nil {
		return err
	}
	if r.ended() {
		return errors.New("an open shard ended")
	}
	children, err := b.split(ctx, s, firstShard)
	if err != nil {
		return err
	}
	end, err := b.toEnd(ctx, r.last.NextShardIterator, 0)
	return errors.Join(err, sameData("after the tip", end.data(), nil), end.endsWith([]string{firstShard}, children))
}

func mergeDrains(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 2)
	if err != nil {
		return err
	}
	shards, err := b.shards(ctx, s, nil)
	if err != nil {
		return err
	}
	parents := shardIDs(shards)
	for i, sh := range shards {
		if _, err := b.put(ctx, s, fmt.Sprint("p", i, "-"), 3, *sh.HashKeyRange.StartingHashKey); err != nil {
			return err
		}
	}
	_, err = b.MergeShards(ctx, &kinesis.MergeShardsInput{StreamName: &s, ShardToMerge: &parents[0], AdjacentShardToMerge: &parents[1]})
	if err != nil {
		return err
	}
	children, err := b.childrenOf(ctx, s, parents[0], 1)
	if err != nil {
		return err
	}
	var errs []error
	for i, p := range parents {
		it, err := b.iterator(ctx, s, p, trimHorizon())
		if err != nil {
			return err
		}
		r, err := b.toEnd(ctx, it, 0)
		if err != nil {
			return err
		}
		errs = append(errs, sameData("parent "+p, r.data(), series(fmt.Sprint("p", i, "-"), 0, 3)), r.endsWith(parents, children))
	}
	return errors.Join(errs...)
}

func lineage(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 2)
	if err != nil {
		return err
	}
	children, err := b.split(ctx, s, firstShard)
	if err != nil {
		return err
	}
	ids := shardIDs(children)
	_, err = b.MergeShards(ctx, &kinesis.MergeShardsInput{StreamName: &s, ShardToMerge: &ids[0], AdjacentShardToMerge: &ids[1]})
	if err != nil {
		return err
	}
	merged, err := b.childrenOf(ctx, s, ids[0], 1)
	if err != nil {
		return err
	}
	if p, a := aws.ToString(merged[0].ParentShardId), aws.ToString(merged[0].AdjacentParentShardId); p != ids[0] || a != ids[1] {
		return fmt.Errorf("merged shard names parents %s and %s, want %s and %s", p, a, ids[0], ids[1])
	}
	shards, err := b.shards(ctx, s, nil)
	if err != nil {
		return err
	}
	if len(shards) != 5 || !slices.IsSortedFunc(shards, func(x, y types.Shard) int { return compare(*x.ShardId, *y.ShardId) }) {
		return fmt.Errorf("shards %v, want five in order of their ids", shardIDs(shards))
	}
	for _, sh := range shards {
		open := sh.SequenceNumberRange.EndingSequenceNumber == nil
		if wantOpen := *sh.ShardId == *merged[0].ShardId || *sh.ShardId == *shards[1].ShardId; open != wantOpen {
			return fmt.Errorf("shard %s open=%v, want %v", *sh.ShardId, open, wantOpen)
		}
	}
	return nil
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// lineageWalk writes around a split and a merge and reads the shards parents first: all records must come, once, and
// those of one partition key in the order written.
func lineageWalk(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 2)
	if err != nil {
		return err
	}
	const keys = 6
	written := 0
	write := func() error {
		in := &kinesis.PutRecordsInput{StreamName: &s}
		for i := range 10 {
			for k := range keys {
				in.Records = append(in.Records, types.PutRecordsRequestEntry{
					Data: fmt.Appendf(nil, "k%d %06d", k, written+i), PartitionKey: aws.String(fmt.Sprint("key-", k)),
				})
			}
		}
		written += 10
		_, err := b.PutRecords(ctx, in)
		return err
	}
	if err := write(); err != nil {
		return err
	}
	children, err := b.split(ctx, s, firstShard)
	if err != nil {
		return err
	}
	if err := write(); err != nil {
		return err
	}
	ids := shardIDs(children)
	_, err = b.MergeShards(ctx, &kinesis.MergeShardsInput{StreamName: &s, ShardToMerge: &ids[0], AdjacentShardToMerge: &ids[1]})
	if err != nil {
		return err
	}
	if err := b.waitActive(ctx, s); err != nil {
		return err
	}
	if err := write(); err != nil {
		return err
	}
	shards, err := b.shards(ctx, s, nil) // by id, so parents come before their children
	if err != nil {
		return err
	}
	got := map[string][]string{}
	for _, sh := range shards {
		r, err := b.read(ctx, s, *sh.ShardId, trimHorizon(), 7)
		if err != nil {
			return err
		}
		for _, d := range r.data() {
			got[d[:2]] = append(got[d[:2]], d)
		}
	}
	for k := range keys {
		key := fmt.Sprint("k", k)
		want := []string{}
		for i := range written {
			want = append(want, fmt.Sprintf("%s %06d", key, i))
		}
		if err := sameData("key "+key, got[key], want); err != nil {
			return err
		}
	}
	return nil
}

func updateCount(ctx context.Context, b *bench) error {
	s, err := b.stream(ctx, 2)
	if err != nil {
		return err
	}
	for _, target := range []int32{4, 3, 2} {
		_, err := b.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{StreamName: &s, TargetShardCount: &target, ScalingType: types.ScalingTypeUniformScaling})
		if err != nil {
			return fmt.Errorf("to %d: %w", target, err)
		}
		if err := b.waitActive(ctx, s); err != nil {
			return err
		}
		shards, err := b.shards(ctx, s, nil)
		if err != nil {
			return err
		}
		open := slices.DeleteFunc(shards, func(sh types.Shard) bool { return sh.SequenceNumberRange.EndingSequenceNumber != nil })
		if len(open) != int(target) {
			return fmt.Errorf("%d open shards after an update to %d", len(open), target)
		}
		if err := coverSpace(open); err != nil {
			return fmt.Errorf("to %d: %w", target, err)
		}
	}
	return nil
}

// coverSpace checks that shards divide the hash keys among them without gap or overlap.
func coverSpace(open []types.Shard) error {
	type span struct{ from, to *big.Int }
	var spans []span
	for _, sh := range open {
		from, _ := new(big.Int).SetString(*sh.HashKeyRange.StartingHashKey, 10)
		to, _ := new(big.Int).SetString(*sh.HashKeyRange.EndingHashKey, 10)
		spans = append(spans, span{from, to})
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from.Cmp(b.from) })
	next := new(big.Int)
	for _, sp := range spans {
		if sp.from.Cmp(next) != 0 {
			return fmt.Errorf("a shard begins at %s, want %s", sp.from, next)
		}
		next = sp.to.Add(sp.to, big.NewInt(1))
	}
	if next.Cmp(new(big.Int).Lsh(big.NewInt(1), 128)) != 0 {
		return fmt.Errorf("the shards end before %s", next)
	}
	return nil
}
