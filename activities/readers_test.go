package activities_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// executions are workflows by their ids, or a broken Temporal.
type executions struct {
	status  map[string]enumspb.WorkflowExecutionStatus
	started []client.StartWorkflowOptions
	inputs  []workflows.ShardReaderInput
	broken  error
}

func (e *executions) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	if e.broken != nil {
		return nil, e.broken
	}
	if _, exists := e.status[o.ID]; exists {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("exists", "", "")
	}
	e.started = append(e.started, o)
	e.inputs = append(e.inputs, args[0].(workflows.ShardReaderInput))
	return nil, nil
}

func (e *executions) DescribeWorkflowExecution(_ context.Context, id, run string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	status, ok := e.status[id]
	if !ok || run != "" {
		return nil, errors.New("no workflow " + id)
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Status: status},
	}, nil
}

func startReaders(t *testing.T, e *executions, in workflows.StartReadersInput) (workflows.StartReadersResult, error) {
	t.Helper()
	env := environment(t)
	r := &activities.Readers{Temporal: e}
	env.RegisterActivityWithOptions(r.StartReaders, activity.RegisterOptions{Name: workflows.StartReadersName})
	var out workflows.StartReadersResult
	value, err := env.ExecuteActivity(workflows.StartReadersName, in)
	if err != nil {
		return out, err
	}
	return out, value.Get(&out)
}

func TestStartReaders(t *testing.T) {
	t.Parallel()
	in := workflows.StartReadersInput{Pipeline: "p", Stream: "s", Readers: []workflows.ReaderStart{
		{ShardID: "shardId-000000000007", Position: "TRIM_HORIZON"},
		{ShardID: "shardId-000000000008"}, {ShardID: "shardId-000000000009"}, {ShardID: "shardId-000000000010"},
	}}
	e := &executions{status: map[string]enumspb.WorkflowExecutionStatus{
		"p/shard/8":  enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
		"p/shard/9":  enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW,
		"p/shard/10": enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED,
	}}
	out, err := startReaders(t, e, in)
	require.NoError(t, err)
	require.Equal(t, []workflows.ShardState{workflows.ShardReading, workflows.ShardReading, workflows.ShardReading, workflows.ShardIsRead}, out.States)
	require.Len(t, e.started, 1)
	require.Equal(t, "p/shard/7", e.started[0].ID)
	require.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY, e.started[0].WorkflowIDReusePolicy)
	require.Equal(t, enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, e.started[0].WorkflowIDConflictPolicy)
	require.Equal(t, workflows.ShardReaderInput{Pipeline: "p", Stream: "s", ShardID: "shardId-000000000007", Position: "TRIM_HORIZON"}, e.inputs[0])

	for _, ended := range []enumspb.WorkflowExecutionStatus{
		enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, enumspb.WORKFLOW_EXECUTION_STATUS_FAILED,
	} {
		e := &executions{status: map[string]enumspb.WorkflowExecutionStatus{"p/shard/7": ended}}
		_, err := startReaders(t, e, in)
		requireFailure(t, err, activities.ErrorTemporal, true)
		require.ErrorContains(t, err, "p/shard/7")
	}
	_, err = startReaders(t, &executions{broken: errors.New("down")}, in)
	requireFailure(t, err, activities.ErrorTemporal, true)
	require.ErrorContains(t, err, "p/shard/7")
}
