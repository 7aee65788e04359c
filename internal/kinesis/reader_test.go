package kinesis_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
)

func TestReaderReadsInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(5)
		f.atOnce = 2
		r := f.reader(at("2"))
		b := mustRead(t, r)
		require.Equal(t, "2 3", numbers(b.Records))
		require.Equal(t, 2*time.Second, b.Behind)
		require.Equal(t, "data 2", string(b.Records[0].Data))
		require.Equal(t, epoch.Add(time.Second), b.Records[0].Arrival)
		require.Equal(t, time.Now(), b.Records[0].Received)
		require.Equal(t, len("data 2data 3"), b.Bytes)
		require.Equal(t, "4 5", numbers(mustRead(t, r).Records))
		b = mustRead(t, r)
		require.Empty(t, b.Records)
		require.Zero(t, b.Behind, "at the tip")
		require.False(t, b.End)
		f.put(1)
		require.Equal(t, "6", numbers(mustRead(t, r).Records))
		require.Equal(t, []string{"AT_SEQUENCE_NUMBER 2"}, f.iterators, "one iterator leads to the next")
		require.Zero(t, f.retried, "the SDK must not repeat reads by itself")
	})
}

func TestReaderWaitsNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(3)
		r := f.reader(at("1"))
		mustRead(t, r)
		ctx, cancel := context.WithTimeout(t.Context(), kinesis.ReadInterval/2)
		defer cancel()
		start := time.Now()
		_, err := r.Next(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, kinesis.ReadInterval/2, time.Since(start))
		require.Len(t, f.reads, 1)
		f.put(1)
		require.Equal(t, "4", numbers(mustRead(t, r).Records), "the reader can go on")
	})
}

func TestReaderReplacesAnExpiredIterator(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from  kinesis.Position
		first int // records read before the pause
		want  string
		asked []string
	}{
		"after its last record":      {at("1"), 2, "3 4", []string{"AT_SEQUENCE_NUMBER 1", "AFTER_SEQUENCE_NUMBER 2"}},
		"at its start, by number":    {at("3"), 0, "3 4", []string{"AT_SEQUENCE_NUMBER 3", "AT_SEQUENCE_NUMBER 3"}},
		"at its start, by time":      {atTime(epoch.Add(2 * time.Second)), 0, "3 4", []string{"AT_TIMESTAMP 00:00:02", "AT_TIMESTAMP 00:00:02"}},
		"behind its start, a number": {kinesis.After("2"), 0, "3 4", []string{"AFTER_SEQUENCE_NUMBER 2", "AFTER_SEQUENCE_NUMBER 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(5)
				f.atOnce = 2
				if c.first == 0 {
					f.quiet = 1
				}
				r := f.reader(c.from)
				require.Len(t, mustRead(t, r).Records, c.first)
				time.Sleep(iteratorLife + time.Second)
				require.Equal(t, c.want, numbers(mustRead(t, r).Records), "nothing is lost and nothing comes twice")
				require.Equal(t, c.asked, f.iterators)
				require.Equal(t, kinesis.Stats{Reads: 3, Expired: 1}, r.Stats())
			})
		})
	}
}

// TestReaderReplacesARefusedIterator: one that Kinesis cannot read any more costs
// nothing but a new one.
func TestReaderReplacesARefusedIterator(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(3)
		refused := &types.InvalidArgumentException{Message: aws.String("Invalid ShardIterator.")}
		f.failReads = []error{refused}
		r := f.reader(at("1"))
		require.Equal(t, "1 2 3", numbers(mustRead(t, r).Records))
		f.failReads = []error{refused, refused}
		_, err := r.Next(t.Context())
		requireOnly(t, err, nil)
		require.ErrorContains(t, err, "Invalid ShardIterator")
	})
}

func TestReaderGivesUpOnIteratorsThatExpireAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(2)
		expired := &types.ExpiredIteratorException{Message: aws.String("expired")}
		f.failReads = []error{expired, expired}
		r := f.reader(at("1"))
		_, err := r.Next(t.Context())
		require.ErrorIs(t, err, expired)
		require.ErrorIs(t, err, kinesis.ErrUnavailable)
		require.Len(t, f.reads, 2)
		require.Equal(t, kinesis.Stats{Reads: 2, Expired: 2, Unavailable: 1}, r.Stats())
		require.Equal(t, "1 2", numbers(mustRead(t, r).Records))
	})
}

func TestReaderStaysWhereItWasAfterAFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(6)
		f.atOnce = 2
		r := f.reader(at("1"))
		require.Equal(t, "1 2", numbers(mustRead(t, r).Records))

		f.failReads = []error{errDown}
		_, err := r.Next(t.Context())
		require.ErrorIs(t, err, errDown)
		require.ErrorContains(t, err, shardID)
		require.ErrorContains(t, err, "api-logs")

		f.failReads, f.failIterators = []error{errDown}, []error{nil, errDown}
		for range 2 { // the first asks for an iterator and fails to read, the second fails to ask
			_, err = r.Next(t.Context())
			require.ErrorIs(t, err, errDown)
		}
		require.Equal(t, "3 4", numbers(mustRead(t, r).Records))
	})
}

func TestReaderRefusesWrongSequenceNumbers(t *testing.T) {
	t.Parallel()
	for name, wrong := range map[string]*string{"missing": nil, "no number": aws.String("x"), "leading zero": aws.String("03")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(4)
				f.records[2].SequenceNumber = wrong
				r := f.reader(at("1"))
				_, err := r.Next(t.Context())
				require.ErrorContains(t, err, "sequence number")
				require.ErrorContains(t, err, shardID)

				// Records 1 and 2 were in the answer that was not handed on: the reader must
				// not go on behind them, not even after its iterator has expired.
				f.records[2].SequenceNumber = aws.String("3")
				time.Sleep(iteratorLife + time.Second)
				require.Equal(t, "1 2 3 4", numbers(mustRead(t, r).Records))
			})
		})
	}
}

func TestReaderComesToTheEndOfAShard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(3)
		f.atOnce, f.closed, f.children = 2, true, []string{"shardId-000000000002", "shardId-000000000003"}
		r := f.reader(at("1"))
		b := mustRead(t, r)
		require.False(t, b.End)
		require.Empty(t, b.Children)
		b = mustRead(t, r)
		require.Equal(t, "3", numbers(b.Records))
		require.True(t, b.End)
		parents := []string{shardID, "shardId-000000000009"}
		require.Equal(t, []kinesis.Shard{{ID: f.children[0], Parents: parents}, {ID: f.children[1], Parents: parents}}, b.Children)
		b = mustRead(t, r)
		require.True(t, b.End, "it stays at the end")
		require.Empty(t, b.Records)
	})
}

func TestReaderTellsWhatIsGone(t *testing.T) {
	t.Parallel()
	const message = "Shard shardId-000000000009 in stream api-logs under account 123456789012 does not exist"
	missing := &types.ResourceNotFoundException{Message: aws.String(message)}
	for name, c := range map[string]struct {
		prepare func(*fakeKinesis)
		want    error
	}{
		"the shard":                    {func(f *fakeKinesis) { f.pages = oneShard("shardId-000000000002") }, kinesis.ErrNoShard},
		"nothing, the shard is listed": {func(*fakeKinesis) {}, kinesis.ErrUnavailable},
		"nobody can list":              {func(f *fakeKinesis) { f.failList = denied }, kinesis.ErrDenied},
		"the stream, since":            {func(f *fakeKinesis) { f.failList = missing }, kinesis.ErrNoStream},
		"the stream":                   {func(f *fakeKinesis) { f.failDescribe = missing }, kinesis.ErrNoStream},
		"the stream, soon":             {func(f *fakeKinesis) { f.status = types.StreamStatusDeleting }, kinesis.ErrNoStream},
		"nothing, it is not there yet": {func(f *fakeKinesis) { f.status = types.StreamStatusCreating }, kinesis.ErrUnavailable},
		"nobody knows":                 {func(f *fakeKinesis) { f.failDescribe = throttled }, kinesis.ErrThrottled},
		"nobody may know":              {func(f *fakeKinesis) { f.failDescribe = denied }, kinesis.ErrDenied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(1)
				c.prepare(f)
				f.failIterators = []error{missing}
				_, err := f.reader(at("1")).Next(t.Context())
				requireOnly(t, err, c.want)
				require.ErrorContains(t, err, shardID)

				// A read may find out before the iterator does.
				f.failReads, f.failIterators = []error{missing}, []error{nil, missing}
				_, err = f.reader(at("1")).Next(t.Context())
				requireOnly(t, err, c.want)
				f.failReads = []error{missing, missing}
				_, err = f.reader(at("1")).Next(t.Context())
				requireOnly(t, err, c.want)
			})
		})
	}
}

func TestReaderOfAStreamThatWasMadeAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(3)
		f.atOnce = 1
		r := f.reader(at("1"))
		mustRead(t, r)
		// The old iterator is of no stream, and the number not of this one.
		f.failReads = []error{&types.ResourceNotFoundException{Message: aws.String("not found")}}
		f.failIterators = []error{&types.InvalidArgumentException{Message: aws.String("it did not come from this stream")}}
		_, err := r.Next(t.Context())
		requireOnly(t, err, kinesis.ErrPosition)
		require.ErrorContains(t, err, "did not come from this stream")
		require.ErrorContains(t, err, "AFTER_SEQUENCE_NUMBER 1")
	})
}

// TestReaderBeginsAtATimeToCome: the clocks of Kinesis differ by a little.
func TestReaderBeginsAtATimeToCome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(3)
		f.failIterators = []error{&types.InvalidArgumentException{Message: aws.String("cannot be greater than the currentTimestampInMillis")}}
		r := f.reader(atTime(epoch))
		_, err := r.Next(t.Context())
		requireOnly(t, err, kinesis.ErrUnavailable)
		require.Equal(t, "1 2 3", numbers(mustRead(t, r).Records))
	})
}

func TestBatchTellsTheTimeOfKinesis(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		time.Sleep(1700 * time.Millisecond)
		r := f.reader(at("1"))
		require.Equal(t, epoch.Add(time.Second), mustRead(t, r).At, "the local clock, where no answer tells")
		f.at = epoch.Add(time.Hour + 900*time.Millisecond)
		require.Equal(t, epoch.Add(time.Hour), mustRead(t, r).At)
	})
}

// TestReaderLeavesATrimmedPosition: an iterator that began before the horizon can stay
// there for ever, with empty answers that are as old as the retention.
func TestReaderLeavesATrimmedPosition(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from    kinesis.Position
		trimmed int
		behind  time.Duration
		want    string
	}{
		"after a trimmed record":          {kinesis.After("2"), 4, 24 * time.Hour, "5 6"},
		"at a trimmed record":             {at("2"), 4, 24 * time.Hour, "5 6"},
		"at a time before the horizon":    {atTime(epoch.Add(time.Second)), 4, 24 * time.Hour, "5 6"},
		"what was not trimmed yet":        {kinesis.After("2"), 0, 25 * time.Hour, "3 4 5 6"},
		"the record itself is there yet":  {at("2"), 0, 25 * time.Hour, "2 3 4 5 6"},
		"a time, its records there yet":   {atTime(epoch.Add(time.Second)), 0, 25 * time.Hour, "2 3 4 5 6"},
		"only behind, not at the horizon": {kinesis.After("2"), 0, 24*time.Hour - time.Second, ""},
		"behind by a day, of a week":      {kinesis.After("2"), 0, 36 * time.Hour, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(6)
				f.stuck, f.trimmed, f.behind, f.atOnce = true, c.trimmed, c.behind, 1
				if strings.HasSuffix(name, "of a week") {
					f.retention = 7 * 24 * time.Hour
				}
				r := f.reader(c.from)
				var got []string
				for range 20 {
					if b := mustRead(t, r); len(b.Records) > 0 {
						got = append(got, numbers(b.Records))
					}
				}
				require.Equal(t, c.want, strings.Join(got, " "))
				if c.want != "" {
					require.Len(t, f.iterators, 2, f.iterators)
				}
				require.LessOrEqual(t, f.described.Load(), int64(1))
			})
		})
	}
}

func TestStreamByNameOrARN(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:kinesis:eu-central-1:123456789012:stream/api-logs"
	for _, name := range []string{"api-logs", arn} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(1)
				s := kinesis.NewStream(f, name)
				mustRead(t, s.Reader(shardID, at("1"), kinesis.ReaderOptions{}))
				_, err := s.Shards(t.Context(), "")
				require.NoError(t, err)
				wantName, wantARN := &name, (*string)(nil)
				if name == arn {
					wantName, wantARN = wantARN, wantName
				}
				require.Equal(t, []*string{wantName, wantARN}, []*string{f.asked.StreamName, f.asked.StreamARN})
				require.Equal(t, []*string{wantName, wantARN}, []*string{f.listed[0].StreamName, f.listed[0].StreamARN})
				require.Equal(t, name, s.String())
			})
		})
	}
}

func TestPositionsAreReadable(t *testing.T) {
	t.Parallel()
	var got []string
	for _, p := range []kinesis.Position{at("7"), kinesis.After("7"), atTime(epoch.Add(1500 * time.Millisecond))} {
		got = append(got, p.String())
	}
	want := []string{"AT_SEQUENCE_NUMBER 7", "AFTER_SEQUENCE_NUMBER 7", "AT_TIMESTAMP 2000-01-01T00:00:01.5Z"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
