package starter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"golang.org/x/sync/semaphore"
	"pgregory.net/rapid"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// world is a stream, a Temporal server and a stage, and the pollers that work on
// them. The pollers run the real lease and the real Chain, each in a goroutine of
// its own, but whatever they do to the world waits for its turn. So one thing
// happens at a time, and rapid decides which, and how it goes.
//
// It has to be used inside a bubble of testing/synctest: that all goroutines of the
// bubble are blocked is how the world knows that a poller has come to its next
// effect, or idles at the tip of its shard.
type world struct {
	t   *rapid.T
	bug bug

	mostShards int           // that reshards can lead to
	shards     []*modelShard // parents before their children
	pollers    []*modelPoller
	flushes    []*flush           // in the order in which Temporal accepted them
	objects    map[string][]byte  // in the stage
	late       []func(turn) error // requests still on their way, whose senders have given up

	violations []error
}

// modelShard is a shard, what its ShardReader workflow knows, and what the
// StreamReader knows of it.
type modelShard struct {
	id      string
	parents []*modelShard
	records []window.Record
	tip     int // the highest sequence number given out
	closed  bool

	// start is where the chain begins, once it is resolved; the first record of it
	// is records[first].
	start *workflows.ChainStart
	first int
	// checkpoints that pollers have reported, the latest last. Any of them, or none,
	// may be what the next poller begins with.
	checkpoints []window.SequenceNumber
	drained     bool
}

// flush is a FlushWindow workflow that Temporal has accepted.
type flush struct {
	id        string
	memo      map[string]any
	in        workflows.FlushWindowInput
	delivered bool
}

// fate is how an effect goes. The first is the usual one, to which rapid shrinks.
type fate string

const (
	succeeds    fate = "succeeds"
	fails       fate = "fails"                // nothing happens, and the poller sees an error
	answerLost  fate = "happens, answer lost" // it happens, and the poller sees an error
	arrivesLate fate = "fails, arrives late"  // the poller sees an error, and it happens later
	diesBefore  fate = "dies before"          // the process is killed, nothing happens
	diesAfter   fate = "dies after"           // it happens, then the process is killed
)

// turn lets a poller have its next effect.
type turn struct {
	fate fate
	// page is how many records a read returns at most.
	page int
	// endLater: a read that reaches the end of a closed shard does not say so yet.
	endLater bool
	// clockJump is how far the poller's clock is put forward between reading and
	// cutting. A clock that is merely wrong never reaches a cut: all it is compared
	// with is itself.
	clockJump time.Duration
}

var errDown = errors.New("no connection")

func newWorld(t *rapid.T, b bug) *world {
	w := &world{t: t, bug: b, objects: map[string][]byte{}}
	w.mostShards = rapid.IntRange(1, mostShards).Draw(t, "most shards")
	for range rapid.IntRange(1, min(2, w.mostShards)).Draw(t, "shards") {
		w.addShard()
	}
	return w
}

func (w *world) addShard(parents ...*modelShard) {
	s := &modelShard{id: fmt.Sprintf("shardId-%012d", len(w.shards)), parents: parents}
	for _, p := range parents {
		p.closed = true
		s.tip = max(s.tip, p.tip)
	}
	w.shards = append(w.shards, s)
}

// violate notes that a promise was broken. Nothing goes on after the first one.
func (w *world) violate(format string, args ...any) {
	w.violations = append(w.violations, fmt.Errorf(format, args...))
}

func (w *world) broken() bool { return len(w.violations) > 0 }

// modelPoller is one run of PollShard in some starter process.
type modelPoller struct {
	w         *world
	n         int
	shard     *modelShard
	lose      context.CancelFunc // the lease
	askToStop func()

	// next names the effect that waits for its turn; nil where the poller idles.
	next atomic.Pointer[string]
	turn chan turn
	over bool
}

// begin has a poller take over the shard, from a checkpoint that may be old.
func (w *world) begin(s *modelShard, from window.SequenceNumber, limits window.Limits, keep time.Duration) *modelPoller {
	ctx, cancel := context.WithCancel(w.t.Context())
	p := &modelPoller{
		w: w, n: len(w.pollers), shard: s, lose: cancel,
		turn: make(chan turn),
	}
	stop := make(chan struct{})
	p.askToStop = sync.OnceFunc(func() { close(stop) })
	w.pollers = append(w.pollers, p)
	w.t.Logf("poller %d takes over shard %s from %q with %+v", p.n, window.ShortShard(s.id), from, limits)
	chain := &Chain{
		Client: w.bug.inClient(p, modelTemporal{p: p}), Stage: w.bug.inStage(p, modelStage{p}),
		Pipeline: "p", Stream: "s",
	}
	l := newLease(&Poller{
		Stream: "s", Identity: strconv.Itoa(p.n), Logger: slog.New(slog.DiscardHandler),
		Read:    p.read,
		Horizon: endless{},
		Windows: w.bug.inWindows(p, chain),
		Markers: noMarkers{},
		Ceiling: unbounded{},
		Memory:  semaphore.NewWeighted(largestAnswer),
		Limits:  limits,
		// So long that only the lease itself reports: what keepAlive repeats is an old
		// checkpoint, and old ones are given out anyway.
		Options: workflows.PollOptions{Lease: keep, HeartbeatTimeout: 10_000 * time.Hour},
	}, workflows.PollShardInput{
		Pipeline: "p", Stream: "s", ShardID: s.id, Start: *s.start, Progress: workflows.Progress{Checkpoint: from},
	}, p.heartbeat)
	go func() {
		defer func() { p.over = true }()
		if result, err := l.run(ctx, stop); err == nil {
			p.hand(result)
		}
	}()
	synctest.Wait()
	return p
}

func (p *modelPoller) alive() bool { return !p.over }

// waiting reports whether the poller wants a turn.
func (p *modelPoller) waiting() bool { return p.next.Load() != nil }

// effect does something to the world, when it is this poller's turn.
func (p *modelPoller) effect(name string, do func(turn) error) error {
	p.next.Store(&name)
	t := <-p.turn
	p.next.Store(nil)
	switch t.fate {
	case fails:
		return errDown
	case arrivesLate:
		if name != "read" && name != "describe" { // those have no effect but their answer
			p.w.late = append(p.w.late, do)
		}
		return errDown
	case answerLost:
		_ = do(t)
		return errDown
	case diesBefore:
		runtime.Goexit()
	case diesAfter:
		_ = do(t)
		runtime.Goexit()
	}
	return do(t)
}

// step gives the poller its turn and waits until it wants the next one.
func (p *modelPoller) step(t turn) {
	p.w.t.Logf("poller %d: %s %s", p.n, *p.next.Load(), t.fate)
	p.turn <- t
	synctest.Wait()
}

// pass lets time pass, for all pollers that idle.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// kill ends the process wherever it is.
func (p *modelPoller) kill() {
	p.lose() // wakes one that idles
	synctest.Wait()
	if !p.over {
		p.step(turn{fate: diesBefore})
	}
}

// killAll ends the bubble.
func (w *world) killAll() {
	for _, p := range w.pollers {
		p.kill()
	}
}

// heartbeat and hand are the two ways in which a checkpoint leaves a poller.
func (p *modelPoller) heartbeat(h workflows.PollShardHeartbeat) {
	_ = p.effect("heartbeat", func(turn) error {
		p.w.report(p.shard, h.Checkpoint)
		return nil
	})
}

func (p *modelPoller) hand(result workflows.PollShardResult) {
	_ = p.effect("return", func(turn) error {
		p.w.report(p.shard, result.Checkpoint)
		if result.Drained {
			p.shard.drained = true
			p.w.checkCovered(p.shard, "is reported as drained")
		}
		return nil
	})
}

func (w *world) report(s *modelShard, checkpoint window.SequenceNumber) {
	if checkpoint == "" || slices.Contains(s.checkpoints, checkpoint) {
		return
	}
	ends := func(f *flush) bool { return f.in.ShardID == s.id && f.in.LastSequenceNumber == checkpoint }
	if !slices.ContainsFunc(w.flushes, ends) {
		w.violate("shard %s: checkpoint %s is not the end of an accepted window", s.id, checkpoint)
	}
	s.checkpoints = append(s.checkpoints, checkpoint)
}

// modelReader reads a shard in pages of any size.
type modelReader struct {
	p    *modelPoller
	next int
	due  time.Time
}

// idleLongest is how long a poller waits at the tip of a shard.
const idleLongest = time.Second

func (r *modelReader) Due() time.Time { return r.due }

func (p *modelPoller) read(_ string, from kinesis.Position) ShardReader {
	next := slices.IndexFunc(p.shard.records, func(r window.Record) bool {
		c := r.SequenceNumber.Compare(from.SequenceNumber)
		return c > 0 || c == 0 && from.Kind == "AT_SEQUENCE_NUMBER"
	})
	if next < 0 {
		next = len(p.shard.records)
	}
	return &modelReader{p: p, next: next}
}

func (r *modelReader) Next(context.Context) (kinesis.Batch, error) {
	var b kinesis.Batch
	err := r.p.effect("read", func(t turn) error {
		left := r.p.shard.records[r.next:]
		b.Records = slices.Clone(left[:min(t.page, len(left))])
		for i := range b.Records {
			b.Records[i].Received = time.Now().Add(-t.clockJump)
		}
		behind := len(left) - len(b.Records)
		b.Behind = time.Duration(behind) * time.Second
		b.End = r.p.shard.closed && behind == 0 && !t.endLater
		b.At = time.Now()
		if behind == 0 {
			r.due = b.At.Add(idleLongest)
		}
		return nil
	})
	if err != nil {
		return kinesis.Batch{}, err
	}
	r.next += len(b.Records)
	return b, nil
}

// checkCovered requires that all records of the shard, from the start of its chain,
// are in a window.
func (w *world) checkCovered(s *modelShard, when string) {
	for i, n := range w.coverage(s) {
		if i >= s.first && n == 0 {
			w.violate("shard %s %s, but record %s is in no window", s.id, when, s.records[i].SequenceNumber)
			return
		}
	}
}

// coverage counts the windows that each record of the shard is in.
func (w *world) coverage(s *modelShard) []int {
	windows := make([]int, len(s.records))
	for _, f := range w.flushes {
		if f.in.ShardID != s.id {
			continue
		}
		for i, r := range s.records {
			if f.in.FirstSequenceNumber.Compare(r.SequenceNumber) <= 0 && r.SequenceNumber.Compare(f.in.LastSequenceNumber) <= 0 {
				windows[i]++
			}
		}
	}
	return windows
}

// checkPartition requires that each record from the start of each chain on is in
// exactly one window, and that the windows lie in the order of the shard.
func (w *world) checkPartition() {
	for _, s := range w.shards {
		for i, n := range w.coverage(s) {
			want := 1
			if i < s.first {
				want = 0 // before the start of the chain
			}
			if n != want {
				w.violate("shard %s: record %s is in %d windows, want %d", s.id, s.records[i].SequenceNumber, n, want)
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
	at := slices.IndexFunc(w.shards, func(s *modelShard) bool { return s.id == f.in.ShardID })
	var want []window.Record
	for _, r := range w.shards[at].records {
		if f.in.FirstSequenceNumber.Compare(r.SequenceNumber) <= 0 && r.SequenceNumber.Compare(f.in.LastSequenceNumber) <= 0 {
			want = append(want, r)
		}
	}
	same := func(a, b window.Record) bool {
		return a.SequenceNumber == b.SequenceNumber && a.Arrival.Equal(b.Arrival) && bytes.Equal(a.Data, b.Data)
	}
	if !slices.EqualFunc(staged, want, same) || len(want) != f.in.Records {
		w.violate("%s: %s, and its object holds other records than %s..%s", f.id, when, f.in.FirstSequenceNumber, f.in.LastSequenceNumber)
	}
}
