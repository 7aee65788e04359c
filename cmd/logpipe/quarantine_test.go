package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"

	"github.com/log-event-pipeline/logpipe/internal/apigateway"
	"github.com/log-event-pipeline/logpipe/internal/connect/frontendtest"
	"github.com/log-event-pipeline/logpipe/internal/quarantine"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// TestQuarantine goes the way of an operator: list, retry of one piece, retry of all,
// and once more by mistake.
func TestQuarantine(t *testing.T) { //nolint:paralleltest // it sets the environment of the process
	url := "file://" + filepath.ToSlash(t.TempDir())
	st, err := stage.Open(t.Context(), url)
	require.NoError(t, err)
	put := func(first string, n int, q apigateway.Quarantined) string {
		header := quarantine.HeaderOf(q)
		body, err := quarantine.Append(nil, header, q.Data)
		require.NoError(t, err)
		r := window.Range{ShardID: "shardId-000000000012", First: window.SequenceNumber(first), Last: "999"}
		key := r.QuarantineKey("p", n, header.Digest(q.Data))
		require.NoError(t, st.Put(t.Context(), key, body))
		return key
	}
	arrived := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	large := put("100", 0, apigateway.Quarantined{SequenceNumber: "105", Arrival: arrived, Offset: 7391, Reason: apigateway.ReasonEventTooLarge, Events: 1, Data: []byte("log-canary")})
	user := put("200", 0, apigateway.Quarantined{
		SequenceNumber: "205", Arrival: arrived, UserRecord: 2, Origin: apigateway.Origin{UserRecord: "2"}, Stored: true,
		Reason: apigateway.Reason{Code: "unknown_encoding"}, Data: []byte("log-canary"),
	})
	damaged := window.Range{ShardID: "shardId-000000000012", First: "300", Last: "999"}.QuarantineKey("p", 0, "abc")
	require.NoError(t, st.Put(t.Context(), damaged, []byte("log-canary")))
	require.NoError(t, st.Close())

	temporal := frontendtest.Start(t, "default")
	changes := environment{"TEMPORAL_ADDRESS": temporal.Address, "LOGPIPE_STAGE_URL": url, "LOGPIPE_PIPELINE": "p"}

	out := logpipe(t, changes, "quarantine", "list")
	require.Equal(t, exitOK, out.status, out.lines)
	require.Regexp(t, `(?m)^event_too_large +1 events +\d+ bytes  \S+Z  record `+window.SequenceNumber("105").Short()+` byte 7391  `+large+`$`, out.stdout)
	require.Regexp(t, `(?m)^unknown_encoding .* record `+window.SequenceNumber("205").Short()+` user record 2 byte 0  `+user+`$`, out.stdout)
	require.Regexp(t, `(?m)^damaged .*`+damaged+`$`, out.stdout)
	require.Contains(t, out.stdout, "3 pieces, 1 events known, ")
	require.Contains(t, out.stdout, "damaged 1, event_too_large 1, unknown_encoding 1\n")
	require.NotContains(t, out.stdout, "canary")
	t.Log("\n" + out.stdout)

	out = logpipe(t, changes, "quarantine", "list", "--json")
	require.Equal(t, exitOK, out.status, out.lines)
	lines := strings.Split(strings.TrimSpace(out.stdout), "\n")
	require.Len(t, lines, 3)
	var first map[string]any
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &first))
	require.NotEmpty(t, first["quarantined_at"])
	delete(first, "quarantined_at")
	delete(first, "bytes")
	require.Equal(t, map[string]any{
		"key": large, "shard_id": "shardId-000000000012", "sequence_number": "105", "arrival": "2026-01-02T03:04:05Z",
		"offset": 7391.0, "reason": "event_too_large", "events": 1.0, "stored": false,
	}, first)

	// By name: one is there, one is not, one is no key.
	gone := strings.Replace(user, "/0000-", "/0001-", 1)
	out = logpipe(t, changes, "quarantine", "retry", user, gone, "p/raw/1")
	require.Equal(t, exitFailed, out.status, out.lines)
	require.Len(t, out.lines, 2)
	require.Contains(t, out.lines[0], gone)
	require.Contains(t, out.lines[0], "it was delivered, or was never there")
	require.Contains(t, out.lines[1], "p/raw/1")
	require.Contains(t, out.stdout, "workflows started: 1, pieces in them: 1\n")
	require.Len(t, temporal.Starts(), 1)
	start := temporal.Starts()[0]
	require.True(t, strings.HasPrefix(start.GetWorkflowId(), "p/retry/12/"), start.GetWorkflowId())
	require.Equal(t, "p/worker", start.GetTaskQueue().GetName())
	var in workflows.FlushWindowInput
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(start.GetInput(), &in))
	require.Equal(t, []string{user}, in.Pieces)

	// All: what runs is left alone, what is damaged is named.
	for _, starts := range []int{2, 2} {
		out = logpipe(t, changes, "quarantine", "retry", "--all")
		require.Equal(t, exitFailed, out.status, out.lines)
		require.Len(t, out.lines, 1)
		require.Contains(t, out.lines[0], damaged)
		require.Contains(t, out.stdout, "running already  "+start.GetWorkflowId())
		require.Contains(t, out.stdout, "pieces left: ")
		require.Len(t, temporal.Starts(), starts)
		t.Log("\n" + out.stdout)
	}
}

func TestQuarantineOfNothing(t *testing.T) { //nolint:paralleltest // it sets the environment of the process
	temporal := frontendtest.Start(t, "default")
	changes := environment{"TEMPORAL_ADDRESS": temporal.Address}
	out := logpipe(t, changes, "quarantine", "list")
	require.Equal(t, exitOK, out.status, out.lines)
	require.Equal(t, "nothing is quarantined\n", out.stdout)
	out = logpipe(t, changes, "quarantine", "list", "--json")
	require.Equal(t, exitOK, out.status, out.lines)
	require.Empty(t, out.stdout)
	out = logpipe(t, changes, "quarantine", "retry", "--all")
	require.Equal(t, exitOK, out.status, out.lines)
	require.Contains(t, out.stdout, "workflows started: 0")

	// Temporal is away: nothing is started, and nothing lost.
	out = logpipe(t, nil, "quarantine", "retry", "--all")
	require.Equal(t, exitFailed, out.status, out.lines)
}
