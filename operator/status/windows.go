package status

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"golang.org/x/sync/errgroup"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// openWindows are the windows that are not delivered.
type openWindows struct {
	totals  Windows
	byShard map[string]*Shard
	groups  []*group
	oldest  *Oldest // of all
	late    *Oldest // of those that are not parked
	// slow are the reasons of windows that wait and do not say so yet.
	slow []failure
}

// group is what windows have in common that do not get on.
type group struct {
	status, http string
	count        int64
	events       int64
	oldest       time.Time
	samples      []*commonpb.WorkflowExecution
	reasons      []failure // of the samples, each type once
}

// running is the filter for windows that run.
const running = "ExecutionStatus = 'Running'"

// lookAtWindows counts and lists the open windows: first those that wait, then as many of
// the others as there is room for.
func (g *gathered) lookAtWindows(ctx context.Context) {
	w := openWindows{byShard: map[string]*Shard{}}
	waiting := fmt.Sprintf("%s AND %s IN ('%s', '%s')", running, visibility.Status.GetName(), visibility.StatusParked, visibility.StatusRetrying)
	others := fmt.Sprintf("%s AND %s NOT IN ('%s', '%s')", running, visibility.Status.GetName(), visibility.StatusParked, visibility.StatusRetrying)
	for _, c := range []struct {
		into  *int64
		query string
	}{
		{&w.totals.Open, running},
		{&w.totals.Parked, fmt.Sprintf("%s AND %s = '%s'", running, visibility.Status.GetName(), visibility.StatusParked)},
		{&w.totals.Retrying, fmt.Sprintf("%s AND %s = '%s'", running, visibility.Status.GetName(), visibility.StatusRetrying)},
	} {
		n, err := g.count(ctx, g.of(workflows.FlushWindowName, c.query))
		if err != nil {
			g.missing("count the windows", err)
			return
		}
		*c.into = n
	}
	complete := true
	var slow []*commonpb.WorkflowExecution
	for _, query := range []string{waiting, others} {
		found, all, err := g.list(ctx, g.of(workflows.FlushWindowName, query), mostWindows-int(w.totals.Listed))
		if err != nil {
			g.missing("list the windows", err)
		}
		complete = complete && all
		for _, info := range found {
			w.add(info, g.now)
		}
		w.totals.Listed += int64(len(found))
		if query == others {
			slow = slowest(found, g.now)
		}
	}
	if !complete {
		w.findOldest(ctx, g)
	}
	g.explain(ctx, &w, slow)
	g.windows = w
}

// add counts a listed window.
func (w *openWindows) add(info *workflowpb.WorkflowExecutionInfo, now time.Time) {
	status := keyword(info, visibility.Status.GetName())
	id := keyword(info, visibility.Shard.GetName())
	row := w.byShard[id]
	if row == nil {
		row = &Shard{}
		w.byShard[id] = row
	}
	row.Open++
	var events int64
	attribute(info, visibility.Events.GetName(), &events)
	w.totals.Events += events
	w.age(info, status, now)
	switch status {
	case visibility.StatusParked:
		row.Parked++
	case visibility.StatusRetrying:
		row.Retrying++
	default:
		return
	}
	http := keyword(info, visibility.HTTPStatus.GetName())
	at := slices.IndexFunc(w.groups, func(g *group) bool { return g.status == status && g.http == http })
	if at < 0 {
		at = len(w.groups)
		w.groups = append(w.groups, &group{status: status, http: http})
	}
	of := w.groups[at]
	of.count++
	of.events += events
	if arrived := arrival(info); of.oldest.IsZero() || arrived.Before(of.oldest) {
		of.oldest = arrived
	}
	// The first, the last, and one in between: they come in the order of their starts.
	switch n := len(of.samples); {
	case n < samplesPerGroup:
		of.samples = append(of.samples, info.GetExecution())
	case of.count%2 == 0:
		of.samples[1], of.samples[2] = of.samples[2], info.GetExecution()
	default:
		of.samples[2] = info.GetExecution()
	}
}

func arrival(info *workflowpb.WorkflowExecutionInfo) time.Time {
	arrived := info.GetStartTime().AsTime()
	var at time.Time
	if attribute(info, visibility.FirstArrival.GetName(), &at); !at.IsZero() {
		arrived = at
	}
	return arrived.UTC()
}

// age keeps the oldest window.
func (w *openWindows) age(info *workflowpb.WorkflowExecutionInfo, status string, now time.Time) {
	arrived := arrival(info)
	one := &Oldest{ArrivedAt: arrived, AgeSeconds: max(0, now.Sub(arrived).Seconds()), WorkflowID: info.GetExecution().GetWorkflowId(), Status: status}
	if w.oldest == nil || arrived.Before(w.oldest.ArrivedAt) {
		w.oldest = one
	}
	if status != visibility.StatusParked && (w.late == nil || arrived.Before(w.late.ArrivedAt)) {
		w.late = one
	}
}

// ages are tried one after the other where there are too many windows to list: of those
// that are at least as old, one page has the oldest, or one of the oldest.
var ages = []time.Duration{30 * 24 * time.Hour, 7 * 24 * time.Hour, 3 * 24 * time.Hour, 24 * time.Hour, 6 * time.Hour, time.Hour, 20 * time.Minute, 5 * time.Minute, time.Minute}

func (w *openWindows) findOldest(ctx context.Context, g *gathered) {
	for _, age := range ages {
		query := g.of(workflows.FlushWindowName, fmt.Sprintf("%s AND %s < '%s'", running, visibility.FirstArrival.GetName(), g.now.Add(-age).UTC().Format(time.RFC3339)))
		found, _, err := g.list(ctx, query, pageSize)
		if err != nil {
			g.missing("find the oldest window", err)
			return
		}
		for _, info := range found {
			w.age(info, keyword(info, visibility.Status.GetName()), g.now)
		}
		if len(found) > 0 {
			return
		}
	}
}

// slowAfter is when a window that has not said so is looked at for what it waits for.
const slowAfter = 10 * time.Second

// slowest are the windows that were started first, of a list with the latest first.
func slowest(found []*workflowpb.WorkflowExecutionInfo, now time.Time) []*commonpb.WorkflowExecution {
	var slow []*commonpb.WorkflowExecution
	for _, info := range slices.Backward(found) {
		if len(slow) == samplesPerGroup || now.Sub(info.GetStartTime().AsTime()) < slowAfter {
			break
		}
		slow = append(slow, info.GetExecution())
	}
	return slow
}

// explain finds out why the windows of the largest groups do not get on, by some of them.
func (g *gathered) explain(ctx context.Context, w *openWindows, slow []*commonpb.WorkflowExecution) {
	slices.SortStableFunc(w.groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(a.status, b.status), cmp.Compare(b.count, a.count))
	})
	var all errgroup.Group
	all.SetLimit(atOnce)
	ask := func(sample *commonpb.WorkflowExecution, status string, note func(failure)) {
		all.Go(func() error {
			f, ok, err := g.reasonOf(ctx, sample, status)
			if err != nil {
				g.missing("look at "+sample.GetWorkflowId(), err)
			}
			if ok {
				g.mu.Lock()
				defer g.mu.Unlock()
				note(f)
			}
			return nil
		})
	}
	explained := map[string]int{}
	for _, of := range w.groups {
		if explained[of.status]++; explained[of.status] > mostGroups {
			continue
		}
		for _, sample := range of.samples {
			ask(sample, of.status, func(f failure) { of.reasons = addReason(of.reasons, f) })
		}
	}
	for _, sample := range slow {
		ask(sample, "", func(f failure) { w.slow = addReason(w.slow, f) })
	}
	_ = all.Wait() // none fails
}

// addReason keeps one failure of each type, the oldest.
func addReason(reasons []failure, f failure) []failure {
	for i, known := range reasons {
		if known.kind != f.kind {
			continue
		}
		if !f.since.IsZero() && f.since.Before(known.since) {
			reasons[i].since = f.since
		}
		return reasons
	}
	return append(reasons, f)
}

// flushes are the windows that were delivered lately.
type flushes struct {
	throughput Throughput
	last       map[string]time.Time // by shard
}

func (g *gathered) lookAtFlushes(ctx context.Context) {
	f := flushes{throughput: Throughput{Seconds: recently.Seconds()}, last: map[string]time.Time{}}
	query := g.of(workflows.FlushWindowName, fmt.Sprintf("ExecutionStatus = 'Completed' AND %s = '%s' AND CloseTime >= '%s'",
		visibility.Status.GetName(), visibility.StatusDelivered, g.now.Add(-recently).UTC().Format(time.RFC3339)))
	found, complete, err := g.list(ctx, query, mostFlushes)
	if err != nil {
		g.missing("list what was delivered", err)
	}
	t := &f.throughput
	for _, info := range found {
		var events, bytes int64
		attribute(info, visibility.Events.GetName(), &events)
		attribute(info, visibility.Bytes.GetName(), &bytes)
		t.Events += events
		t.Bytes += bytes
		f.note(info)
	}
	t.Windows = int64(len(found))
	if !complete && err == nil {
		if n, err := g.count(ctx, query); err == nil && n > t.Windows {
			t.Estimated = true
			t.Events = int64(float64(t.Events) / float64(t.Windows) * float64(n))
			t.Bytes = int64(float64(t.Bytes) / float64(t.Windows) * float64(n))
			t.Windows = n
		}
	}
	t.EventsPerSecond, t.BytesPerSecond = float64(t.Events)/t.Seconds, float64(t.Bytes)/t.Seconds
	quarantined := g.of(workflows.FlushWindowName, fmt.Sprintf("%s IS NOT NULL AND CloseTime >= '%s'", visibility.Quarantined.GetName(), g.now.Add(-time.Hour).UTC().Format(time.RFC3339)))
	if t.Quarantined, err = g.count(ctx, quarantined); err != nil {
		g.missing("count the windows with quarantined pieces", err)
	}
	g.flushes = f
}

func (f *flushes) note(info *workflowpb.WorkflowExecutionInfo) {
	id, at := keyword(info, visibility.Shard.GetName()), info.GetCloseTime().AsTime().UTC()
	if at.After(f.last[id]) {
		f.last[id] = at
	}
}

// lookAtLastFlushes asks for the last flush of shards that had none lately, where these are
// few.
func (g *gathered) lookAtLastFlushes(ctx context.Context) {
	var quiet []string
	for _, s := range g.shards {
		if _, known := g.flushes.last[s.ID]; !known {
			quiet = append(quiet, s.ID)
		}
	}
	if len(quiet) > mostLastFlushes || g.flushes.last == nil {
		return
	}
	var all errgroup.Group
	all.SetLimit(atOnce)
	for _, id := range quiet {
		all.Go(func() error {
			found, _, err := g.list(ctx, g.of(workflows.FlushWindowName, fmt.Sprintf("ExecutionStatus = 'Completed' AND %s = '%s' AND %s = '%s'",
				visibility.Status.GetName(), visibility.StatusDelivered, visibility.Shard.GetName(), id)), 1)
			if err != nil {
				g.missing("find the last flush of a shard", err)
			}
			g.mu.Lock()
			defer g.mu.Unlock()
			for _, info := range found {
				g.flushes.note(info)
			}
			return nil
		})
	}
	_ = all.Wait() // none fails
}
