package activities_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// executions has one workflow, or is broken.
type executions struct {
	id     string
	status enumspb.WorkflowExecutionStatus
	broken error
}

func (e executions) DescribeWorkflowExecution(_ context.Context, id, run string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if e.broken != nil || id != e.id || run != "" {
		return nil, errors.Join(e.broken, errors.New("no workflow "+id))
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Status: e.status},
	}, nil
}

func TestFindReader(t *testing.T) {
	t.Parallel()
	in := workflows.FindReaderInput{Pipeline: "p", ShardID: "shardId-000000000007"}
	for status, want := range map[enumspb.WorkflowExecutionStatus]workflows.ShardState{
		enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:          workflows.ShardReading,
		enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW: workflows.ShardReading,
		enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:        workflows.ShardIsRead,
		enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:       workflows.ShardStopped,
		enumspb.WORKFLOW_EXECUTION_STATUS_FAILED:           workflows.ShardStopped,
		enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:         workflows.ShardStopped,
		enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:        workflows.ShardStopped,
	} {
		r := &activities.Readers{Temporal: executions{id: "p/shard/7", status: status}}
		got, err := r.FindReader(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, workflows.FindReaderResult{Status: status.String(), State: want}, got)
	}
	r := &activities.Readers{Temporal: executions{broken: errors.New("down")}}
	_, err := r.FindReader(t.Context(), in)
	requireFailure(t, err, activities.ErrorTemporal, true)
	require.ErrorContains(t, err, "p/shard/7")
}
