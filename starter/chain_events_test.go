package starter

import (
	"context"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/pausing"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

// events are what can happen, in any order.
func (w *world) events() map[string]func(*rapid.T) {
	all := map[string]func(*rapid.T){
		"put": w.putSome, "reshard": w.reshard, "take over": w.takeOver,
		"work": w.work, "wait": w.wait, "interrupt": w.interrupt, "deliver": w.deliver,
		"arrive": w.arrive, "pause": w.pause, "resume": w.pause,
	}
	if w.rules.ages {
		all["sleep"], all["sleep on"], all["keep watch"] = w.sleep, w.sleep, w.keepWatch
		all["brink"], all["wake"] = w.brink, w.wake
		all["shift"], all["next shift"], all["last shift"] = w.shift, w.shift, w.shift
		all["remake"], all["replace"] = w.remake, w.replace
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
	s := oneOf(t, "open shard", w.shards, func(s *modelShard) bool { return s.isOpen() && len(s.records) < mostRecords })
	spread := time.Duration(0)
	if w.rules.ages {
		spread = rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute}).Draw(t, "spread")
	}
	for range rapid.SampledFrom([]int{1, 3, 9}).Draw(t, "records") {
		s.arrive(rapid.IntRange(1, 5).Draw(t, "gap"),
			time.Duration(rapid.IntRange(-2, 2).Draw(t, "arrival"))*arrivalWrong/2,
			rapid.IntRange(0, 10).Draw(t, "size"))
		w.pass(spread)
	}
}

// reshard splits a shard, or merges two.
func (w *world) reshard(t *rapid.T) {
	if len(w.shards) >= w.rules.mostShards {
		t.Skip("enough shards")
	}
	one := oneOf(t, "shard", w.shards, (*modelShard).isOpen)
	other := oneOf(t, "partner", w.shards, (*modelShard).isOpen)
	if one != other {
		w.addShard(one, other)
		return
	}
	w.addShard(one)
	w.addShard(one)
}

// takeOver begins a poller, whether or not others are at work on the shard. It
// starts from a progress that may be stale, with the settings of its deploy.
func (w *world) takeOver(t *rapid.T) {
	w.drawPoller(t, window.Limits{
		MaxBytes:   rapid.SampledFrom([]int{0, 1, 12, 30}).Draw(t, "max bytes"),
		MaxRecords: rapid.SampledFrom([]int{0, 1, 2, 3, 5}).Draw(t, "max records"),
		MaxAge:     time.Duration(rapid.IntRange(0, 3).Draw(t, "max age")) * time.Second,
	})
}

// drawPoller is nil where the shard turns out to need none.
func (w *world) drawPoller(t *rapid.T, limits window.Limits) *modelPoller {
	if len(those(w.pollers, (*modelPoller).alive)) >= mostPollers {
		t.Skip("enough pollers")
	}
	s := oneOf(t, "shard to read", w.shards, func(s *modelShard) bool { return !s.reader.drained && w.mayBeRead(s) })
	s.reader.resolve(len(s.parents) == 0 && s.reader.chain == 0 && rapid.Bool().Draw(t, "from LATEST"))
	if s.reader.drained {
		return nil
	}
	fresh := s.reader.fresh()
	return w.begin(s, fresh[len(fresh)-1-rapid.IntRange(0, len(fresh)-1).Draw(t, "reports ago")], limits, rapid.SampledFrom([]time.Duration{1000 * time.Hour, time.Second}).Draw(t, "lease"))
}

// mayBeRead is the StreamReader's rule.
func (w *world) mayBeRead(s *modelShard) bool {
	undrained := func(parent *modelShard) bool { return !parent.reader.drained }
	return w.bug.impatient || !slices.ContainsFunc(s.parents, undrained)
}

// fates of an effect; most go well, or nothing would ever get done.
func fates(succeed int) *rapid.Generator[fate] {
	return rapid.SampledFrom(append(slices.Repeat([]fate{succeeds}, succeed), fails, answerLost, arrivesLate, diesBefore, diesAfter))
}

var (
	quickFates, agingFates = fates(50), fates(200)

	faults = rapid.SampledFrom([]error{errDown, kinesis.ErrUnavailable, kinesis.ErrThrottled})
)

// work gives a poller a few turns, up to a certain effect perhaps; the others wait
// meanwhile, however long that is.
func (w *world) work(t *rapid.T) {
	p := oneOf(t, "poller", w.pollers, (*modelPoller).awake)
	most, before, fates := rapid.SampledFrom([]int{1, 4, 15, 60}).Draw(t, "turns"), "nothing", quickFates
	if w.rules.ages {
		before, fates = rapid.SampledFrom([]string{"nothing", "put p/raw", "start", "delete", "read"}).Draw(t, "before"), agingFates
	}
	for turns := range most {
		switch {
		case p.over || w.broken():
			return
		case !p.waiting():
			w.pass(idleLongest)
			continue
		}
		if strings.HasPrefix(*p.next.Load(), before) && turns > 0 {
			return
		}
		next := turn{fate: fates.Draw(t, "fate")}
		if next.fate != succeeds {
			next.fault = faults.Draw(t, "fault")
		}
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
	unit := 100 * time.Millisecond
	if w.rules.ages {
		unit = rapid.SampledFrom([]time.Duration{unit, 10 * time.Second}).Draw(t, "unit")
	}
	w.pass(time.Duration(rapid.IntRange(1, 50).Draw(t, "units")) * unit)
}

// interrupt asks a process to stop, as a deploy does, or has Temporal take its lease
// away, as when heartbeats did not come through.
func (w *world) interrupt(t *rapid.T) {
	p := oneOf(t, "poller", w.pollers, (*modelPoller).awake)
	if rapid.Bool().Draw(t, "lease lost") {
		p.lose()
	} else {
		p.askToStop()
	}
	synctest.Wait()
}

// arrive lets a request happen whose sender has long given up.
func (w *world) arrive(t *rapid.T) {
	w.late = slices.DeleteFunc(w.late, func(r request) bool { return time.Since(r.sent) > inFlight })
	if len(w.late) == 0 {
		t.Skip("nothing is on its way")
	}
	at := rapid.IntRange(0, len(w.late)-1).Draw(t, "request")
	r := w.late[at]
	w.late = slices.Delete(w.late, at, at+1)
	_ = r.do(turn{})
}

// pause is an operator who pauses reading, or has it go on.
func (w *world) pause(*rapid.T) {
	w.paused.Store(!w.paused.Load())
	w.pass(ceilingInterval)
}

// modelPauses tells pollers at once.
type modelPauses struct{ w *world }

func (m modelPauses) Paused(context.Context, pausing.What) (*pausing.Pause, error) {
	if m.w.paused.Load() {
		return &pausing.Pause{Since: time.Now()}, nil
	}
	return nil, nil
}

// deliver is the end of a FlushWindow: its records are read, delivered and deleted.
func (w *world) deliver(t *rapid.T) {
	w.finishWindow(oneOf(t, "window", w.flushes, (*flush).isOpen))
}

func (w *world) finishWindow(f *flush) {
	w.checkStaged(f, "being delivered")
	delete(w.objects, f.in.StageKey)
	f.delivered = time.Now()
}
