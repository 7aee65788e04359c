package allinone

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestBacklogDrainsAtItsRate: however much waits and is repeated, the API gets no more
// requests a second than it is meant to, but for the second that Temporal catches up.
func TestBacklogDrainsAtItsRate(t *testing.T) {
	t.Parallel()
	const rate = 1
	var out bytes.Buffer
	o := testOptions(t, &out)
	o.Shards, o.WindowMaxAge, o.For = 4, 500*time.Millisecond, 5*time.Second
	o.Settings = map[string]string{"LOGPIPE_DELIVERY_RATE": "1"}
	o.Faults = faults(t, "outage=3s@2s")
	var began, ended time.Time
	var requests uint64
	o.onStarted = func(*stack) { began = time.Now() }
	o.onDrained = func(s *stack) { ended, requests = time.Now(), s.api.Stats().Attempts }
	report, err := Run(t.Context(), o)
	require.NoError(t, err, out.String())
	require.True(t, report.OK(), "%+v\n%s", report, out.String())
	require.Greater(t, requests, uint64(20), "there was something to limit")
	require.LessOrEqual(t, float64(requests), rate*ended.Sub(began).Seconds()+2*rate, out.String())
}
