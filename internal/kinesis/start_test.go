package kinesis_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	const horizon, latest = "TRIM_HORIZON", "LATEST"
	for name, c := range map[string]struct {
		records  int
		prepare  func(*fakeKinesis)
		position string
		want     kinesis.Position
	}{
		"horizon":                      {3, nil, horizon, at("1")},
		"horizon, trimmed":             {3, func(f *fakeKinesis) { f.trimmed = 2 }, horizon, at("3")},
		"horizon, empty":               {0, func(f *fakeKinesis) { f.begin = "4957" }, horizon, kinesis.After("4957")},
		"horizon, all trimmed":         {3, func(f *fakeKinesis) { f.trimmed = 3 }, horizon, kinesis.After("0")},
		"horizon, closed and empty":    {0, func(f *fakeKinesis) { f.closed, f.begin = true, "9" }, horizon, kinesis.After("9")},
		"horizon behind a gap":         {3, func(f *fakeKinesis) { f.quiet = 4 }, horizon, at("1")},
		"a time":                       {3, nil, "2000-01-01T00:00:01Z", at("2")},
		"a time between two records":   {3, nil, "2000-01-01T00:00:01.001Z", at("3")},
		"a time in another zone":       {3, nil, "2000-01-01T01:00:01+01:00", at("2")},
		"a time before all":            {3, nil, "1999-12-31T00:00:00Z", at("1")},
		"a time after all":             {3, nil, "2000-01-01T00:00:30Z", atTime(epoch.Add(30 * time.Second))},
		"a time, empty":                {0, nil, "2000-01-01T00:00:30Z", atTime(epoch.Add(30 * time.Second))},
		"a time, closed and empty":     {0, func(f *fakeKinesis) { f.closed = true }, "2000-01-01T00:00:30Z", atTime(epoch.Add(30 * time.Second))},
		"a time, more exact than AWS":  {0, nil, "2000-01-01T00:00:30.0019Z", atTime(epoch.Add(30*time.Second + time.Millisecond))},
		"latest":                       {3, nil, latest, atTime(epoch.Add(10 * time.Second))},
		"latest, one has just arrived": {12, nil, latest, at("11")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(c.records)
				if c.prepare != nil {
					c.prepare(f)
				}
				beats := 0
				got, err := f.stream().Resolve(t.Context(), shardID, c.position, epoch.Add(10*time.Second), func() { beats++ })
				require.NoError(t, err)
				require.Equal(t, c.want, got)
				require.Equal(t, len(f.reads)-1, beats, "one between two reads")

				// What was resolved means the same record an hour and some records later.
				f.closed = false
				f.put(2)
				time.Sleep(time.Hour)
				first := mustRead(t, f.stream().Reader(shardID, got)).Records
				again, err := f.stream().Resolve(t.Context(), shardID, c.position, epoch.Add(10*time.Second), func() {})
				require.NoError(t, err)
				require.Equal(t, numbers(first), numbers(mustRead(t, f.stream().Reader(shardID, again)).Records))
			})
		})
	}
}

// TestResolveWhileTheIteratorExpires: reading over a long gap outlives the iterator
// of the horizon, which cannot be asked for again.
func TestResolveWhileTheIteratorExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(3)
		f.quiet = 1
		got, err := f.stream().Resolve(t.Context(), shardID, "TRIM_HORIZON", epoch, func() { time.Sleep(iteratorLife + time.Second) })
		require.NoError(t, err)
		require.Equal(t, at("1"), got)
		require.Equal(t, []string{"TRIM_HORIZON", "AFTER_SEQUENCE_NUMBER 0"}, f.iterators)
	})
}

func TestResolveFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare         func(*fakeKinesis)
		shard, position string
		is              error
		says            string
	}{
		"no position":                {nil, shardID, "YESTERDAY", nil, "want TRIM_HORIZON, LATEST or a time"},
		"empty position":             {nil, shardID, "", nil, "want TRIM_HORIZON, LATEST or a time"},
		"no shard, horizon":          {nil, "shardId-000000000009", "TRIM_HORIZON", kinesis.ErrNoShard, "TRIM_HORIZON"},
		"no shard, latest":           {nil, "shardId-000000000009", "LATEST", kinesis.ErrNoShard, "shardId-000000000009"},
		"no iterator":                {func(f *fakeKinesis) { f.failIterators = []error{errDown} }, shardID, "TRIM_HORIZON", errDown, "find TRIM_HORIZON"},
		"no read":                    {func(f *fakeKinesis) { f.failReads = []error{errDown} }, shardID, "LATEST", errDown, "read shard"},
		"no read, horizon":           {func(f *fakeKinesis) { f.failReads = []error{errDown} }, shardID, "TRIM_HORIZON", errDown, "read shard"},
		"no listing":                 {func(f *fakeKinesis) { f.failList = errDown }, shardID, "TRIM_HORIZON", errDown, "list the shards"},
		"expired between two calls":  {func(f *fakeKinesis) { f.begin, f.pages = "1", oneShard("shardId-000000000002") }, shardID, "TRIM_HORIZON", kinesis.ErrNoShard, shardID},
		"a begin that is no number":  {func(f *fakeKinesis) { f.begin = "none" }, shardID, "TRIM_HORIZON", nil, "begin of shard"},
		"a shard without its begin":  {func(f *fakeKinesis) { f.pages = oneShard(shardID) }, shardID, "TRIM_HORIZON", nil, "begin of shard"},
		"access denied to iterators": {func(f *fakeKinesis) { f.failIterators = []error{denied} }, shardID, "LATEST", kinesis.ErrDenied, "AccessDeniedException"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(2)
				if c.prepare != nil {
					c.prepare(f)
				}
				got, err := f.stream().Resolve(t.Context(), c.shard, c.position, epoch, func() {})
				require.ErrorContains(t, err, c.says)
				if c.is != nil {
					require.ErrorIs(t, err, c.is)
				}
				if c.position == "TRIM_HORIZON" {
					require.Zero(t, got)
				}
			})
		})
	}
}

func TestResolveStopsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		f.quiet = 1 << 30
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := f.stream().Resolve(ctx, shardID, "TRIM_HORIZON", epoch, func() {})
		require.ErrorIs(t, err, ctx.Err())
		require.Error(t, err)
	})
}
