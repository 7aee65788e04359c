package status

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// shard is a row of the report, and what is known beside it.
type shard struct {
	Shard
	fresh   bool // looked at this time
	failure failure
	waits   workflows.WaitingFor
	clocks  workflows.Clocks
	gap     workflows.GapsMemo
	// unownedSince is when the lease was to be had that nobody has taken.
	unownedSince time.Time
	// heartbeat is when the starter was last heard of, silence how long it may be silent.
	heartbeat time.Time
	silence   time.Duration
}

func fromPayloads(from *commonpb.Payloads, to any) bool {
	return from != nil && converter.GetDefaultDataConverter().FromPayloads(from, to) == nil
}

// lookAtShards lists the ShardReaders, and looks at those that were not looked at for the
// longest time.
func (g *gathered) lookAtShards(ctx context.Context) {
	readers, complete, err := g.list(ctx, g.of(workflows.ShardReaderName, "ExecutionStatus = 'Running'"), mostReaders)
	if err != nil {
		g.missing("list the shards", err)
	}
	g.report.Shards.Total = len(readers)
	if !complete && err == nil {
		if n, err := g.count(ctx, g.of(workflows.ShardReaderName, "ExecutionStatus = 'Running'")); err == nil {
			g.report.Shards.Total = int(n)
		}
	}
	slices.SortFunc(readers, func(a, b *workflowpb.WorkflowExecutionInfo) int {
		one, other := keyword(a, visibility.Shard.GetName()), keyword(b, visibility.Shard.GetName())
		return cmp.Or(g.seen[one].LookedAt.Compare(g.seen[other].LookedAt), compareShards(one, other))
	})
	budget := min(len(readers), cmp.Or(g.Shards, DefaultShards))
	looked := make([]shard, len(readers))
	var all errgroup.Group
	all.SetLimit(atOnce)
	for i, info := range readers {
		id := keyword(info, visibility.Shard.GetName())
		if i >= budget {
			looked[i] = g.seen[id]
			looked[i].ID, looked[i].fresh = id, false
			if looked[i].LookedAt.IsZero() {
				looked[i].State = ""
			}
			continue
		}
		all.Go(func() error {
			looked[i] = g.lookAtShard(ctx, info, id)
			return nil
		})
	}
	_ = all.Wait() // none fails
	seen := make(map[string]shard, len(looked))
	for _, s := range looked {
		if s.State == "" {
			continue // never looked at, or not to be found
		}
		if s.fresh {
			g.report.Shards.Looked++
		}
		seen[s.ID] = s
		g.shards = append(g.shards, s)
	}
	g.seen = seen
	slices.SortFunc(g.shards, func(a, b shard) int { return compareShards(a.ID, b.ID) })
}

// compareShards sorts short ids as numbers.
func compareShards(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }

func (g *gathered) lookAtShard(ctx context.Context, info *workflowpb.WorkflowExecutionInfo, id string) shard {
	described, err := g.describe(ctx, info.GetExecution().GetWorkflowId())
	if err != nil {
		if _, gone := errors.AsType[*serviceerror.NotFound](err); !gone {
			g.missing("look at shard "+id, err)
		}
		return shard{Shard: Shard{ID: id}}
	}
	g.noteWorkflowTask(described)
	s := shard{Shard: Shard{ID: id, State: ShardStarting, LookedAt: g.now.UTC()}, fresh: true}
	memo(described.GetWorkflowExecutionInfo(), workflows.MemoGaps, &s.gap)
	s.Gaps = s.gap.Gaps
	if keyword(described.GetWorkflowExecutionInfo(), visibility.Status.GetName()) == visibility.StatusGap {
		s.State, s.Reason = ShardGap, "stopped at a gap, until somebody says to read on behind it"
	}
	for _, a := range described.GetPendingActivities() {
		switch a.GetActivityType().GetName() {
		case workflows.PollShardName:
			g.readPoll(ctx, &s, described.GetWorkflowExecutionInfo().GetExecution(), a)
		case workflows.ResolveStartName:
			if f, current := failing(a, g.now); current {
				s.State, s.failure, s.Reason = ShardFailing, f, f.kind+": "+f.message
			} else {
				s.noteQueued(a, g.now)
			}
		}
	}
	return s
}

// readPoll reads what a lease tells, and what Temporal knows of it.
func (g *gathered) readPoll(ctx context.Context, s *shard, execution *commonpb.WorkflowExecution, a *workflowpb.PendingActivityInfo) {
	var beat workflows.PollShardHeartbeat
	if !fromPayloads(a.GetHeartbeatDetails(), &beat) {
		// Nothing was heard yet: what the lease begins with is what is known.
		if events, err := g.latest(ctx, execution); err != nil {
			g.missing("read the history of shard "+s.ID, err)
		} else if in, ok := scheduledPoll(events); ok {
			beat.Progress, beat.WindowsBefore, beat.RecordsBefore = in.Progress, in.WindowsBefore, in.RecordsBefore
		}
	}
	s.Records, s.Windows = int64(beat.RecordsBefore+beat.Records), int64(beat.WindowsBefore+beat.Windows)
	if !beat.CompleteUntil.IsZero() {
		until := beat.CompleteUntil.UTC()
		s.CompleteUntil = &until
	}
	f, current := failing(a, g.now)
	switch {
	case a.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED && !current:
		s.State, s.Owner = ShardReading, cmp.Or(a.GetLastWorkerIdentity(), beat.Starter)
		s.heartbeat, s.silence = a.GetLastHeartbeatTime().AsTime(), a.GetActivityOptions().GetHeartbeatTimeout().AsDuration()
		s.clocks = beat.Clocks
		if beat.Waiting != "" {
			s.State, s.Reason, s.waits = ShardWaiting, beat.Waiting, beat.WaitingFor
		}
		if !beat.At.IsZero() {
			behind := (time.Duration(beat.MillisBehindLatest) * time.Millisecond).Seconds()
			s.BehindSeconds = &behind
		}
	case current && a.GetNextAttemptScheduleTime() != nil, current && g.now.Sub(f.at) < unownedAfter, current && a.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED:
		s.State, s.failure, s.Reason = ShardFailing, f, f.kind+": "+f.message
	default:
		s.noteQueued(a, g.now)
	}
	s.measureLag(g.now)
}

// unownedAfter is how long a lease may wait for a starter before somebody is told.
const unownedAfter = 15 * time.Second

// noteQueued notes that a lease waits for a starter.
func (s *shard) noteQueued(a *workflowpb.PendingActivityInfo, now time.Time) {
	if a.GetState() != enumspb.PENDING_ACTIVITY_STATE_SCHEDULED {
		return
	}
	since := a.GetScheduledTime().AsTime()
	if last := a.GetLastAttemptCompleteTime(); last != nil && last.AsTime().After(since) {
		since = last.AsTime()
	}
	if now.Sub(since) >= unownedAfter {
		s.State, s.unownedSince, s.Reason = ShardUnowned, since, "no starter has taken it since "+since.UTC().Format(time.RFC3339)
	}
}

// measureLag tells how late reading is: at the tip of the shard not at all.
func (s *shard) measureLag(now time.Time) {
	lag := -1.0
	switch {
	case s.State == ShardReading && s.BehindSeconds != nil && *s.BehindSeconds == 0:
		lag = 0
	case s.CompleteUntil != nil:
		lag = max(0, now.Sub(*s.CompleteUntil).Seconds())
	case s.BehindSeconds != nil:
		lag = *s.BehindSeconds
	}
	if lag >= 0 {
		s.LagSeconds = &lag
	}
}

// lookAtEndedReaders finds readers that have ended although their shard was not read to its
// end, and that were not started again.
func (g *gathered) lookAtEndedReaders(ctx context.Context) {
	ended, _, err := g.list(ctx, g.of(workflows.ShardReaderName, "ExecutionStatus IN ('Terminated', 'Failed', 'TimedOut', 'Canceled')"), pageSize)
	if err != nil {
		g.missing("list the readers that have ended", err)
		return
	}
	looked := map[string]bool{}
	for _, info := range ended {
		id := info.GetExecution().GetWorkflowId()
		if looked[id] || len(looked) == mostLastFlushes {
			continue
		}
		looked[id] = true
		latest, err := g.describe(ctx, id)
		if err != nil {
			continue // forgotten meanwhile
		}
		switch latest.GetWorkflowExecutionInfo().GetStatus() {
		case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		default:
			g.stopped = append(g.stopped, keyword(info, visibility.Shard.GetName()))
		}
	}
	slices.SortFunc(g.stopped, compareShards)
}
