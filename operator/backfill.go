package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Backfills start, follow and cancel the backfills of a pipeline.
type Backfills struct {
	Temporal client.Client
	Pipeline string
}

// Started says how a run was found.
type Started string

// A run was started, was running already, or is gone on with after it had failed or was
// cancelled.
const (
	StartedNew      Started = "started"
	StartedAttached Started = "attached"
	StartedAgain    Started = "resumed"
)

// Start starts a run. One of the same name that was asked for the same and runs is joined,
// and one that was cancelled or has failed is gone on with: what it has delivered is not
// delivered again, for as long as Temporal remembers its windows.
func (b *Backfills) Start(ctx context.Context, run string, request workflows.BackfillRequest, maxOpen int) (Started, error) {
	stream, err := b.stream(ctx)
	if err != nil {
		return "", err
	}
	id := window.BackfillID(b.Pipeline, run)
	started := StartedNew
	described, err := b.Temporal.DescribeWorkflowExecution(ctx, id, "")
	if _, unknown := errors.AsType[*serviceerror.NotFound](err); err != nil && !unknown {
		return "", fmt.Errorf("describe workflow %s: %w", id, err)
	}
	if err == nil {
		info := described.GetWorkflowExecutionInfo()
		var before workflows.BackfillRequest
		if err := converter.GetDefaultDataConverter().FromPayload(info.GetMemo().GetFields()[workflows.MemoBackfill], &before); err != nil {
			return "", fmt.Errorf("workflow %s: read the memo %s: %w", id, workflows.MemoBackfill, err)
		}
		if !same(before, request) {
			return "", fmt.Errorf("backfill %s was asked for something else: from %s to %s, %s keys, shards %v, rate %g; choose another --name", run,
				before.From.Format(time.RFC3339), before.To.Format(time.RFC3339), before.Keys, before.Shards, before.Rate)
		}
		switch info.GetStatus() {
		case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
			return StartedAttached, nil
		}
		started = StartedAgain
	}
	_, err = b.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: id, TaskQueue: window.WorkerQueue(b.Pipeline),
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		Memo:                     map[string]any{workflows.MemoBackfill: request},
		StaticSummary:            fmt.Sprintf("%s to %s, %s keys", request.From.Format(time.RFC3339), request.To.Format(time.RFC3339), request.Keys),
		TypedSearchAttributes:    temporal.NewSearchAttributes(visibility.Pipeline.ValueSet(b.Pipeline)),
	}, workflows.BackfillName, workflows.BackfillInput{
		Pipeline: b.Pipeline, Stream: stream, Run: run, From: request.From, To: request.To, Shards: request.Shards,
		Keys: request.Keys, Rate: request.Rate, MaxOpen: maxOpen,
	})
	if err != nil {
		return "", fmt.Errorf("start workflow %s: %w", id, err)
	}
	return started, nil
}

func same(a, b workflows.BackfillRequest) bool {
	return a.From.Equal(b.From) && a.To.Equal(b.To) && a.Keys == b.Keys && a.Rate == b.Rate && slices.Equal(a.Shards, b.Shards)
}

// stream is what the pipeline reads.
func (b *Backfills) stream(ctx context.Context) (string, error) {
	id := window.StreamReaderID(b.Pipeline)
	described, err := b.Temporal.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return "", (&Pauses{Temporal: b.Temporal, Pipeline: b.Pipeline}).explain(err)
	}
	var stream string
	if err := converter.GetDefaultDataConverter().FromPayload(described.GetWorkflowExecutionInfo().GetMemo().GetFields()[workflows.MemoStream], &stream); err != nil {
		return "", fmt.Errorf("workflow %s: read the memo %s: %w", id, workflows.MemoStream, err)
	}
	return stream, nil
}

// Progress is how far each shard of a run has come, and whether the run has ended.
func (b *Backfills) Progress(ctx context.Context, run string) (shards []workflows.BackfillProgress, ended bool, err error) {
	id := window.BackfillID(b.Pipeline, run)
	described, err := b.Temporal.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return nil, false, fmt.Errorf("describe workflow %s: %w", id, err)
	}
	ended = described.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	var state workflows.BackfillState
	value, err := b.Temporal.QueryWorkflow(ctx, id, "", workflows.QueryState)
	if err == nil {
		err = value.Get(&state)
	}
	if err != nil {
		return nil, ended, fmt.Errorf("ask workflow %s how far it is: %w", id, err)
	}
	for _, pending := range described.GetPendingActivities() {
		var beat workflows.BackfillProgress
		if converter.GetDefaultDataConverter().FromPayloads(pending.GetHeartbeatDetails(), &beat) != nil {
			continue
		}
		for i, p := range state.Progress {
			if p.ShardID == beat.ShardID && p.Windows <= beat.Windows {
				state.Progress[i] = beat
			}
		}
	}
	return state.Progress, ended, nil
}

// Result is what a run that has ended has delivered. The error says why it has not
// delivered all.
func (b *Backfills) Result(ctx context.Context, run string) (workflows.BackfillResult, error) {
	var out workflows.BackfillResult
	err := b.Temporal.GetWorkflow(ctx, window.BackfillID(b.Pipeline, run), "").Get(ctx, &out)
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	switch {
	case temporal.IsCanceledError(err):
		return out, fmt.Errorf("backfill %s was cancelled; the same command goes on with it", run)
	case ok:
		_ = app.Details(&out) // none: nothing was delivered
		return out, errors.New(app.Message())
	case err != nil:
		return out, fmt.Errorf("backfill %s: %w", run, err)
	}
	return out, nil
}

// Cancel has a run open no more windows.
func (b *Backfills) Cancel(ctx context.Context, run string) error {
	err := b.Temporal.CancelWorkflow(ctx, window.BackfillID(b.Pipeline, run), "")
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
		return fmt.Errorf("no backfill %s of pipeline %s runs", run, b.Pipeline)
	}
	if err != nil {
		return fmt.Errorf("cancel backfill %s: %w", run, err)
	}
	return nil
}
