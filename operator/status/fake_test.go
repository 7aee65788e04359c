package status_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/log-event-pipeline/logpipe/operator/status"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// now is when every report of these tests is taken.
var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

const identity = "starter 1@here"

// fake is a Temporal that holds a pipeline p.
type fake struct {
	mu        sync.Mutex
	workflows []*workflowservice.DescribeWorkflowExecutionResponse
	byID      map[string]*workflowservice.DescribeWorkflowExecutionResponse // the latest run of each
	histories map[string][]*historypb.HistoryEvent                          // by workflow id, the first event first
	pollers   map[string]map[string]time.Time                               // by queue and identity
	limited   bool
	token     *workflows.TokenKeeperState // nil where no worker answers

	// pages are the lists that are being paged through.
	pages map[string][]*workflowpb.WorkflowExecutionInfo
	// broken answers calls by their name.
	broken map[string]error
	// calls counts them, and atOnce is the most that were under way.
	calls    map[string]int
	inFlight int
	atOnce   int
}

// newFake is a healthy pipeline with some shards.
func newFake(t *testing.T, shards int) *fake {
	t.Helper()
	f := &fake{pages: map[string][]*workflowpb.WorkflowExecutionInfo{}, byID: map[string]*workflowservice.DescribeWorkflowExecutionResponse{}, histories: map[string][]*historypb.HistoryEvent{}, broken: map[string]error{}, calls: map[string]int{}, pollers: map[string]map[string]time.Time{
		"p/listing": {identity: now.Add(-20 * time.Second)}, "p/worker": {"worker 2@there": now.Add(-30 * time.Second)},
	}}
	stream := f.place(workflows.StreamReaderName, "p/stream", nil)
	stream.WorkflowExecutionInfo.Memo = memoOf(t, map[string]any{"stream": "api-logs"})
	f.place(workflows.TokenKeeperName, "p/token", nil)
	f.token = &workflows.TokenKeeperState{
		Current:    workflows.TokenVersion{Parameter: "/p/token", Version: 7, ExpiresAt: now.Add(time.Hour)},
		ObtainedAt: now.Add(-time.Minute), RefreshAt: now.Add(50 * time.Minute), Refreshes: 7,
	}
	for n := range shards {
		id := strconv.Itoa(n)
		described := f.place(workflows.ShardReaderName, "p/shard/"+id, map[string]any{"LogpipeShard": id, "LogpipeStatus": "reading"})
		described.PendingActivities = []*workflowpb.PendingActivityInfo{held(t, workflows.PollShardHeartbeat{
			Progress: workflows.Progress{Checkpoint: "9", CompleteUntil: now.Add(-3 * time.Second)},
			Windows:  2, Records: 20, WindowsBefore: 3, RecordsBefore: 30, Starter: identity, At: now.Add(-time.Second),
		})}
	}
	return f
}

// place adds a workflow that runs.
func (f *fake) place(kind, id string, attributes map[string]any) *workflowservice.DescribeWorkflowExecutionResponse {
	all := map[string]any{"LogpipePipeline": "p"}
	maps.Copy(all, attributes)
	fields := map[string]*commonpb.Payload{}
	for name, value := range all {
		fields[name] = payload(value)
	}
	described := &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: "run"}, Type: &commonpb.WorkflowType{Name: kind},
		Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, StartTime: timestamppb.New(now.Add(-time.Minute)),
		SearchAttributes: &commonpb.SearchAttributes{IndexedFields: fields},
	}}
	f.workflows = append(f.workflows, described)
	f.byID[id] = described
	return described
}

// flush adds a window that is open.
func (f *fake) flush(id, shard, state, http string, arrived time.Time) *workflowservice.DescribeWorkflowExecutionResponse {
	attributes := map[string]any{"LogpipeShard": shard, "LogpipeStatus": state, "LogpipeFirstArrival": arrived, "LogpipeEvents": 100, "LogpipeBytes": 1000}
	if http != "" {
		attributes["LogpipeHTTPStatus"] = http
	}
	return f.place(workflows.FlushWindowName, id, attributes)
}

// deliver adds a window that was delivered.
func (f *fake) deliver(id, shard string, at time.Time) *workflowservice.DescribeWorkflowExecutionResponse {
	described := f.flush(id, shard, "delivered", "200", at.Add(-time.Minute))
	described.WorkflowExecutionInfo.Status = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	described.WorkflowExecutionInfo.CloseTime = timestamppb.New(at)
	return described
}

func (f *fake) find(id string) *workflowservice.DescribeWorkflowExecutionResponse { return f.byID[id] }

// look takes one look.
func (f *fake) look(t *testing.T) status.Report {
	t.Helper()
	return f.looker().Look(t.Context())
}

func (f *fake) looker() *status.Looker {
	return &status.Looker{Temporal: f, Service: f, Namespace: "default", Pipeline: "p", Now: func() time.Time { return now }}
}

// call counts a call, and returns what ends it.
func (f *fake) call(name string) (func(), error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[name]++
	f.inFlight++
	f.atOnce = max(f.atOnce, f.inFlight)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.inFlight--
	}, f.broken[name]
}

func (f *fake) CountWorkflow(_ context.Context, in *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	done, err := f.call("Count")
	defer done()
	if err != nil {
		return nil, err
	}
	return &workflowservice.CountWorkflowExecutionsResponse{Count: int64(len(f.matching(in.GetQuery())))}, nil
}

func (f *fake) ListWorkflow(_ context.Context, in *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	done, err := f.call("List")
	defer done()
	if err != nil {
		return nil, err
	}
	from, _ := strconv.Atoi(string(in.GetNextPageToken()))
	f.mu.Lock()
	found, listing := f.pages[in.GetQuery()]
	if !listing || from == 0 {
		found = f.matching(in.GetQuery())
		f.pages[in.GetQuery()] = found
	}
	f.mu.Unlock()
	to := min(from+int(in.GetPageSize()), len(found))
	out := &workflowservice.ListWorkflowExecutionsResponse{Executions: found[from:to]}
	if to < len(found) {
		out.NextPageToken = []byte(strconv.Itoa(to))
	}
	return out, nil
}

// matching understands the filters of a look as far as these tests need them: conditions
// joined by AND.
func (f *fake) matching(query string) []*workflowpb.WorkflowExecutionInfo {
	var conditions []condition
	for text := range strings.SplitSeq(query, " AND ") {
		conditions = append(conditions, parse(text))
	}
	var found []*workflowpb.WorkflowExecutionInfo
	for _, w := range slices.Backward(f.workflows) { // the latest first
		info := w.GetWorkflowExecutionInfo()
		if !slices.ContainsFunc(conditions, func(c condition) bool { return !c.holds(info) }) {
			found = append(found, info)
		}
	}
	return found
}

type condition struct {
	name, operator string
	values         []string
}

var (
	conditionForm = regexp.MustCompile(`^(\w+) (=|<|>=|IN|NOT IN|IS NOT NULL) ?(.*)$`)
	valueForm     = regexp.MustCompile(`'([^']*)'`)
)

func parse(text string) condition {
	parts := conditionForm.FindStringSubmatch(text)
	if parts == nil {
		panic("a filter that the fake does not understand: " + text)
	}
	c := condition{name: parts[1], operator: parts[2]}
	for _, value := range valueForm.FindAllStringSubmatch(parts[3], -1) {
		c.values = append(c.values, value[1])
	}
	return c
}

func (c condition) holds(info *workflowpb.WorkflowExecutionInfo) bool {
	var got string
	switch c.name {
	case "WorkflowType":
		got = info.GetType().GetName()
	case "ExecutionStatus":
		got = info.GetStatus().String()
	case "CloseTime":
		if info.GetCloseTime() == nil {
			return false
		}
		got = info.GetCloseTime().AsTime().Format(time.RFC3339)
	default:
		attribute := info.GetSearchAttributes().GetIndexedFields()[c.name]
		switch {
		case c.operator == "IS NOT NULL":
			return attribute != nil
		case attribute == nil:
			return c.operator == "NOT IN"
		}
		got = strings.Trim(string(attribute.GetData()), `"`)
	}
	switch c.operator {
	case "<":
		return got < c.values[0]
	case ">=":
		return got >= c.values[0]
	case "NOT IN":
		return !slices.Contains(c.values, got)
	}
	return slices.Contains(c.values, got)
}

func (f *fake) DescribeWorkflowExecution(ctx context.Context, id, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	done, err := f.call("Describe")
	defer done()
	switch {
	case err != nil:
		return nil, err
	case runID != "":
		return nil, errors.New("a workflow goes on as a new run")
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	if w := f.find(id); w != nil {
		return w, nil
	}
	return nil, serviceerror.NewNotFound("no workflow " + id)
}

func (f *fake) QueryWorkflow(_ context.Context, id, _, query string, _ ...any) (converter.EncodedValue, error) {
	done, err := f.call("Query")
	defer done()
	switch {
	case err != nil:
		return nil, err
	case id != "p/token" || query != "state":
		return nil, fmt.Errorf("nobody asks %s for %s", id, query)
	case f.token == nil:
		return nil, serviceerror.NewFailedPrecondition("no poller seen for task queue recently, worker may be down")
	}
	return client.NewValue(&commonpb.Payloads{Payloads: []*commonpb.Payload{payload(f.token)}}), nil
}

func (f *fake) DescribeTaskQueue(_ context.Context, in *workflowservice.DescribeTaskQueueRequest, _ ...grpc.CallOption) (*workflowservice.DescribeTaskQueueResponse, error) {
	done, err := f.call("DescribeTaskQueue")
	defer done()
	if err != nil {
		return nil, err
	}
	out := &workflowservice.DescribeTaskQueueResponse{Stats: &taskqueuepb.TaskQueueStats{RateLimitingActive: f.limited}}
	for identity, at := range f.pollers[in.GetTaskQueue().GetName()] {
		out.Pollers = append(out.Pollers, &taskqueuepb.PollerInfo{Identity: identity, LastAccessTime: timestamppb.New(at)})
	}
	return out, nil
}

func (f *fake) GetWorkflowExecutionHistory(_ context.Context, in *workflowservice.GetWorkflowExecutionHistoryRequest, _ ...grpc.CallOption) (*workflowservice.GetWorkflowExecutionHistoryResponse, error) {
	done, err := f.call("History")
	defer done()
	events := f.histories[in.GetExecution().GetWorkflowId()]
	return &workflowservice.GetWorkflowExecutionHistoryResponse{History: &historypb.History{Events: events[:min(len(events), int(in.GetMaximumPageSize()))]}}, err
}

func (f *fake) GetWorkflowExecutionHistoryReverse(_ context.Context, in *workflowservice.GetWorkflowExecutionHistoryReverseRequest, _ ...grpc.CallOption) (*workflowservice.GetWorkflowExecutionHistoryReverseResponse, error) {
	done, err := f.call("History")
	defer done()
	events := slices.Clone(f.histories[in.GetExecution().GetWorkflowId()])
	slices.Reverse(events)
	return &workflowservice.GetWorkflowExecutionHistoryReverseResponse{History: &historypb.History{Events: events[:min(len(events), int(in.GetMaximumPageSize()))]}}, err
}

func payload(value any) *commonpb.Payload {
	p, err := converter.GetDefaultDataConverter().ToPayload(value)
	if err != nil {
		panic(err)
	}
	return p
}

func memoOf(t *testing.T, values map[string]any) *commonpb.Memo {
	t.Helper()
	memo := &commonpb.Memo{Fields: map[string]*commonpb.Payload{}}
	for name, value := range values {
		memo.Fields[name] = payload(value)
	}
	return memo
}

// held is a lease that a starter holds.
func held(t *testing.T, beat workflows.PollShardHeartbeat) *workflowpb.PendingActivityInfo {
	t.Helper()
	details, err := converter.GetDefaultDataConverter().ToPayloads(beat)
	require.NoError(t, err)
	return &workflowpb.PendingActivityInfo{
		ActivityType: &commonpb.ActivityType{Name: workflows.PollShardName}, State: enumspb.PENDING_ACTIVITY_STATE_STARTED, Attempt: 1,
		ScheduledTime: timestamppb.New(now.Add(-2 * time.Minute)), LastStartedTime: timestamppb.New(now.Add(-2 * time.Minute)),
		LastHeartbeatTime: timestamppb.New(now.Add(-time.Second)), HeartbeatDetails: details, LastWorkerIdentity: identity,
	}
}

// fails makes an activity one that has failed and waits for the next attempt.
func fails(a *workflowpb.PendingActivityInfo, kind, message string) *workflowpb.PendingActivityInfo {
	a.State, a.Attempt = enumspb.PENDING_ACTIVITY_STATE_SCHEDULED, 3
	a.LastFailure = failureOf(kind, message)
	a.LastAttemptCompleteTime, a.NextAttemptScheduleTime = timestamppb.New(now.Add(-10*time.Second)), timestamppb.New(now.Add(20*time.Second))
	return a
}

func failureOf(kind, message string) *failurepb.Failure {
	return &failurepb.Failure{Message: message, FailureInfo: &failurepb.Failure_ApplicationFailureInfo{ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: kind}}}
}

// pending is an activity that fails.
func pending(name, kind, message string) *workflowpb.PendingActivityInfo {
	return fails(&workflowpb.PendingActivityInfo{ActivityType: &commonpb.ActivityType{Name: name}, ScheduledTime: timestamppb.New(now.Add(-time.Minute))}, kind, message)
}

// timer is the event of a timer that says what is waited for.
func timer(id int64, at time.Time, summary string) *historypb.HistoryEvent {
	return &historypb.HistoryEvent{
		EventId: id, EventTime: timestamppb.New(at), EventType: enumspb.EVENT_TYPE_TIMER_STARTED, UserMetadata: &sdkpb.UserMetadata{Summary: payload(summary)},
		Attributes: &historypb.HistoryEvent_TimerStartedEventAttributes{TimerStartedEventAttributes: &historypb.TimerStartedEventAttributes{}},
	}
}

func scheduled(id int64, at time.Time, name string, input any) *historypb.HistoryEvent {
	return &historypb.HistoryEvent{
		EventId: id, EventTime: timestamppb.New(at), EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
		Attributes: &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{
			ActivityType: &commonpb.ActivityType{Name: name}, Input: &commonpb.Payloads{Payloads: []*commonpb.Payload{payload(input)}},
		}},
	}
}

func failedEvent(id, of int64, at time.Time, kind, message string) *historypb.HistoryEvent {
	return &historypb.HistoryEvent{
		EventId: id, EventTime: timestamppb.New(at), EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED,
		Attributes: &historypb.HistoryEvent_ActivityTaskFailedEventAttributes{ActivityTaskFailedEventAttributes: &historypb.ActivityTaskFailedEventAttributes{
			ScheduledEventId: of, Failure: failureOf(kind, message),
		}},
	}
}

func started(input any) *historypb.HistoryEvent {
	return &historypb.HistoryEvent{
		EventId: 1, EventTime: timestamppb.New(now.Add(-time.Hour)), EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
		Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{
			Input: &commonpb.Payloads{Payloads: []*commonpb.Payload{payload(input)}},
		}},
	}
}

// pendingTask is a workflow task that no worker has taken.
func pendingTask(since time.Time) *workflowpb.PendingWorkflowTaskInfo {
	return &workflowpb.PendingWorkflowTaskInfo{ScheduledTime: timestamppb.New(since), OriginalScheduledTime: timestamppb.New(since)}
}
