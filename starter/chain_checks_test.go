package starter

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/marker"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// What the world puts up with where code can only know about what it knows: requests
// on their way, pollers that do not know yet that they have lost the shard, arrival
// times that are only about right.
const (
	acceptedLate = 5 * time.Minute
	// acceptedFromMemory is how long after it was read a record may be put into a window.
	acceptedFromMemory = longestHeld + acceptedLate
	arrivalWrong       = 2 * time.Second
)

func (w *world) shard(id string) *modelShard {
	return w.shards[slices.IndexFunc(w.shards, func(s *modelShard) bool { return s.id == id })]
}

func (f *flush) holds(r window.Record) bool {
	return f.in.FirstSequenceNumber.Compare(r.SequenceNumber) <= 0 && r.SequenceNumber.Compare(f.in.LastSequenceNumber) <= 0
}

// windowsOf are the windows that the record is in, without those that Temporal lost.
func (w *world) windowsOf(s *modelShard, r window.Record) []*flush {
	return those(w.flushes, func(f *flush) bool {
		return f.in.ShardID == s.id && f.holds(r) && (!f.lost || !f.delivered.IsZero())
	})
}

// checkCovered requires that all records of the shard, from the start of its chain,
// are in a window, or in a gap that was reported.
func (w *world) checkCovered(s *modelShard, when string) {
	for i, r := range s.records {
		if len(w.windowsOf(s, r)) == 0 && !s.mayLack(i) {
			w.violate("shard %s %s, but record %s is in no window", s.id, when, r.SequenceNumber)
			return
		}
	}
}

// mayLack reports whether it was said of a record that it may be in no window, and
// Kinesis had deleted it, or was about to.
func (s *modelShard) mayLack(i int) bool {
	if len(s.reader.chains) == 0 || i < s.reader.chains[0].index {
		return true // before the start
	}
	for _, gap := range s.reader.gaps {
		if gap.Kind == workflows.GapForgotten || s.records[i].SequenceNumber.Compare(gap.After) <= 0 {
			continue
		}
		if gap.Kind == workflows.GapShardGone {
			return true
		}
		if next := s.chainAfter(gap); next == nil || i < next.index && i < s.trimmedAt(next.resolved.Add(next.margin+s.rules.lag)) {
			return true
		}
	}
	return false
}

// chainAfter is the chain that begins behind a gap, nil before it is resolved.
func (s *modelShard) chainAfter(gap passed) *chainBegin {
	if next := slices.IndexFunc(s.reader.chains, func(c chainBegin) bool { return c.chain > gap.chain }); next >= 0 {
		return &s.reader.chains[next]
	}
	return nil
}

// mayRepeat is how many windows a record may be in beyond the first one: one more for
// each checkpoint before it behind which Temporal may have forgotten windows, and one
// for a gap that was found by a poller that could not know of a window reaching across.
func (s *modelShard) mayRepeat(r window.Record, in []*flush) int {
	more := 0
	for _, gap := range s.reader.gaps {
		across := func(f *flush) bool {
			unknown := f.reported.IsZero() || !f.reported.Before(gap.by.told.Add(-stale))
			return unknown && f.by.n <= gap.by.n && f.in.FirstSequenceNumber.Compare(gap.After) > 0 &&
				f.accepted.Before(gap.at.Add(acceptedFromMemory))
		}
		switch {
		case r.SequenceNumber.Compare(gap.After) <= 0:
		case gap.Kind == workflows.GapForgotten, gap.by != nil && slices.ContainsFunc(in, across):
			more++
		}
	}
	return more
}

// checkPartition requires that each record from the start of each chain on is in
// exactly one window, with the exceptions that were reported.
func (w *world) checkPartition() {
	for _, s := range w.shards {
		w.checkCovered(s, "is read to its end")
		for i, r := range s.records {
			in := w.windowsOf(s, r)
			switch {
			case w.recovered:
			case len(in) > 0 && !slices.ContainsFunc(s.reader.chains, func(c chainBegin) bool { return i >= c.index }):
				w.violate("shard %s: record %s is in a window, and comes before the start", s.id, r.SequenceNumber)
			case len(in) > 1+s.mayRepeat(r, in):
				w.violate("shard %s: record %s is in %d windows", s.id, r.SequenceNumber, len(in))
			}
		}
	}
}

// checkStaged requires that the window's object is there and holds its records.
func (w *world) checkStaged(f *flush, when string) {
	body, ok := w.objects[f.in.StageKey]
	if !ok {
		w.violate("%s: %s, and its object %s is not there", f.id, when, f.in.StageKey)
		return
	}
	var staged []window.Record
	for r, err := range window.Read(bytes.NewReader(body)) {
		if err != nil {
			w.violate("%s: %s, and its object cannot be read: %w", f.id, when, err)
			return
		}
		r.Data = bytes.Clone(r.Data)
		staged = append(staged, r)
	}
	want := those(w.shard(f.in.ShardID).records, f.holds)
	same := func(a, b window.Record) bool {
		return a.SequenceNumber == b.SequenceNumber && a.Arrival.Equal(b.Arrival) && bytes.Equal(a.Data, b.Data)
	}
	if !slices.EqualFunc(staged, want, same) || len(want) != f.in.Records {
		w.violate("%s: %s, and its object holds other records than %s..%s", f.id, when, f.in.FirstSequenceNumber, f.in.LastSequenceNumber)
	}
}

// checkReport requires that what a poller says of its progress is true.
func (w *world) checkReport(p *modelPoller, said workflows.Progress) {
	s := p.shard
	theirs := those(w.flushes, func(f *flush) bool { return f.in.ShardID == s.id })
	ends := func(f *flush) bool { return f.in.LastSequenceNumber == said.Checkpoint }
	if said.Checkpoint != "" && !slices.ContainsFunc(theirs, ends) {
		w.violate("shard %s: checkpoint %s is not the end of an accepted window", s.id, said.Checkpoint)
	}
	for i, r := range s.records {
		if r.Arrival.Before(said.CompleteUntil.Add(-2*arrivalWrong)) && len(w.windowsOf(s, r)) == 0 && !s.mayLack(i) && p.chain == s.reader.chain {
			w.violate("shard %s: all that arrived before %s is said to be in windows, but record %s is in none", s.id, said.CompleteUntil, r.SequenceNumber)
		}
	}
	forgotten := func(f *flush) bool { // and what its poller says of it is not known to be true
		return slices.ContainsFunc(s.reader.gaps, func(gap passed) bool {
			return gap.Kind == workflows.GapForgotten && f.in.FirstSequenceNumber.Compare(gap.After) > 0
		})
	}
	for _, f := range theirs {
		if f.by != nil && f.by.chain == p.chain && f.in.FirstSequenceNumber.Compare(said.Checkpoint) > 0 && f.accepted.Before(said.CheckpointAt.Add(-acceptedLate)) && !forgotten(f) {
			w.violate("shard %s: %s is said to be the end of the chain at %s, but window %s was accepted at %s",
				s.id, said.Checkpoint, said.CheckpointAt, f.id, f.accepted)
		}
	}
}

// checkResult requires that a lease does not end in error: neither drained with records
// left, nor at a gap where it could know that there is none.
func (w *world) checkResult(p *modelPoller, result workflows.PollShardResult) {
	if result.Drained && p.chain == p.shard.reader.chain {
		w.checkCovered(p.shard, "is reported as drained")
	}
	if result.Gap == nil {
		return
	}
	switch s := p.shard; result.Gap.Kind {
	case workflows.GapTrimmed:
		if result.Gap.After != "" && s.hasStill(result.Gap.After) {
			w.violate("shard %s: a gap is reported after %s, which Kinesis still has", s.id, result.Gap.After)
		}
		if age := p.lastRead.Sub(p.before.tip); age < w.rules.retention-2*trimMargin {
			w.violate("shard %s: records are reported as deleted by a poller that was at the tip %s before", s.id, age)
		}
	case workflows.GapForgotten:
		if age := time.Since(p.before.end); age < w.rules.remembered/10*9-acceptedLate {
			w.violate("shard %s: windows are reported as forgotten, but %s before there was none", s.id, age)
		}
	case workflows.GapShardGone:
		if !s.gone() {
			w.violate("shard %s is reported as gone", s.id)
		}
	case workflows.GapPosition:
		if s.remade == 0 {
			w.violate("shard %s: a position is reported as unknown", s.id)
		}
	}
}

// checkMarker requires that a marker is not set back by one who has slept.
func (w *world) checkMarker(key string, body []byte) {
	var before, after marker.Marker
	if !strings.HasPrefix(key, "p/marker/") || json.Unmarshal(w.objects[key], &before) != nil || json.Unmarshal(body, &after) != nil {
		return
	}
	s := w.shard(after.ShardID)
	if age := time.Since(s.marked); before.Start == after.Start && after.Checkpoint.Compare(before.Checkpoint) < 0 && age > 2*inFlight {
		w.violate("shard %s: the marker is set back from %s to %s, %s after it was written", s.id, before.Checkpoint, after.Checkpoint, age)
	}
	s.marked = time.Now()
}
