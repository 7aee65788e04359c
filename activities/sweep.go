package activities

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// StageListing is a stage that can be looked through; *stage.Stage is one.
type StageListing interface {
	List(ctx context.Context, prefix string) iter.Seq2[stage.Object, error]
	Delete(ctx context.Context, key string) error
}

var _ StageListing = (*stage.Stage)(nil)

// Descriptions tells how workflows are; client.Client does. An empty run id is the
// latest run.
type Descriptions interface {
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
}

// Sweep is SweepStage and what it needs.
type Sweep struct {
	Stage    StageListing
	Temporal Descriptions
	// After is the age at which an object that no open window needs is deleted; 0
	// deletes nothing.
	After time.Duration
	// KeepDiscarded is for how long all that belongs to a window is kept after an operator
	// has given it up; 0 is for ever.
	KeepDiscarded time.Duration
	Now           func() time.Time
}

const (
	// sweepChunk is how many objects are judged before any of them is deleted.
	sweepChunk = 200
	// keptRemembered bounds the windows that are remembered as open or discarded, so that
	// their raw object costs no question after their batches have.
	keptRemembered = 10_000
	// foreignLogged bounds the keys of foreign objects in the log of one sweep.
	foreignLogged = 10
)

// sweepProgress is the heartbeat of SweepStage: a next attempt goes on behind Key.
type sweepProgress struct {
	Key   string                     `json:"key"`
	Found workflows.SweepStageResult `json:"found"`
}

// SweepStage deletes what crashes have left in the stage: raw windows and batches of a
// certain age that no open workflow refers to. What belongs to a discarded window stays
// for longer. Of a pipeline whose StreamReader Temporal does not know it deletes nothing:
// then the database is lost, and what is staged is all that is left.
func (s *Sweep) SweepStage(ctx context.Context, in workflows.SweepStageInput) (workflows.SweepStageResult, error) {
	if s.After == 0 {
		return workflows.SweepStageResult{}, nil
	}
	reader, err := s.describe(ctx, window.StreamReaderID(in.Pipeline))
	if err != nil {
		return workflows.SweepStageResult{}, err
	}
	if reader == nil {
		activity.GetLogger(ctx).Warn("the stage is not swept: Temporal does not know the pipeline's StreamReader", "pipeline", in.Pipeline)
		return workflows.SweepStageResult{}, nil
	}
	now := s.Now()
	w := &sweeping{
		Sweep: s, pipeline: in.Pipeline, reader: reader, now: now, asOf: in.AsOf, before: now.Add(-s.After),
		kept: map[owner]verdict{}, noted: map[string]bool{},
	}
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &w.progress); err != nil {
			w.progress = sweepProgress{} // from the beginning: what was deleted is not there any more
		}
	}
	if err := w.all(ctx); err != nil {
		return w.progress.Found, err
	}
	found := w.progress.Found
	activity.GetLogger(ctx).Info("the stage is swept", "swept", found.Swept, "bytes", found.Bytes, "kept", found.Kept,
		"discarded", found.Discarded, "foreign", found.Foreign)
	return found, nil
}

// all sweeps in the order of the keys, so that one key tells how far it has come.
func (w *sweeping) all(ctx context.Context) error {
	if err := w.rememberNotes(ctx); err != nil {
		return err
	}
	if err := w.sweep(ctx, window.BackfillPrefix(w.pipeline), ownedByBackfill); err != nil {
		return err
	}
	if err := w.sweep(ctx, window.BatchPrefix(w.pipeline), ownedBy(window.ParseBatchKey)); err != nil {
		return err
	}
	if err := w.sweepNotes(ctx); err != nil {
		return err
	}
	if err := w.sweep(ctx, window.RawPrefix(w.pipeline), ownedBy(window.ParseRawKey)); err != nil {
		return err
	}
	return w.sweep(ctx, window.RetryPrefix(w.pipeline), ownedByRetry)
}

// describe returns what Temporal knows of a workflow, and nil where it knows none.
func (s *Sweep) describe(ctx context.Context, id string) (*workflowpb.WorkflowExecutionInfo, error) {
	described, err := s.Temporal.DescribeWorkflowExecution(ctx, id, "")
	if _, unknown := errors.AsType[*serviceerror.NotFound](err); unknown {
		return nil, nil
	}
	if err != nil {
		return nil, temporal.NewApplicationError(fmt.Sprintf("describe workflow %s: %v", id, err), ErrorTemporal)
	}
	return described.GetWorkflowExecutionInfo(), nil
}

// sweeping is one run of SweepStage.
type sweeping struct {
	*Sweep
	pipeline string
	reader   *workflowpb.WorkflowExecutionInfo
	// now is the time of this process, asOf that of Temporal, zero if it is not known.
	now, asOf time.Time
	before    time.Time
	progress  sweepProgress
	kept      map[owner]verdict
	// noted are the prefixes of notes that are not old.
	noted map[string]bool
}

// owner is the workflow that an object was staged for.
type owner struct {
	workflowID string
	// last is the end of its window; empty for a retry, whose id tells the window.
	last window.SequenceNumber
	// notes is where it is noted that it was discarded.
	notes string
}

// verdict is why an object is kept.
type verdict int

const (
	unneeded  verdict = iota
	open              // its workflow runs
	discarded         // an operator has given it up not long ago
)

// ownedBy makes a parser of keys one of owners.
func ownedBy(parse func(pipeline, key string) (window.Range, error)) func(pipeline, key string) (owner, error) {
	return func(pipeline, key string) (owner, error) {
		r, err := parse(pipeline, key)
		return owner{window.FlushWindowID(pipeline, r.ShardID, r.First), r.Last, window.Discarded{Window: r}.NotesPrefix(pipeline)}, err
	}
}

func ownedByRetry(pipeline, key string) (owner, error) {
	r, err := window.ParseRetryBatchKey(pipeline, key)
	notes := window.Discarded{Window: r.Window, IsRetry: true, Group: r.Group}.NotesPrefix(pipeline)
	return owner{workflowID: r.WorkflowID(pipeline), notes: notes}, err
}

// ownedByBackfill: there are no notes about such windows.
func ownedByBackfill(pipeline, key string) (owner, error) {
	b, err := window.ParseBackfillKey(pipeline, key)
	id := b.WorkflowID(pipeline)
	return owner{workflowID: id, last: b.Window.Last, notes: id + "/discarded/"}, err
}

// stagedObject is an object that is old enough.
type stagedObject struct {
	stage.Object
	owner   owner
	foreign bool
}

func (w *sweeping) sweep(ctx context.Context, prefix string, parse func(pipeline, key string) (owner, error)) error {
	var chunk []stagedObject
	for object, err := range w.Stage.List(ctx, prefix) {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return newStageUnavailable(err)
		}
		activity.RecordHeartbeat(ctx, w.progress)
		if object.Key <= w.progress.Key || !object.ModTime.Before(w.before) {
			continue
		}
		o, err := parse(w.pipeline, object.Key)
		if chunk = append(chunk, stagedObject{object, o, err != nil}); len(chunk) < sweepChunk {
			continue
		}
		if err := w.finish(ctx, chunk); err != nil {
			return err
		}
		chunk = chunk[:0]
	}
	return w.finish(ctx, chunk)
}

// finish judges the objects and then deletes those that nobody needs.
func (w *sweeping) finish(ctx context.Context, chunk []stagedObject) error {
	if len(chunk) == 0 {
		return nil
	}
	verdicts := map[owner]verdict{}
	for _, object := range chunk {
		if _, judged := verdicts[object.owner]; judged || object.foreign {
			continue
		}
		var err error
		if verdicts[object.owner], err = w.judge(ctx, object.owner); err != nil {
			return err
		}
		activity.RecordHeartbeat(ctx, w.progress)
	}
	if err := w.sameDatabase(ctx); err != nil {
		return err
	}
	for _, object := range chunk {
		switch verdict := verdicts[object.owner]; {
		case object.foreign:
			w.foreign(ctx, object.Key)
		case verdict == open:
			w.progress.Found.Kept++
		case verdict == discarded:
			w.progress.Found.Discarded++
		default:
			if err := w.delete(ctx, object.Object); err != nil {
				return err
			}
		}
		w.done(ctx, object.Key)
	}
	return nil
}

func (w *sweeping) foreign(ctx context.Context, key string) {
	if w.progress.Found.Foreign++; w.progress.Found.Foreign <= foreignLogged {
		activity.GetLogger(ctx).Warn("an object in the stage is not the pipeline's and is left alone", "key", key)
	}
}

func (w *sweeping) delete(ctx context.Context, object stage.Object) error {
	if err := w.Stage.Delete(ctx, object.Key); err != nil {
		return newStageUnavailable(err)
	}
	w.progress.Found.Swept++
	w.progress.Found.Bytes += object.Size
	return nil
}

// done tells Temporal that the object needs no second look.
func (w *sweeping) done(ctx context.Context, key string) {
	w.progress.Key = key
	activity.RecordHeartbeat(ctx, w.progress)
}

// judge tells whether anybody needs what is staged for the owner.
func (w *sweeping) judge(ctx context.Context, o owner) (verdict, error) {
	if v, known := w.kept[o]; known {
		return v, nil
	}
	if w.noted[o.notes] {
		return discarded, nil
	}
	v := open
	is, err := w.open(ctx, o)
	if err == nil && !is {
		// Asked in this order: a window writes its note before it ends, so the one that has
		// ended as discarded has one. Notes that were looked for earlier prove nothing.
		v = discarded
		is, err = w.discarded(ctx, o)
	}
	if err != nil || !is {
		return unneeded, err
	}
	if len(w.kept) < keptRemembered {
		w.kept[o] = v
	}
	return v, nil
}

// open reports whether the owner is open. An open window with another end means that
// this cut was rejected.
func (w *sweeping) open(ctx context.Context, o owner) (bool, error) {
	info, err := w.describe(ctx, o.workflowID)
	if err != nil || info == nil || info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return false, err
	}
	var last window.SequenceNumber
	payload := info.GetMemo().GetFields()[workflows.MemoLastSequenceNumber]
	if err := converter.GetDefaultDataConverter().FromPayload(payload, &last); err == nil && o.last != "" && last != o.last {
		return false, nil
	}
	return true, nil // one whose memo cannot be read may need it
}

// sameDatabase fails unless Temporal still knows the StreamReader that it knew at the
// beginning. A database that was replaced meanwhile does not know the windows either,
// and the answers about them mean nothing.
func (w *sweeping) sameDatabase(ctx context.Context) error {
	id := window.StreamReaderID(w.pipeline)
	now, err := w.describe(ctx, id)
	if err != nil {
		return err
	}
	if now == nil || now.GetFirstRunId() != w.reader.GetFirstRunId() {
		return temporal.NewApplicationError(fmt.Sprintf("workflow %s was replaced during the sweep", id), ErrorTemporal)
	}
	return nil
}
