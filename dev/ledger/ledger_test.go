package ledger_test

import (
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/dev/ledger"
	"github.com/log-event-pipeline/logpipe/dev/localaws"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

func event(n int) localaws.ForwardedEvent {
	return localaws.ForwardedEvent{Owner: "123456789012", LogGroup: "g", LogStream: "s", ID: strconv.Itoa(n)}
}

func receipts(count map[int]int) iter.Seq2[analytics.ID, analytics.Receipt] {
	all := map[analytics.ID]analytics.Receipt{}
	for n, times := range count {
		all[ledger.EventID(event(n))] = analytics.Receipt{First: time.Now(), Count: times}
	}
	return maps.All(all)
}

func TestEvents(t *testing.T) {
	t.Parallel()
	events := ledger.NewEvents()
	for n := range 5 {
		events.Add(event(n))
	}
	require.Equal(t, 5, events.Count())
	d := events.Compare(receipts(map[int]int{0: 1, 1: 3, 2: 1, 9: 2}))
	require.Len(t, d.Fresh, 3)
	d.Fresh = nil
	require.Equal(t, ledger.Delivery{Produced: 5, Delivered: 3, Lost: 2, Duplicates: 3, Strangers: 1}, d)
}

const (
	shardA = "shardId-000000000000"
	shardB = "shardId-000000000001"
)

// records puts the sequence numbers 10, 20, … 90 into shard A and 100 into shard B.
func records() *ledger.Records {
	r := ledger.NewRecords()
	for n := range 9 {
		r.Add(localaws.StoredRecord{ShardID: shardA, SequenceNumber: strconv.Itoa(10 * (n + 1))})
	}
	r.Add(localaws.StoredRecord{ShardID: shardB, SequenceNumber: "100"})
	return r
}

func of(shard string, first, last, count int) ledger.Window {
	return ledger.Window{
		ID: fmt.Sprintf("%s/%d", shard, first), ShardID: shard, Records: count,
		First: window.SequenceNumber(strconv.Itoa(first)), Last: window.SequenceNumber(strconv.Itoa(last)),
	}
}

// again is another run under the same id.
func again(w ledger.Window) ledger.Window {
	w.RunID = "second"
	return w
}

func run(shard string, first, last, count int) ledger.Run {
	w := of(shard, first, last, count)
	return ledger.Run{ShardID: shard, First: w.First, Last: w.Last, Records: count}
}

func TestDivide(t *testing.T) {
	t.Parallel()
	b := of(shardB, 100, 100, 1)
	for name, c := range map[string]struct {
		windows []ledger.Window
		want    ledger.Partition
	}{
		"each in one":  {[]ledger.Window{of(shardA, 50, 90, 5), b, of(shardA, 10, 40, 4)}, ledger.Partition{Windows: 3}},
		"listed twice": {[]ledger.Window{of(shardA, 10, 90, 9), b, of(shardA, 10, 90, 9)}, ledger.Partition{Windows: 2}},
		"accepted twice": {[]ledger.Window{of(shardA, 10, 90, 9), b, again(of(shardA, 10, 20, 2))},
			ledger.Partition{Windows: 3, Twice: []ledger.Run{run(shardA, 10, 20, 2)}}},
		"no window at all":   {nil, ledger.Partition{Missing: []ledger.Run{run(shardA, 10, 90, 9), run(shardB, 100, 100, 1)}}},
		"missing at the end": {[]ledger.Window{of(shardA, 10, 70, 7), b}, ledger.Partition{Windows: 2, Missing: []ledger.Run{run(shardA, 80, 90, 2)}}},
		"missing between": {[]ledger.Window{of(shardA, 10, 30, 3), of(shardA, 50, 90, 5), b},
			ledger.Partition{Windows: 3, Missing: []ledger.Run{run(shardA, 40, 40, 1)}}},
		"two holes": {[]ledger.Window{of(shardA, 20, 20, 1), of(shardA, 40, 90, 6), b},
			ledger.Partition{Windows: 3, Missing: []ledger.Run{run(shardA, 10, 10, 1), run(shardA, 30, 30, 1)}}},
		"overlapping": {[]ledger.Window{of(shardA, 10, 60, 6), of(shardA, 50, 90, 5), b},
			ledger.Partition{Windows: 3, Twice: []ledger.Run{run(shardA, 50, 60, 2)}}},
		"in three": {[]ledger.Window{of(shardA, 10, 90, 9), of(shardA, 20, 30, 2), of(shardA, 30, 40, 2), b},
			ledger.Partition{Windows: 4, Twice: []ledger.Run{run(shardA, 20, 40, 3)}}},
		"states too few": {[]ledger.Window{of(shardA, 10, 90, 8), b},
			ledger.Partition{Windows: 2, Miscounted: []ledger.Window{of(shardA, 10, 90, 8)}}},
		"of no record": {[]ledger.Window{of(shardA, 10, 90, 9), b, of(shardA, 91, 99, 3)},
			ledger.Partition{Windows: 3, Miscounted: []ledger.Window{of(shardA, 91, 99, 3)}}},
		"of no shard": {[]ledger.Window{of(shardA, 10, 90, 9), b, of("shardId-000000000007", 10, 20, 2)},
			ledger.Partition{Windows: 3, Miscounted: []ledger.Window{of("shardId-000000000007", 10, 20, 2)}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.want.Records = 10
			require.Equal(t, c.want, records().Divide(c.windows))
		})
	}
}

// TestDivideFindsWhatCountingFinds compares it with looking for each record in each
// window.
func TestDivideFindsWhatCountingFinds(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 7))
	for range 500 {
		var windows []ledger.Window
		holders := map[int]int{}
		for range random.IntN(6) {
			first := 1 + random.IntN(9)
			last := first + random.IntN(10-first)
			w := of(shardA, 10*first, 10*last, last-first+1)
			w.ID = strconv.Itoa(len(windows))
			windows = append(windows, w)
			for n := first; n <= last; n++ {
				holders[n]++
			}
		}
		lost, doubled := 1, 0 // the record of shard B
		for n := 1; n <= 9; n++ {
			switch {
			case holders[n] == 0:
				lost++
			case holders[n] > 1:
				doubled++
			}
		}
		p := records().Divide(windows)
		require.Equal(t, lost, p.Lost(), "%+v", windows)
		require.Equal(t, doubled, p.Doubled(), "%+v", windows)
		require.Empty(t, p.Miscounted)
	}
}
