package status_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/log-event-pipeline/logpipe/operator/status"
	"github.com/log-event-pipeline/logpipe/workflows"
)

var update = flag.Bool("update", false, "write the golden files anew")

func find(r status.Report, code string) *status.Problem {
	for i := range r.Problems {
		if r.Problems[i].Code == code {
			return &r.Problems[i]
		}
	}
	return nil
}

func codes(r status.Report) []string {
	var all []string
	for _, p := range r.Problems {
		all = append(all, p.Code)
	}
	return all
}

func TestHealthy(t *testing.T) {
	t.Parallel()
	f := newFake(t, 2)
	f.deliver("p/flush/0/1", "0", now.Add(-time.Minute))
	f.deliver("p/flush/0/2", "0", now.Add(-2*time.Minute))
	f.deliver("p/flush/1/1", "1", now.Add(-time.Hour))
	f.flush("p/flush/0/3", "0", "formatting", "", now.Add(-70*time.Second))
	r := f.look(t)
	require.Equal(t, status.Healthy, r.Health, "%v %v", codes(r), r.Incomplete)
	require.Empty(t, r.Problems)
	require.Empty(t, r.Incomplete)
	require.Equal(t, "api-logs", r.Stream)
	require.Equal(t, status.Throughput{Seconds: 300, Windows: 2, Events: 200, Bytes: 2000, EventsPerSecond: 200.0 / 300, BytesPerSecond: 2000.0 / 300}, r.Throughput)
	require.Equal(t, "p/flush/0/3", r.Oldest.WorkflowID)
	require.InDelta(t, 70, r.Oldest.AgeSeconds, 0.001)
	require.Equal(t, 2, r.Shards.Held)
	row := r.Shards.Rows[0]
	require.Equal(t, "0", row.ID)
	require.Equal(t, identity, row.Owner)
	require.EqualValues(t, 50, row.Records)
	require.EqualValues(t, 5, row.Windows)
	require.EqualValues(t, 1, row.Open)
	require.Zero(t, *row.LagSeconds)
	require.Equal(t, now.Add(-time.Minute), *row.LastFlush)
	require.Equal(t, now.Add(-time.Hour), *r.Shards.Rows[1].LastFlush, "of a shard without a flush in the last minutes it is asked for")
	require.EqualValues(t, 7, r.Token.Version)
	require.Equal(t, []status.Process{{Identity: identity, LastSeen: now.Add(-20 * time.Second), Shards: 2}}, r.Starters)
}

// TestReportGolden: scripts rely on the form of the JSON.
func TestReportGolden(t *testing.T) {
	t.Parallel()
	f := newFake(t, 1)
	f.deliver("p/flush/0/1", "0", now.Add(-time.Minute))
	f.flush("p/flush/0/2", "0", "parked", "413", now.Add(-time.Hour))
	f.histories["p/flush/0/2"] = []*historypb.HistoryEvent{timer(9, now.Add(-time.Hour), "parked until a redrive or discard: batch 1 of 1 (100 events): BatchTooLarge: the destination answered HTTP status 413")}
	f.token.Trouble = &workflows.TokenTrouble{Type: "TokenEndpoint", Message: "no answer", Since: now.Add(-time.Minute), Attempts: 3, NextAt: now.Add(time.Minute)}
	got, err := json.MarshalIndent(f.look(t), "", "  ")
	require.NoError(t, err)
	path := "testdata/report.json"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o750))
		require.NoError(t, os.WriteFile(path, append(got, '\n'), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got)+"\n")
}

func TestNoPipeline(t *testing.T) {
	t.Parallel()
	r := (&fake{calls: map[string]int{}}).look(t)
	require.Equal(t, status.Stuck, r.Health)
	require.Equal(t, []string{status.CodeNoPipeline}, codes(r))
}

func TestTemporalIsAway(t *testing.T) {
	t.Parallel()
	f := newFake(t, 1)
	f.broken["Describe"] = errors.New("connection refused")
	r := f.look(t)
	require.Equal(t, status.Unknown, r.Health)
	require.Equal(t, []string{status.CodeTemporal}, codes(r))
	require.Contains(t, r.Problems[0].Detail, "connection refused")

	// It goes away in the middle, or somebody has lost patience.
	ctx, cancel := context.WithCancelCause(t.Context())
	f = newFake(t, 1)
	l := f.looker()
	l.Now = func() time.Time { cancel(errors.New("enough")); return now }
	r = l.Look(ctx)
	require.Equal(t, status.Unknown, r.Health)
	require.Equal(t, []string{status.CodeTemporal}, codes(r))
}

// TestIncomplete: what cannot be asked is said, and nothing is called healthy for it.
func TestIncomplete(t *testing.T) {
	t.Parallel()
	for call, says := range map[string]string{"Count": "count the windows", "List": "list the shards", "DescribeTaskQueue": "describe task queue p/"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, 1)
			f.broken[call] = errors.New("not for you")
			r := f.look(t)
			require.NotEqual(t, status.Healthy, r.Health)
			require.Contains(t, strings.Join(r.Incomplete, "\n"), says)
			require.Contains(t, strings.Join(r.Incomplete, "\n"), "not for you")
			require.Nil(t, find(r, status.CodeNoWorker), "nobody knows")
			require.Nil(t, find(r, status.CodeNoStarter), "nobody knows")
		})
	}
}

func TestShards(t *testing.T) {
	t.Parallel()
	beat := workflows.PollShardHeartbeat{Progress: workflows.Progress{CompleteUntil: now.Add(-20 * time.Second)}, Starter: identity, At: now}
	for name, c := range map[string]struct {
		change   func(*testing.T, *fake)
		state    status.ShardState
		code     string
		severity status.Severity
		says     []string
	}{
		"no access to the key": {func(t *testing.T, f *fake) {
			t.Helper()
			f.find("p/shard/1").PendingActivities[0] = fails(held(t, beat), "StreamKeyUnavailable", "KMS said no")
		}, status.ShardFailing, "StreamKeyUnavailable", status.Blocked, []string{"shard 1: KMS denies access", "KMS said no", "aws kinesis describe-stream-summary --stream-name api-logs"}},
		"an attempt that has just begun": {func(t *testing.T, f *fake) {
			t.Helper()
			a := fails(held(t, beat), "StreamAccessDenied", "no")
			a.State, a.LastStartedTime, a.LastHeartbeatTime = enumspb.PENDING_ACTIVITY_STATE_STARTED, timestamppb.New(now), nil
			f.find("p/shard/1").PendingActivities[0] = a
		}, status.ShardFailing, "StreamAccessDenied", status.Blocked, []string{"kinesis:DescribeStreamSummary", "GetRecords"}},
		"a failure that is over": {func(t *testing.T, f *fake) {
			t.Helper()
			a := fails(held(t, beat), "StreamAccessDenied", "no")
			a.State, a.LastStartedTime, a.LastHeartbeatTime = enumspb.PENDING_ACTIVITY_STATE_STARTED, timestamppb.New(now.Add(-9*time.Second)), timestamppb.New(now)
			f.find("p/shard/1").PendingActivities[0] = a
		}, status.ShardReading, "", "", nil},
		"throttled": {func(t *testing.T, f *fake) {
			t.Helper()
			b := beat
			b.Waiting, b.WaitingFor = "rate exceeded", workflows.WaitingForThrottle
			f.find("p/shard/1").PendingActivities[0] = held(t, b)
		}, status.ShardWaiting, "StreamThrottled", status.Late, []string{"shard 1", "rate exceeded", "list-stream-consumers"}},
		"too many windows": {func(t *testing.T, f *fake) {
			t.Helper()
			b := beat
			b.Waiting, b.WaitingFor = "10 windows are open, max_open_windows allows 10", workflows.WaitingForRoom
			f.find("p/shard/1").PendingActivities[0] = held(t, b)
		}, status.ShardWaiting, status.CodeRoom, status.Late, []string{"max_open_windows", "logpipe redrive"}},
		"stage is full": {func(t *testing.T, f *fake) {
			t.Helper()
			f.find("p/shard/1").PendingActivities[0] = fails(held(t, beat), "StageUnavailable", "write p/raw/1: no space left on device")
		}, status.ShardFailing, "StageUnavailable", status.Blocked, []string{"the stage is full", "make room"}},
		"stage does not answer": {func(t *testing.T, f *fake) {
			t.Helper()
			f.find("p/shard/1").PendingActivities[0] = fails(held(t, beat), "StageUnavailable", "write p/raw/1: connection refused")
		}, status.ShardFailing, "StageUnavailable", status.Late, []string{"the stage cannot be read or written"}},
		"what nobody knows": {func(t *testing.T, f *fake) {
			t.Helper()
			f.find("p/shard/1").PendingActivities[0] = fails(held(t, beat), "OfTomorrow", "something new")
		}, status.ShardFailing, "OfTomorrow", status.Late, []string{"OfTomorrow", "something new"}},
		"no slot": {func(t *testing.T, f *fake) {
			t.Helper()
			a := held(t, beat)
			a.State = enumspb.PENDING_ACTIVITY_STATE_SCHEDULED
			f.find("p/shard/1").PendingActivities[0] = a
		}, status.ShardUnowned, status.CodeNoSlot, status.Blocked, []string{"shard 1", "max_shards"}},
		"between two leases": {func(t *testing.T, f *fake) {
			t.Helper()
			a := held(t, beat)
			a.State, a.ScheduledTime = enumspb.PENDING_ACTIVITY_STATE_SCHEDULED, timestamppb.New(now.Add(-time.Second))
			f.find("p/shard/1").PendingActivities[0] = a
		}, status.ShardStarting, "", "", nil},
		"stopped at a gap": {func(t *testing.T, f *fake) {
			t.Helper()
			w := f.find("p/shard/1")
			w.PendingActivities = nil
			w.WorkflowExecutionInfo.SearchAttributes.IndexedFields["LogpipeStatus"] = payload("gap")
			w.WorkflowExecutionInfo.Memo = memoOf(t, map[string]any{"gaps": workflows.GapsMemo{Gaps: 2, At: now, Last: workflows.Gap{Kind: workflows.GapTrimmed, After: "77"}}})
		}, status.ShardGap, status.CodeGapStopped, status.Blocked, []string{"trimmed, after record 77", "temporal workflow signal --workflow-id p/shard/1 --name skip-gap"}},
		"a gap that was passed": {func(t *testing.T, f *fake) {
			t.Helper()
			f.find("p/shard/1").WorkflowExecutionInfo.Memo = memoOf(t, map[string]any{"gaps": workflows.GapsMemo{Gaps: 2, At: now.Add(-time.Hour), Last: workflows.Gap{Kind: workflows.GapPosition}}})
		}, status.ShardReading, status.CodeGap, status.Warning, []string{"shard 1", "position"}},
		"behind": {func(t *testing.T, f *fake) {
			t.Helper()
			b := beat
			b.MillisBehindLatest, b.CompleteUntil = 900_000, now.Add(-20*time.Minute)
			f.find("p/shard/1").PendingActivities[0] = held(t, b)
		}, status.ShardReading, status.CodeReading, status.Late, []string{"by 20m0s at most"}},
		"a clock ahead": {func(t *testing.T, f *fake) {
			t.Helper()
			b := beat
			b.StarterAheadMillis = 300_000
			f.find("p/shard/1").PendingActivities[0] = held(t, b)
		}, status.ShardReading, status.CodeClockSkew, status.Warning, []string{"the clock of starter 1@here is ahead of Temporal's by 5m0s"}},
		"Kinesis behind": {func(t *testing.T, f *fake) {
			t.Helper()
			b := beat
			b.KinesisAheadMillis = -300_000
			f.find("p/shard/1").PendingActivities[0] = held(t, b)
		}, status.ShardReading, status.CodeClockSkew, status.Warning, []string{"the clock of Kinesis is behind Temporal's by 5m0s"}},
		"clocks that are right enough": {func(t *testing.T, f *fake) {
			t.Helper()
			b := beat
			b.KinesisAheadMillis, b.StarterAheadMillis = -2000, 1500
			f.find("p/shard/1").PendingActivities[0] = held(t, b)
		}, status.ShardReading, "", "", nil},
		"this machine is behind": {func(t *testing.T, f *fake) {
			t.Helper()
			a := held(t, beat)
			a.LastHeartbeatTime = timestamppb.New(now.Add(5 * time.Minute))
			f.find("p/shard/1").PendingActivities[0] = a
			f.pollers["p/worker"] = map[string]time.Time{"worker 2@there": now.Add(4 * time.Minute)}
		}, status.ShardReading, status.CodeClockSkew, status.Warning, []string{"the clock of this machine is behind Temporal's by 5m0s"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, 3)
			c.change(t, f)
			r := f.look(t)
			require.Equal(t, c.state, r.Shards.Rows[1].State, r.Shards.Rows[1].Reason)
			if c.code == "" {
				require.Equal(t, status.Healthy, r.Health, "%v", codes(r))
				return
			}
			require.Equal(t, []string{c.code}, codes(r))
			p := find(r, c.code)
			require.Equal(t, c.severity, p.Severity)
			require.Equal(t, map[status.Severity]status.Health{status.Blocked: status.Stuck, status.Late: status.Behind, status.Warning: status.Healthy}[c.severity], r.Health)
			all := strings.Join(append([]string{p.Summary, p.Detail, p.Advice}, p.Next...), "\n")
			for _, text := range c.says {
				require.Contains(t, all, text)
			}
		})
	}
}

// TestLeaseWithoutAHeartbeat: what a lease begins with is in the history.
func TestLeaseWithoutAHeartbeat(t *testing.T) {
	t.Parallel()
	f := newFake(t, 1)
	a := held(t, workflows.PollShardHeartbeat{})
	a.HeartbeatDetails = nil
	f.find("p/shard/0").PendingActivities[0] = a
	f.histories["p/shard/0"] = []*historypb.HistoryEvent{
		scheduled(5, now, workflows.PollShardName, workflows.PollShardInput{Progress: workflows.Progress{CompleteUntil: now.Add(-time.Hour)}, WindowsBefore: 4, RecordsBefore: 40}),
	}
	row := f.look(t).Shards.Rows[0]
	require.EqualValues(t, 40, row.Records)
	require.Equal(t, now.Add(-time.Hour), *row.CompleteUntil)
	require.InDelta(t, 3600, *row.LagSeconds, 0.001)
	require.Nil(t, row.BehindSeconds)
}

func TestProcesses(t *testing.T) {
	t.Parallel()
	t.Run("no starter", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, 2)
		for _, id := range []string{"p/shard/0", "p/shard/1"} {
			f.find(id).PendingActivities[0].State = enumspb.PENDING_ACTIVITY_STATE_SCHEDULED
		}
		r := f.look(t)
		require.Equal(t, []string{status.CodeNoStarter}, codes(r), "although Temporal still remembers its polls")
		require.Equal(t, []string{"logpipe starter"}, r.Problems[0].Next)
		require.EqualValues(t, 2, r.Problems[0].Count)
	})
	t.Run("no starter, and no shard yet", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, 0)
		f.pollers["p/listing"] = map[string]time.Time{identity: now.Add(-2 * time.Minute)}
		r := f.look(t)
		require.Equal(t, []string{status.CodeNoStarter}, codes(r))
		require.True(t, r.Starters[0].Gone)
		require.Contains(t, r.Problems[0].Detail, "2026-03-04T05:04:07Z")
	})
	t.Run("a starter whose slots are full does not poll", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, 2)
		f.pollers["p/listing"] = map[string]time.Time{identity: now.Add(-3 * time.Minute)}
		r := f.look(t)
		require.Equal(t, status.Healthy, r.Health, "%v", codes(r))
		require.False(t, r.Starters[0].Gone)
	})
	t.Run("no worker", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, 2)
		delete(f.pollers, "p/worker")
		r := f.look(t)
		require.Equal(t, []string{status.CodeNoWorker}, codes(r))
		require.Equal(t, []string{"logpipe worker"}, r.Problems[0].Next)
	})
	t.Run("a worker that still counts as polling", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, 2)
		f.token = nil
		f.histories["p/token"] = []*historypb.HistoryEvent{started(workflows.TokenKeeperInput{Pipeline: "p"})}
		f.find("p/token").PendingWorkflowTask = pendingTask(now.Add(-time.Minute))
		require.Equal(t, []string{status.CodeNoWorker}, codes(f.look(t)))
	})
}

func TestToken(t *testing.T) {
	t.Parallel()
	input := workflows.TokenKeeperInput{Current: workflows.TokenVersion{Parameter: "/p/token", Version: 3, ExpiresAt: now.Add(-time.Minute)}, ObtainedAt: now.Add(-time.Hour)}
	f := newFake(t, 1)
	f.token = nil
	f.histories["p/token"] = []*historypb.HistoryEvent{
		started(input),
		scheduled(5, now.Add(-3*time.Minute), workflows.RefreshTokenName, nil), failedEvent(6, 5, now.Add(-3*time.Minute), "TokenEndpoint", "first"),
		timer(7, now.Add(-3*time.Minute), "until the next try: TokenEndpoint"),
		scheduled(8, now.Add(-2*time.Minute), workflows.RefreshTokenName, nil), failedEvent(9, 8, now.Add(-2*time.Minute), "TokenClientRefused", "HTTP status 401, invalid_client"),
		scheduled(10, now.Add(-2*time.Minute), workflows.WatchClientSecretName, nil), failedEvent(11, 10, now.Add(-time.Minute), "ClientSecretUnchanged", "still version 4"),
	}
	// A window waits for it, and says so in its own words.
	f.flush("p/flush/0/1", "0", "retrying", "", now.Add(-2*time.Minute)).PendingActivities = []*workflowpb.PendingActivityInfo{
		pending(workflows.AcquireTokenName, "TokenUnavailable", "workflow p/token has no token"),
	}
	r := f.look(t)
	require.Equal(t, "history", r.Token.From)
	require.EqualValues(t, 3, r.Token.Version)
	require.True(t, r.Token.Expired)
	require.Equal(t, &status.TokenError{Type: "TokenClientRefused", Message: "HTTP status 401, invalid_client", Since: r.Token.Error.Since, Attempts: 2}, r.Token.Error)
	require.Equal(t, now.Add(-3*time.Minute), *r.Token.Error.Since)
	require.Equal(t, []string{"TokenClientRefused"}, codes(r), "the window's own words are left out")
	require.Equal(t, "token: the token endpoint refuses the client", r.Problems[0].Summary)
	require.Equal(t, status.Stuck, r.Health)

	// The worker answers, and its clock is wrong.
	f.token = &workflows.TokenKeeperState{Current: input.Current, Trouble: &workflows.TokenTrouble{Type: "TokenRefused", Message: "7 tokens in a row", Since: now}, WorkerAheadMillis: -300_000}
	r = f.look(t)
	require.Equal(t, "query", r.Token.From)
	require.Equal(t, []string{"TokenRefused", status.CodeClockSkew}, codes(r))
	require.Contains(t, r.Problems[1].Summary, "the worker that obtained the token is behind Temporal's by 5m0s")
}

func TestWindows(t *testing.T) {
	t.Parallel()
	f := newFake(t, 2)
	for n := range 12 {
		f.flush(fmt.Sprintf("p/flush/1/%d", n), "1", "parked", "403", now.Add(-time.Duration(n+1)*time.Minute))
		f.histories[fmt.Sprintf("p/flush/1/%d", n)] = []*historypb.HistoryEvent{
			timer(9, now, "2 parked until a redrive or discard: batch 1 of 2 (5 events): DestinationRefused: the destination refused the batch with HTTP status 403: not: your: tenant"),
		}
	}
	r := f.look(t)
	require.Equal(t, []string{"DestinationRefused"}, codes(r))
	p := r.Problems[0]
	require.Equal(t, "12 windows parked, 1200 events: the API refuses the batches (HTTP status 403)", p.Summary)
	require.Equal(t, "the destination refused the batch with HTTP status 403: not: your: tenant", p.Detail)
	require.Equal(t, []string{"logpipe redrive --all --dry-run"}, p.Next)
	require.Equal(t, now.Add(-12*time.Minute), *p.Since)
	require.EqualValues(t, 12, r.Shards.Rows[1].Parked)
	require.EqualValues(t, 12, r.Shards.Rows[1].Open)

	// Another cause, windows that only need time, and one that does not say so yet.
	f.flush("p/flush/0/1", "0", "parked", "", now.Add(-time.Minute))
	f.histories["p/flush/0/1"] = []*historypb.HistoryEvent{
		scheduled(8, now, workflows.DeliverBatchName, nil), failedEvent(9, 8, now, "StageObject", "p/batch/1 is missing"),
	}
	f.flush("p/flush/0/2", "0", "retrying", "503", now.Add(-10*time.Minute))
	f.histories["p/flush/0/2"] = []*historypb.HistoryEvent{
		failedEvent(7, 6, now.Add(-time.Minute), "DestinationUnavailable", "the destination answered HTTP status 503: maintenance"),
		timer(9, now, "DestinationUnavailable since 2026-03-04T05:00:00Z, tried 13 times; the signal redrive tries at once"),
	}
	f.flush("p/flush/0/3", "0", "formatting", "", now.Add(-time.Minute)).PendingActivities = []*workflowpb.PendingActivityInfo{
		pending(workflows.FormatLogsName, "StageUnavailable", "AccessDenied: 403"),
	}
	r = f.look(t)
	require.ElementsMatch(t, []string{"DestinationRefused", "StageObject", "StageUnavailable", "DestinationUnavailable", status.CodeUndelivered}, codes(r))
	require.Equal(t, []string{`logpipe redrive --query "LogpipeStatus = 'parked' AND LogpipeHTTPStatus = '403'" --dry-run`}, find(r, "DestinationRefused").Next)
	require.Equal(t, []string{`logpipe redrive --query "LogpipeStatus = 'parked' AND LogpipeHTTPStatus IS NULL" --dry-run`}, find(r, "StageObject").Next)
	down := find(r, "DestinationUnavailable")
	require.Equal(t, status.Late, down.Severity)
	require.Equal(t, "1 window retrying: the API does not take the batches", down.Summary)
	require.Contains(t, down.Detail, "maintenance")
	require.Equal(t, "2026-03-04T05:00:00Z", down.Since.Format(time.RFC3339))
	require.Contains(t, find(r, "StageUnavailable").Summary, "the stage may not be read or written")
	require.Equal(t, status.Blocked, find(r, "StageUnavailable").Severity)
	require.Contains(t, find(r, status.CodeUndelivered).Detail, "p/flush/0/2", "what is parked is not late, it is stuck")
	require.Equal(t, "p/flush/1/11", r.Oldest.WorkflowID)
	require.True(t, slices.IsSortedFunc(r.Problems, func(a, b status.Problem) int {
		rank := []status.Severity{status.Blocked, status.Late, status.Warning}
		return slices.Index(rank, a.Severity) - slices.Index(rank, b.Severity)
	}))
}

func TestPausedByAnOperator(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		value any
		says  string
	}{
		"text": {"until the API has moved", "until the API has moved"}, "true": {true, "paused"}, "object": {map[string]any{"by": "ann", "at": "noon"}, "paused: at noon, by ann"},
		"false": {false, ""}, "null": {nil, ""}, "empty": {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, 1)
			f.find("p/stream").WorkflowExecutionInfo.Memo = memoOf(t, map[string]any{"stream": "api-logs", "paused_delivery": c.value})
			r := f.look(t)
			require.Equal(t, c.says, r.PausedDelivery)
			if c.says == "" {
				require.Equal(t, status.Healthy, r.Health)
				return
			}
			require.Equal(t, []string{status.CodePausedDeliver}, codes(r))
			require.Equal(t, status.Behind, r.Health)
		})
	}
}

// TestShardsOfAPausedPipeline: they wait because of the pause, which is told once.
func TestShardsOfAPausedPipeline(t *testing.T) {
	t.Parallel()
	f := newFake(t, 2)
	f.find("p/shard/1").PendingActivities[0] = held(t, workflows.PollShardHeartbeat{Waiting: "reading is paused by ann", At: now})
	require.Equal(t, []string{"Waiting"}, codes(f.look(t)))
	f.find("p/stream").WorkflowExecutionInfo.Memo = memoOf(t, map[string]any{"paused_reading": map[string]any{"by": "ann", "since": now}})
	r := f.look(t)
	require.Equal(t, []string{status.CodePausedReading}, codes(r))
	require.Equal(t, "paused: by ann, since 2026-03-04T05:06:07Z", r.Problems[0].Detail)
	require.Equal(t, []string{"logpipe resume reading"}, r.Problems[0].Next)
}

func TestOtherTroubles(t *testing.T) {
	t.Parallel()
	f := newFake(t, 1)
	f.find("p/stream").PendingActivities = append(f.find("p/stream").PendingActivities, pending(workflows.ListShardsName, "StreamRecreated", "made again"))
	ended := f.place(workflows.ShardReaderName, "p/shard/9", map[string]any{"LogpipeShard": "9"})
	ended.WorkflowExecutionInfo.Status = enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED
	quarantined := f.deliver("p/flush/0/1", "0", now.Add(-30*time.Minute))
	quarantined.WorkflowExecutionInfo.SearchAttributes.IndexedFields["LogpipeQuarantined"] = payload("2")
	f.flush("p/flush/0/2", "0", "delivering", "200", now.Add(-time.Hour))
	f.limited = true
	r := f.look(t)
	require.Equal(t, []string{"StreamRecreated", status.CodeReaderEnded, status.CodeRateLimited, status.CodeQuarantined}, codes(r))
	require.Equal(t, []string{"9"}, r.Problems[1].Shards)
	require.Equal(t, []string{"logpipe quarantine list"}, r.Problems[3].Next)
	require.Len(t, r.Shards.Rows, 1, "it is not read")

	// A reader that was started again is not missed.
	f.place(workflows.ShardReaderName, "p/shard/9", map[string]any{"LogpipeShard": "9"}).PendingActivities = f.find("p/shard/0").PendingActivities
	require.Nil(t, find(f.look(t), status.CodeReaderEnded))
}

// TestLarge: a pipeline of more shards and windows than one report looks at.
func TestLarge(t *testing.T) {
	t.Parallel()
	const shards, windows = 2500, 12_000
	f := newFake(t, shards)
	for n := range windows {
		f.flush(fmt.Sprintf("p/flush/%d/%d", n%shards, n), fmt.Sprint(n%shards), []string{"formatting", "formatting", "retrying"}[n%3], "", now.Add(-time.Duration(windows-n)*time.Second))
	}
	for n := range 6000 {
		f.deliver(fmt.Sprintf("p/flush/0/d%d", n), "0", now.Add(-time.Minute))
	}
	l := f.looker()
	r := l.Look(t.Context())
	require.Equal(t, shards, r.Shards.Total)
	require.Equal(t, 1000, r.Shards.Looked)
	require.Len(t, r.Shards.Rows, 1000)
	require.EqualValues(t, windows, r.Windows.Open)
	require.EqualValues(t, 10_000, r.Windows.Listed)
	require.EqualValues(t, 4000, r.Windows.Retrying)
	require.InDelta(t, windows, r.Oldest.AgeSeconds, 60, "found, although it is not among those that were listed")
	require.True(t, r.Throughput.Estimated)
	require.EqualValues(t, 6000, r.Throughput.Windows)
	require.EqualValues(t, 600_000, r.Throughput.Events)
	require.LessOrEqual(t, f.atOnce, 4*16)
	require.Less(t, f.calls["Describe"], 1100)
	require.Less(t, f.calls["List"], 60)

	// The next looks turn to the others.
	r = l.Look(t.Context())
	require.Equal(t, 1000, r.Shards.Looked)
	require.Len(t, r.Shards.Rows, 2000)
	r = l.Look(t.Context())
	require.Len(t, r.Shards.Rows, shards)
}

// TestEveryErrorHasACause: whatever type of error an operator can meet, status knows what to
// do about it.
func TestEveryErrorHasACause(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	n := 0
	for _, table := range []string{"reading errors", "flush errors", "token errors"} {
		_, rest, ok := strings.Cut(string(doc), "<!-- "+table+" -->\n")
		require.True(t, ok, table)
		rows, _, _ := strings.Cut(rest, "<!-- /"+table+" -->\n")
		for _, row := range regexp.MustCompile("(?m)^\\| `([A-Za-z]+)` \\|").FindAllStringSubmatch(rows, -1) {
			n++
			f := newFake(t, 1)
			f.find("p/shard/0").PendingActivities[0] = fails(held(t, workflows.PollShardHeartbeat{}), row[1], "met")
			r := f.look(t)
			require.Equal(t, []string{row[1]}, codes(r))
			require.NotContains(t, r.Problems[0].Summary, "failing", row[1])
			require.NotEmpty(t, r.Problems[0].Advice, row[1])
			require.NotContains(t, strings.Join(append(r.Problems[0].Next, r.Problems[0].Advice), ""), "$PIPELINE")
		}
	}
	require.Greater(t, n, 20)
}
