package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/dev/bench"
	"github.com/log-event-pipeline/logpipe/dev/fleet"
	"github.com/log-event-pipeline/logpipe/dev/traffic"
)

// TestBench runs small measurements with real processes. What comes out of them is not
// looked at but for what does not depend on the machine.
func TestBench(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a Temporal server for each run")
	}
	binary := filepath.Join(t.TempDir(), "logpipe")
	require.NoError(t, fleet.BuildLogpipe(t.Context(), binary))
	small := bench.Options{
		Events: 4000, Mix: traffic.Mixed, Seed: 7, RecordEvents: 100, Shards: 2, Starters: 1, Workers: 1, Repeat: 1,
		WindowAge: time.Second, WindowBytes: "20kB", Patience: 2 * time.Minute,
		Logpipe: binary, Dev: []string{os.Args[0]}, Environment: map[string]string{runVariable: "1", "GOCOVERDIR": t.TempDir()},
	}
	steady := small
	steady.Rate, steady.For = 300, 2*time.Second

	for name, o := range map[string]bench.Options{"backlog": small, "steady": steady} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			o.Out = &out
			report, err := bench.Run(t.Context(), o)
			require.NoError(t, err, out.String())
			require.True(t, report.OK(), "%+v", report.Median)
			require.Len(t, report.Runs, 1)
			m := report.Median
			require.Greater(t, m.Windows, 1.0)
			require.GreaterOrEqual(t, m.Batches, m.Windows)
			require.Greater(t, m.Actions, 3*m.Windows, "a start, formatting, a delivery")
			require.Greater(t, m.StageBytes, m.Stored)
			require.Positive(t, m.LogText)
			require.Len(t, m.Processes, 5)
			for _, p := range m.Processes {
				require.Equal(t, 1, p.Count, p.Role)
				require.Positive(t, p.PeakBytes, p.Role)
			}
			if o.Rate == 0 {
				require.GreaterOrEqual(t, m.Events, o.Events)
				require.Nil(t, m.Freshness)
				return
			}
			require.GreaterOrEqual(t, m.Events, 600)
			require.Positive(t, m.Freshness.P50)
			require.GreaterOrEqual(t, m.Freshness.Max, m.Freshness.P50)
		})
	}
}

// TestScale measures two points of one axis, and what a handful of windows of an outage
// take.
func TestScale(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a Temporal server for each point")
	}
	binary := filepath.Join(t.TempDir(), "logpipe")
	require.NoError(t, fleet.BuildLogpipe(t.Context(), binary))
	var out bytes.Buffer
	o := bench.Options{
		Events: 1000, Mix: traffic.Mixed, Seed: 7, RecordEvents: 100, Shards: 2, Starters: 1, Workers: 1, Repeat: 1, For: time.Second,
		WindowAge: time.Second, Patience: 2 * time.Minute, Out: &out,
		Logpipe: binary, Dev: []string{os.Args[0]}, Environment: map[string]string{runVariable: "1", "GOCOVERDIR": t.TempDir()},
	}
	along, err := bench.ParseAxes([]string{"shards=1/2"})
	require.NoError(t, err)
	report, err := bench.Scale(t.Context(), o, along)
	require.NoError(t, err, out.String())
	require.True(t, report.OK(), out.String())
	require.Len(t, report.Axes, 1)
	points := report.Axes[0].Points
	require.Len(t, points, 2)
	require.Contains(t, out.String(), "shards 2 (2 of 2)")
	for _, p := range points {
		require.Equal(t, int(p.Value), p.Options.Shards)
		require.Positive(t, p.Median.LogText)
		require.GreaterOrEqual(t, p.Median.Windows, float64(p.Value))
	}
}
