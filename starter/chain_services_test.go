package starter

import (
	"context"
	"slices"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/log-event-pipeline/logpipe/workflows"
)

// modelTemporal is the world's Temporal as one poller sees it.
type modelTemporal struct {
	client.Client // the rest panics
	p             *modelPoller
}

func (c modelTemporal) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	return nil, c.p.effect("start", func(turn) error {
		return c.p.w.start(o, args[0].(workflows.FlushWindowInput))
	})
}

func (c modelTemporal) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	fields := map[string]*commonpb.Payload{}
	err := c.p.effect("describe", func(turn) error {
		f := c.p.w.flush(id)
		if f == nil {
			return serviceerror.NewNotFound("no workflow " + id)
		}
		for name, value := range f.memo {
			payload, err := converter.GetDefaultDataConverter().ToPayload(value)
			if err != nil {
				return err
			}
			fields[name] = payload
		}
		return nil
	})
	return &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Memo: &commonpb.Memo{Fields: fields}},
	}, err
}

// start does what Temporal and its SDK do with these options.
func (w *world) start(o client.StartWorkflowOptions, in workflows.FlushWindowInput) error {
	if earlier := w.flush(o.ID); earlier != nil {
		refused := o.WorkflowIDReusePolicy == enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
		if !earlier.delivered {
			refused = o.WorkflowIDConflictPolicy != enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
		}
		switch {
		case refused && o.WorkflowExecutionErrorWhenAlreadyStarted:
			return serviceerror.NewWorkflowExecutionAlreadyStarted("exists", "", "")
		case refused:
			return nil // the SDK returns the run that exists
		}
	}
	f := &flush{id: o.ID, memo: o.Memo, in: in}
	w.flushes = append(w.flushes, f)
	w.checkStaged(f, "accepted")
	for _, s := range w.shards {
		if s.id != in.ShardID {
			continue
		}
		for _, parent := range s.parents {
			w.checkCovered(parent, "has a child with a window")
		}
	}
	return nil
}

// flush is the latest workflow of an id, nil where there is none.
func (w *world) flush(id string) *flush {
	for _, f := range slices.Backward(w.flushes) {
		if f.id == id {
			return f
		}
	}
	return nil
}

// modelStage is the world's stage as one poller sees it.
type modelStage struct{ p *modelPoller }

func (s modelStage) Put(_ context.Context, key string, body []byte) error {
	return s.p.effect("stage", func(turn) error {
		s.p.w.objects[key] = slices.Clone(body)
		return nil
	})
}

func (s modelStage) Delete(_ context.Context, key string) error {
	return s.p.effect("delete", func(turn) error {
		delete(s.p.w.objects, key)
		return nil
	})
}
