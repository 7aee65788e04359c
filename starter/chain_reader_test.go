package starter

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/marker"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// modelShardReader is the ShardReader workflow of a shard: it does what the workflow
// does with what pollers report, and what ResolveStart does.
type modelShardReader struct {
	w     *world
	shard *modelShard

	// start is where the chain begins, nil until it is resolved.
	start *workflows.ChainStart
	// chain counts the chains: one more behind each gap in the records.
	chain  int
	chains []chainBegin
	// reports are what pollers have told of this chain, the latest last.
	reports []report
	owner   *modelPoller // whose result counts; nil while nobody has the shard
	drained bool

	gaps      []passed
	afterGap  bool // the start is to be resolved behind one
	gapsInRow int
}

// chainBegin is where a chain was resolved to begin.
type chainBegin struct {
	chain    int
	index    int // of its first record
	resolved time.Time
	margin   time.Duration
}

// passed is a gap that was reported, and when.
type passed struct {
	workflows.Gap
	chain int // that ends there; with forgotten it goes on
	at    time.Time
	by    *modelPoller
}

// report is a progress that the next poller may begin with.
type report struct {
	workflows.Progress
	at  time.Time
	saw sight
}

// stale is how much older than the latest report one can be that the next poller begins
// with: Temporal has another poller begin as soon as heartbeats do not get through.
const stale = time.Minute

// fresh are the reports that the next poller may begin with.
func (r *modelShardReader) fresh() []report {
	last := r.reports[len(r.reports)-1].at
	first := slices.IndexFunc(r.reports, func(old report) bool { return last.Sub(old.at) <= stale })
	return r.reports[first:]
}

// note takes a heartbeat.
func (r *modelShardReader) note(p *modelPoller, reached report) {
	if p.chain != r.chain || r.start == nil {
		return // of a poller that has lost the shard long ago
	}
	r.w.reported(r.shard, reached.Checkpoint)
	if last := r.reports[len(r.reports)-1]; last.Checkpoint.Compare(reached.Checkpoint) > 0 {
		// Heartbeats of two pollers: what is handed out is still in order of the chain.
		r.reports = append(r.reports, reached, last)
		return
	}
	r.reports = append(r.reports, reached)
}

// accept takes a result.
func (r *modelShardReader) accept(p *modelPoller, result workflows.PollShardResult) {
	if p.chain != r.chain {
		return
	}
	r.owner = nil
	r.w.reported(r.shard, result.Checkpoint)
	r.reports = append(r.reports, report{result.Progress, time.Now(), p.before})
	r.drained = r.drained || result.Drained
	if result.Windows > 0 {
		r.gapsInRow = 0
	}
	if result.Gap != nil {
		r.pass(*result.Gap, p)
	}
}

// pass has reading go on behind a gap.
func (r *modelShardReader) pass(gap workflows.Gap, by *modelPoller) {
	r.gaps = append(r.gaps, passed{gap, r.chain, time.Now(), by})
	switch gap.Kind {
	case workflows.GapShardGone:
		r.drained = true
	case workflows.GapForgotten:
		last := &r.reports[len(r.reports)-1]
		last.CheckpointAt = time.Now()
	default:
		r.gapsInRow++
		r.start, r.afterGap = nil, true
		r.chain++
	}
}

// margin is that of the workflow after so many gaps in a row.
func (r *modelShardReader) margin() time.Duration {
	if r.gapsInRow < 2 {
		return 0
	}
	return min(10*time.Second<<min(r.gapsInRow-2, 10), 10*time.Minute)
}

// resolve finds where the chain begins, once. Attempts whose answers are lost leave
// nothing but their marker.
func (r *modelShardReader) resolve(latest bool) {
	switch again := r.start != nil; {
	case !again:
	case r.w.bug.resolvesAgain, r.w.bug.resolvesGapsAgain && r.chain > 0:
		r.start, _ = r.find(latest)
		return
	default:
		return
	}
	if r.shard.gone() {
		last := workflows.Progress{}
		if n := len(r.reports); n > 0 {
			last = r.reports[n-1].Progress
		}
		r.pass(workflows.Gap{Kind: workflows.GapShardGone, After: last.Checkpoint, From: last.CompleteUntil}, nil)
		return
	}
	found := r.remembered()
	var reached workflows.Progress
	if found != nil && !r.afterGap {
		start := startOf(*found)
		r.start, reached, r.drained = &start, progressOf(*found), found.Drained
	} else {
		r.start, reached = r.find(latest)
		r.put(markerOf("s", r.shard.id, *r.start, reached))
	}
	at := r.shard.index(position(*r.start))
	r.chains = append(r.chains, chainBegin{r.chain, max(at, r.shard.trimmed()), time.Now(), r.margin()})
	if found != nil && !r.afterGap {
		r.chains[len(r.chains)-1].index = at
	}
	saw := reached.CompleteUntil
	if reached.CheckpointAt.Before(saw) {
		saw = reached.CheckpointAt
	}
	reports := []report{{reached, time.Now(), sight{end: saw}}}
	if r.w.bug.keepsReports {
		reports = append(reports, r.reports...)
	}
	r.reports = reports
	r.w.t.Logf("%s shard %s: chain %d begins at %+v, from record %d", clock(), r.shard.id, r.chain, *r.start, r.chains[len(r.chains)-1].index)
}

// find is what ResolveStart does where the stage remembers nothing.
func (r *modelShardReader) find(latest bool) (*workflows.ChainStart, workflows.Progress) {
	s, now := r.shard, time.Now()
	from := s.trimmed()
	start := &workflows.ChainStart{Kind: workflows.StartAfterSequenceNumber, SequenceNumber: window.SequenceNumber(strconv.Itoa(s.begin))}
	if margin := r.margin(); latest || margin > 0 {
		at := now.Truncate(time.Second)
		if !latest {
			at = at.Add(margin - r.w.rules.retention)
		}
		start = &workflows.ChainStart{Kind: workflows.StartAtTimestamp, Timestamp: at}
		from = max(from, s.index(kinesis.AtTime(at)))
	}
	reached := workflows.Progress{CheckpointAt: now, CompleteUntil: now.Truncate(time.Second)}
	if from < len(s.records) {
		first := s.records[from]
		start = &workflows.ChainStart{Kind: workflows.StartAtSequenceNumber, SequenceNumber: first.SequenceNumber}
		reached.CompleteUntil = first.Arrival
	}
	return start, reached
}

// forget is what becomes of a ShardReader that somebody has terminated: the next one
// goes on at the shard's marker.
func (r *modelShardReader) forget() {
	chain, chains, gaps := r.chain, r.chains, r.gaps
	*r = modelShardReader{w: r.w, shard: r.shard, chain: chain, chains: chains, gaps: gaps}
	m := r.remembered()
	for _, f := range r.w.flushes {
		if f.in.ShardID == r.shard.id && (m == nil || f.in.LastSequenceNumber.Compare(m.Checkpoint) > 0) {
			f.reported = time.Time{} // to one that is no more
		}
	}
}

func (r *modelShardReader) markers() marker.Store {
	return marker.Store{Stage: directStage{r.w}, Pipeline: "p"}
}

func (r *modelShardReader) remembered() *marker.Marker {
	m, found, err := r.markers().Get(context.Background(), r.shard.id)
	if err != nil {
		r.w.violate("shard %s: %w", r.shard.id, err)
	}
	if !found {
		return nil
	}
	return &m
}

func (r *modelShardReader) put(m marker.Marker) {
	if err := r.markers().Replace(context.Background(), m); err != nil {
		r.w.violate("shard %s: %w", r.shard.id, err)
	}
}
