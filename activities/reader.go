package activities

import (
	"context"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Executions describes workflows; client.Client does. An empty run id is the latest
// run.
type Executions interface {
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
}

// Readers is FindReader and what it needs.
type Readers struct {
	Temporal Executions
}

// FindReader tells how the ShardReader of a shard is that was started before.
func (r *Readers) FindReader(ctx context.Context, in workflows.FindReaderInput) (workflows.FindReaderResult, error) {
	id := window.ShardReaderID(in.Pipeline, in.ShardID)
	described, err := r.Temporal.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return workflows.FindReaderResult{}, temporal.NewApplicationError(fmt.Sprintf("describe workflow %s: %v", id, err), ErrorTemporal)
	}
	status := described.GetWorkflowExecutionInfo().GetStatus()
	out := workflows.FindReaderResult{Status: status.String(), State: workflows.ShardStopped}
	switch status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		out.State = workflows.ShardReading
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		// A reader completes when its shard is drained, and never before.
		out.State = workflows.ShardIsRead
	}
	return out, nil
}
