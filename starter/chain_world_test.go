package starter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"golang.org/x/sync/semaphore"
	"pgregory.net/rapid"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/marker"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// world is a stream, a Temporal server and a stage, and the pollers that work on
// them. The pollers run the real lease, Chain, markers and ceiling, each in a goroutine
// of its own, but whatever they do to the world waits for its turn. So one thing
// happens at a time, and rapid decides which, and how it goes.
//
// It has to be used inside a bubble of testing/synctest: that all goroutines of the
// bubble are blocked is how the world knows that a poller has come to its next
// effect, or idles at the tip of its shard.
type world struct {
	t     *rapid.T
	bug   bug
	rules rules

	shards  []*modelShard // parents before their children
	pollers []*modelPoller
	flushes []*flush          // in the order in which Temporal accepted them
	objects map[string][]byte // in the stage
	late    []request         // still on their way, their senders have given up

	// recovered: Temporal has lost everything, and the pipeline was recovered from the
	// stage. From then on records may be in two windows.
	recovered bool
	// streamReader: Temporal knows the pipeline.
	streamReader sync.Once

	// paused: an operator has paused reading.
	paused atomic.Bool

	violations []error
}

// rules are what differs from world to world.
type rules struct {
	mostShards int
	// ages: hours and days pass. In the others it is seconds.
	ages bool
	// retention of the stream, and how much later than that Kinesis deletes records.
	retention, lag time.Duration
	// remembered is how long Temporal knows a window that was delivered.
	remembered time.Duration
	// ceiling on the open windows, 0 for none.
	ceiling int
}

// inFlight is how long a request can be on its way.
const inFlight = time.Minute

// request is one whose sender has given up.
type request struct {
	sent time.Time
	do   func(turn) error
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
	// fault is how a question to Kinesis fails.
	fault error
}

var errDown = errors.New("no connection")

func newWorld(t *rapid.T, b bug) *world {
	w := &world{t: t, bug: b, objects: map[string][]byte{}, rules: rules{
		mostShards: rapid.IntRange(1, mostShards).Draw(t, "most shards"),
		retention:  24 * time.Hour,
		remembered: 72 * time.Hour,
		ages:       b.ages || rapid.Bool().Draw(t, "ages"),
	}}
	w.streamReader.Do(func() {})
	if w.rules.ages {
		w.rules.mostShards = min(w.rules.mostShards, 2)
		w.rules.retention = rapid.SampledFrom([]time.Duration{24 * time.Hour, 7 * 24 * time.Hour}).Draw(t, "retention")
		w.rules.remembered = rapid.SampledFrom([]time.Duration{72 * time.Hour, 30 * 24 * time.Hour}).Draw(t, "remembered")
		w.rules.lag = rapid.SampledFrom([]time.Duration{0, 2 * time.Minute, time.Hour}).Draw(t, "lag of trimming")
	}
	w.rules.ceiling = rapid.SampledFrom([]int{0, 0, 3, 6}).Draw(t, "ceiling")
	for range rapid.IntRange(1, min(2, w.rules.mostShards)).Draw(t, "shards") {
		w.addShard()
	}
	return w
}

// violate notes that a promise was broken. Nothing goes on after the first one.
func (w *world) violate(format string, args ...any) {
	w.violations = append(w.violations, fmt.Errorf(format, args...))
}

func (w *world) broken() bool { return len(w.violations) > 0 }

// pass lets time pass, for all pollers that idle.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// modelPoller is one run of PollShard in some starter process.
type modelPoller struct {
	w         *world
	n         int
	shard     *modelShard
	chain     int // of the shard
	start     workflows.ChainStart
	lose      context.CancelFunc // the lease
	askToStop func()
	// told is when the latest report came before it began.
	told time.Time
	// overtaken is when another poller was given the shard.
	overtaken time.Time

	// next names the effect that waits for its turn; nil where the poller idles.
	next atomic.Pointer[string]
	turn chan turn
	over bool
	// stopped processes get no turns.
	stopped bool

	// saw is what it could know after its last read, and before that, which is what counts
	// where the last one found a gap.
	saw, before sight
	lastRead    time.Time
	// checkpoint is the last that it has reported, or began with, and read the last record
	// that it has read.
	checkpoint, read window.SequenceNumber
	// looked is what a planted bug keeps.
	looked bool
}

// begin has a poller take over the shard, from a progress that may be stale.
func (w *world) begin(s *modelShard, from report, limits window.Limits, keep time.Duration) *modelPoller {
	ctx, cancel := context.WithCancel(w.t.Context())
	p := &modelPoller{
		w: w, n: len(w.pollers), shard: s, chain: s.reader.chain, start: *s.reader.start, lose: cancel,
		turn: make(chan turn), saw: from.saw.told(), before: from.saw.told(), checkpoint: from.Checkpoint,
		told: s.reader.reports[len(s.reader.reports)-1].at,
	}
	stop := make(chan struct{})
	p.askToStop = sync.OnceFunc(func() { close(stop) })
	for _, other := range w.pollers {
		if other.shard == s && other.overtaken.IsZero() {
			other.overtaken = time.Now()
		}
	}
	s.reader.owner = p
	w.pollers = append(w.pollers, p)
	w.t.Logf("%s poller %d takes over shard %s (chain %d) from %+v with %+v, lease %s", clock(), p.n, window.ShortShard(s.id), p.chain, from.Progress, limits, keep)
	objects := w.bug.inStage(p, modelStage{p})
	chain := &Chain{Client: w.bug.inClient(p, modelTemporal{p: p}), Stage: objects, Pipeline: "p", Stream: "s"}
	l := newLease(&Poller{
		Stream: "s", Identity: strconv.Itoa(p.n), Logger: slog.New(slog.DiscardHandler),
		Read: func(_ string, from kinesis.Position) ShardReader {
			return w.bug.inReader(p, &modelReader{p: p, next: from})
		},
		Horizon:    w.bug.inHorizon(p, modelHorizon{p}),
		Windows:    w.bug.inWindows(p, chain),
		Begun:      chain.Begun,
		Markers:    w.bug.inMarkers(p, marker.Store{Stage: modelStage{p}, Pipeline: "p"}),
		Ceiling:    w.ceiling(p),
		Pauses:     modelPauses{w},
		Memory:     semaphore.NewWeighted(largestAnswer),
		Limits:     limits,
		Remembered: w.bug.believes(w.rules.remembered),
		// So long that only the lease itself reports: what keepAlive repeats is an old
		// checkpoint, and old ones are given out anyway.
		Options: workflows.PollOptions{Lease: keep, HeartbeatTimeout: 1_000_000 * time.Hour},
	}, workflows.PollShardInput{
		Pipeline: "p", Stream: "s", ShardID: s.id, Start: p.start, Progress: from.Progress,
	}, p.heartbeat)
	go func() {
		defer func() { p.over = true }()
		result, err := l.run(ctx, stop)
		if err == nil {
			p.hand(result)
			return
		}
		w.t.Logf("%s poller %d: ends with %v", clock(), p.n, err)
	}()
	synctest.Wait()
	return p
}

// clock shows the time of the world in a log.
func clock() string { return time.Now().UTC().Format("02 15:04:05.0") }

func (p *modelPoller) alive() bool { return !p.over }

func (p *modelPoller) awake() bool { return !p.over && !p.stopped }

// waiting reports whether the poller wants a turn.
func (p *modelPoller) waiting() bool { return p.next.Load() != nil }

// await waits for this poller's turn. The error is that of a client that has not sent
// its request before the deadline had passed. What was canceled while it was on its way
// can have been done, and answered.
func (p *modelPoller) await(ctx context.Context, name string) (turn, error) {
	asked := time.Now()
	p.next.Store(&name)
	t := <-p.turn
	p.next.Store(nil)
	if t.fate == diesBefore {
		runtime.Goexit()
	}
	err := ctx.Err()
	tooLate := errors.Is(err, context.DeadlineExceeded) || err != nil && time.Since(asked) > inFlight
	switch {
	case tooLate && t.fate == diesAfter:
		runtime.Goexit()
	case tooLate:
		return t, err
	}
	return t, nil
}

// effect does something to the world, when it is this poller's turn.
func (p *modelPoller) effect(ctx context.Context, name string, do func(turn) error) error {
	t, err := p.await(ctx, name)
	if err != nil {
		return err
	}
	switch t.fate {
	case fails:
		return errDown
	case arrivesLate:
		p.w.late = append(p.w.late, request{time.Now(), do})
		return errDown
	case answerLost:
		_ = do(t)
		return errDown
	case diesAfter:
		_ = do(t)
		runtime.Goexit()
	}
	return do(t)
}

// ask is an effect that changes nothing but what the poller knows.
func (p *modelPoller) ask(ctx context.Context, name string, answer func(turn) error) error {
	t, err := p.await(ctx, name)
	switch {
	case err != nil:
		return err
	case t.fate == diesAfter:
		runtime.Goexit()
	case t.fate != succeeds:
		return cmp.Or(t.fault, errDown)
	}
	return answer(t)
}

// tell is an effect that is repeated until it comes through, or never does.
func (p *modelPoller) tell(name string, do func()) {
	if t, _ := p.await(context.Background(), name); t.fate != fails && t.fate != arrivesLate {
		do()
		if t.fate == diesAfter {
			runtime.Goexit()
		}
	}
}

// step gives the poller its turn and waits until it wants the next one.
func (p *modelPoller) step(t turn) {
	p.w.t.Logf("%s poller %d: %s %s", clock(), p.n, *p.next.Load(), t.fate)
	p.turn <- t
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

// heartbeat and hand are the two ways in which progress leaves a poller.
func (p *modelPoller) heartbeat(h workflows.PollShardHeartbeat) {
	h.Progress = p.w.bug.inReport(p, h.Progress)
	heard := report{h.Progress, time.Now(), p.before}
	p.tell("heartbeat", func() {
		p.w.checkReport(p, h.Progress)
		p.checkpoint = h.Checkpoint
		if !p.overtaken.IsZero() && time.Since(p.overtaken) > inFlight {
			p.lose() // Temporal does not know the attempt any more, and says so
			return
		}
		p.shard.reader.note(p, heard)
	})
}

func (p *modelPoller) hand(result workflows.PollShardResult) {
	result.Progress = p.w.bug.inReport(p, result.Progress)
	p.tell("return", func() {
		p.w.t.Logf("%s poller %d: %s %+v %+v", clock(), p.n, result.Ended, result.Progress, result.Gap)
		p.w.checkReport(p, result.Progress)
		p.w.checkResult(p, result)
		if p.shard.reader.owner == p {
			p.shard.reader.accept(p, result)
		}
	})
}
