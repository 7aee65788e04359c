package connect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// pollSettles is how long a poll has to be open, after one that has failed, to count as a
// good one: what cannot be reached fails at once.
const pollSettles = 2 * time.Second

// Polls watches a process ask Temporal for tasks. The SDK does not tell whether it is let.
type Polls struct {
	mu     sync.Mutex
	queues map[string]*queuePolls
	now    func() time.Time
}

// queuePolls are the polls of a task queue.
type queuePolls struct {
	open   map[int]time.Time // when those that are open were begun
	next   int
	failed error // of the last one that has ended
}

// NewPolls returns one that has seen nothing.
func NewPolls() *Polls { return &Polls{queues: make(map[string]*queuePolls), now: time.Now} }

// Watch has the polls of workers watched that are made with a client of these options.
func (p *Polls) Watch(o *client.Options) {
	o.ConnectionOptions.DialOptions = append(o.ConnectionOptions.DialOptions, grpc.WithChainUnaryInterceptor(p.intercept))
}

// intercept implements grpc.UnaryClientInterceptor.
func (p *Polls) intercept(ctx context.Context, method string, request, reply any, c *grpc.ClientConn, invoke grpc.UnaryInvoker, o ...grpc.CallOption) error {
	poll, ok := request.(interface{ GetTaskQueue() *taskqueuepb.TaskQueue })
	// A sticky queue is of one process, and has a name that nobody knows.
	if !ok || !strings.Contains(method, "/Poll") || poll.GetTaskQueue().GetKind() == enumspb.TASK_QUEUE_KIND_STICKY {
		return invoke(ctx, method, request, reply, c, o...)
	}
	end := p.begin(poll.GetTaskQueue().GetName())
	err := invoke(ctx, method, request, reply, c, o...)
	if ctx.Err() == nil || err == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		end(err)
	} else {
		end(nil) // the worker stops
	}
	return err
}

// begin notes a poll, and returns what notes its end.
func (p *Polls) begin(queue string) func(error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := p.queues[queue]
	if q == nil {
		q = &queuePolls{open: make(map[int]time.Time)}
		p.queues[queue] = q
	}
	n := q.next
	q.next++
	q.open[n] = p.now()
	return func(err error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(q.open, n)
		q.failed = err
	}
}

// Check names the task queues that are polled, or says why one is not.
func (p *Polls) Check(context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queues) == 0 {
		return "", errors.New("no task queue is polled yet")
	}
	names := slices.Sorted(maps.Keys(p.queues))
	for _, name := range names {
		q := p.queues[name]
		if q.failed == nil || p.settled(q) {
			continue
		}
		return "", fmt.Errorf("task queue %s cannot be polled: %s", name, status.Convert(q.failed).Message())
	}
	return "task queues " + strings.Join(names, ", "), nil
}

// settled reports whether a poll is open for so long that it is a good one.
func (p *Polls) settled(q *queuePolls) bool {
	for _, begun := range q.open {
		if p.now().Sub(begun) >= pollSettles {
			return true
		}
	}
	return false
}

// Reachable says whether Temporal answers.
func Reachable(c client.Client) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if _, err := c.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
			return "", fmt.Errorf("no answer: %s", status.Convert(err).Message())
		}
		return "answers", nil
	}
}
