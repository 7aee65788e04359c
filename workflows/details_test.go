package workflows

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var detailsAt = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// TestShardReaderDetails: what is shown has the time at which it was true.
func TestShardReaderDetails(t *testing.T) {
	t.Parallel()
	r := &shardReader{in: ShardReaderInput{Windows: 7, Records: 700, Poll: PollOptions{Lease: 5 * time.Minute}}}
	text := r.details(detailsAt, "")
	require.True(t, strings.HasPrefix(text, "As of 2026-03-04T05:06:07Z, before the next lease: 7 windows, 700 records\n"), text)
	require.Contains(t, text, "the pending activity `PollShard` below says who holds it")
	require.NotContains(t, text, "The last lease")

	r.in.Checkpoint, r.in.CompleteUntil = "77", detailsAt.Add(-time.Minute)
	r.in.LastLease = &LeaseSummary{
		Starter: "starter 1@here", EndedAt: detailsAt, Ended: "pause", Windows: 2, Records: 20, MillisBehindLatest: 90_000, Waiting: "10 windows are open, max_open_windows allows 10",
		Clocks: Clocks{StarterAheadMillis: 300_000, KinesisAheadMillis: -2000},
	}
	r.in.Gaps, r.in.LastGap = 1, &Gap{Kind: GapTrimmed, After: "70"}
	text = r.details(detailsAt, "")
	for _, says := range []string{
		"the last window ends at `77`. Everything that arrived before 2026-03-04T05:05:07Z is in a window",
		"The last lease was held by `starter 1@here` until 2026-03-04T05:06:07Z (`pause`): 2 windows, 20 records, 1m30s behind the tip of the shard at its end. **It waited:** 10 windows are open",
		"**The clock of that starter was ahead of Temporal's by 5m0s.**",
		"1 gaps, the last one: Kinesis has deleted records before they were read; after `70`",
	} {
		require.Contains(t, text, says)
	}
	require.NotContains(t, text, "clock of Kinesis", "two seconds are no fault")

	text = r.details(detailsAt, "Drained.")
	require.True(t, strings.HasSuffix(text, "\n\nDrained."))
	require.NotContains(t, text, "pending activity", "there is none")
}

func TestStreamReaderDetails(t *testing.T) {
	t.Parallel()
	r := &streamReader{in: StreamReaderInput{Pipeline: "p", Stream: "api-logs", Drained: 3, Shards: []KnownShard{
		{Shard: Shard{ID: "shardId-000000000007"}, State: ShardReading}, {Shard: Shard{ID: "shardId-000000000008"}, State: ShardWaiting},
	}}}
	text := r.details()
	require.Contains(t, text, "`api-logs`: 1 shards being read, 1 waiting for their parents, 3 drained\n")
	require.Contains(t, text, "| 7 | reading | `p/shard/7` |\n")
	require.NotContains(t, text, "parked", "nobody has counted")

	r.listedAt, r.open, r.mostOpen = detailsAt, 10, 10
	r.waiting = &WaitingCounts{Parked: 9, Retrying: 1, Gaps: 2, At: detailsAt}
	text = r.details()
	for _, says := range []string{"as listed at 2026-03-04T05:06:07Z", "**Reading pauses**: 10 windows are open", "**9 windows are parked**", "**1 windows are retrying**", "**2 shards have stopped at a gap**", "Counted at 2026-03-04T05:06:07Z."} {
		require.Contains(t, text, says)
	}
	r.waiting = &WaitingCounts{At: detailsAt}
	require.Contains(t, r.details(), "No window is parked or retrying, and no shard has stopped at a gap. Counted at")

	for range 2 * shardsShown {
		r.in.Shards = append(r.in.Shards, KnownShard{Shard: Shard{ID: "shardId-000000000009"}, State: ShardReading})
	}
	require.Contains(t, r.details(), "and 52 more")
}

func TestTokenKeeperDetails(t *testing.T) {
	t.Parallel()
	k := &keeper{}
	require.Equal(t, "**no token yet**", k.details(detailsAt))
	k.in = TokenKeeperInput{
		Current: TokenVersion{Parameter: "/p/token", Version: 7, ExpiresAt: detailsAt.Add(time.Hour)}, Refreshes: 7,
		ObtainedAt: detailsAt, RefreshAt: detailsAt.Add(50 * time.Minute),
		LastTrouble: &TokenTrouble{Type: ErrorTokenEndpoint, Message: "no answer", Since: detailsAt.Add(-time.Minute), Attempts: 3},
	}
	require.Equal(t, "version 7 of `/p/token`, token 7 of this pipeline, expires 2026-03-04T06:06:07Z, obtained 2026-03-04T05:06:07Z; it is replaced 2026-03-04T05:56:07Z"+
		"\n\nThe last trouble is over: **TokenEndpoint** from 2026-03-04T05:05:07Z, tried 3 times in vain: no answer", k.details(detailsAt))

	k.in.WorkerAheadMillis = -300_000
	require.Contains(t, k.details(detailsAt), "**The clock of the worker that obtained it was behind Temporal's by 5m0s.**")

	k.in.Trouble = &TokenTrouble{Type: ErrorTokenClientRefused, Message: "invalid_client", Since: detailsAt, Attempts: 1, NextAt: detailsAt.Add(time.Minute)}
	text := k.details(detailsAt)
	require.Contains(t, text, "**TokenClientRefused** since 2026-03-04T05:06:07Z, tried 1 times:\n\ninvalid_client")
	require.NotContains(t, text, "it is replaced", "it is not")
	require.NotContains(t, text, "is over")
}
