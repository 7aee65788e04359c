package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"github.com/log-event-pipeline/logpipe/dev/ledger"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Window is a window as Temporal holds it.
type Window struct {
	ledger.Window
	Started       time.Time
	FirstArrival  time.Time
	ClosedBecause window.Reason
	Status        enumspb.WorkflowExecutionStatus
	Parked        bool
	// Contradiction says where id, memo and input of the workflow differ; empty where they
	// agree.
	Contradiction string
}

// windowsQuery finds all windows of the fleet's pipeline.
var windowsQuery = fmt.Sprintf("WorkflowType = '%s' AND %s = '%s'", workflows.FlushWindowName, visibility.Pipeline.GetName(), Pipeline)

// parallelReads of histories. One connection serves the whole database.
const parallelReads = 4

// Windows reads all windows back from Temporal: which there are from its visibility,
// which is a little behind, and their ranges from the first event of their histories.
func (f *Fleet) Windows(ctx context.Context) ([]Window, error) {
	runs, err := f.list(ctx, windowsQuery)
	if err != nil {
		return nil, fmt.Errorf("list windows: %w", err)
	}
	// A window is its last run. An id that has two of them is two windows, which must not be.
	found := slices.DeleteFunc(runs, func(run *workflowpb.WorkflowExecutionInfo) bool {
		return run.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW
	})
	windows := make([]Window, len(found))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelReads)
	for i, info := range found {
		group.Go(func() (err error) {
			windows[i], err = f.window(ctx, info)
			return err
		})
	}
	return windows, group.Wait()
}

// Window looks for the window that begins with a record, without visibility. ok is
// false where there is none.
func (f *Fleet) Window(ctx context.Context, shardID string, first window.SequenceNumber) (w Window, ok bool, err error) {
	id := window.FlushWindowID(Pipeline, shardID, first)
	described, err := f.Client.DescribeWorkflowExecution(ctx, id, "")
	if _, missing := errors.AsType[*serviceerror.NotFound](err); missing {
		return Window{}, false, nil
	}
	if err != nil {
		return Window{}, false, fmt.Errorf("describe window %s: %w", id, err)
	}
	w, err = f.window(ctx, described.GetWorkflowExecutionInfo())
	return w, err == nil, err
}

// OpenWindows counts the windows that are not finished, and of these the parked ones.
func (f *Fleet) OpenWindows(ctx context.Context) (open, parked int, err error) {
	count := func(condition string) int {
		if err != nil {
			return 0
		}
		var counted *workflowservice.CountWorkflowExecutionsResponse
		counted, err = f.Client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: windowsQuery + condition})
		return int(counted.GetCount())
	}
	open = count(" AND ExecutionStatus = 'Running'")
	parked = count(fmt.Sprintf(" AND ExecutionStatus = 'Running' AND %s = '%s'", visibility.Status.GetName(), visibility.StatusParked))
	if err != nil {
		return 0, 0, fmt.Errorf("count windows: %w", err)
	}
	return open, parked, nil
}

// RetryingWindows counts the windows that wait to try something again.
func (f *Fleet) RetryingWindows(ctx context.Context) (int, error) {
	query := windowsQuery + fmt.Sprintf(" AND ExecutionStatus = 'Running' AND %s = '%s'", visibility.Status.GetName(), visibility.StatusRetrying)
	counted, err := f.Client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
	if err != nil {
		return 0, fmt.Errorf("count windows that wait: %w", err)
	}
	return int(counted.GetCount()), nil
}

func (f *Fleet) window(ctx context.Context, info *workflowpb.WorkflowExecutionInfo) (Window, error) {
	id := info.GetExecution().GetWorkflowId()
	history := f.Client.GetWorkflowHistory(ctx, id, info.GetExecution().GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	event, err := history.Next()
	if err != nil {
		return Window{}, fmt.Errorf("read the history of window %s: %w", id, err)
	}
	var in workflows.FlushWindowInput
	if err := converter.GetDefaultDataConverter().FromPayloads(event.GetWorkflowExecutionStartedEventAttributes().GetInput(), &in); err != nil {
		return Window{}, fmt.Errorf("read the input of window %s: %w", id, err)
	}
	w := Window{
		Window: ledger.Window{
			ID: id, RunID: info.GetExecution().GetRunId(), ShardID: in.ShardID, First: in.FirstSequenceNumber, Last: in.LastSequenceNumber, Records: in.Records,
		},
		Started: info.GetStartTime().AsTime(), FirstArrival: in.FirstArrival, ClosedBecause: in.ClosedBecause,
		Status: info.GetStatus(), Contradiction: contradiction(info, in),
	}
	var status string
	payload := info.GetSearchAttributes().GetIndexedFields()[visibility.Status.GetName()]
	if payload != nil {
		if err := converter.GetDefaultDataConverter().FromPayload(payload, &status); err != nil {
			return Window{}, fmt.Errorf("read the status of window %s: %w", id, err)
		}
	}
	w.Parked = w.Status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING && status == visibility.StatusParked
	return w, nil
}

// contradiction compares the three places that tell where a window begins and ends:
// pollers go by the id and the memo, the workflow itself by its input.
func contradiction(info *workflowpb.WorkflowExecutionInfo, in workflows.FlushWindowInput) string {
	id := info.GetExecution().GetWorkflowId()
	if want := window.FlushWindowID(Pipeline, in.ShardID, in.FirstSequenceNumber); id != want {
		return fmt.Sprintf("window %s has the input of %s", id, want)
	}
	var last string
	payload := info.GetMemo().GetFields()[workflows.MemoLastSequenceNumber]
	if err := converter.GetDefaultDataConverter().FromPayload(payload, &last); err != nil {
		return fmt.Sprintf("window %s has a memo that cannot be read: %v", id, err)
	}
	if last != string(in.LastSequenceNumber) {
		return fmt.Sprintf("window %s ends at %s by its memo and at %s by its input", id, last, in.LastSequenceNumber)
	}
	return ""
}
