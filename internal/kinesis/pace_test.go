package kinesis_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
)

// The clock of testing/synctest moves only while everybody waits, so the times below
// are those that the reader chose, whatever the machine is doing.

// waits makes reads, failed ones too, and returns how long each had to wait.
func waits(t *testing.T, r *kinesis.Reader, reads int) []time.Duration {
	t.Helper()
	var waited []time.Duration
	for range reads {
		begun := time.Now()
		due := r.Due()
		_, _ = r.Next(t.Context())
		if due.After(begun) {
			require.Equal(t, due, time.Now(), "Next waits until it is due")
		}
		waited = append(waited, time.Since(begun))
	}
	return waited
}

func milliseconds(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func between(t *testing.T, least, most, got time.Duration) {
	t.Helper()
	if got < least || got > most {
		t.Errorf("waited %v, want %v to %v", got, least, most)
	}
}

func TestReaderKeepsToTheReadLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const i = kinesis.ReadInterval
		f := newFake(30)
		f.atOnce = 3
		r := f.reader(at("1"))
		require.Zero(t, r.Due(), "the first read is made at once")
		start := time.Now()
		mustRead(t, r)
		require.Equal(t, start.Add(i), r.Due())
		mustRead(t, r)
		time.Sleep(i / 4) // shorter than the interval: it is counted
		mustRead(t, r)
		time.Sleep(time.Second) // longer: the next read is made at once
		mustRead(t, r)
		mustRead(t, r)
		var after []time.Duration
		for _, read := range f.reads {
			after = append(after, read.Sub(start))
		}
		require.Equal(t, []time.Duration{0, i, 2 * i, 2*i + time.Second, 3*i + time.Second}, after)
	})
}

func TestReaderKeepsToTheByteLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(40)
		f.atOnce = 1
		for i := range f.records {
			f.records[i].Data = bytes.Repeat([]byte{1}, 1<<20)
		}
		f.records[0].Data = make([]byte, 10<<20)
		r := f.reader(at("1"))
		read := 0
		start := time.Now()
		for range 20 {
			b := mustRead(t, r)
			require.Equal(t, len(b.Records[0].Data), b.Bytes)
			read += b.Bytes
			// The reader may read again when a shard of 2 MiB a second has given all that
			// it was asked for.
			paid := time.Duration(read) * time.Second / (2 << 20)
			require.False(t, r.Due().Before(start.Add(paid)), "after %d bytes the next read is due in %v", read, time.Until(r.Due()))
		}
		between(t, 14*time.Second, 16*time.Second, time.Since(start))
	})
}

func TestReaderRestsAtTheTip(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		longest time.Duration
		most    []int // milliseconds of each wait at the tip
	}{
		"by itself":               {0, []int{250, 500, 1000, 1000, 1000, 1000}},
		"for a quarter second":    {250 * time.Millisecond, []int{250, 250, 250, 250, 250, 250}},
		"longer":                  {3 * time.Second, []int{250, 500, 1000, 2000, 3000, 3000}},
		"not below five a second": {time.Millisecond, []int{200, 200, 200, 200, 200, 200}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(0)
				r := f.stream().Reader(shardID, at("1"), kinesis.ReaderOptions{LongestIdle: c.longest})
				rest := func() {
					t.Helper()
					for i, waited := range waits(t, r, len(c.most)) {
						most := milliseconds(c.most[i])
						between(t, max(most*4/5, kinesis.ReadInterval), most, waited)
					}
				}
				mustRead(t, r)
				rest()
				f.put(1)
				mustRead(t, r)
				most := milliseconds(c.most[len(c.most)-1])
				between(t, max(most*4/5, kinesis.ReadInterval), most, time.Until(r.Due()))
			})
		})
	}
}

func TestReaderHurriesOverGaps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(0)
		r := f.reader(at("1"))
		waits(t, r, 5) // it comes to rest
		f.put(1)
		f.quiet = 10
		mustRead(t, r)
		for _, waited := range waits(t, r, 9) {
			require.Equal(t, kinesis.ReadInterval, waited)
		}
		require.Equal(t, "1", numbers(mustRead(t, r).Records))
		between(t, kinesis.ReadInterval, 250*time.Millisecond, time.Until(r.Due()))
	})
	synctest.Test(t, func(t *testing.T) {
		f := newFake(1)
		r := f.reader(kinesis.After("1"))
		waits(t, r, 5)
		f.put(1)
		f.quiet = 1
		mustRead(t, r) // nothing, and behind
		f.records = f.records[:1]
		mustRead(t, r) // at the tip again, without a record
		between(t, kinesis.ReadInterval, 250*time.Millisecond, time.Until(r.Due()))
	})
}

func TestReaderBacksOff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  error
		most   []int // milliseconds of the waits after each fault
		shrink []int // milliseconds of the waits after each success that follows
	}{
		"throttled": {
			throttled,
			[]int{400, 800, 1600, 3200, 6400, 10000, 10000},
			[]int{5000, 2500, 1250, 625, 312, 200},
		},
		"unavailable": {
			errOdd,
			[]int{200, 400, 800, 1600, 3200, 5000, 5000},
			[]int{200, 200},
		},
		"anything": {
			errDown,
			[]int{200, 400, 800, 1600, 3200, 5000, 5000},
			[]int{200, 200},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake(100)
				f.atOnce = 1
				r := f.reader(at("1"))
				mustRead(t, r)
				reads := len(c.most) + 1
				for range reads {
					f.failReads = append(f.failReads, c.fault)
				}
				for i, waited := range waits(t, r, reads)[1:] {
					most := milliseconds(c.most[i])
					between(t, max(most*3/4, kinesis.ReadInterval), most, waited)
				}
				require.Equal(t, "2", numbers(mustRead(t, r).Records), "it is where it was")
				for i, waited := range waits(t, r, len(c.shrink)) {
					between(t, milliseconds(c.shrink[i]), milliseconds(c.shrink[i]+1), waited)
				}

				// The next fault finds a reader that has recovered.
				f.failReads = []error{c.fault}
				begun := time.Now()
				_, err := r.Next(t.Context())
				require.Error(t, err)
				between(t, kinesis.ReadInterval, milliseconds(c.most[0]), time.Until(r.Due()))
				require.Less(t, time.Since(begun), time.Second)
			})
		})
	}
}

func TestReaderCountsFaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(10)
		r := f.reader(at("1"))
		f.failReads = []error{throttled, errDown, throttled, errOdd}
		f.failIterators = []error{nil, nil, throttled}
		waits(t, r, 6)
		require.Equal(t, kinesis.Stats{Reads: 5, Throttled: 3, Unavailable: 1}, r.Stats())
	})
}

// TestReaderBoundsAnswers: an answer holds about what a shard gives in a second, as far
// as that can be known from the records before.
func TestReaderBoundsAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(50_000)
		f.atOnce = 1 << 20
		for i := range f.records {
			size := 100
			switch {
			case i < 150:
				size = 40_000
			case i < 200:
				size = 200_000
			}
			f.records[i].Data = make([]byte, size)
		}
		r := f.reader(at("1"))
		var held []int
		for read := 0; read < len(f.records); {
			b := mustRead(t, r)
			read += len(b.Records)
			held = append(held, b.Bytes)
		}
		require.Equal(t, []int32{50, 50, 50, 50, 10, 13}, f.limits[:6], "50 while nothing is known, then 2 MB")
		require.Equal(t, []int{2_000_000, 2_000_000, 2_000_000, 10_000_000}, held[:4], "who is surprised holds more, once")
		require.EqualValues(t, 10_000, f.limits[len(f.limits)-1], "small ones come as many as Kinesis allows")
	})
}
