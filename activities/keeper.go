package activities

import (
	"context"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// How long the TokenKeeper is waited for. Who waits holds a slot of the worker.
const (
	keeperPatience = 10 * time.Second
	stateTimeout   = 5 * time.Second
)

// TemporalKeeper reaches the TokenKeeper through Temporal and starts it where it
// does not run yet.
type TemporalKeeper struct {
	Client client.Client
	// Patience is how long an answer is waited for before the TokenKeeper is asked what
	// it is waiting for itself; 0 is ten seconds.
	Patience time.Duration
}

var _ Keeper = TemporalKeeper{}

// Start starts the TokenKeeper unless it runs. Its first run looks for a token at once,
// so that settings which are wrong are seen before the first window.
func (k TemporalKeeper) Start(ctx context.Context, pipeline string) error {
	options := keeperOptions(pipeline)
	if _, err := k.Client.ExecuteWorkflow(ctx, options, workflows.TokenKeeperName, workflows.TokenKeeperInput{Pipeline: pipeline}); err != nil {
		return fmt.Errorf("start workflow %s: %w", options.ID, err)
	}
	return nil
}

// Refresh implements Keeper. Where the token is not there in time, the error says what
// the TokenKeeper is waiting for.
func (k TemporalKeeper) Refresh(ctx context.Context, pipeline string, known int64) (workflows.TokenVersion, error) {
	patience := k.Patience
	if patience == 0 {
		patience = keeperPatience
	}
	options := keeperOptions(pipeline)
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	fresh, err := k.update(patient, options, pipeline, known)
	switch {
	case err == nil:
		return fresh, nil
	case ctx.Err() == nil && patient.Err() != nil:
		return workflows.TokenVersion{}, k.state(ctx, options.ID)
	}
	return workflows.TokenVersion{}, fmt.Errorf("update workflow %s: %w", options.ID, err)
}

func (k TemporalKeeper) update(ctx context.Context, options client.StartWorkflowOptions, pipeline string, known int64) (fresh workflows.TokenVersion, err error) {
	start := k.Client.NewWithStartWorkflowOperation(options, workflows.TokenKeeperName, workflows.TokenKeeperInput{Pipeline: pipeline})
	handle, err := k.Client.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{
			// All who know the same version ask the same question: as one update id
			// they wait for one answer, and the keeper's history stays short.
			UpdateID:     fmt.Sprintf("replace-version-%d", known),
			WorkflowID:   options.ID,
			UpdateName:   workflows.UpdateRefresh,
			WaitForStage: client.WorkflowUpdateStageCompleted,
			Args:         []any{workflows.RefreshTokenInput{KnownVersion: known}},
		},
	})
	if err != nil {
		return workflows.TokenVersion{}, err
	}
	return fresh, handle.Get(ctx, &fresh)
}

// state is an error that says what the TokenKeeper is waiting for.
func (k TemporalKeeper) state(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	value, err := k.Client.QueryWorkflow(ctx, id, "", workflows.QueryState)
	var state workflows.TokenKeeperState
	if err == nil {
		err = value.Get(&state)
	}
	switch {
	case err != nil:
		return fmt.Errorf("workflow %s did not answer, nor tell what it is waiting for: is there a worker that runs workflows? %w", id, err)
	case state.Trouble == nil:
		return fmt.Errorf("workflow %s is asking for a token and has no answer yet", id)
	}
	t := state.Trouble
	return fmt.Errorf("workflow %s has no token since %s, tried %d times, the next time at %s: %s: %s",
		id, t.Since.UTC().Format(time.RFC3339), t.Attempts, t.NextAt.UTC().Format(time.RFC3339), t.Type, t.Message)
}

func keeperOptions(pipeline string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID:                       window.TokenKeeperID(pipeline),
		TaskQueue:                window.WorkerQueue(pipeline),
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "keeps the destination's token fresh",
		TypedSearchAttributes:    temporal.NewSearchAttributes(visibility.Pipeline.ValueSet(pipeline)),
	}
}
