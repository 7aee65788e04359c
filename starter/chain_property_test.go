package starter

import (
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

// TestEveryRecordIsInExactlyOneWindow is the claim of the design, under everything
// that can go wrong around a poller: others on the same shard at the same time,
// with other settings and other clocks; a kill before or after each effect on the
// stage, on Temporal and on the checkpoint; answers that get lost, and requests that
// arrive after their sender has given up; checkpoints from long ago; processes that
// sleep through all of it and go on; and reshards.
//
// Then one healthy poller per shard finishes the work, those that slept wake up,
// and the accepted windows must partition every shard. More than the default runs
// are asked for by -rapid.checks and -rapid.steps.
func TestEveryRecordIsInExactlyOneWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		if err := simulate(t, bug{}); err != nil {
			t.Fatal(err)
		}
	})
}

// TestThePropertyFindsPlantedBugs tests the test: with any one rule of the chain
// broken it has to fail.
func TestThePropertyFindsPlantedBugs(t *testing.T) {
	t.Parallel()
	all := maps.Clone(bugs)
	for name, planted := range agingBugs {
		planted.ages = true
		all[name] = planted
	}
	for name, planted := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const rounds = 60 // of -rapid.checks each; one is nearly always enough
			var found error
			var tried int
			for round := 0; found == nil && round < rounds; round++ {
				rapid.Check(t, func(t *rapid.T) {
					if found == nil {
						tried++
						found = simulate(t, planted)
					}
				})
			}
			if found == nil {
				t.Fatalf("not found in %d worlds", tried)
			}
			t.Logf("found in world %d: %v", tried, found)
		})
	}
}

// simulate lets one world happen and reports the promises that were broken in it.
func simulate(t *rapid.T, b bug) error {
	var err error
	rapid.SyncTest(t, func(t *rapid.T) {
		w := newWorld(t, b)
		t.Cleanup(w.killAll)
		for range 3 { // of -rapid.steps events each: worlds in which much has happened
			t.Repeat(w.events())
		}
		w.finish()
		err = errors.Join(w.violations...)
	})
	return err
}

// finish closes the stream and has each shard read to its end by healthy pollers.
// Whoever has slept until then wakes up, and must not do any harm.
func (w *world) finish() {
	w.paused.Store(false)
	asleep := slices.Clone(w.pollers)
	for _, s := range w.shards {
		if s.isOpen() {
			s.closed = time.Now()
		}
		w.readToTheEnd(s)
	}
	for _, r := range w.late {
		if time.Since(r.sent) <= inFlight {
			_ = r.do(turn{})
		}
	}
	if w.rules.ages {
		w.pass(acceptedFromMemory)
	}
	for _, p := range asleep {
		w.workOn(p)
	}
	if w.broken() {
		return // what was left undone says nothing
	}
	w.checkPartition()
	for _, f := range those(w.flushes, (*flush).isOpen) {
		w.checkStaged(f, "at the end")
	}
}

// readToTheEnd has healthy pollers read the shard while workers deliver.
func (w *world) readToTheEnd(s *modelShard) {
	const enough = 10 // leases, for any shard here; one more for each gap
	for range enough {
		for _, f := range those(w.flushes, (*flush).isOpen) {
			if s.reader.drained || w.broken() {
				return
			}
			if w.rules.ceiling > 0 {
				w.finishWindow(f)
			}
		}
		s.reader.resolve(false)
		if s.reader.drained || w.broken() {
			return
		}
		w.workOn(w.begin(s, s.reader.reports[len(s.reader.reports)-1], window.Limits{MaxRecords: 4}, time.Hour))
	}
	if !s.reader.drained && !w.broken() {
		w.violate("shard %s: healthy pollers do not get to the end of it", s.id)
	}
}

// workOn gives a poller all the turns that it wants.
func (w *world) workOn(p *modelPoller) {
	const enough = 3000 // for any shard here; a poller that wants more goes in circles
	for range enough {
		if p.over || w.broken() {
			return
		}
		p.act()
	}
	w.violate("shard %s: poller %d goes in circles", p.shard.id, p.n)
}
