package activities

import (
	"context"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Executions starts and describes workflows; client.Client does. An empty run id is
// the latest run.
type Executions interface {
	ExecuteWorkflow(ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error)
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
}

// Readers is StartReaders and what it needs.
//
// ShardReaders are not child workflows: a workflow can have 2,000 open children, and
// a stream more shards than that.
type Readers struct {
	Temporal Executions
}

// StartReaders starts the ShardReaders that do not run, and tells which shards were
// read to their end before. A reader that was terminated, or has failed, is started
// again; it goes on where the stage remembers the last one to have been.
func (r *Readers) StartReaders(ctx context.Context, in workflows.StartReadersInput) (workflows.StartReadersResult, error) {
	out := workflows.StartReadersResult{States: make([]workflows.ShardState, len(in.Readers))}
	for i, reader := range in.Readers {
		state, err := r.start(ctx, in, reader)
		if err != nil {
			return workflows.StartReadersResult{}, err
		}
		out.States[i] = state
		activity.RecordHeartbeat(ctx)
	}
	return out, nil
}

func (r *Readers) start(ctx context.Context, in workflows.StartReadersInput, reader workflows.ReaderStart) (workflows.ShardState, error) {
	id := window.ShardReaderID(in.Pipeline, reader.ShardID)
	short := window.ShortShard(reader.ShardID)
	_, err := r.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:        id,
		TaskQueue: window.WorkerQueue(in.Pipeline),
		// A reader completes when its shard is drained, and never before: then there is
		// nothing left to start.
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            fmt.Sprintf("shard %s of %s", short, in.Stream),
		TypedSearchAttributes: temporal.NewSearchAttributes(
			visibility.Pipeline.ValueSet(in.Pipeline),
			visibility.Shard.ValueSet(short),
			visibility.Status.ValueSet(visibility.StatusReading),
		),
	}, workflows.ShardReaderName, workflows.ShardReaderInput{
		Pipeline: in.Pipeline, Stream: in.Stream, ShardID: reader.ShardID, Position: reader.Position, Poll: in.Poll,
	})
	if _, exists := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); exists {
		return r.find(ctx, id)
	}
	if err != nil {
		return "", temporal.NewApplicationError(fmt.Sprintf("start workflow %s: %v", id, err), ErrorTemporal)
	}
	return workflows.ShardReading, nil
}

// find tells what the reader that exists means for its shard.
func (r *Readers) find(ctx context.Context, id string) (workflows.ShardState, error) {
	described, err := r.Temporal.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return "", temporal.NewApplicationError(fmt.Sprintf("describe workflow %s: %v", id, err), ErrorTemporal)
	}
	switch status := described.GetWorkflowExecutionInfo().GetStatus(); status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		return workflows.ShardReading, nil
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		return workflows.ShardIsRead, nil
	default:
		// It has ended since it was in the way.
		return "", temporal.NewApplicationError(fmt.Sprintf("workflow %s is %s: it is started again by the next attempt", id, status), ErrorTemporal)
	}
}
