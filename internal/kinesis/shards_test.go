package kinesis_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
)

func oneShard(id string) [][]types.Shard {
	return [][]types.Shard{{{ShardId: aws.String(id)}}}
}

func TestShardsPageByPage(t *testing.T) {
	t.Parallel()
	shard := func(id string, begin, end, parent, adjacent *string) types.Shard {
		return types.Shard{
			ShardId: &id, ParentShardId: parent, AdjacentParentShardId: adjacent,
			SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: begin, EndingSequenceNumber: end},
		}
	}
	text := func(s string) *string { return &s }
	f := newFake(0)
	f.pages = [][]types.Shard{
		{shard("a", text("1"), text("5"), nil, nil), shard("b", text("2"), text("6"), nil, nil)},
		{}, // an empty page that is not the last
		{shard("c", text("7"), nil, text("a"), text("b")), {ShardId: text("d"), ParentShardId: text("gone")}},
	}
	got, err := f.stream().Shards(t.Context(), "")
	require.NoError(t, err)
	want := []kinesis.Shard{
		{ID: "a", Closed: true, First: "1"},
		{ID: "b", Closed: true, First: "2"},
		{ID: "c", Parents: []string{"a", "b"}, First: "7"},
		{ID: "d", Parents: []string{"gone"}},
	}
	require.Equal(t, want, got)
	require.Len(t, f.listed, 3)

	got, err = f.stream().Shards(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, want[1:], got)
}

func TestShardsOfManyPages(t *testing.T) {
	t.Parallel()
	f := newFake(0)
	var want []string
	for page := range 12 {
		var shards []types.Shard
		for i := range 1000 {
			want = append(want, fmt.Sprintf("shardId-%012d", page*1000+i))
			shards = append(shards, types.Shard{ShardId: aws.String(want[len(want)-1])})
		}
		f.pages = append(f.pages, shards)
	}
	got, err := f.stream().Shards(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, got, len(want))
	for i := range got {
		require.Equal(t, want[i], got[i].ID)
	}
}

// TestShardsAfterALongSleep: a token is good for five minutes.
func TestShardsAfterALongSleep(t *testing.T) {
	t.Parallel()
	expired := &types.ExpiredNextTokenException{Message: aws.String("the token has expired")}
	f := newFake(0)
	f.pages = [][]types.Shard{oneShard("a")[0], oneShard("b")[0]}
	f.failLists = []error{nil, expired}
	got, err := f.stream().Shards(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, []kinesis.Shard{{ID: "a"}, {ID: "b"}}, got, "each once")
	require.Len(t, f.listed, 4)

	f.failLists = []error{nil, expired, nil, expired, nil, expired}
	_, err = f.stream().Shards(t.Context(), "")
	require.ErrorContains(t, err, "the token has expired")
}

// TestResolveFindsItsShard: the beginning of an empty shard is looked up without a
// listing of all shards where that can be.
func TestResolveFindsItsShard(t *testing.T) {
	t.Parallel()
	listing := func(ids ...string) [][]types.Shard {
		var page []types.Shard
		for i, id := range ids {
			page = append(page, types.Shard{
				ShardId: aws.String(id), SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: aws.String(fmt.Sprint(100 + i))},
			})
		}
		return [][]types.Shard{page}
	}
	for name, c := range map[string]struct {
		pages [][]types.Shard
		first error
		want  string
		calls int
	}{
		"at once":                       {listing("shardId-000000000000", shardID, "shardId-000000000002"), nil, "101", 1},
		"the one before is forgotten":   {listing(shardID, "shardId-000000000002"), nil, "100", 1},
		"listed in another order":       {listing("shardId-000000000000", "shardId-000000000002", shardID), nil, "102", 2},
		"begin with an id not accepted": {listing(shardID), &types.InvalidArgumentException{Message: aws.String("no such shard")}, "100", 2},
		"throttled at first":            {listing(shardID), throttled, "100", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(0)
				f.pages, f.failLists = c.pages, []error{c.first}
				got, err := f.stream().Resolve(t.Context(), shardID, "TRIM_HORIZON", 0, epoch, func() {})
				require.NoError(t, err)
				require.Equal(t, kinesis.After("").Kind, got.Kind)
				require.EqualValues(t, c.want, got.SequenceNumber)
				require.Len(t, f.listed, c.calls)
			})
		})
	}
}
