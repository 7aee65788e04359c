package activities_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// updateServer answers an update, or refuses it at one of its two steps.
type updateServer struct {
	client.Client // the rest panics

	started        client.StartWorkflowOptions
	workflow       any
	asked          client.UpdateWorkflowOptions
	refused, ended error
}

// operation stands in for the start: only the SDK's own client can run a real one.
type operation struct {
	client.WithStartWorkflowOperation
}

func (s *updateServer) NewWithStartWorkflowOperation(o client.StartWorkflowOptions, workflow any, _ ...any) client.WithStartWorkflowOperation {
	s.started, s.workflow = o, workflow
	return operation{}
}

func (s *updateServer) UpdateWithStartWorkflow(_ context.Context, o client.UpdateWithStartWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	s.asked = o.UpdateOptions
	return updateHandle{ended: s.ended}, s.refused
}

type updateHandle struct {
	client.WorkflowUpdateHandle
	ended error
}

func (h updateHandle) Get(_ context.Context, out any) error {
	*out.(*workflows.TokenVersion) = workflows.TokenVersion{Version: 5}
	return h.ended
}

func TestTemporalKeeper(t *testing.T) {
	t.Parallel()
	s := &updateServer{}
	got, err := activities.TemporalKeeper{Client: s}.Refresh(t.Context(), "p", 4)
	require.NoError(t, err)
	require.Equal(t, workflows.TokenVersion{Version: 5}, got)

	require.Equal(t, "p/token", s.started.ID)
	require.Equal(t, "p/worker", s.started.TaskQueue)
	require.Equal(t, workflows.TokenKeeperName, s.workflow)
	require.Equal(t, enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, s.started.WorkflowIDConflictPolicy, "one keeper for all")
	require.Equal(t, workflows.UpdateRefresh, s.asked.UpdateName)
	require.Equal(t, "replace-version-4", s.asked.UpdateID, "who knows the same version asks the same question")
	require.Equal(t, client.WorkflowUpdateStageCompleted, s.asked.WaitForStage)
	require.Equal(t, []any{workflows.RefreshTokenInput{KnownVersion: 4}}, s.asked.Args)
}

func TestTemporalKeeperFailures(t *testing.T) {
	t.Parallel()
	down := errors.New("no connection")
	for name, s := range map[string]*updateServer{"refused": {refused: down}, "failed": {ended: down}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := activities.TemporalKeeper{Client: s}.Refresh(t.Context(), "p", 4)
			require.ErrorIs(t, err, down)
			require.ErrorContains(t, err, "p/token")
			require.Zero(t, got)
		})
	}
}
