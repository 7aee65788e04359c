package activities

import (
	"context"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// TemporalKeeper reaches the TokenKeeper through Temporal and starts it where it
// does not run yet.
type TemporalKeeper struct {
	Client client.Client
}

var _ Keeper = TemporalKeeper{}

// Refresh implements Keeper.
func (k TemporalKeeper) Refresh(ctx context.Context, pipeline string, known int64) (workflows.TokenVersion, error) {
	id := window.TokenKeeperID(pipeline)
	start := k.Client.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID:                       id,
		TaskQueue:                window.WorkerQueue(pipeline),
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "keeps the destination's token fresh",
		TypedSearchAttributes:    temporal.NewSearchAttributes(visibility.Pipeline.ValueSet(pipeline)),
	}, workflows.TokenKeeperName, workflows.TokenKeeperInput{Pipeline: pipeline})
	handle, err := k.Client.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{
			// All who know the same version ask the same question: as one update id
			// they wait for one answer, and the keeper's history stays short.
			UpdateID:     fmt.Sprintf("replace-version-%d", known),
			WorkflowID:   id,
			UpdateName:   workflows.UpdateRefresh,
			WaitForStage: client.WorkflowUpdateStageCompleted,
			Args:         []any{workflows.RefreshTokenInput{KnownVersion: known}},
		},
	})
	if err != nil {
		return workflows.TokenVersion{}, fmt.Errorf("update workflow %s: %w", id, err)
	}
	var fresh workflows.TokenVersion
	if err := handle.Get(ctx, &fresh); err != nil {
		return workflows.TokenVersion{}, fmt.Errorf("update workflow %s: %w", id, err)
	}
	return fresh, nil
}
