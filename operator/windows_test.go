package operator_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/operator"
	"github.com/log-event-pipeline/logpipe/workflows"
)

var arrived = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// fakeTemporal lists and signals windows.
type fakeTemporal struct {
	listed []*workflowpb.WorkflowExecutionInfo
	// lists are the requests for lists; after so many, brokenList is their answer.
	lists       []*workflowservice.ListWorkflowExecutionsRequest
	listsBefore int
	brokenList  error

	mu       sync.Mutex
	signals  []string
	inFlight int
	atOnce   int // the most signals in flight
	// answer is that to a signal, nil for success.
	answer func(id string) error
}

func (f *fakeTemporal) ListWorkflow(_ context.Context, in *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	if f.brokenList != nil && len(f.lists) >= f.listsBefore {
		return nil, f.brokenList
	}
	from, _ := strconv.Atoi(string(in.GetNextPageToken()))
	f.lists = append(f.lists, in)
	to := min(from+int(in.GetPageSize()), len(f.listed))
	out := &workflowservice.ListWorkflowExecutionsResponse{Executions: f.listed[from:to]}
	if to < len(f.listed) {
		out.NextPageToken = []byte(strconv.Itoa(to))
	}
	return out, nil
}

func (f *fakeTemporal) DescribeWorkflowExecution(_ context.Context, id, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if runID != "" {
		return nil, errors.New("a window goes on as a new run")
	}
	if f.brokenList != nil {
		return nil, f.brokenList
	}
	for _, info := range f.listed {
		if info.GetExecution().GetWorkflowId() == id {
			return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: info}, nil
		}
	}
	return nil, serviceerror.NewNotFound("no workflow " + id)
}

func (f *fakeTemporal) SignalWorkflow(ctx context.Context, id, runID, signal string, arg any) error {
	if runID != "" || arg != nil {
		return errors.New("a window goes on as a new run, and its signals take no input")
	}
	f.mu.Lock()
	f.inFlight++
	f.atOnce = max(f.atOnce, f.inFlight)
	f.mu.Unlock()
	var err error
	if f.answer != nil {
		err = f.answer(id)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inFlight--
	if err == nil && ctx.Err() == nil {
		f.signals = append(f.signals, signal+" "+id)
	}
	return err
}

// flush is a window as Temporal describes it; attributes go over the usual ones.
func flush(t *testing.T, id string, attributes map[string]any) *workflowpb.WorkflowExecutionInfo {
	t.Helper()
	all := map[string]any{"LogpipePipeline": "p", "LogpipeShard": "7", "LogpipeStatus": "parked", "LogpipeEvents": 12, "LogpipeFirstArrival": arrived}
	maps.Copy(all, attributes)
	fields := map[string]*commonpb.Payload{}
	for name, value := range all {
		payload, err := converter.GetDefaultDataConverter().ToPayload(value)
		require.NoError(t, err)
		fields[name] = payload
	}
	return &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: "run"}, Type: &commonpb.WorkflowType{Name: workflows.FlushWindowName},
		Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, StartTime: timestamppb.New(arrived.Add(time.Minute)),
		SearchAttributes: &commonpb.SearchAttributes{IndexedFields: fields},
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	const common = "WorkflowType = 'FlushWindow' AND LogpipePipeline = 'p' AND ExecutionStatus = 'Running' AND LogpipeStatus IN "
	w := operator.Windows{Pipeline: "p", Action: operator.Redrive}
	require.Equal(t, common+"('parked', 'retrying')", w.Query(""))
	require.Equal(t, common+"('parked', 'retrying') AND (LogpipeShard = '7' OR LogpipeShard = '8')", w.Query("LogpipeShard = '7' OR LogpipeShard = '8'"))
	w.Action = operator.Discard
	require.Equal(t, common+"('parked')", w.Query(""))
	for _, name := range []string{visibility.Pipeline.GetName(), visibility.Status.GetName()} {
		require.Contains(t, w.Query(""), name)
	}
}

func TestFindPages(t *testing.T) {
	t.Parallel()
	f := &fakeTemporal{}
	const many = 5000
	for n := range many {
		f.listed = append(f.listed, flush(t, fmt.Sprintf("p/flush/7/%d", n), nil))
	}
	w := operator.Windows{Temporal: f, Pipeline: "p", Action: operator.Discard}
	n := 0
	for found, err := range w.Find(t.Context(), "LogpipeEvents > 3") {
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("p/flush/7/%d", n), found.WorkflowID)
		n++
	}
	require.Equal(t, many, n)
	require.Len(t, f.lists, 10)
	for _, in := range f.lists {
		require.Equal(t, w.Query("LogpipeEvents > 3"), in.GetQuery())
	}

	// Whoever has seen enough may stop, and lists no more.
	f.lists = nil
	for range w.Find(t.Context(), "") {
		break
	}
	require.Len(t, f.lists, 1)

	// A fault in the middle is the last that comes.
	f.lists, f.listsBefore, f.brokenList = nil, 2, errors.New("no connection")
	n = 0
	var last error
	for _, err := range w.Find(t.Context(), "") {
		require.NoError(t, last)
		n, last = n+1, err
	}
	require.Equal(t, 1001, n)
	require.ErrorContains(t, last, "list the windows: no connection")
}

func TestFindReads(t *testing.T) {
	t.Parallel()
	f := &fakeTemporal{listed: []*workflowpb.WorkflowExecutionInfo{
		flush(t, "p/flush/7/1", map[string]any{"LogpipeStatus": "retrying", "LogpipeHTTPStatus": "503", "LogpipeBytes": 345, "LogpipeAttempts": 6}),
		flush(t, "p/retry/7/1-2/0", map[string]any{"LogpipeFirstArrival": "what is this"}),
	}}
	w := operator.Windows{Temporal: f, Pipeline: "p", Action: operator.Redrive}
	var got []operator.Window
	for found, err := range w.Find(t.Context(), "") {
		require.NoError(t, err)
		got = append(got, found)
	}
	require.Equal(t, []operator.Window{
		{WorkflowID: "p/flush/7/1", Shard: "7", Status: "retrying", HTTPStatus: "503", Events: 12, Bytes: 345, Attempts: 6, Since: arrived},
		{WorkflowID: "p/retry/7/1-2/0", Shard: "7", Status: "parked", Events: 12, Since: arrived.Add(time.Minute)},
	}, got)
}

// TestFindStaysInThePipeline: a filter that breaks out of its parentheses must not reach
// the windows of others, nor those that were delivered.
func TestFindStaysInThePipeline(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		attributes map[string]any
		says       string
	}{
		"of another pipeline": {map[string]any{"LogpipePipeline": "q"}, "is of pipeline q and not of p"},
		"not parked":          {map[string]any{"LogpipeStatus": "delivering"}, "is delivering"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fakeTemporal{listed: []*workflowpb.WorkflowExecutionInfo{flush(t, "x/flush/7/1", c.attributes)}}
			w := operator.Windows{Temporal: f, Pipeline: "p", Action: operator.Discard}
			for _, err := range w.Find(t.Context(), "LogpipeEvents = 1) OR (LogpipeEvents = 2") {
				require.ErrorContains(t, err, "x/flush/7/1")
				require.ErrorContains(t, err, c.says)
				require.ErrorContains(t, err, "parentheses")
			}
		})
	}
	f := &fakeTemporal{brokenList: serviceerror.NewInvalidArgument("invalid query: unknown column Events")}
	w := operator.Windows{Temporal: f, Pipeline: "p", Action: operator.Discard}
	for _, err := range w.Find(t.Context(), "Events = 1") {
		require.ErrorContains(t, err, "unknown column Events")
		require.ErrorContains(t, err, `mend the query "Events = 1"`)
	}
}

func TestGetSaysWhyNot(t *testing.T) {
	t.Parallel()
	reader, ended := flush(t, "p/stream", nil), flush(t, "p/flush/7/2", map[string]any{"LogpipeStatus": "discarded"})
	reader.Type.Name = workflows.StreamReaderName
	ended.Status = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	known := []*workflowpb.WorkflowExecutionInfo{
		reader, ended, flush(t, "p/flush/7/1", nil),
		flush(t, "p/flush/7/3", map[string]any{"LogpipeStatus": "delivering"}),
		flush(t, "p/flush/7/4", map[string]any{"LogpipeStatus": "retrying"}),
	}
	for name, c := range map[string]struct {
		id     string
		action operator.Action
		broken error
		says   []string // none: it is found
	}{
		"parked":                 {"p/flush/7/1", operator.Discard, nil, nil},
		"parked, to redrive":     {"p/flush/7/1", operator.Redrive, nil, nil},
		"retrying, to redrive":   {"p/flush/7/4", operator.Redrive, nil, nil},
		"retrying, to discard":   {"p/flush/7/4", operator.Discard, nil, []string{"is retrying", "a discard means nothing to what is not parked"}},
		"delivering, to redrive": {"p/flush/7/3", operator.Redrive, nil, []string{"is delivering", "a redrive means nothing to what is not parked or retrying"}},
		"ended":                  {"p/flush/7/2", operator.Redrive, nil, []string{"has ended", "discarded"}},
		"no window":              {"p/stream", operator.Redrive, nil, []string{"is a StreamReader and not a FlushWindow"}},
		"unknown":                {"p/flush/7/9", operator.Redrive, nil, []string{"no such workflow", "TEMPORAL_NAMESPACE"}},
		"no id":                  {"p/", operator.Redrive, serviceerror.NewInvalidArgument("bad id"), []string{"no such workflow"}},
		"of another pipeline":    {"q/flush/7/1", operator.Redrive, nil, []string{"is not of pipeline p", "LOGPIPE_PIPELINE"}},
		"Temporal is away":       {"p/flush/7/1", operator.Redrive, errors.New("no connection"), []string{"no connection"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := operator.Windows{Temporal: &fakeTemporal{listed: known, brokenList: c.broken}, Pipeline: "p", Action: c.action}
			got, err := w.Get(t.Context(), c.id)
			if len(c.says) == 0 {
				require.NoError(t, err)
				require.Equal(t, c.id, got.WorkflowID)
				return
			}
			require.Error(t, err)
			require.True(t, strings.HasPrefix(err.Error(), c.id+": "), err.Error())
			for _, text := range c.says {
				require.ErrorContains(t, err, text)
			}
		})
	}
}

func someWindows(n int) []operator.Window {
	var all []operator.Window
	for i := range n {
		all = append(all, operator.Window{WorkflowID: fmt.Sprintf("p/flush/7/%d", i)})
	}
	return all
}

// tally counts what Tell reports.
func tally(ctx context.Context, w *operator.Windows, windows []operator.Window) (map[operator.Outcome]int, error) {
	counts := map[operator.Outcome]int{}
	err := w.Tell(ctx, windows, func(_ operator.Window, outcome operator.Outcome) { counts[outcome]++ })
	return counts, err
}

func TestTellKeepsAPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTemporal{answer: func(id string) error {
			time.Sleep(time.Second) // a Temporal that is busy
			if strings.HasSuffix(id, "3") {
				return serviceerror.NewNotFound("workflow execution already completed")
			}
			return nil
		}}
		w := &operator.Windows{Temporal: f, Pipeline: "p", Action: operator.Redrive}
		counts, err := tally(t.Context(), w, someWindows(100))
		require.NoError(t, err)
		require.Equal(t, map[operator.Outcome]int{operator.Told: 90, operator.Ended: 10}, counts)
		require.Len(t, f.signals, 90)
		require.Contains(t, f.signals, "redrive p/flush/7/99")
		require.LessOrEqual(t, f.atOnce, 8)

		f.answer, f.signals = nil, nil
		begin := time.Now()
		_, err = tally(t.Context(), w, someWindows(1000))
		require.NoError(t, err)
		require.Equal(t, 20*time.Second, time.Since(begin), "50 a second")
		require.Len(t, f.signals, 1000)
	})
}

func TestTellStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// At the first fault.
		f := &fakeTemporal{answer: func(id string) error {
			if strings.HasSuffix(id, "/20") {
				return errors.New("no connection")
			}
			return nil
		}}
		w := &operator.Windows{Temporal: f, Pipeline: "p", Action: operator.Discard}
		counts, err := tally(t.Context(), w, someWindows(1000))
		require.EqualError(t, err, "signal workflow p/flush/7/20: no connection")
		require.Equal(t, len(f.signals), counts[operator.Told])
		require.Less(t, len(f.signals), 30)

		// When it is interrupted, and not in the middle of a signal.
		ctx, cancel := context.WithCancel(t.Context())
		f = &fakeTemporal{answer: func(id string) error {
			if strings.HasSuffix(id, "/20") {
				cancel()
			}
			time.Sleep(5 * time.Second)
			return nil
		}}
		w.Temporal = f
		counts, err = tally(ctx, w, someWindows(1000))
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, len(f.signals), counts[operator.Told], "what is told is reported")
		require.GreaterOrEqual(t, counts[operator.Told], 21)
		require.Less(t, counts[operator.Told], 30)
	})
}
