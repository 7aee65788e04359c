package kinesis_test

import (
	"context"
	"slices"
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
		r := f.stream().Reader(shardID, at("2"))
		b := mustRead(t, r)
		require.Equal(t, "2 3", numbers(b.Records))
		require.Equal(t, 2*time.Second, b.Behind)
		require.Equal(t, "data 2", string(b.Records[0].Data))
		require.Equal(t, epoch.Add(time.Second), b.Records[0].Arrival)
		require.Equal(t, time.Now(), b.Records[0].Received)
		require.Equal(t, "4 5", numbers(mustRead(t, r).Records))
		b = mustRead(t, r)
		require.Empty(t, b.Records)
		require.Zero(t, b.Behind, "at the tip")
		require.False(t, b.End)
		f.put(1)
		require.Equal(t, "6", numbers(mustRead(t, r).Records))
		require.Equal(t, []string{"AT_SEQUENCE_NUMBER 2"}, f.iterators, "one iterator leads to the next")
	})
}

func TestReaderKeepsToTheReadLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(3)
		r := f.stream().Reader(shardID, at("1"))
		start := time.Now()
		mustRead(t, r)
		mustRead(t, r)
		time.Sleep(50 * time.Millisecond) // shorter than the interval: it is counted
		mustRead(t, r)
		time.Sleep(time.Second) // longer: the next read is made at once
		mustRead(t, r)
		f.failReads = []error{errDown}
		_, err := r.Next(t.Context())
		require.ErrorIs(t, err, errDown)
		mustRead(t, r) // a failed read counts, too
		var after []time.Duration
		for _, read := range f.reads {
			after = append(after, read.Sub(start))
		}
		const i = kinesis.ReadInterval
		require.Equal(t, []time.Duration{0, i, 2 * i, 2*i + time.Second, 3*i + time.Second, 4*i + time.Second}, after)
	})
}

func TestReaderWaitsNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(3)
		r := f.stream().Reader(shardID, at("1"))
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
				r := f.stream().Reader(shardID, c.from)
				require.Len(t, mustRead(t, r).Records, c.first)
				time.Sleep(iteratorLife + time.Second)
				require.Equal(t, c.want, numbers(mustRead(t, r).Records), "nothing is lost and nothing comes twice")
				require.Equal(t, c.asked, f.iterators)
			})
		})
	}
}

func TestReaderGivesUpOnIteratorsThatExpireAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(2)
		expired := &types.ExpiredIteratorException{Message: aws.String("expired")}
		f.failReads = []error{expired, expired}
		r := f.stream().Reader(shardID, at("1"))
		_, err := r.Next(t.Context())
		require.ErrorIs(t, err, expired)
		require.Len(t, f.reads, 2)
		require.Equal(t, "1 2", numbers(mustRead(t, r).Records))
	})
}

func TestReaderStaysWhereItWasAfterAFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(6)
		f.atOnce = 2
		r := f.stream().Reader(shardID, at("1"))
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
				r := f.stream().Reader(shardID, at("1"))
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
		r := f.stream().Reader(shardID, at("1"))
		b := mustRead(t, r)
		require.False(t, b.End)
		require.Empty(t, b.Children)
		b = mustRead(t, r)
		require.Equal(t, "3", numbers(b.Records))
		require.True(t, b.End)
		require.Equal(t, f.children, b.Children)
		b = mustRead(t, r)
		require.True(t, b.End, "it stays at the end")
		require.Empty(t, b.Records)
	})
}

func TestReaderOfAShardThatIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, err := newFake(1).stream().Reader("shardId-000000000009", at("1")).Next(t.Context())
		require.ErrorIs(t, err, kinesis.ErrNoShard)
		require.ErrorContains(t, err, "shardId-000000000009")
	})
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
				mustRead(t, s.Reader(shardID, at("1")))
				_, err := s.Shards(t.Context())
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
