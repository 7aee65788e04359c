package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"github.com/log-event-pipeline/logpipe/workflows"
)

const (
	// mostHistories of windows are read; of more, evenly chosen ones, and the figures are
	// scaled up.
	mostHistories = 1000
	// parallelReads of histories. One connection serves the whole database.
	parallelReads = 4
)

// tally is what histories have to say, from the beginning of the measurement on.
type tally struct {
	windows       float64
	actions       float64
	historyBytes  float64
	historyEvents float64
	stageBytes    float64 // written: raw windows and batches
	waitedEvents  float64 // of windows, in the time that is measured of an outage
	waitedBytes   float64
}

// tally reads the histories of the windows, and of all other workflows.
func (m *meter) tally(ctx context.Context) (tally, error) {
	f := m.run.fleet
	runs, err := f.Workflows(ctx)
	if err != nil {
		return tally{}, err
	}
	var windows, others []*workflowpb.WorkflowExecutionInfo
	for _, info := range runs {
		switch {
		case info.GetType().GetName() != workflows.FlushWindowName:
			others = append(others, info)
		case info.GetStartTime().AsTime().Before(m.began):
		default:
			windows = append(windows, info)
		}
	}
	step := (len(windows) + mostHistories - 1) / mostHistories
	var read []*workflowpb.WorkflowExecutionInfo
	for i := 0; i < len(windows); i += step {
		read = append(read, windows[i])
	}
	ofWindows, err := m.read(ctx, read)
	if err != nil {
		return tally{}, err
	}
	ofOthers, err := m.read(ctx, others)
	if err != nil {
		return tally{}, err
	}
	var total tally
	if len(read) > 0 {
		total.add(ofWindows, float64(len(windows))/float64(len(read)))
	}
	total.add(ofOthers, 1)
	m.waited.events, m.waited.bytes = total.waitedEvents, total.waitedBytes
	return total, nil
}

func (t *tally) add(more tally, times float64) {
	t.windows += times * more.windows
	t.actions += times * more.actions
	t.historyBytes += times * more.historyBytes
	t.historyEvents += times * more.historyEvents
	t.stageBytes += times * more.stageBytes
	t.waitedEvents += times * more.waitedEvents
	t.waitedBytes += times * more.waitedBytes
}

// read reads histories.
func (m *meter) read(ctx context.Context, runs []*workflowpb.WorkflowExecutionInfo) (tally, error) {
	var mu sync.Mutex
	var total tally
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	for _, info := range runs {
		group.Go(func() error {
			reader := historyReader{since: m.began, backlogUntil: m.run.backlogUntil, waited: m.waited, activities: map[int64]string{}, markers: map[int64]bool{}}
			id := info.GetExecution().GetWorkflowId()
			history := m.run.fleet.Client.GetWorkflowHistory(ctx, id, info.GetExecution().GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
			for history.HasNext() {
				event, err := history.Next()
				if err == nil {
					err = reader.event(event)
				}
				if err != nil {
					return fmt.Errorf("read the history of %s: %w", id, err)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			total.add(reader.tally, 1)
			return nil
		})
	}
	return total, group.Wait()
}

// historyReader reads one history.
type historyReader struct {
	tally
	since      time.Time
	activities map[int64]string // by the event that scheduled them
	markers    map[int64]bool   // workflow tasks whose local activities are counted

	// backlogUntil is when the last record of a backlog had arrived; zero where there is
	// none. Windows of the control messages behind it are left out, as far as they are
	// opened before the run ends.
	backlogUntil time.Time
	leftOut      bool

	waited span // of an outage
	window bool // it is the history of a window
}

func (r *historyReader) event(e *historypb.HistoryEvent) error {
	if err := r.begin(e.GetWorkflowExecutionStartedEventAttributes()); err != nil || r.leftOut {
		return err
	}
	if scheduled := e.GetActivityTaskScheduledEventAttributes(); scheduled != nil {
		r.activities[e.GetEventId()] = scheduled.GetActivityType().GetName()
	}
	if e.GetEventTime().AsTime().Before(r.since) {
		return nil
	}
	r.historyEvents++
	r.historyBytes += float64(proto.Size(e))
	if r.window && r.waited.holds(e.GetEventTime().AsTime()) {
		r.waitedEvents++
		r.waitedBytes += float64(proto.Size(e))
	}
	r.actions += float64(r.actionsOf(e))
	return r.stage(e)
}

// actionsOf is how many actions an event stands for, as Temporal Cloud bills them. What
// is in no history is not counted: heartbeats of activities, queries, and attempts of
// an activity that has not ended.
func (r *historyReader) actionsOf(e *historypb.HistoryEvent) int {
	switch e.GetEventType() {
	case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
		enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED, // and its start is in the child's history
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
		enumspb.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
		enumspb.EVENT_TYPE_TIMER_STARTED:
		return 1
	case enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED:
		return int(max(e.GetActivityTaskStartedEventAttributes().GetAttempt(), 1))
	case enumspb.EVENT_TYPE_MARKER_RECORDED:
		return r.actionsOfMarker(e.GetMarkerRecordedEventAttributes())
	}
	return 0
}

// localActivity is the name of the markers of local activities.
const localActivity = "LocalActivity"

// actionsOfMarker: all local activities of a workflow task are one action.
func (r *historyReader) actionsOfMarker(a *historypb.MarkerRecordedEventAttributes) int {
	switch a.GetMarkerName() {
	case localActivity:
		task := a.GetWorkflowTaskCompletedEventId()
		if r.markers[task] {
			return 0
		}
		r.markers[task] = true
		return 1
	case "SideEffect", "MutableSideEffect":
		return 1
	}
	return 0
}

// begin reads the first event of a window's history.
func (r *historyReader) begin(a *historypb.WorkflowExecutionStartedEventAttributes) error {
	if a == nil || a.GetWorkflowType().GetName() != workflows.FlushWindowName {
		return nil
	}
	r.window = true
	var in workflows.FlushWindowInput
	if err := decode(a.GetInput(), &in); err != nil {
		return err
	}
	switch {
	case !r.backlogUntil.IsZero() && in.FirstArrival.After(r.backlogUntil):
		r.leftOut = true
	case in.Progress == nil && !in.IsRetry(): // a later run goes on with the same window
		r.windows++
		r.stageBytes += float64(in.StoredBytes)
	}
	return nil
}

// stage adds what an event says was written to the stage.
func (r *historyReader) stage(e *historypb.HistoryEvent) error {
	activity, result, err := r.completed(e)
	if err != nil {
		return err
	}
	var written []workflows.Batch
	switch activity {
	case workflows.FormatLogsName:
		var formatted workflows.FormatLogsResult
		if err := decode(result, &formatted); err != nil {
			return err
		}
		written = formatted.Batches
	case workflows.SplitBatchName:
		var split workflows.SplitBatchResult
		if err := decode(result, &split); err != nil {
			return err
		}
		written = split.Batches
	}
	for _, b := range written {
		r.stageBytes += float64(b.Bytes)
	}
	return nil
}

// completed is which activity, local or not, an event says has succeeded, and its result.
func (r *historyReader) completed(e *historypb.HistoryEvent) (string, *commonpb.Payloads, error) {
	if a := e.GetActivityTaskCompletedEventAttributes(); a != nil {
		return r.activities[a.GetScheduledEventId()], a.GetResult(), nil
	}
	a := e.GetMarkerRecordedEventAttributes()
	if a.GetMarkerName() != localActivity || a.GetFailure() != nil {
		return "", nil, nil
	}
	// As the SDK writes it.
	var of struct{ ActivityType string }
	if err := decode(a.GetDetails()["data"], &of); err != nil {
		return "", nil, fmt.Errorf("local activity: %w", err)
	}
	return of.ActivityType, a.GetDetails()["result"], nil
}

func decode(payloads *commonpb.Payloads, into any) error {
	return converter.GetDefaultDataConverter().FromPayloads(payloads, into)
}
