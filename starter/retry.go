package starter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/quarantine"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Retry has quarantined pieces formatted again. It starts a FlushWindow for the pieces of
// each window, RetrySize of them at a time, under an id of their own.
//
// A piece is delivered once however often it is retried: its workflow id does not depend
// on who retries it with which others, Temporal runs one workflow of an id at a time, and
// a workflow that finds no piece, because one before has delivered it, does nothing.
// Until then the piece stays in quarantine, so nothing is lost where a workflow is
// terminated, or Temporal's database is.
type Retry struct {
	Temporal client.Client
	Pipeline string
	// Stream is for the eyes of operators.
	Stream string
}

// Retried is what became of some pieces of one window.
type Retried struct {
	WorkflowID string
	// Pieces that the workflow was started with; 0 if one was running already, with the
	// same pieces or others.
	Pieces int
	// Left are further pieces that can be retried when the workflow has ended.
	Left int
}

// Run starts the workflows for the pieces, which come window by window as from
// [quarantine.List], and reports each. Damaged pieces are left out.
func (r *Retry) Run(ctx context.Context, pieces iter.Seq2[quarantine.Entry, error], report func(Retried)) error {
	var of []quarantine.Entry // one window
	for e, err := range pieces {
		if err != nil {
			return err
		}
		if e.Damaged != nil {
			continue
		}
		if len(of) > 0 && of[0].Place.Window != e.Place.Window {
			if err := r.window(ctx, of, report); err != nil {
				return err
			}
			of = of[:0]
		}
		of = append(of, e)
	}
	return r.window(ctx, of, report)
}

// window starts the workflows for pieces of one window.
func (r *Retry) window(ctx context.Context, pieces []quarantine.Entry, report func(Retried)) error {
	groups := map[int][]quarantine.Entry{}
	for _, e := range pieces {
		group := e.Place.Retry().Group
		groups[group] = append(groups[group], e)
	}
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		retried, err := r.start(ctx, groups[group])
		if err != nil {
			return err
		}
		report(retried)
	}
	return nil
}

// start starts the workflow for pieces that are formatted again together.
func (r *Retry) start(ctx context.Context, pieces []quarantine.Entry) (Retried, error) {
	slices.SortFunc(pieces, func(a, b quarantine.Entry) int {
		return cmp.Or(cmp.Compare(a.Place.Number, b.Place.Number), cmp.Compare(a.Key, b.Key))
	})
	pieces = slices.CompactFunc(pieces, func(a, b quarantine.Entry) bool { return a.Key == b.Key })
	retry := pieces[0].Place.Retry()
	out := Retried{WorkflowID: retry.WorkflowID(r.Pipeline), Left: max(0, len(pieces)-window.RetrySize)}
	pieces = pieces[:min(len(pieces), window.RetrySize)]
	in := r.input(retry, pieces)
	_, err := r.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:        out.WorkflowID,
		TaskQueue: window.WorkerQueue(r.Pipeline),
		// Once it has ended, what is still in quarantine can be retried again.
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		Memo:                                     map[string]any{workflows.MemoRecords: in.Records},
		StaticSummary: fmt.Sprintf("retry of %d quarantined pieces · shard %s · %d bytes",
			in.Records, window.ShortShard(in.ShardID), in.StoredBytes),
		TypedSearchAttributes: temporal.NewSearchAttributes(
			visibility.Pipeline.ValueSet(r.Pipeline),
			visibility.Shard.ValueSet(window.ShortShard(in.ShardID)),
			visibility.Status.ValueSet(visibility.StatusFormatting),
			visibility.FirstArrival.ValueSet(in.FirstArrival),
		),
	}, workflows.FlushWindowName, in)
	if _, running := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); running {
		return Retried{WorkflowID: out.WorkflowID, Left: out.Left + len(pieces)}, nil
	}
	if err != nil {
		return Retried{}, fmt.Errorf("start workflow %s: %w", out.WorkflowID, err)
	}
	out.Pieces = len(pieces)
	return out, nil
}

func (r *Retry) input(retry window.Retry, pieces []quarantine.Entry) workflows.FlushWindowInput {
	in := workflows.FlushWindowInput{
		Pipeline: r.Pipeline, Stream: r.Stream, ShardID: retry.Window.ShardID,
		FirstSequenceNumber: retry.Window.First, LastSequenceNumber: retry.Window.Last,
		FirstArrival: pieces[0].Arrival, LastArrival: pieces[len(pieces)-1].Arrival,
		Records: len(pieces), ClosedBecause: window.ReasonRetry, RetryGroup: retry.Group,
	}
	for _, e := range pieces {
		in.Pieces = append(in.Pieces, e.Key)
		in.StoredBytes += int(e.Bytes)
	}
	return in
}
