package starter

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/api/workflowservice/v1"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// waitingTimeout bounds the counts of one listing, which does not depend on them.
const waitingTimeout = 5 * time.Second

// Waiting counts what of a pipeline does not get on, for the page of its StreamReader.
type Waiting struct {
	Temporal Counter
	Pipeline string
	Logger   *slog.Logger
}

// Count returns nil where Temporal does not answer in time: nobody waits for these counts.
func (w *Waiting) Count(ctx context.Context) *workflows.WaitingCounts {
	limited, cancel := context.WithTimeout(ctx, waitingTimeout)
	defer cancel()
	out := workflows.WaitingCounts{At: time.Now().UTC()}
	for _, c := range []struct {
		into     *int64
		workflow string
		status   string
	}{
		{&out.Parked, workflows.FlushWindowName, visibility.StatusParked},
		{&out.Retrying, workflows.FlushWindowName, visibility.StatusRetrying},
		{&out.Gaps, workflows.ShardReaderName, visibility.StatusGap},
	} {
		counted, err := w.Temporal.CountWorkflow(limited, &workflowservice.CountWorkflowExecutionsRequest{Query: fmt.Sprintf(
			"WorkflowType = '%s' AND %s = '%s' AND ExecutionStatus = 'Running' AND %s = '%s'",
			c.workflow, visibility.Pipeline.GetName(), w.Pipeline, visibility.Status.GetName(), c.status)})
		if err != nil {
			if ctx.Err() == nil {
				w.Logger.Warn("what waits cannot be counted", "error", err)
			}
			return nil
		}
		*c.into = counted.GetCount()
	}
	return &out
}
