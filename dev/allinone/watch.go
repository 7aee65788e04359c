package allinone

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// flushes is the type of workflow that a person watches.
const flushes = "WorkflowType = '" + workflows.FlushWindowName + "'"

// parked is the condition of a flush that waits for an operator.
var (
	parked        = fmt.Sprintf("ExecutionStatus = 'Running' AND %s = '%s'", visibility.Status.GetName(), visibility.StatusParked)
	parkedFlushes = flushes + " AND " + parked
)

// watcher prints a line for each flush that ends or is parked. It knows no more
// than anybody with a browser: it asks Temporal's visibility.
type watcher struct {
	client client.Client
	out    io.Writer
	seen   map[string]bool // run id and status
	since  time.Time
}

func newWatcher(c client.Client, out io.Writer) *watcher {
	return &watcher{client: c, out: out, seen: map[string]bool{}, since: time.Now().Add(-time.Minute)}
}

// look prints what has happened since the last look.
func (w *watcher) look(ctx context.Context) error {
	next := time.Now().Add(-lookBack)
	ended := fmt.Sprintf("%s AND CloseTime >= '%s'", flushes, w.since.UTC().Format(time.RFC3339Nano))
	for _, query := range []string{ended, parkedFlushes} {
		if err := w.list(ctx, query); err != nil {
			return err
		}
	}
	w.since = next
	return nil
}

// lookBack overlaps two looks: visibility is written a little after the event.
const lookBack = 10 * time.Second

func (w *watcher) list(ctx context.Context, query string) error {
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: query}
	var found []*workflowpb.WorkflowExecutionInfo
	for {
		page, err := w.client.ListWorkflow(ctx, request)
		if err != nil {
			return fmt.Errorf("list flushes: %w", err)
		}
		found = append(found, page.GetExecutions()...)
		if len(page.GetNextPageToken()) == 0 {
			break
		}
		request.NextPageToken = page.GetNextPageToken()
	}
	// The newest come first; a person reads downwards.
	for _, flush := range slices.Backward(found) {
		w.print(flush)
	}
	return nil
}

func (w *watcher) print(e *workflowpb.WorkflowExecutionInfo) {
	status := attribute[string](e, visibility.Status.GetName())
	if e.GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING && e.GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_COMPLETED {
		status = strings.ToLower(e.GetStatus().String())
	}
	key := e.GetExecution().GetRunId() + status
	if w.seen[key] {
		return
	}
	w.seen[key] = true
	at := time.Now()
	if e.GetCloseTime() != nil {
		at = e.GetCloseTime().AsTime()
	}
	// Of the window's first record, from its arrival in Kinesis to the end of the flush.
	var fresh string
	if arrival := attribute[time.Time](e, visibility.FirstArrival.GetName()); !arrival.IsZero() {
		fresh = at.Sub(arrival).Round(10 * time.Millisecond).String()
	}
	id := e.GetExecution().GetWorkflowId()
	fmt.Fprintf(w.out, "%s  flush shard %-3s window …%s  %6d events  %9s  %2d attempts  HTTP %-3s  %-9s  freshness %s\n",
		at.Local().Format("15:04:05"),
		attribute[string](e, visibility.Shard.GetName()), id[max(0, len(id)-8):],
		attribute[int64](e, visibility.Events.GetName()), size(attribute[int64](e, visibility.Bytes.GetName())),
		attribute[int64](e, visibility.Attempts.GetName()), orDash(attribute[string](e, visibility.HTTPStatus.GetName())),
		status, fresh)
}

// attribute is the value of a search attribute, zero where it is not set.
func attribute[T any](e *workflowpb.WorkflowExecutionInfo, name string) T {
	var value T
	if payload, ok := e.GetSearchAttributes().GetIndexedFields()[name]; ok {
		// A value of another type stays zero: it is for display only.
		_ = converter.GetDefaultDataConverter().FromPayload(payload, &value)
	}
	return value
}

func (w *watcher) count(ctx context.Context, condition string) (int64, error) {
	query := flushes
	if condition != "" {
		query += " AND " + condition
	}
	counted, err := w.client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
	if err != nil {
		return 0, fmt.Errorf("count flushes: %w", err)
	}
	return counted.GetCount(), nil
}

// busy counts the flushes that still do something by themselves.
func (w *watcher) busy(ctx context.Context) (int64, error) {
	return w.count(ctx, fmt.Sprintf("ExecutionStatus = 'Running' AND %s != '%s'", visibility.Status.GetName(), visibility.StatusParked))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// size is a number of bytes for a person, in powers of ten.
func size(n int64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}
