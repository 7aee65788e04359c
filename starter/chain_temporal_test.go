package starter

import (
	"bytes"
	"context"
	"io"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// flush is a FlushWindow workflow that Temporal has accepted.
type flush struct {
	id       string
	memo     map[string]any
	in       workflows.FlushWindowInput
	accepted time.Time
	// delivered, and reported to the ShardReader: when, zero before.
	delivered, reported time.Time
	// lost: Temporal has lost its memory.
	lost bool
	by   *modelPoller // nil for a recovery
}

func (f *flush) isOpen() bool { return f.delivered.IsZero() && !f.lost }

// knows: an id can be used again some time after its window was delivered.
func (w *world) knows(f *flush) bool {
	return !f.lost && (f.delivered.IsZero() || time.Since(f.delivered) < w.rules.remembered)
}

// directTemporal is the world's Temporal.
type directTemporal struct {
	client.Client // the rest panics
	w             *world
	by            *modelPoller
}

func (c directTemporal) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	if in, ok := args[0].(workflows.FlushWindowInput); ok {
		return nil, c.w.start(o, in, c.by)
	}
	return nil, nil // the StreamReader
}

func (c directTemporal) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	f := c.w.flush(id)
	if f == nil {
		return nil, serviceerror.NewNotFound("no workflow " + id)
	}
	info := &workflowpb.WorkflowExecutionInfo{Memo: &commonpb.Memo{Fields: map[string]*commonpb.Payload{}}, Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING}
	for name, value := range f.memo {
		payload, err := converter.GetDefaultDataConverter().ToPayload(value)
		if err != nil {
			return nil, err
		}
		info.Memo.Fields[name] = payload
	}
	if !f.isOpen() {
		info.Status = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
		payload, err := converter.GetDefaultDataConverter().ToPayload(visibility.StatusDelivered)
		if err != nil {
			return nil, err
		}
		info.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{visibility.Status.GetName(): payload}}
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: info}, nil
}

// modelTemporal is the world's Temporal as one poller sees it.
type modelTemporal struct {
	client.Client // the rest panics
	p             *modelPoller
}

func (c modelTemporal) direct() directTemporal { return directTemporal{w: c.p.w, by: c.p} }

func (c modelTemporal) ExecuteWorkflow(ctx context.Context, o client.StartWorkflowOptions, name any, args ...any) (client.WorkflowRun, error) {
	return nil, c.p.effect(ctx, "start", func(turn) error {
		_, err := c.direct().ExecuteWorkflow(ctx, o, name, args...)
		return err
	})
}

func (c modelTemporal) DescribeWorkflowExecution(ctx context.Context, id, run string) (out *workflowservice.DescribeWorkflowExecutionResponse, err error) {
	err = c.p.ask(ctx, "describe", func(turn) (err error) {
		out, err = c.direct().DescribeWorkflowExecution(ctx, id, run)
		return err
	})
	return out, err
}

func (c modelTemporal) CountWorkflow(ctx context.Context, _ *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	out := &workflowservice.CountWorkflowExecutionsResponse{}
	err := c.p.ask(ctx, "count", func(turn) error {
		out.Count = int64(len(those(c.p.w.flushes, (*flush).isOpen)))
		return nil
	})
	return out, err
}

// start does what Temporal and its SDK do with these options.
func (w *world) start(o client.StartWorkflowOptions, in workflows.FlushWindowInput, by *modelPoller) error {
	if earlier := w.flush(o.ID); earlier != nil {
		refused := o.WorkflowIDReusePolicy == enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
		if earlier.isOpen() {
			refused = o.WorkflowIDConflictPolicy != enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
		}
		switch {
		case refused && o.WorkflowExecutionErrorWhenAlreadyStarted:
			return serviceerror.NewWorkflowExecutionAlreadyStarted("exists", "", "")
		case refused:
			return nil // the SDK returns the run that exists
		}
	}
	f := &flush{id: o.ID, memo: o.Memo, in: in, accepted: time.Now(), by: by}
	w.flushes = append(w.flushes, f)
	w.t.Logf("%s accepted: %s..%s", clock(), in.FirstSequenceNumber, in.LastSequenceNumber)
	w.checkStaged(f, "accepted")
	for _, parent := range w.shard(in.ShardID).parents {
		w.checkCovered(parent, "has a child with a window")
	}
	return nil
}

// reported notes that the ShardReader knows of the windows up to a checkpoint.
func (w *world) reported(s *modelShard, checkpoint window.SequenceNumber) {
	for _, f := range w.flushes {
		if f.in.ShardID == s.id && f.reported.IsZero() && f.in.LastSequenceNumber.Compare(checkpoint) <= 0 {
			f.reported = time.Now()
		}
	}
}

// flush is the workflow that Temporal knows by an id, nil where it knows none.
func (w *world) flush(id string) *flush {
	for _, f := range slices.Backward(w.flushes) {
		if f.id == id && w.knows(f) {
			return f
		}
	}
	return nil
}

// ceiling is the poller's own view of how many windows are open.
func (w *world) ceiling(p *modelPoller) Ceiling {
	if w.rules.ceiling == 0 {
		return unbounded{}
	}
	return NewOpenWindows(modelTemporal{p: p}, "p", w.rules.ceiling, slog.New(slog.DiscardHandler))
}

// directStage is the world's stage.
type directStage struct{ w *world }

func (s directStage) Put(_ context.Context, key string, body []byte) error {
	s.w.objects[key] = slices.Clone(body)
	return nil
}

func (s directStage) Get(_ context.Context, key string) ([]byte, error) {
	body, ok := s.w.objects[key]
	if !ok {
		return nil, stage.ErrNotFound
	}
	return body, nil
}

func (s directStage) Delete(_ context.Context, key string) error {
	delete(s.w.objects, key)
	return nil
}

func (s directStage) Keys(_ context.Context, prefix string) ([]string, error) {
	keys := slices.Sorted(maps.Keys(s.w.objects))
	return slices.DeleteFunc(keys, func(key string) bool { return !strings.HasPrefix(key, prefix) }), nil
}

func (s directStage) List(ctx context.Context, prefix string) iter.Seq2[stage.Object, error] {
	return listed(s.Keys(ctx, prefix))
}

func listed(keys []string, err error) iter.Seq2[stage.Object, error] {
	return func(yield func(stage.Object, error) bool) {
		if err != nil {
			yield(stage.Object{}, err)
			return
		}
		for _, key := range keys {
			if !yield(stage.Object{Key: key}, nil) {
				return
			}
		}
	}
}

func (s directStage) Reader(ctx context.Context, key string) (io.ReadCloser, error) {
	body, err := s.Get(ctx, key)
	return io.NopCloser(bytes.NewReader(body)), err
}

// modelStage is the world's stage as one poller sees it.
type modelStage struct{ p *modelPoller }

func (s modelStage) Put(ctx context.Context, key string, body []byte) error {
	return s.p.effect(ctx, "put "+key, func(turn) error {
		s.p.w.checkMarker(key, body)
		return directStage{s.p.w}.Put(ctx, key, body)
	})
}

func (s modelStage) Get(ctx context.Context, key string) (body []byte, err error) {
	err = s.p.ask(ctx, "get "+key, func(turn) (err error) {
		body, err = directStage{s.p.w}.Get(ctx, key)
		return err
	})
	return body, err
}

func (s modelStage) Delete(ctx context.Context, key string) error {
	return s.p.effect(ctx, "delete "+key, func(turn) error { return directStage{s.p.w}.Delete(ctx, key) })
}

func (s modelStage) Keys(ctx context.Context, prefix string) (keys []string, err error) {
	err = s.p.ask(ctx, "list "+prefix, func(turn) (err error) {
		keys, err = directStage{s.p.w}.Keys(ctx, prefix)
		return err
	})
	return keys, err
}

func (s modelStage) List(ctx context.Context, prefix string) iter.Seq2[stage.Object, error] {
	return listed(s.Keys(ctx, prefix))
}
