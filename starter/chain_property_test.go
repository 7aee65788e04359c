package starter

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
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
	for name, planted := range bugs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const rounds = 20 // of -rapid.checks each; one is nearly always enough
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

// events are what can happen, in any order.
func (w *world) events() map[string]func(*rapid.T) {
	all := map[string]func(*rapid.T){
		"put": w.putSome, "reshard": w.reshard, "take over": w.takeOver,
		"work": w.work, "wait": w.wait, "interrupt": w.interrupt, "deliver": w.deliver,
		"arrive": w.arrive,
	}
	for name, event := range all {
		all[name] = func(t *rapid.T) {
			if !w.broken() {
				event(t)
			}
		}
	}
	all["work on"], all["work more"] = all["work"], all["work"] // three times as often
	return all
}

// What bounds a world, so that it meets itself often.
const (
	mostShards  = 5
	mostPollers = 5  // at the same time
	mostRecords = 40 // in a shard
)

// oneOf draws one of those that qualify, or skips the event.
func oneOf[T any](t *rapid.T, what string, all []T, qualifies func(T) bool) T {
	eligible := those(all, qualifies)
	if len(eligible) == 0 {
		t.Skip("no " + what)
	}
	return eligible[rapid.IntRange(0, len(eligible)-1).Draw(t, what)]
}

// those are the ones that qualify.
func those[T any](all []T, qualifies func(T) bool) []T {
	var out []T
	for _, x := range all {
		if qualifies(x) {
			out = append(out, x)
		}
	}
	return out
}

// putSome has records arrive. Their numbers have gaps and grow in length, and
// their arrival times go back now and then.
func (w *world) putSome(t *rapid.T) {
	s := oneOf(t, "open shard", w.shards, func(s *modelShard) bool { return !s.closed && len(s.records) < mostRecords })
	for range rapid.SampledFrom([]int{1, 3, 9}).Draw(t, "records") {
		s.tip += rapid.IntRange(1, 5).Draw(t, "gap")
		s.records = append(s.records, window.Record{
			SequenceNumber: window.SequenceNumber(strconv.Itoa(s.tip)),
			Arrival:        time.Now().Add(time.Duration(rapid.IntRange(-2, 2).Draw(t, "arrival")) * time.Second),
			Data:           fmt.Appendf(nil, "%d%*s", s.tip, rapid.IntRange(0, 10).Draw(t, "size"), ""),
		})
	}
}

// reshard splits a shard, or merges two.
func (w *world) reshard(t *rapid.T) {
	if len(w.shards) >= w.mostShards {
		t.Skip("enough shards")
	}
	open := func(s *modelShard) bool { return !s.closed }
	one := oneOf(t, "shard", w.shards, open)
	other := oneOf(t, "partner", w.shards, open)
	if one != other {
		w.addShard(one, other)
		return
	}
	w.addShard(one)
	w.addShard(one)
}

// takeOver begins a poller, whether or not others are at work on the shard. It
// starts from a checkpoint as old as you like, with the settings of its deploy.
func (w *world) takeOver(t *rapid.T) {
	if len(those(w.pollers, (*modelPoller).alive)) >= mostPollers {
		t.Skip("enough pollers")
	}
	s := oneOf(t, "shard to read", w.shards, func(s *modelShard) bool { return !s.drained && w.mayBeRead(s) })
	w.resolve(s, len(s.parents) == 0 && rapid.Bool().Draw(t, "from LATEST"))
	from := window.SequenceNumber("")
	if age := rapid.IntRange(0, len(s.checkpoints)).Draw(t, "checkpoint age"); age < len(s.checkpoints) {
		from = s.checkpoints[len(s.checkpoints)-1-age]
	}
	w.begin(s, from, window.Limits{
		MaxBytes:   rapid.SampledFrom([]int{0, 1, 12, 30}).Draw(t, "max bytes"),
		MaxRecords: rapid.SampledFrom([]int{0, 1, 2, 3, 5}).Draw(t, "max records"),
		MaxAge:     time.Duration(rapid.IntRange(0, 3).Draw(t, "max age")) * time.Second,
	}, rapid.SampledFrom([]time.Duration{time.Hour, time.Minute, time.Second}).Draw(t, "lease"))
}

// mayBeRead is the StreamReader's rule.
func (w *world) mayBeRead(s *modelShard) bool {
	undrained := func(parent *modelShard) bool { return !parent.drained }
	return w.bug.impatient || !slices.ContainsFunc(s.parents, undrained)
}

// resolve is the ShardReader's rule: where a chain begins is found out once.
func (w *world) resolve(s *modelShard, latest bool) {
	again := s.start != nil
	if again && !w.bug.resolvesAgain {
		return
	}
	first := 0
	if latest {
		first = len(s.records)
	}
	s.start = &workflows.ChainStart{Kind: workflows.StartAfterSequenceNumber, SequenceNumber: "0"}
	if first > 0 {
		s.start.SequenceNumber = s.records[first-1].SequenceNumber
	}
	if !again {
		s.first = first
	}
}

// fates of an effect; most go well, or nothing would ever get done.
var fates = rapid.SampledFrom(append(slices.Repeat([]fate{succeeds}, 50), fails, answerLost, arrivesLate, diesBefore, diesAfter))

// work gives a poller a few turns; the others wait meanwhile, however long that is.
func (w *world) work(t *rapid.T) {
	p := oneOf(t, "poller", w.pollers, (*modelPoller).alive)
	for range rapid.SampledFrom([]int{1, 4, 15, 60}).Draw(t, "turns") {
		switch {
		case p.over || w.broken():
			return
		case !p.waiting():
			w.pass(idleLongest)
			continue
		}
		next := turn{fate: fates.Draw(t, "fate")}
		if *p.next.Load() == "read" {
			next.page = rapid.IntRange(0, 8).Draw(t, "page")
			next.endLater = rapid.Bool().Draw(t, "end later")
			next.clockJump = time.Duration(rapid.IntRange(-1, 1).Draw(t, "clock jump")) * time.Minute
		}
		p.step(next)
	}
}

// wait lets time pass, for windows to get old and for leases to end.
func (w *world) wait(t *rapid.T) {
	w.pass(time.Duration(rapid.IntRange(1, 50).Draw(t, "tenths of a second")) * 100 * time.Millisecond)
}

// interrupt asks a process to stop, as a deploy does, or has Temporal take its lease
// away, as when heartbeats did not come through.
func (w *world) interrupt(t *rapid.T) {
	p := oneOf(t, "poller", w.pollers, (*modelPoller).alive)
	if rapid.Bool().Draw(t, "lease lost") {
		p.lose()
	} else {
		p.askToStop()
	}
	synctest.Wait()
}

// arrive lets a request happen whose sender has long given up.
func (w *world) arrive(t *rapid.T) {
	if len(w.late) == 0 {
		t.Skip("nothing is on its way")
	}
	at := rapid.IntRange(0, len(w.late)-1).Draw(t, "request")
	do := w.late[at]
	w.late = slices.Delete(w.late, at, at+1)
	_ = do(turn{})
}

// deliver is the end of a FlushWindow: its records are read, delivered and deleted.
func (w *world) deliver(t *rapid.T) {
	f := oneOf(t, "window", w.flushes, func(f *flush) bool { return !f.delivered })
	w.checkStaged(f, "being delivered")
	delete(w.objects, f.in.StageKey)
	f.delivered = true
}

// finish closes the stream and has each shard read to its end by a healthy poller.
// Whoever has slept until then wakes up, and must not do any harm.
func (w *world) finish() {
	asleep := slices.Clone(w.pollers)
	for _, s := range w.shards {
		s.closed = true
		if s.drained || w.broken() {
			continue
		}
		w.resolve(s, false)
		var from window.SequenceNumber
		if n := len(s.checkpoints); n > 0 {
			from = s.checkpoints[n-1]
		}
		w.workOn(w.begin(s, from, window.Limits{MaxRecords: 4}, time.Hour))
		if !s.drained && !w.broken() {
			w.violate("shard %s: a healthy poller does not get to the end of it", s.id)
		}
	}
	for _, p := range asleep {
		w.workOn(p)
	}
	for _, do := range w.late {
		_ = do(turn{})
	}
	if w.broken() {
		return // what was left undone says nothing
	}
	w.checkPartition()
	for _, f := range w.flushes {
		if !f.delivered {
			w.checkStaged(f, "at the end")
		}
	}
}

// workOn gives a poller all the turns that it wants.
func (w *world) workOn(p *modelPoller) {
	const enough = 1000 // for any shard here; a poller that wants more goes in circles
	for range enough {
		switch {
		case p.over || w.broken():
			return
		case p.waiting():
			p.step(turn{fate: succeeds, page: 3})
		default:
			w.pass(idleLongest)
		}
	}
	w.violate("shard %s: poller %d goes in circles", p.shard.id, p.n)
}
