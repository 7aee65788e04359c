package allinone

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"

	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/starter"
	"github.com/log-event-pipeline/logpipe/workflows"
)

var recordTo = flag.String("record", "", "directory that TestRecordHistories writes histories to; without it the test is skipped")

// logText is in every event that is delivered while histories are recorded.
const logText = "canary-2718281828"

// otherShard is that of windows which no starter has opened.
const otherShard = "shardId-000000000099"

// recordings are what TestRecordHistories lets happen, each in a pipeline of its own. Another
// workflow is one more function here, or some more lines in one: what it calls keep with becomes
// a file that TestHistoriesReplay of the package workflows picks up.
var recordings = map[string]struct {
	options func(*Options)
	run     func(*testing.T, *recorder)
}{
	"windows":            {run: recordWindows},
	"long histories":     {run: recordLongHistories, options: func(o *Options) { o.suggestContinueAsNew = 20 }},
	"gap":                {run: recordGap},
	"tokens":             {run: recordTokens},
	"client was refused": {run: recordRefusedClient},
	"pause and backfill": {run: recordPauseAndBackfill},
}

// TestRecordHistories records histories of every workflow from running pipelines, for
// workflows/testdata/histories. They are recorded anew before a release and at no other time:
//
//	go test ./dev/allinone -run TestRecordHistories -args -record ../../workflows/testdata/histories
func TestRecordHistories(t *testing.T) {
	t.Parallel()
	if *recordTo == "" {
		t.Skip("it takes two minutes, and records only with -args -record DIRECTORY")
	}
	require.NoError(t, os.MkdirAll(*recordTo, 0o750))
	old, err := filepath.Glob(filepath.Join(*recordTo, "*.json"))
	require.NoError(t, err)
	for _, file := range old {
		require.NoError(t, os.Remove(file))
	}
	for name, recording := range recordings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			o := testOptions(t, &out)
			o.Shards = 1
			r := &recorder{}
			o.awsNow = func() time.Time { return time.Now().Add(time.Duration(r.ahead.Load())) }
			if recording.options != nil {
				recording.options(&o)
			}
			r.stack = servers(t, o)
			r.environ = r.environment()
			maps.Copy(r.environ, map[string]string{
				"LOGPIPE_POLL_LEASE": "5s", "LOGPIPE_HEARTBEAT_TIMEOUT": "5s",
				"LOGPIPE_TOKEN_REFRESH_AHEAD": "100ms", "LOGPIPE_TOKEN_REFRESH_JITTER": "0",
			})
			r.watcher = newWatcher(r.client, &out)
			r.out = &out
			recording.run(t, r)
		})
	}
}

// recorder is one pipeline whose histories are recorded.
type recorder struct {
	run
	environ map[string]string
	ahead   atomic.Int64 // of the clock of Kinesis
	opened  int
}

func recordWindows(t *testing.T, r *recorder) {
	t.Helper()
	// Before there is a worker, what the window needs is gone.
	raw := r.open(t, 1, 100)
	r.loseRaw(t)
	r.start(t, "worker")
	r.await(t, raw, visibility.StatusParked)
	r.signal(t, raw, workflows.SignalRedrive)
	await(t, "another try of the window, within a workflow task", func() bool { return markers(r.history(t, raw, "")) > 1 })
	r.await(t, raw, visibility.StatusParked)
	r.signal(t, raw, workflows.SignalDiscard)
	r.await(t, raw, visibility.StatusDiscarded)
	r.keep(t, raw, "unreadable-discarded", workflows.KeepDiscardedName)

	small := r.open(t, 3, 100)
	r.await(t, small, visibility.StatusDelivered)
	r.keep(t, small, "small", workflows.DeliverBatchesName)
	require.Empty(t, scheduled(r.history(t, small, ""), workflows.FormatLogsName), "it is formatted within the workflow task")

	large := r.open(t, 300, 1000)
	r.await(t, large, visibility.StatusDelivered)
	r.keep(t, large, "large", workflows.FormatLogsName, workflows.DeliverBatchesName)

	r.api.SetFaults(faults(t, "5xx=100%"))
	outage := r.open(t, 3, 100)
	r.await(t, outage, visibility.StatusRetrying)
	r.signal(t, outage, workflows.SignalRedrive)
	r.api.SetFaults(faults(t, ""))
	r.await(t, outage, visibility.StatusDelivered)
	r.keep(t, outage, "retried", workflows.DeliverBatchName)

	r.api.SetFaults(faults(t, "refuse=100%"))
	redriven, discarded := r.open(t, 3, 100), r.open(t, 300, 1000)
	r.await(t, redriven, visibility.StatusParked)
	r.await(t, discarded, visibility.StatusParked)
	r.signal(t, discarded, workflows.SignalDiscard)
	r.await(t, discarded, visibility.StatusDiscarded)
	r.keep(t, discarded, "parked-discarded", workflows.KeepDiscardedName)
	r.api.SetFaults(faults(t, ""))
	r.signal(t, redriven, workflows.SignalRedrive)
	r.await(t, redriven, visibility.StatusDelivered)
	r.keep(t, redriven, "parked-redriven", workflows.DeliverBatchName)

	r.api.SetFaults(faults(t, "body-limit=5000"))
	split := r.open(t, 20, 500)
	r.await(t, split, visibility.StatusDelivered)
	r.keep(t, split, "split", workflows.SplitBatchName)

	require.Positive(t, r.api.RevokeTokens())
	refused := r.open(t, 3, 100)
	r.await(t, refused, visibility.StatusDelivered)
	r.keep(t, refused, "token-refused", workflows.AcquireTokenName)
}

func recordLongHistories(t *testing.T, r *recorder) {
	t.Helper()
	r.start(t, "worker")
	r.api.SetFaults(faults(t, "5xx=100%"))
	outage := r.open(t, 3, 100)
	first := r.runID(t, outage)
	r.await(t, outage, visibility.StatusRetrying)
	await(t, "another run of the window", func() bool {
		r.signal(t, outage, workflows.SignalRedrive)
		return r.runID(t, outage) != first
	})
	r.api.SetFaults(faults(t, ""))
	r.await(t, outage, visibility.StatusDelivered)
	r.keepRun(t, outage, first, "long-outage", workflows.DeliverBatchName)
	r.keep(t, outage, "goes-on-after-long-outage", workflows.DeliverBatchName)

	// As a run that goes on from another one begins: a sweep of the stage is due.
	_, err := r.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: window.StreamReaderID(pipeline), TaskQueue: window.WorkerQueue(pipeline), Memo: map[string]any{workflows.MemoStream: stream},
	}, workflows.StreamReaderName, workflows.StreamReaderInput{
		Pipeline: pipeline, Stream: stream, Position: "TRIM_HORIZON", SweepAt: time.Now(),
		Poll: workflows.PollOptions{HeartbeatTimeout: 5 * time.Second, Lease: 5 * time.Second, WindowMaxAge: time.Second, OnGap: workflows.GapContinue},
	})
	require.NoError(t, err)
	r.start(t, "starter")
	require.NoError(t, r.traffic(t.Context()))
	shard, streamReader := window.ShardReaderID(pipeline, firstShard), window.StreamReaderID(pipeline)
	awaitFor(t, 3*time.Minute, "another run of the shard's reader", func() bool { return len(r.runs(t, workflows.ShardReaderName, shard)) > 1 })
	_, err = awskinesis.NewFromConfig(r.awsSDK).SplitShard(t.Context(), &awskinesis.SplitShardInput{
		StreamName: aws.String(stream), ShardToSplit: aws.String(firstShard), NewStartingHashKey: aws.String("1000"),
	})
	require.NoError(t, err)
	children := []string{window.ShardReaderID(pipeline, "shardId-000000000001"), window.ShardReaderID(pipeline, "shardId-000000000002")}
	await(t, "readers of both children", func() bool {
		return len(r.runs(t, workflows.ShardReaderName, children[0])) > 0 && len(r.runs(t, workflows.ShardReaderName, children[1])) > 0
	})
	require.NoError(t, r.traffic(t.Context()))
	for _, kept := range []struct{ name, kind, id, activity string }{
		{"drained", workflows.ShardReaderName, shard, workflows.PollShardName},
		{"split", workflows.StreamReaderName, streamReader, workflows.StartReadersName},
	} {
		var all map[string][]*historypb.HistoryEvent
		await(t, "another run of "+kept.id, func() bool { all = r.runs(t, kept.kind, kept.id); return len(all) > 1 })
		for i, runID := range byTime(all) {
			r.keepRun(t, kept.id, runID, fmt.Sprintf("%s-%d", kept.name, i+1), kept.activity)
		}
	}
	await(t, "leases of a child", func() bool {
		return len(scheduled(r.history(t, children[0], ""), workflows.PollShardName)) > 1
	})
	r.keep(t, children[0], "child", workflows.ResolveStartName, workflows.PollShardName)
}

func recordGap(t *testing.T, r *recorder) {
	t.Helper()
	r.environ["LOGPIPE_ON_GAP"] = "fail"
	r.start(t, "worker")
	starter := r.start(t, "starter")
	require.NoError(t, r.traffic(t.Context()))
	require.NoError(t, r.aws.Flush(t.Context()))
	await(t, "the events before the gap", func() bool { return int(r.api.Stats().LogEvents) == r.produced.Count() })
	require.NoError(t, starter.Process.Signal(syscall.SIGTERM))
	require.Zero(t, starter.end(t), starter.stderr)
	require.NoError(t, r.traffic(t.Context()))
	r.ahead.Add(int64(25 * time.Hour))
	r.start(t, "starter")
	id := window.ShardReaderID(pipeline, firstShard)
	await(t, "a reader that has stopped", func() bool { return r.status(t, id) == visibility.StatusGap })
	r.signal(t, id, workflows.SignalSkipGap)
	await(t, "the reader to go on", func() bool {
		return len(scheduled(r.history(t, id, ""), workflows.ResolveStartName)) > 1 && r.status(t, id) == visibility.StatusReading
	})
	r.keep(t, id, "gap", workflows.ResolveStartName, workflows.PollShardName)
}

func recordTokens(t *testing.T, r *recorder) {
	t.Helper()
	r.api.SetFaults(faults(t, "token-life=3s"))
	r.start(t, "worker")
	id := window.TokenKeeperID(pipeline)
	await(t, "tokens that were replaced ahead of their expiry", func() bool { return len(r.runs(t, workflows.TokenKeeperName, id)) > 2 })
	r.api.SetFaults(faults(t, "token-life=1h"))
	grants := r.api.Stats().TokenGrants
	await(t, "a token that lives for long", func() bool { return r.api.Stats().TokenGrants > grants })
	flush := r.open(t, 3, 100)
	r.await(t, flush, visibility.StatusDelivered)

	before := r.runID(t, id)
	r.api.SetFaults(faults(t, "token-5xx=100%"))
	r.api.RevokeTokens()
	flush = r.open(t, 3, 100)
	await(t, "a refresh that fails", func() bool { return len(scheduled(r.history(t, id, ""), workflows.RefreshTokenName)) > 1 })
	r.api.SetFaults(faults(t, "token-life=1h"))
	r.signal(t, id, workflows.SignalRetry)
	r.await(t, flush, visibility.StatusDelivered)
	r.keepRun(t, id, before, "on-demand", workflows.RefreshTokenName)
	all := byTime(r.runs(t, workflows.TokenKeeperName, id))
	r.keepRun(t, id, all[0], "first", workflows.RefreshTokenName)
	r.keepRun(t, id, all[1], "ahead", workflows.RefreshTokenName)
}

func recordRefusedClient(t *testing.T, r *recorder) {
	t.Helper()
	const rotated = "r0tated-3141592653"
	r.api.SetFaults(faults(t, "token-refuse=invalid_client"))
	id := window.TokenKeeperID(pipeline)
	r.start(t, "worker")
	await(t, "a watch for another secret", func() bool {
		return len(r.runs(t, workflows.TokenKeeperName, id)) > 0 && len(scheduled(r.history(t, id, ""), workflows.WatchClientSecretName)) > 0
	})
	flush := r.open(t, 3, 100)
	first := r.runID(t, id)
	r.api.SetFaults(faults(t, ""))
	r.api.SetClientSecret(rotated)
	putParameter(t, r.stack, secretParameter, rotated)
	r.await(t, flush, visibility.StatusDelivered)
	r.keepRun(t, id, first, "client-refused", workflows.WatchClientSecretName, workflows.RefreshTokenName)
}

func recordPauseAndBackfill(t *testing.T, r *recorder) {
	t.Helper()
	r.start(t, "worker")
	r.start(t, "starter")
	from := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339Nano)
	require.NoError(t, r.traffic(t.Context()))
	require.NoError(t, r.aws.Flush(t.Context()))
	await(t, "all events", func() bool { return int(r.api.Stats().LogEvents) == r.produced.Count() })
	to := time.Now().UTC().Format(time.RFC3339Nano)

	said(t, r.stack, "pause delivery --by ann --reason maintenance")
	var paused string
	await(t, "a window that waits, once the worker has heard of the pause", func() bool {
		if paused == "" || r.status(t, paused) == visibility.StatusDelivered {
			paused = r.open(t, 3, 100)
		}
		return r.status(t, paused) == visibility.StatusPaused
	})
	said(t, r.stack, "resume delivery")
	r.await(t, paused, visibility.StatusDelivered)
	r.keep(t, paused, "paused", workflows.DeliverBatchesName)
	r.keep(t, window.StreamReaderID(pipeline), "pauses", workflows.ListShardsName)

	said(t, r.stack, "backfill --name again --from "+from+" --to "+to)
	r.keep(t, window.BackfillID(pipeline, "again"), "delivered", workflows.PlanBackfillName, workflows.BackfillShardName)
	lost := startLogpipe(t, "backfill --name lost --from "+time.Now().Add(-48*time.Hour).UTC().Format(time.RFC3339)+" --to "+to, r.environ)
	require.NotZero(t, lost.end(t), "records of that range are gone")
	r.keep(t, window.BackfillID(pipeline, "lost"), "incomplete", workflows.PlanBackfillName)
}

func (r *recorder) start(t *testing.T, role string) *process {
	t.Helper()
	return startLogpipe(t, role, r.environ)
}

// open opens a window of so many records of about that size, and returns its workflow.
func (r *recorder) open(t *testing.T, records, bytes int) string {
	t.Helper()
	st, err := stage.Open(t.Context(), r.environ["LOGPIPE_STAGE_URL"])
	require.NoError(t, err)
	defer st.Close()
	var all []window.Record
	for range records {
		r.opened++
		data := fmt.Sprintf(`{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"g","logStream":"s","subscriptionFilters":["f"],`+
			`"logEvents":[{"id":"%056d","timestamp":%d,"message":"%s %s"}]}`, r.opened, time.Now().UnixMilli(), logText, strings.Repeat("x", bytes))
		all = append(all, window.Record{SequenceNumber: window.SequenceNumber(fmt.Sprint(1000 + r.opened)), Arrival: time.Now(), Data: []byte(data)})
	}
	chain := &starter.Chain{Client: r.client, Stage: st, Pipeline: pipeline, Stream: stream}
	got, err := chain.Open(t.Context(), otherShard, all, window.ReasonRecords)
	require.NoError(t, err)
	require.True(t, got.Ours)
	return window.FlushWindowID(pipeline, otherShard, all[0].SequenceNumber)
}

// loseRaw deletes what is staged of all windows.
func (r *recorder) loseRaw(t *testing.T) {
	t.Helper()
	st, err := stage.Open(t.Context(), r.environ["LOGPIPE_STAGE_URL"])
	require.NoError(t, err)
	defer st.Close()
	keys, err := st.Keys(t.Context(), window.RawPrefix(pipeline))
	require.NoError(t, err)
	require.NotEmpty(t, keys)
	for _, key := range keys {
		require.NoError(t, st.Delete(t.Context(), key))
	}
}

// status is the status that a workflow shows.
func (r *recorder) status(t *testing.T, id string) string {
	t.Helper()
	described, err := r.client.DescribeWorkflowExecution(t.Context(), id, "")
	require.NoError(t, err)
	return attribute[string](described.GetWorkflowExecutionInfo(), visibility.Status.GetName())
}

func (r *recorder) await(t *testing.T, id, status string) {
	t.Helper()
	awaitFor(t, 3*time.Minute, id+" to be "+status, func() bool {
		described, err := r.client.DescribeWorkflowExecution(t.Context(), id, "")
		require.NoError(t, err)
		info := described.GetWorkflowExecutionInfo()
		is := attribute[string](info, visibility.Status.GetName()) == status
		if status == visibility.StatusDelivered || status == visibility.StatusDiscarded {
			is = is && info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
		}
		return is
	})
}

func (r *recorder) signal(t *testing.T, id, name string) {
	t.Helper()
	require.NoError(t, r.client.SignalWorkflow(t.Context(), id, "", name, nil))
}

func (r *recorder) runID(t *testing.T, id string) string {
	t.Helper()
	described, err := r.client.DescribeWorkflowExecution(t.Context(), id, "")
	require.NoError(t, err)
	return described.GetWorkflowExecutionInfo().GetExecution().GetRunId()
}

// runs are the histories of a workflow by run id.
func (r *recorder) runs(t *testing.T, kind, id string) map[string][]*historypb.HistoryEvent {
	t.Helper()
	all := map[string][]*historypb.HistoryEvent{}
	for key, events := range histories(t, r.stack, kind) {
		if of, runID, _ := strings.Cut(key, " "); of == id {
			all[runID] = events
		}
	}
	return all
}

// byTime are the run ids, the oldest first.
func byTime(runs map[string][]*historypb.HistoryEvent) []string {
	return slices.SortedFunc(maps.Keys(runs), func(a, b string) int {
		return runs[a][0].GetEventTime().AsTime().Compare(runs[b][0].GetEventTime().AsTime())
	})
}

// scheduled are the activities of a type that a history has.
func scheduled(events []*historypb.HistoryEvent, kind string) (found []*historypb.HistoryEvent) {
	for _, event := range events {
		if event.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == kind {
			found = append(found, event)
		}
	}
	return found
}

// markers counts what a history has of local activities.
func markers(events []*historypb.HistoryEvent) (n int) {
	for _, event := range events {
		if event.GetEventType() == enumspb.EVENT_TYPE_MARKER_RECORDED {
			n++
		}
	}
	return n
}
