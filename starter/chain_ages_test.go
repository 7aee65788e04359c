package starter

import (
	"time"

	"pgregory.net/rapid"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// sleep is a long time in which nobody does anything, or just so long that Kinesis
// deletes a certain record, or Temporal forgets a certain window.
func (w *world) sleep(t *rapid.T) {
	until := time.Now()
	about := time.Duration(rapid.IntRange(-3, 3).Draw(t, "about")) * rapid.SampledFrom([]time.Duration{time.Second, 2 * time.Minute}).Draw(t, "unit")
	switch rapid.IntRange(0, 2).Draw(t, "until") {
	case 0:
		until = until.Add(rapid.SampledFrom([]time.Duration{time.Hour, 25 * time.Hour, 80 * time.Hour, 8 * 24 * time.Hour}).Draw(t, "long"))
	case 1:
		s := oneOf(t, "shard with records", w.shards, func(s *modelShard) bool { return s.trimmed() < len(s.records) })
		record := s.trimmed() // the next to go, as often as any
		if rapid.Bool().Draw(t, "any record") {
			record = rapid.IntRange(record, len(s.records)-1).Draw(t, "record")
		}
		until = s.trims(record).Add(about)
	case 2:
		f := oneOf(t, "delivered window", w.flushes, func(f *flush) bool { return w.knows(f) && !f.isOpen() })
		until = f.delivered.Add(w.rules.remembered + about)
	}
	w.pass(max(0, time.Until(until)))
}

// brink has a poller read what comes, without putting it into windows, and stops its
// process: until half of what it holds in memory is deleted, or for longer.
func (w *world) brink(t *rapid.T) {
	p := w.drawPoller(t, window.Limits{})
	if p == nil {
		return
	}
	if p.shard.isOpen() && len(p.shard.records) < mostRecords {
		for range rapid.IntRange(0, 6).Draw(t, "records") {
			p.shard.arrive(1, 0, 0)
			w.pass(time.Minute)
		}
	}
	for range 30 {
		if first, end := p.holds(); end-first > 1 && p.waiting() && *p.next.Load() == "read" {
			p.stopped = true
			w.pass(max(0, time.Until(p.shard.trims((first+end)/2))))
			return
		}
		p.act()
	}
}

// wake has a stopped process go on.
func (w *world) wake(t *rapid.T) {
	oneOf(t, "stopped poller", w.pollers, func(p *modelPoller) bool { return p.alive() && p.stopped }).stopped = false
}

// holds are the records that the poller has in memory, not yet in a window and not yet
// deleted by Kinesis.
func (p *modelPoller) holds() (first, end int) {
	return max(p.shard.index(kinesis.After(p.checkpoint)), p.shard.trimmed()), p.shard.index(kinesis.After(p.read))
}

// act gives a poller a turn in which all goes well, or has it idle on.
func (p *modelPoller) act() {
	switch {
	case p.over || p.w.broken():
	case p.waiting():
		p.step(turn{fate: succeeds, page: 3})
	default:
		p.w.pass(idleLongest)
	}
}

// shift is a poller that takes over and has its way for a while, while workers deliver.
func (w *world) shift(t *rapid.T) {
	p := w.drawPoller(t, window.Limits{MaxRecords: rapid.IntRange(1, 4).Draw(t, "max records")})
	if p == nil {
		return
	}
	for range rapid.IntRange(0, 40).Draw(t, "turns") {
		p.act()
	}
	for _, f := range those(w.flushes, (*flush).isOpen) {
		w.finishWindow(f)
	}
}

// keepWatch is a long time in which one poller is at work and all others sleep.
func (w *world) keepWatch(t *rapid.T) {
	p := oneOf(t, "poller", w.pollers, (*modelPoller).awake)
	const nap = 10 * time.Minute
	for until := time.Now().Add(rapid.SampledFrom([]time.Duration{time.Hour, 25 * time.Hour, 73 * time.Hour}).Draw(t, "long")); time.Now().Before(until); w.pass(nap) {
		for range 8 {
			if p.over || w.broken() {
				return
			}
			if !p.waiting() {
				break
			}
			p.step(turn{fate: succeeds, page: 3})
		}
	}
}

// remake deletes the stream and makes it anew under its name: what it held is gone, and
// the old sequence numbers are of no use. Nobody can tell where reading begins at a time
// and nothing was read yet.
func (w *world) remake(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "seldom") > 0 {
		t.Skip("not now")
	}
	s := oneOf(t, "shard with records", w.shards, func(s *modelShard) bool {
		begun := s.reader.start
		return s.isOpen() && len(s.records) > s.trimmed() && begun != nil && begun.Kind != workflows.StartAtTimestamp
	})
	s.tip++
	s.remade, s.begin = len(s.records), s.tip
}

// replace is a ShardReader that was terminated: the next one goes on at the marker.
func (w *world) replace(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "seldom") > 0 {
		t.Skip("not now")
	}
	s := oneOf(t, "shard that is read", w.shards, func(s *modelShard) bool { return s.reader.start != nil && !s.reader.drained })
	s.reader.forget()
}
