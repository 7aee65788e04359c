package fleet

import (
	"context"
	"fmt"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

// Polls reports whether Temporal has seen the starter ask for shards, or the worker for
// workflows, so that it would be given one.
func (f *Fleet) Polls(ctx context.Context, p *Process) (bool, error) {
	queue, kind, role := window.StarterQueue(Pipeline), enumspb.TASK_QUEUE_TYPE_ACTIVITY, roleStarter
	if strings.HasPrefix(p.name, roleWorker) {
		queue, kind, role = window.WorkerQueue(Pipeline), enumspb.TASK_QUEUE_TYPE_WORKFLOW, roleWorker
	}
	described, err := f.Client.DescribeTaskQueue(ctx, queue, kind)
	if err != nil {
		return false, fmt.Errorf("describe task queue %s: %w", queue, err)
	}
	// As connect.Identity writes it.
	identity := fmt.Sprintf("%s %d@", role, p.PID())
	for _, poller := range described.GetPollers() {
		if strings.HasPrefix(poller.GetIdentity(), identity) {
			return true, nil
		}
	}
	return false, nil
}
