package allinone

import (
	"bytes"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
)

// TestBackfill delivers a range again, under the original keys and then, while other events
// come and a starter is killed, under keys of its own. By the first nothing may arrive
// twice; by the second each event of the range has to arrive once more, and no other.
func TestBackfill(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	o := testOptions(t, &out)
	s := servers(t, o)
	environment := s.environment()
	environment["LOGPIPE_HEARTBEAT_TIMEOUT"] = "5s"
	startLogpipe(t, "worker", environment)
	starter := startLogpipe(t, "starter", environment)
	r := &run{stack: s, out: &out, watcher: newWatcher(s.client, &out)}
	put := func() {
		require.NoError(t, r.traffic(t.Context()))
		require.NoError(t, s.aws.Flush(t.Context()))
	}
	allDelivered := func() bool {
		busy, err := r.watcher.busy(t.Context())
		require.NoError(t, err)
		return busy == 0 && int(s.api.Stats().LogEvents) == s.produced.Count()
	}
	from := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339Nano)
	put()
	await(t, "the events of the range", allDelivered)
	to := time.Now().UTC().Format(time.RFC3339Nano)
	inRange := maps.Collect(s.api.LogEvents())
	live := s.api.Stats()
	require.NotEmpty(t, inRange)
	backfill := "backfill --from " + from + " --to " + to

	original := said(t, s, backfill+" --keys original --name original")
	require.Equal(t, "started", original["started"])
	delivered, ok := original["result"].(map[string]any)
	require.True(t, ok)
	require.Positive(t, delivered["windows"])
	stats := s.api.Stats()
	require.Equal(t, live.Batches, stats.Replays, "each batch came again, under its key")
	require.Zero(t, stats.Conflicts, "and with its bytes")
	require.Equal(t, live.Events, stats.Events, "so nothing was taken")
	requireCounts(t, s, inRange, 1)

	coming := make(chan struct{})
	go func() {
		defer close(coming)
		put()
	}()
	first := startLogpipe(t, backfill+" --name again --rate 300 --json", environment)
	await(t, "some of the range once more", func() bool {
		for id, receipt := range s.api.LogEvents() {
			if _, old := inRange[id]; old && receipt.Count > 1 {
				return true
			}
		}
		return false
	})
	require.NoError(t, starter.Process.Kill())
	starter.end(t)
	startLogpipe(t, "starter", environment)
	require.NoError(t, first.Process.Kill())
	first.end(t)
	again := said(t, s, backfill+" --name again --rate 300")
	require.Equal(t, "attached", again["started"])
	<-coming
	await(t, "all that came meanwhile", allDelivered)
	requireCounts(t, s, inRange, 2)
	require.Greater(t, s.produced.Count(), len(inRange))

	// What has ended is not done once more, and one of the same name is not something else.
	again = said(t, s, backfill+" --name again --rate 300")
	require.Equal(t, "attached", again["started"])
	requireCounts(t, s, inRange, 2)
	other := startLogpipe(t, backfill+" --name again", environment)
	require.Equal(t, 1, other.end(t))
	require.Contains(t, other.stderr.String(), "choose another --name")

	// Nor can what Kinesis does not have be delivered in silence.
	lost := startLogpipe(t, "backfill --name lost --from "+time.Now().Add(-48*time.Hour).UTC().Format(time.RFC3339)+" --to "+to, environment)
	require.Equal(t, 1, lost.end(t))
	require.Contains(t, lost.stderr.String(), "are missing: stream "+stream+" keeps records for 24h")

	staged := stageKeys(t, s)
	require.False(t, slices.ContainsFunc(staged, func(key string) bool { return strings.Contains(key, "/backfill/") }), "nothing is left in the stage: %v", staged)
}

// requireCounts: the log events of a range have arrived so often, all others once.
func requireCounts(t *testing.T, s *stack, inRange map[analytics.ID]analytics.Receipt, often int) {
	t.Helper()
	wrong, seen := 0, 0
	for id, receipt := range s.api.LogEvents() {
		want := 1
		if _, old := inRange[id]; old {
			want = often
			seen++
		}
		if receipt.Count != want {
			wrong++
		}
	}
	require.Zero(t, wrong)
	require.Equal(t, len(inRange), seen)
}

// stageKeys are the names of all objects in the stage.
func stageKeys(t *testing.T, s *stack) []string {
	t.Helper()
	var keys []string
	root := filepath.Join(s.dir, "stage")
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			keys = append(keys, filepath.ToSlash(strings.TrimPrefix(path, root)))
		}
		return err
	}))
	return keys
}
