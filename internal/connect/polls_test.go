package connect

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func poll(queue string, kind enumspb.TaskQueueKind) *workflowservice.PollActivityTaskQueueRequest {
	return &workflowservice.PollActivityTaskQueueRequest{TaskQueue: &taskqueuepb.TaskQueue{Name: queue, Kind: kind}}
}

func TestPolls(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	p := NewPolls()
	p.now = func() time.Time { return now }
	const method = "/temporal.api.workflowservice.v1.WorkflowService/PollActivityTaskQueue"
	do := func(ctx context.Context, request any, during func(), err error) {
		t.Helper()
		require.Equal(t, err, p.intercept(ctx, method, request, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			during()
			return err
		}))
	}
	says := func(want string) {
		t.Helper()
		text, err := p.Check(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, text)
	}
	fails := func(want string) {
		t.Helper()
		_, err := p.Check(t.Context())
		require.ErrorContains(t, err, want)
	}
	nothing := func() {}

	fails("no task queue is polled yet")
	do(t.Context(), poll("sticky", enumspb.TASK_QUEUE_KIND_STICKY), nothing, nil)
	do(t.Context(), &workflowservice.GetSystemInfoRequest{}, nothing, nil)
	fails("no task queue is polled yet")

	do(t.Context(), poll("b", enumspb.TASK_QUEUE_KIND_NORMAL), func() { says("task queues b") }, nil)
	do(t.Context(), poll("a", enumspb.TASK_QUEUE_KIND_NORMAL), nothing, nil)
	says("task queues a, b")

	away := status.Error(codes.Unavailable, "connection refused")
	do(t.Context(), poll("a", enumspb.TASK_QUEUE_KIND_NORMAL), nothing, away)
	fails("task queue a cannot be polled: connection refused")
	do(t.Context(), poll("a", enumspb.TASK_QUEUE_KIND_NORMAL), func() {
		fails("task queue a") // it may fail at once
		now = now.Add(pollSettles)
		says("task queues a, b")
	}, away)
	fails("task queue a")
	do(t.Context(), poll("a", enumspb.TASK_QUEUE_KIND_NORMAL), nothing, nil)
	says("task queues a, b")

	stopping, stop := context.WithCancel(t.Context())
	stop()
	do(stopping, poll("a", enumspb.TASK_QUEUE_KIND_NORMAL), nothing, status.Error(codes.Canceled, "stopped"))
	says("task queues a, b")
}
