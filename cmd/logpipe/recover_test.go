package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/connect/frontendtest"
	"github.com/log-event-pipeline/logpipe/internal/marker"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

// TestRecover goes the way of an operator: dry run, recovery, and once more by mistake.
func TestRecover(t *testing.T) { //nolint:paralleltest // it sets the environment of the process
	url := "file://" + filepath.ToSlash(t.TempDir())
	st, err := stage.Open(t.Context(), url)
	require.NoError(t, err)
	const shard = "shardId-000000000012"
	records := []window.Record{
		{SequenceNumber: "100", Arrival: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Data: []byte("canary")},
		{SequenceNumber: "101", Arrival: time.Date(2026, 1, 2, 3, 4, 55, 0, time.UTC)},
	}
	whole := window.Range{ShardID: shard, First: "100", Last: "101"}.RawKey("p")
	require.NoError(t, st.Put(t.Context(), whole, window.Append(nil, records)))
	broken := window.Range{ShardID: shard, First: "102", Last: "103"}.RawKey("p")
	require.NoError(t, st.Put(t.Context(), broken, []byte("logpipe")))
	given := window.Range{ShardID: shard, First: "104", Last: "105"}
	require.NoError(t, st.Put(t.Context(), given.RawKey("p"), window.Append(nil, []window.Record{{SequenceNumber: "104"}, {SequenceNumber: "105"}})))
	require.NoError(t, st.Put(t.Context(), window.Discarded{Window: given, At: time.Now()}.NoteKey("p"), nil))
	require.NoError(t, marker.Store{Stage: st, Pipeline: "p"}.Replace(t.Context(), marker.Marker{
		Stream: "api-logs", ShardID: "shardId-000000000003", Checkpoint: "77", Drained: true, WrittenAt: time.Now().Add(-90 * time.Second),
	}))
	require.NoError(t, st.Close())

	temporal := frontendtest.Start(t, "default")
	changes := environment{
		"TEMPORAL_ADDRESS": temporal.Address, "LOGPIPE_STAGE_URL": url, "LOGPIPE_PIPELINE": "p", "LOGPIPE_START_POSITION": "LATEST",
		// Neither Kinesis nor any other part of AWS is asked.
		"AWS_REGION": "", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
	}
	scripted := logpipe(t, changes, "recover", "--dry-run", "--json")
	require.Equal(t, exitFailed, scripted.status, "a window is damaged")
	var lines []map[string]any
	for line := range strings.Lines(scripted.stdout) {
		var value map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &value), line)
		lines = append(lines, value)
	}
	require.Len(t, lines, 4)
	require.Equal(t, "2026-01-02T03:04:55Z", lines[1]["last_arrival"])
	require.Equal(t, "105", lines[1]["resumes_after"])
	require.Equal(t, true, lines[0]["drained"])
	require.NotContains(t, lines[0], "first_arrival", "nothing of it is staged")
	require.Equal(t, "damaged", lines[2]["kind"])
	require.Equal(t, broken, lines[2]["key"])
	require.Equal(t, map[string]any{
		"kind": "result", "dry_run": true, "other_shards_from": "TRIM_HORIZON", "windows_started": 0.0, "windows_known": 0.0, "markers_written": 0.0,
	}, lines[3])
	for _, c := range []struct {
		args   []string
		starts int
		prints []string
		says   []string
	}{
		{[]string{"recover", "--dry-run"}, 0, []string{"dry run", "TRIM_HORIZON rather than LATEST"}, []string{"damaged windows: 1"}},
		{[]string{"recover"}, 2, []string{"windows started: 1, found running or ended: 0; markers written: 1; started workflow p/stream"}, []string{"damaged windows: 1"}},
		{[]string{"recover"}, 2, nil, []string{"p/stream", "nothing to recover", "start a starter"}},
	} {
		out := logpipe(t, changes, c.args...)
		require.Equal(t, exitFailed, out.status, out.lines)
		require.Len(t, out.lines, 1)
		for _, text := range c.says {
			require.Contains(t, out.lines[0], text)
		}
		require.Len(t, temporal.Starts(), c.starts)
		if c.prints == nil {
			require.Empty(t, out.stdout)
			continue
		}
		for _, text := range append(c.prints, broken) {
			require.Contains(t, out.stdout, text)
		}
		require.Contains(t, out.stdout, "stays discarded; windows that are staged and not started for this: 1\n")
		after := window.SequenceNumber("105").Short()
		require.Regexp(t, `12 +1 +2 +2026-01-02T03:04:05Z +2026-01-02T03:04:55Z +`+after+` +none\n`, out.stdout)
		require.Regexp(t, `3 +0 +0 +- +- +nothing, it is drained +1m3[0-9]s old\n`, out.stdout)
		require.NotContains(t, out.stdout, "canary")
		t.Log(out.stdout)
	}
	require.Equal(t, "p/flush/12/"+window.SequenceNumber("100").Short(), temporal.Starts()[0].GetWorkflowId())
	require.Equal(t, "p/stream", temporal.Starts()[1].GetWorkflowId(), "the StreamReader is the last")
}
