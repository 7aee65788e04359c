package window_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

func TestBackfillKeys(t *testing.T) {
	t.Parallel()
	r := window.Range{ShardID: "shardId-000000000007", First: "10", Last: "20"}
	b := window.Backfill{Run: "again", Window: r}
	require.Equal(t, "p/backfill/again/7/00000000000000000000000000000000000a", b.WorkflowID("p"))
	require.Equal(t, b.WorkflowID("p")+"/3-abc", b.IdempotencyKey("p", 3, "abc"))
	require.NotEqual(t, r.IdempotencyKey("p", 3, "abc"), b.IdempotencyKey("p", 3, "abc"))
	for _, key := range []string{b.RawKey("p"), b.BatchKey("p", 3, "abc"), b.BatchKey("p", 3, "abc-0-2")} {
		got, err := window.ParseBackfillKey("p", key)
		require.NoError(t, err, key)
		require.Equal(t, b, got)
		_, err = window.ParseRawKey("p", key)
		require.Error(t, err)
		_, err = window.ParseBatchKey("p", key)
		require.Error(t, err)
	}
	for _, key := range []string{
		"", "p/backfill/again", r.RawKey("p"), b.RawKey("q"), b.RawKey("p") + "/x", b.BatchKey("p", -1, "abc"), b.BatchKey("p", 3, ""),
		"p/backfill//7/00000000000000000000000000000000000a-00000000000000000000000000000000000k/raw",
	} {
		_, err := window.ParseBackfillKey("p", key)
		require.Error(t, err, key)
	}
}
