package status

import (
	"cmp"
	"context"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/sync/errgroup"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

// pollLife is how long ago a process that is alive can have asked for work: a poll takes a
// minute at most. Temporal remembers pollers for some minutes longer.
const pollLife = 90 * time.Second

// queues are who asks for work.
type queues struct {
	starters, workers map[string]time.Time // by identity
	// asked of both kinds: false where Temporal did not tell.
	startersAsked, workersAsked bool
	// rateLimited: the rate of deliveries is what is waited for.
	rateLimited bool
	backlog     int64 // of deliveries
}

func (g *gathered) lookAtQueues(ctx context.Context) {
	q := queues{starters: map[string]time.Time{}, workers: map[string]time.Time{}, startersAsked: true, workersAsked: true}
	activity, workflow := enumspb.TASK_QUEUE_TYPE_ACTIVITY, enumspb.TASK_QUEUE_TYPE_WORKFLOW
	delivery := window.DeliveryQueue(g.pipeline)
	var all errgroup.Group
	for _, of := range []struct {
		queue string
		kind  enumspb.TaskQueueType
		who   map[string]time.Time
		asked *bool
	}{
		{window.ListingQueue(g.pipeline), activity, q.starters, &q.startersAsked},
		{window.StarterQueue(g.pipeline), activity, q.starters, &q.startersAsked},
		{window.WorkerQueue(g.pipeline), workflow, q.workers, &q.workersAsked},
		{window.WorkerQueue(g.pipeline), activity, q.workers, &q.workersAsked},
		{delivery, activity, q.workers, &q.workersAsked},
	} {
		all.Go(func() error {
			described, err := g.describeQueue(ctx, of.queue, of.kind)
			if err != nil {
				g.missing("describe task queue "+of.queue, err)
			}
			g.mu.Lock()
			defer g.mu.Unlock()
			if err != nil {
				*of.asked = false
				return nil
			}
			for _, p := range described.GetPollers() {
				if at := p.GetLastAccessTime().AsTime().UTC(); at.After(of.who[p.GetIdentity()]) {
					of.who[p.GetIdentity()] = at
				}
			}
			if of.queue == delivery {
				q.rateLimited, q.backlog = described.GetStats().GetRateLimitingActive(), described.GetStats().GetApproximateBacklogCount()
			}
			return nil
		})
	}
	_ = all.Wait() // none fails
	g.queues = q
}

func (g *gathered) describeQueue(ctx context.Context, queue string, kind enumspb.TaskQueueType) (*workflowservice.DescribeTaskQueueResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return g.Service.DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
		Namespace: g.Namespace, TaskQueue: &taskqueuepb.TaskQueue{Name: queue, Kind: enumspb.TASK_QUEUE_KIND_NORMAL},
		TaskQueueType: kind, ReportStats: true,
	})
}

// processes lists who has asked for work, the last seen first.
func processes(of map[string]time.Time, shards map[string]int, now time.Time) []Process {
	out := []Process{}
	for identity, at := range of {
		out = append(out, Process{Identity: identity, LastSeen: at, Shards: shards[identity], Gone: shards[identity] == 0 && now.Sub(at) >= pollLife})
	}
	slices.SortFunc(out, func(a, b Process) int {
		return cmp.Or(cmp.Compare(b.Shards, a.Shards), b.LastSeen.Compare(a.LastSeen), cmp.Compare(a.Identity, b.Identity))
	})
	return out
}

// alive reports whether any has asked for work lately, and when the last one did.
func alive(of map[string]time.Time, now time.Time) (some bool, last time.Time) {
	for _, at := range of {
		if at.After(last) {
			last = at
		}
	}
	return !last.IsZero() && now.Sub(last) < pollLife, last
}
