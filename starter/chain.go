package starter

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Stage is where windows are kept until they are delivered.
type Stage interface {
	Put(ctx context.Context, key string, body []byte) error
	Delete(ctx context.Context, key string) error
}

// Chain opens the windows of a pipeline, so that every record is in exactly one.
//
// The workflow id of a window is made from its first record, and Temporal starts
// at most one workflow of an id. Whoever comes second, with whatever cut, learns
// from the memo of the first where that window ends, and goes on from there. So
// all pollers of a shard follow one chain of windows.
type Chain struct {
	Client   client.Client
	Stage    Stage
	Pipeline string
	Stream   string
	// Run is the name of the backfill whose windows these are, empty for those of the
	// shards' chains. OriginalKeys: they have the idempotency keys of the chain's.
	Run          string
	OriginalKeys bool
}

// Accepted is the window that Temporal holds.
type Accepted struct {
	// Last is the window's last sequence number, the new checkpoint.
	Last window.SequenceNumber
	// Ours: this cut was accepted; false where another came first.
	Ours bool
}

// openTimeout bounds staging and starting one window.
const openTimeout = 2 * time.Minute

// Open makes a window of the records, or finds the window that already begins
// with the first of them. When it returns without an error, the window is durable
// and whoever reads on begins after Last.
func (c *Chain) Open(ctx context.Context, shardID string, records []window.Record, why window.Reason) (Accepted, error) {
	first, last := records[0], records[len(records)-1]
	r := window.Range{ShardID: shardID, First: first.SequenceNumber, Last: last.SequenceNumber}
	if err := r.Validate(); err != nil {
		return Accepted{}, temporal.NewApplicationError(err.Error(), ErrorStream)
	}
	in := workflows.FlushWindowInput{
		Pipeline: c.Pipeline, Stream: c.Stream, ShardID: shardID,
		FirstSequenceNumber: r.First, LastSequenceNumber: r.Last,
		FirstArrival: first.Arrival.UTC(), LastArrival: last.Arrival.UTC(),
		Records: len(records), StoredBytes: window.StoredBytes(records),
		ClosedBecause: why, StageKey: r.RawKey(c.Pipeline),
		Run: c.Run, OriginalKeys: c.OriginalKeys,
	}
	if c.Run != "" {
		in.StageKey = in.Backfill().RawKey(c.Pipeline)
	}
	// One deadline for both steps. A process that is stopped in between for days must
	// not start the window when it goes on: what it has staged may have been swept, and
	// what it has read may lie in a gap.
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	// Staged first: a workflow that Temporal has accepted must find its records.
	body := window.Append(make([]byte, 0, in.StoredBytes+len(records)*stagedOverhead+64), records)
	if err := c.Stage.Put(ctx, in.StageKey, body); err != nil {
		return Accepted{}, temporal.NewApplicationError(err.Error(), ErrorStage)
	}
	started, err := c.start(ctx, in)
	switch {
	case err != nil:
		return Accepted{}, err
	case started:
		return Accepted{Last: r.Last, Ours: true}, nil
	}
	return c.follow(ctx, r, in.StageKey)
}

// start starts the workflow of a window that is staged, and reports false where one
// of its id exists.
func (c *Chain) start(ctx context.Context, in workflows.FlushWindowInput) (bool, error) {
	id := in.WorkflowID()
	_, err := c.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                                       id,
		TaskQueue:                                window.WorkerQueue(c.Pipeline),
		WorkflowIDReusePolicy:                    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		Memo: map[string]any{
			workflows.MemoLastSequenceNumber: in.LastSequenceNumber,
			workflows.MemoRecords:            in.Records,
		},
		StaticSummary: fmt.Sprintf("shard %s · %d records · %d bytes stored · closed by %s",
			window.ShortShard(in.ShardID), in.Records, in.StoredBytes, in.ClosedBecause),
		TypedSearchAttributes: temporal.NewSearchAttributes(
			visibility.Pipeline.ValueSet(c.Pipeline),
			visibility.Shard.ValueSet(window.ShortShard(in.ShardID)),
			visibility.Status.ValueSet(visibility.StatusFormatting),
			visibility.FirstArrival.ValueSet(in.FirstArrival),
		),
	}, workflows.FlushWindowName, in)
	if _, exists := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); exists {
		return false, nil
	}
	if err != nil {
		return false, temporal.NewApplicationError(fmt.Sprintf("start workflow %s: %v", id, err), ErrorWindowStart)
	}
	return true, nil
}

// stagedOverhead is about what a record costs in the staged form beside its data.
const stagedOverhead = 80

// follow returns the end of the window that already exists and removes our own cut
// from the stage if it is another one.
func (c *Chain) follow(ctx context.Context, ours window.Range, stageKey string) (Accepted, error) {
	last, info, err := c.existing(ctx, ours)
	if err != nil {
		return Accepted{}, err
	}
	if last == ours.Last && !delivered(info) {
		// The same cut, maybe our own whose answer was lost: the object is in use.
		return Accepted{Last: last}, nil
	}
	// Another cut, or one that was delivered and cleared before we staged it again.
	if err := c.Stage.Delete(ctx, stageKey); err != nil {
		return Accepted{}, temporal.NewApplicationError(err.Error(), ErrorStage)
	}
	return Accepted{Last: last}, nil
}

// Begun reports whether there is a window that begins with the record.
func (c *Chain) Begun(ctx context.Context, shardID string, first window.SequenceNumber) (bool, error) {
	id := window.FlushWindowID(c.Pipeline, shardID, first)
	_, err := c.Client.DescribeWorkflowExecution(ctx, id, "")
	if _, unknown := errors.AsType[*serviceerror.NotFound](err); unknown {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("describe workflow %s: %w", id, err)
	}
	return true, nil
}

// idOf is the workflow id of the window that begins where a cut does.
func (c *Chain) idOf(cut window.Range) string {
	if c.Run != "" {
		return window.Backfill{Run: c.Run, Window: cut}.WorkflowID(c.Pipeline)
	}
	return window.FlushWindowID(c.Pipeline, cut.ShardID, cut.First)
}

// existing returns the end of the window that exists and begins where ours does.
func (c *Chain) existing(ctx context.Context, ours window.Range) (window.SequenceNumber, *workflowpb.WorkflowExecutionInfo, error) {
	id := c.idOf(ours)
	fail := func(err error) (window.SequenceNumber, *workflowpb.WorkflowExecutionInfo, error) {
		return "", nil, temporal.NewApplicationError(fmt.Sprintf("follow window %s: %v", id, err), ErrorWindowStart)
	}
	described, err := c.Client.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return fail(err)
	}
	var text string
	payload := described.GetWorkflowExecutionInfo().GetMemo().GetFields()[workflows.MemoLastSequenceNumber]
	if err := converter.GetDefaultDataConverter().FromPayload(payload, &text); err != nil {
		return fail(fmt.Errorf("read its memo %s: %w", workflows.MemoLastSequenceNumber, err))
	}
	last, err := window.ParseSequenceNumber(text)
	if err != nil {
		return fail(fmt.Errorf("read its memo %s: %w", workflows.MemoLastSequenceNumber, err))
	}
	if last.Compare(ours.First) < 0 {
		return fail(fmt.Errorf("its last record %s comes before its first", last))
	}
	return last, described.GetWorkflowExecutionInfo(), nil
}

// delivered reports whether a window has ended and needs its object no more. One
// that was discarded keeps it.
func delivered(info *workflowpb.WorkflowExecutionInfo) bool {
	var status string
	payload := info.GetSearchAttributes().GetIndexedFields()[visibility.Status.GetName()]
	if err := converter.GetDefaultDataConverter().FromPayload(payload, &status); err != nil {
		return false
	}
	return status == visibility.StatusDelivered && info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
}
