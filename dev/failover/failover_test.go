package failover

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/dev/localaws"
)

func TestValidateOptions(t *testing.T) {
	t.Parallel()
	fine := Options{Handovers: 20, Recoveries: 5, Tip: time.Minute, WindowMaxAge: time.Second, Shards: 4, Rate: 200, Out: io.Discard}
	require.NoError(t, fine.Validate())
	for says, change := range map[string]func(*Options){
		"--shards 501: want 1 to 500":      func(o *Options) { o.Shards = 501 },
		"--rate 0: want":                   func(o *Options) { o.Rate = 0 },
		"--times -1: want 0 or more":       func(o *Options) { o.Handovers = -1 },
		"--recoveries -1: want 0 or more":  func(o *Options) { o.Recoveries = -1 },
		"--tip -1ns: want 0s or more":      func(o *Options) { o.Tip = -1 },
		"--idle -1ns: want 0s or more":     func(o *Options) { o.Idle = -1 },
		"--window-max-age 0s: want 100ms ": func(o *Options) { o.WindowMaxAge = 0 },
	} {
		o := fine
		change(&o)
		require.ErrorContains(t, o.Validate(), says)
	}
}

func at(second float64) time.Time {
	return time.Unix(1000, 0).Add(time.Duration(second * float64(time.Second)))
}

func read(shard, process string, second float64) localaws.Request {
	return localaws.Request{Operation: "GetRecords", Shard: shard, Agent: "aws-sdk-go-v2/1 app/" + process + " m/E", Time: at(second)}
}

func TestReads(t *testing.T) {
	t.Parallel()
	r := newReads()
	for _, request := range []localaws.Request{
		read("a", "one", 0), read("b", "one", 0), read("c", "two", 0), read("a", "one", 1), read("b", "one", 1),
		{Operation: "GetShardIterator", Shard: "a", Agent: "app/two", Time: at(1.1)}, // reads nothing yet
		{Operation: "GetRecords", Agent: "app/two", Time: at(1.2)},                   // an iterator that is none
	} {
		r.add(request)
	}
	require.Equal(t, map[string][]string{"one": {"a", "b"}, "two": {"c"}}, r.held(at(2)))
	require.Equal(t, map[string][]string{"one": {"a", "b"}}, r.held(at(3.5)), "nobody has read c for long")

	_, taken := r.takeover("a", "one", at(1))
	require.False(t, taken)
	r.add(read("a", "one", 1.3)) // it is being asked to stop
	r.add(read("a", "two", 1.5))
	r.add(read("a", "two", 1.7))
	r.add(read("a", "one", 1.8)) // a zombie
	when, taken := r.takeover("a", "one", at(1))
	require.True(t, taken)
	require.Equal(t, at(1.5), when)
	_, taken = r.takeover("a", "one", at(1.6))
	require.False(t, taken, "who reads already does not take over")
	_, taken = r.takeover("nobody's", "one", at(0))
	require.False(t, taken)
}

func TestTakeovers(t *testing.T) {
	t.Parallel()
	ms := func(values ...int) []time.Duration {
		var all []time.Duration
		for _, v := range values {
			all = append(all, time.Duration(v)*time.Millisecond)
		}
		return all
	}
	got := takeovers([][]time.Duration{ms(300, 100), ms(50), ms(200, 900, 400)})
	require.Equal(t, &Takeovers{Times: 3, Shards: 6, Median: 200, Max: 900, SlowestMedian: 300}, got)
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	require.Zero(t, percentile(nil, 50))
	var sorted []time.Duration
	for n := range 200 {
		sorted = append(sorted, time.Duration(n+1))
	}
	require.Equal(t, time.Duration(100), percentile(sorted, 50))
	require.Equal(t, time.Duration(198), percentile(sorted, 99))
	require.Equal(t, time.Duration(200), percentile(sorted, 100))
}

func TestPrint(t *testing.T) {
	t.Parallel()
	var printed bytes.Buffer
	Report{
		Handover: &Takeovers{Times: 2, Shards: 6, Median: 250, Max: 400, SlowestMedian: 300},
		Tip:      &Tip{Windows: 30, WindowMaxAge: 5000, P50: 200, P99: 900, Max: 950},
		Idle:     &Idle{Shards: 256, Seconds: 60, Resident: 70e6, Peak: 80e6, CPU: 0.042},
	}.Print(&printed)
	require.Contains(t, printed.String(), "median 250ms  max 400ms  (2 times, 6 shards; median of the slowest shard 300ms)")
	require.Contains(t, printed.String(), "age + 200ms p50, + 900ms p99, + 950ms max  (30 windows of age 5s)")
	require.Contains(t, printed.String(), "70.0 MB resident, 80.0 MB at its peak, 4.2 % of a core  (256 shards, 60 s)")
	require.NotContains(t, printed.String(), "recovery")
}
