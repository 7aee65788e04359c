package activities_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/pausing"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// pauses describes a StreamReader whose memo tells of a pause of delivery.
type pauses struct {
	pause *pausing.Pause
	err   error
}

func (p pauses) DescribeWorkflowExecution(context.Context, string, string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if p.err != nil {
		return nil, p.err
	}
	payload, err := converter.GetDefaultDataConverter().ToPayload(p.pause)
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{
		Memo: &commonpb.Memo{Fields: map[string]*commonpb.Payload{pausing.Delivery.Memo(): payload}},
	}}, err
}

func (p pauses) watch() *pausing.Watch {
	return pausing.NewWatch(p, "p", slog.New(slog.DiscardHandler))
}

var maintenance = pausing.Pause{By: "ann", Since: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Reason: "maintenance"}

// While delivery is paused nothing is sent, and no token is asked for.
func TestNothingIsDeliveredWhilePaused(t *testing.T) {
	t.Parallel()
	d, to, _, in := newTogether(t, 3, time.Hour)
	d.Pauses = pauses{pause: &maintenance}.watch()
	env := environment(t)
	env.RegisterActivity(d.DeliverBatches)
	env.RegisterActivity(d.DeliverBatch)
	value, err := env.ExecuteActivity(d.DeliverBatches, in)
	require.NoError(t, err)
	var out workflows.DeliverBatchesResult
	require.NoError(t, value.Get(&out))
	require.Equal(t, workflows.DeliverBatchesResult{Outcomes: make([]workflows.DeliveryOutcome, 3), Paused: &maintenance}, out)

	_, err = env.ExecuteActivity(d.DeliverBatch, workflows.DeliverBatchInput{Batch: in.Batches[0], TokenVersion: 7})
	failure := requireFailure(t, err, workflows.ErrorDeliveryPaused, true)
	require.Equal(t, "delivery is paused by ann since 2026-03-04T05:06:07Z: maintenance; logpipe resume delivery", failure.Message())
	var refusal workflows.Refusal
	require.NoError(t, failure.Details(&refusal))
	require.Equal(t, workflows.Refusal{Paused: &maintenance}, refusal)
	require.Empty(t, to.keys)
}

// A worker that cannot find out whether delivery is paused does not deliver.
func TestNothingIsDeliveredWhereNobodyKnowsOfPauses(t *testing.T) {
	t.Parallel()
	d, to, _, in := newTogether(t, 2, time.Hour)
	d.Pauses = pauses{err: errors.New("down")}.watch()
	out := together(t, d, in, nil)
	require.Equal(t, activities.ErrorTemporal, out[0].Failure.Type)
	require.False(t, out[0].Failure.NonRetryable)
	require.Zero(t, out[1])
	require.Empty(t, to.keys)
}
