package kinesis_test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/window"
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
				got, err := f.stream().Resolve(t.Context(), shardID, c.position, 0, epoch.Add(10*time.Second), func() { beats++ })
				require.NoError(t, err)
				if c.want.SequenceNumber != "" && c.want.Kind == at("").Kind {
					n, _ := strconv.Atoi(string(c.want.SequenceNumber))
					c.want.Arrival = epoch.Add(time.Duration(n-1) * time.Second)
				}
				require.Equal(t, c.want, got)
				require.Equal(t, len(f.reads)-1, beats, "one between two reads")

				// What was resolved means the same record an hour and some records later.
				f.closed = false
				f.put(2)
				time.Sleep(time.Hour)
				first := mustRead(t, f.reader(got)).Records
				again, err := f.stream().Resolve(t.Context(), shardID, c.position, 0, epoch.Add(10*time.Second), func() {})
				require.NoError(t, err)
				require.Equal(t, numbers(first), numbers(mustRead(t, f.reader(again)).Records))
			})
		})
	}
}

// TestResolveWhileTheIteratorExpires: reading over a long gap outlives the iterator.
func TestResolveWhileTheIteratorExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(3)
		f.quiet = 1
		got, err := f.stream().Resolve(t.Context(), shardID, "TRIM_HORIZON", 0, epoch, func() { time.Sleep(iteratorLife + time.Second) })
		require.NoError(t, err)
		require.Equal(t, at("1").SequenceNumber, got.SequenceNumber)
		require.Equal(t, []string{"TRIM_HORIZON", "TRIM_HORIZON"}, f.iterators)
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
		"no listing":                 {func(f *fakeKinesis) { f.records, f.failList = nil, errDown }, shardID, "TRIM_HORIZON", errDown, "list the shards"},
		"expired between two calls":  {func(f *fakeKinesis) { f.records, f.pages = nil, oneShard("shardId-000000000002") }, shardID, "TRIM_HORIZON", kinesis.ErrNoShard, shardID},
		"a begin that is no number":  {func(f *fakeKinesis) { f.records, f.begin = nil, "none" }, shardID, "TRIM_HORIZON", nil, "begin of shard"},
		"a shard without its begin":  {func(f *fakeKinesis) { f.records, f.pages = nil, oneShard(shardID) }, shardID, "TRIM_HORIZON", nil, "begin of shard"},
		"throttled for too long":     {func(f *fakeKinesis) { f.failReads = slices.Repeat([]error{throttled}, 5) }, shardID, "LATEST", kinesis.ErrThrottled, "read shard"},
		"access denied to iterators": {func(f *fakeKinesis) { f.failIterators = []error{denied} }, shardID, "LATEST", kinesis.ErrDenied, "AccessDeniedException"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(2)
				if c.prepare != nil {
					c.prepare(f)
				}
				got, err := f.stream().Resolve(t.Context(), c.shard, c.position, 0, epoch, func() {})
				require.ErrorContains(t, err, c.says)
				if c.is != nil {
					require.ErrorIs(t, err, c.is)
				}
				require.Zero(t, got)
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
		_, err := f.stream().Resolve(ctx, shardID, "TRIM_HORIZON", 0, epoch, func() {})
		require.ErrorIs(t, err, ctx.Err())
		require.Error(t, err)
	})
}

func TestResolveWaitsOutAFewFaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(2)
		f.failReads = []error{throttled, errOdd, throttled, throttled, nil, throttled, throttled}
		f.quiet = 1
		beats := 0
		got, err := f.stream().Resolve(t.Context(), shardID, "TRIM_HORIZON", 0, epoch, func() { beats++ })
		require.NoError(t, err)
		require.Equal(t, at("1").SequenceNumber, got.SequenceNumber)
		require.Equal(t, 7, beats, "its caller is told between reads that it lives")
	})
}

// TestResolveBehindTheHorizon: the record at the horizon may be trimmed before it was
// read.
func TestResolveBehindTheHorizon(t *testing.T) {
	t.Parallel()
	const margin = 2 * time.Second
	for name, c := range map[string]struct {
		told time.Time // by Kinesis
		now  time.Time // by the local clock
		want kinesis.Position
	}{
		"by the clock of Kinesis":         {epoch.Add(24 * time.Hour), epoch, at("3")},
		"by the local clock":              {time.Time{}, epoch.Add(24 * time.Hour), at("3")},
		"where there is no record so old": {epoch.Add(24*time.Hour - time.Minute), epoch, at("1")},
		"where there is none":             {epoch.Add(48 * time.Hour), epoch, atTime(epoch.Add(24*time.Hour + margin))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(5)
				f.at = c.told
				got, err := f.stream().Resolve(t.Context(), shardID, "TRIM_HORIZON", margin, c.now, func() {})
				require.NoError(t, err)
				got.Arrival = time.Time{}
				require.Equal(t, c.want, got)
			})
		})
	}
	t.Run("a margin longer than the retention", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := newFake(5)
			f.at = epoch.Add(3 * time.Second)
			got, err := f.stream().Resolve(t.Context(), shardID, "TRIM_HORIZON", 1000*time.Hour, epoch, func() {})
			require.NoError(t, err)
			require.Equal(t, at("4").SequenceNumber, got.SequenceNumber, "no time to come is asked for")
		})
	})
	t.Run("a retention that nobody tells", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := newFake(5)
			f.failDescribe = denied
			_, err := f.stream().Resolve(t.Context(), shardID, "TRIM_HORIZON", margin, epoch, func() {})
			requireOnly(t, err, kinesis.ErrDenied)
		})
	})
}

func TestHolds(t *testing.T) {
	t.Parallel()
	refused := &types.InvalidArgumentException{Message: aws.String("it did not come from this stream")}
	for name, c := range map[string]struct {
		prepare func(*fakeKinesis)
		number  window.SequenceNumber
		want    bool
	}{
		"the first":                   {nil, "1", true},
		"the last":                    {nil, "5", true},
		"behind a gap":                {func(f *fakeKinesis) { f.quiet = 3 }, "2", true},
		"the oldest there is":         {func(f *fakeKinesis) { f.trimmed = 2 }, "3", true},
		"trimmed":                     {func(f *fakeKinesis) { f.trimmed = 3 }, "3", false},
		"all trimmed":                 {func(f *fakeKinesis) { f.trimmed = 5 }, "3", false},
		"of a closed shard":           {func(f *fakeKinesis) { f.closed = true }, "5", true},
		"trimmed, of a closed shard":  {func(f *fakeKinesis) { f.closed, f.trimmed = true, 5 }, "5", false},
		"to come":                     {nil, "6", false},
		"refused":                     {func(f *fakeKinesis) { f.failIterators = []error{refused} }, "3", false},
		"trimmed, its iterator stays": {func(f *fakeKinesis) { f.trimmed, f.stuck, f.behind = 3, true, 24*time.Hour }, "3", false},
		"there, its iterator stays":   {func(f *fakeKinesis) { f.stuck, f.behind = true, 24*time.Hour }, "3", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(5)
				if c.prepare != nil {
					c.prepare(f)
				}
				got, err := f.stream().Holds(t.Context(), shardID, c.number)
				require.NoError(t, err)
				require.Equal(t, c.want, got)
			})
		})
	}
	t.Run("nobody knows", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := newFake(5)
			f.failReads = []error{errDown}
			_, err := f.stream().Holds(t.Context(), shardID, "3")
			require.ErrorIs(t, err, errDown)
			_, err = f.stream().Holds(t.Context(), "shardId-000000000009", "3")
			requireOnly(t, err, kinesis.ErrNoShard)
		})
	})
}
