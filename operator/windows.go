package operator

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Temporal is what is asked for windows, and what tells them; client.Client is one.
type Temporal interface {
	ListWorkflow(ctx context.Context, in *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error)
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
	SignalWorkflow(ctx context.Context, workflowID, runID, signal string, arg any) error
}

var _ Temporal = (client.Client)(nil)

// Action is what an operator decides about windows: the name of the signal that tells
// them.
type Action string

// The actions.
const (
	// Redrive has what is parked tried again, and what is waited for tried at once.
	Redrive Action = workflows.SignalRedrive
	// Discard gives up what is parked.
	Discard Action = workflows.SignalDiscard
	// Resume has those go on that wait because delivery was paused.
	Resume Action = workflows.SignalResume
)

// Statuses are those of the windows to which the action means something.
func (a Action) Statuses() []string {
	switch a {
	case Redrive:
		return []string{visibility.StatusParked, visibility.StatusRetrying}
	case Resume:
		return []string{visibility.StatusPaused}
	}
	return []string{visibility.StatusParked}
}

// Window is a FlushWindow, as Temporal lists it.
type Window struct {
	WorkflowID string
	// Shard is its short id.
	Shard string
	// Status is one of visibility's for a FlushWindow.
	Status string
	// HTTPStatus is the destination's last answer, empty where there was none.
	HTTPStatus string
	// Events, Bytes and Attempts are as of the last change of the status.
	Events, Bytes, Attempts int64
	// Since is when Kinesis took in the first record.
	Since time.Time
}

// Windows are the FlushWindows of a pipeline to which an action means something.
type Windows struct {
	Temporal Temporal
	Pipeline string
	Action   Action
}

// pageSize is how many windows are in memory while they are listed.
const pageSize = 500

// Query is the filter by which Temporal lists the windows. What is in and, another
// filter, has to hold, too, unless it is empty.
func (w *Windows) Query(and string) string {
	query := fmt.Sprintf("WorkflowType = '%s' AND %s = '%s' AND ExecutionStatus = 'Running' AND %s IN ('%s')",
		workflows.FlushWindowName, visibility.Pipeline.GetName(), w.Pipeline,
		visibility.Status.GetName(), strings.Join(w.Action.Statuses(), "', '"))
	if and != "" {
		query += " AND (" + and + ")"
	}
	return query
}

// Find yields the windows for which the filter holds, all if it is empty, a page at a
// time. After an error nothing more is yielded. Temporal's lists are some seconds behind.
func (w *Windows) Find(ctx context.Context, and string) iter.Seq2[Window, error] {
	return func(yield func(Window, error) bool) {
		in := &workflowservice.ListWorkflowExecutionsRequest{PageSize: pageSize, Query: w.Query(and)}
		for {
			page, err := w.Temporal.ListWorkflow(ctx, in)
			if err != nil {
				yield(Window{}, listError(err, and))
				return
			}
			for _, info := range page.GetExecutions() {
				// A filter that closes the parenthesis it is put into could reach anything.
				if reason := w.refuses(info); reason != "" {
					yield(Window{}, fmt.Errorf("the query finds workflow %s, which %s: put a query with OR into parentheses that match", info.GetExecution().GetWorkflowId(), reason))
					return
				}
				if !yield(read(info), nil) {
					return
				}
			}
			if in.NextPageToken = page.GetNextPageToken(); len(in.NextPageToken) == 0 {
				return
			}
		}
	}
}

func listError(err error, and string) error {
	if _, wrong := errors.AsType[*serviceerror.InvalidArgument](err); wrong && and != "" {
		return fmt.Errorf("list the windows: %w: mend the query %q, which is a filter such as %s = '413'", err, and, visibility.HTTPStatus.GetName())
	}
	return fmt.Errorf("list the windows: %w", err)
}

// Get returns the window with a workflow id. The error says why the action means nothing
// to it, and what to do.
func (w *Windows) Get(ctx context.Context, id string) (Window, error) {
	if !strings.HasPrefix(id, w.Pipeline+"/") {
		return Window{}, fmt.Errorf("%s: is not of pipeline %s: set LOGPIPE_PIPELINE to its first part if it is the one you mean", id, w.Pipeline)
	}
	described, err := w.Temporal.DescribeWorkflowExecution(ctx, id, "")
	_, unknown := errors.AsType[*serviceerror.NotFound](err)
	_, invalid := errors.AsType[*serviceerror.InvalidArgument](err)
	switch {
	case unknown, invalid:
		return Window{}, fmt.Errorf("%s: Temporal knows no such workflow: check the id and TEMPORAL_NAMESPACE, or it has ended so long ago that it is forgotten", id)
	case err != nil:
		return Window{}, fmt.Errorf("%s: describe the workflow: %w", id, err)
	}
	info := described.GetWorkflowExecutionInfo()
	if reason := w.refuses(info); reason != "" {
		return Window{}, fmt.Errorf("%s: %s", id, reason)
	}
	return read(info), nil
}

// refuses returns why the action means nothing to a workflow, empty if it does.
func (w *Windows) refuses(info *workflowpb.WorkflowExecutionInfo) string {
	status := keyword(info, visibility.Status.GetName())
	switch pipeline := keyword(info, visibility.Pipeline.GetName()); {
	case info.GetType().GetName() != workflows.FlushWindowName:
		return fmt.Sprintf("is a %s and not a %s", info.GetType().GetName(), workflows.FlushWindowName)
	case pipeline != w.Pipeline:
		return fmt.Sprintf("is of pipeline %s and not of %s", pipeline, w.Pipeline)
	case info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
		return fmt.Sprintf("has ended (%s, %s): there is nothing to %s", info.GetStatus(), status, w.Action)
	case !slices.Contains(w.Action.Statuses(), status):
		return fmt.Sprintf("is %s: a %s means nothing to what is not %s", status, w.Action, strings.Join(w.Action.Statuses(), " or "))
	}
	return ""
}

func read(info *workflowpb.WorkflowExecutionInfo) Window {
	w := Window{
		WorkflowID: info.GetExecution().GetWorkflowId(),
		Shard:      keyword(info, visibility.Shard.GetName()),
		Status:     keyword(info, visibility.Status.GetName()),
		HTTPStatus: keyword(info, visibility.HTTPStatus.GetName()),
		Since:      info.GetStartTime().AsTime(),
	}
	attribute(info, visibility.Events.GetName(), &w.Events)
	attribute(info, visibility.Bytes.GetName(), &w.Bytes)
	attribute(info, visibility.Attempts.GetName(), &w.Attempts)
	var arrived time.Time
	if attribute(info, visibility.FirstArrival.GetName(), &arrived); !arrived.IsZero() {
		w.Since = arrived.UTC()
	}
	return w
}

func keyword(info *workflowpb.WorkflowExecutionInfo, name string) string {
	var text string
	attribute(info, name, &text)
	return text
}

// attribute reads a search attribute into value, which stays zero where there is none.
func attribute(info *workflowpb.WorkflowExecutionInfo, name string, value any) {
	if payload := info.GetSearchAttributes().GetIndexedFields()[name]; payload != nil {
		_ = converter.GetDefaultDataConverter().FromPayload(payload, value) // so it does for one of another type
	}
}
