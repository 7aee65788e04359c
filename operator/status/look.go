package status

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Temporal is what is asked about workflows; client.Client is one.
type Temporal interface {
	CountWorkflow(ctx context.Context, in *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error)
	ListWorkflow(ctx context.Context, in *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error)
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
	QueryWorkflow(ctx context.Context, workflowID, runID, queryType string, args ...any) (converter.EncodedValue, error)
}

// Service is what is asked about histories and task queues; the WorkflowService of
// client.Client is one.
type Service interface {
	DescribeTaskQueue(ctx context.Context, in *workflowservice.DescribeTaskQueueRequest, opts ...grpc.CallOption) (*workflowservice.DescribeTaskQueueResponse, error)
	GetWorkflowExecutionHistory(ctx context.Context, in *workflowservice.GetWorkflowExecutionHistoryRequest, opts ...grpc.CallOption) (*workflowservice.GetWorkflowExecutionHistoryResponse, error)
	GetWorkflowExecutionHistoryReverse(ctx context.Context, in *workflowservice.GetWorkflowExecutionHistoryReverseRequest, opts ...grpc.CallOption) (*workflowservice.GetWorkflowExecutionHistoryReverseResponse, error)
}

var _ Temporal = (client.Client)(nil)

// The bounds of one look. What is beyond is sampled, and the report says so.
const (
	// atOnce is how many questions are under way.
	atOnce = 16
	// DefaultShards are looked at one by one, the longest unseen first.
	DefaultShards = 1000
	// mostReaders and mostWindows are listed, pageSize at a time, and mostFlushes of those
	// that have ended lately.
	mostReaders = 10_000
	mostWindows = 10_000
	mostFlushes = 5000
	pageSize    = 1000
	// mostGroups of parked and of retrying windows, by the last HTTP status, are explained,
	// each by samplesPerGroup of its windows.
	mostGroups      = 6
	samplesPerGroup = 3
	// mostLastFlushes are asked for by shard, where the list has none.
	mostLastFlushes = 32
	// queryTimeout bounds what a worker has to answer, and callTimeout all else.
	queryTimeout = 3 * time.Second
	callTimeout  = 10 * time.Second
)

// recently is what throughput is about.
const recently = 5 * time.Minute

// DefaultMaxAge is how old the oldest event may be that is not delivered, and how long ago
// reading may have been complete, before a pipeline is behind.
const DefaultMaxAge = 5 * time.Minute

// Looker looks at one pipeline. Look by look it remembers the shards, of which it looks at
// some each time.
type Looker struct {
	Temporal  Temporal
	Service   Service
	Namespace string
	Pipeline  string
	// MaxAge is DefaultMaxAge if zero, and Shards, how many are looked at each time,
	// DefaultShards.
	MaxAge time.Duration
	Shards int
	Now    func() time.Time

	seen map[string]shard
}

// gathered is what one look has found.
type gathered struct {
	*Looker
	pipeline string
	now      time.Time
	report   Report

	mu         sync.Mutex
	incomplete []string

	shards   []shard
	windows  openWindows
	flushes  flushes
	token    tokenFound
	queues   queues
	stopped  []string  // shards whose reader has ended and not drained
	listing  []failure // of the StreamReader
	pendings bool      // a workflow task has waited for a worker for long
}

// Look takes a look. It never fails: what could not be asked is said in the report.
func (l *Looker) Look(ctx context.Context) Report {
	g := &gathered{Looker: l, pipeline: l.Pipeline, now: l.Now()}
	g.report = emptyReport(l.Pipeline, g.now)
	if !g.lookAtStream(ctx) {
		return g.report
	}
	var all errgroup.Group
	for _, look := range []func(context.Context){g.lookAtShards, g.lookAtWindows, g.lookAtFlushes, g.lookAtToken, g.lookAtQueues, g.lookAtEndedReaders} {
		all.Go(func() error { look(ctx); return nil })
	}
	_ = all.Wait() // none fails
	if ctx.Err() != nil {
		return Unreachable(l.Pipeline, g.now, context.Cause(ctx))
	}
	g.lookAtLastFlushes(ctx)
	g.assemble()
	g.judge()
	return g.report
}

func emptyReport(pipeline string, now time.Time) Report {
	return Report{
		Pipeline: pipeline, TakenAt: now.UTC(), Health: Unknown,
		Problems: []Problem{}, Starters: []Process{}, Workers: []Process{}, Incomplete: []string{}, Shards: Shards{Rows: []Shard{}},
	}
}

// Unreachable is the report where Temporal cannot be asked.
func Unreachable(pipeline string, now time.Time, cause error) Report {
	r := emptyReport(pipeline, now)
	r.Problems = append(r.Problems, Problem{
		Code: CodeTemporal, Severity: Blocked, Summary: "Temporal cannot be asked, so nothing is known", Detail: cause.Error(),
		Advice: "look whether it runs and whether TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and TEMPORAL_API_KEY are right; starters and workers wait for it, and Kinesis keeps the records",
		Next:   []string{"temporal operator cluster health"},
	})
	return r
}

// lookAtStream describes the StreamReader. Without one there is nothing more to look at.
func (g *gathered) lookAtStream(ctx context.Context) bool {
	described, err := g.describe(ctx, window.StreamReaderID(g.pipeline))
	if _, unknown := errors.AsType[*serviceerror.NotFound](err); unknown {
		g.report.Health = Stuck
		g.report.Problems = append(g.report.Problems, Problem{
			Code: CodeNoPipeline, Severity: Blocked, Summary: fmt.Sprintf("no pipeline %s has ever been started in namespace %s", g.pipeline, g.Namespace),
			Advice: "start a starter, or set LOGPIPE_PIPELINE and TEMPORAL_NAMESPACE to where it runs; the command lists the pipelines that there are",
			Next:   []string{"temporal workflow list --query \"WorkflowType = '" + workflows.StreamReaderName + "'\""},
		})
		return false
	}
	if err != nil {
		g.report = Unreachable(g.pipeline, g.now, err)
		return false
	}
	info := described.GetWorkflowExecutionInfo()
	memo(info, workflows.MemoStream, &g.report.Stream)
	g.report.PausedReading = pause(info, "paused_reading")
	g.report.PausedDelivery = pause(info, "paused_delivery")
	for _, a := range described.GetPendingActivities() {
		if f, current := failing(a, g.now); current && a.GetActivityType().GetName() != workflows.SweepStageName {
			g.listing = append(g.listing, f)
		}
	}
	g.noteWorkflowTask(described)
	return true
}

// pause reads a memo that is there while something is paused: a text, an object, or true.
func pause(info *workflowpb.WorkflowExecutionInfo, key string) string {
	var value any
	memo(info, key, &value)
	switch v := value.(type) {
	case nil:
		return ""
	case bool:
		if v {
			return "paused"
		}
		return ""
	case string:
		return v
	case map[string]any:
		if len(v) == 0 {
			return ""
		}
		return describeMemo(v)
	}
	return fmt.Sprint(value)
}

// describeMemo puts the members of an object into a line, in order.
func describeMemo(v map[string]any) string {
	var parts []string
	for name, value := range v {
		parts = append(parts, fmt.Sprintf("%s %v", name, value))
	}
	slices.Sort(parts)
	return "paused: " + strings.Join(parts, ", ")
}

// workflowTaskPatience is how long a workflow task may wait for a worker.
const workflowTaskPatience = 20 * time.Second

func (g *gathered) noteWorkflowTask(described *workflowservice.DescribeWorkflowExecutionResponse) {
	task := described.GetPendingWorkflowTask()
	if task == nil || task.GetStartedTime() != nil || task.GetOriginalScheduledTime() == nil {
		return
	}
	if g.now.Sub(task.GetOriginalScheduledTime().AsTime()) > workflowTaskPatience {
		g.mu.Lock()
		g.pendings = true
		g.mu.Unlock()
	}
}

// missing notes what could not be asked.
func (g *gathered) missing(what string, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if line := fmt.Sprintf("%s: %v", what, err); !slices.Contains(g.incomplete, line) && len(g.incomplete) < 10 {
		g.incomplete = append(g.incomplete, line)
	}
}

func (g *gathered) describe(ctx context.Context, id string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return g.Temporal.DescribeWorkflowExecution(ctx, id, "")
}

func (g *gathered) count(ctx context.Context, query string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	counted, err := g.Temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
	return counted.GetCount(), err
}

// list returns at most so many workflows, the latest first, and whether these are all.
func (g *gathered) list(ctx context.Context, query string, most int) (found []*workflowpb.WorkflowExecutionInfo, complete bool, err error) {
	in := &workflowservice.ListWorkflowExecutionsRequest{Query: query}
	for most > len(found) {
		in.PageSize = int32(min(pageSize, most-len(found)))
		page, err := g.page(ctx, in)
		if err != nil {
			return found, false, err
		}
		found = append(found, page.GetExecutions()...)
		if in.NextPageToken = page.GetNextPageToken(); len(in.NextPageToken) == 0 {
			return found, true, nil
		}
	}
	return found, false, nil
}

func (g *gathered) page(ctx context.Context, in *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return g.Temporal.ListWorkflow(ctx, in)
}

// of is the filter for workflows of a type in this pipeline.
func (g *gathered) of(workflow, and string) string {
	return fmt.Sprintf("WorkflowType = '%s' AND %s = '%s' AND %s", workflow, visibility.Pipeline.GetName(), g.pipeline, and)
}

func (l *Looker) maxAge() time.Duration { return cmp.Or(l.MaxAge, DefaultMaxAge) }

// attribute reads a search attribute into value, which stays zero where there is none.
func attribute(info *workflowpb.WorkflowExecutionInfo, name string, value any) {
	if payload := info.GetSearchAttributes().GetIndexedFields()[name]; payload != nil {
		_ = converter.GetDefaultDataConverter().FromPayload(payload, value) // so it does for one of another type
	}
}

func keyword(info *workflowpb.WorkflowExecutionInfo, name string) string {
	var text string
	attribute(info, name, &text)
	return text
}

// memo reads a memo into value, which stays zero where there is none.
func memo(info *workflowpb.WorkflowExecutionInfo, name string, value any) {
	if payload := info.GetMemo().GetFields()[name]; payload != nil {
		_ = converter.GetDefaultDataConverter().FromPayload(payload, value) // so it does for one of another form
	}
}
