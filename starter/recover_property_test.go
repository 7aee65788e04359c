package starter_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"pgregory.net/rapid"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/marker"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/starter"
)

// TestRecoveryLosesNothing makes a shard as a crash leaves it: windows delivered or
// staged, cuts that were rejected, a marker somewhere behind, pollers that outlived the
// database and have begun windows on the new one. Then it recovers, is interrupted at
// any step, and recovers again while workers deliver. In the end, each record that
// Temporal had accepted is delivered, in a window that runs and finds its records,
// discarded, or still to be read; and no window that was discarded is to be started.
func TestRecoveryLosesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newLostShard(t)
		defer w.stage.Close()
		for w.attempt(t, rapid.IntRange(0, 12).Draw(t, "effects before it is interrupted")) != nil {
			w.deliver(t)
			if rapid.IntRange(0, 3).Draw(t, "patience") == 0 {
				break
			}
		}
		if w.server.reader == nil {
			if err := w.attempt(t, 1<<30); err != nil {
				t.Fatalf("without any interruption: %v", err)
			}
		}
		w.check(t)
	})
}

// lostShard is the world of the test above.
type lostShard struct {
	server    *fakeTemporal
	stage     *stage.Stage
	records   []string
	delivered map[string]bool // records
	discarded map[string]bool // records
	given     map[window.Range]bool
}

func newLostShard(t *rapid.T) *lostShard {
	st, err := stage.Open(context.Background(), "mem://")
	if err != nil {
		t.Fatal(err)
	}
	w := &lostShard{server: newFakeTemporal(), stage: st, delivered: map[string]bool{}, discarded: map[string]bool{}, given: map[window.Range]bool{}}
	for n := 0; len(w.records) < 24; {
		n += rapid.IntRange(1, 3).Draw(t, "gap between numbers")
		w.records = append(w.records, strconv.Itoa(n))
	}
	size := rapid.IntRange(1, 5)
	begins := []int{0} // where windows of the chain begin; the last is where reading had come
	for range rapid.IntRange(0, 5).Draw(t, "accepted windows") {
		from := begins[len(begins)-1]
		to := min(from+size.Draw(t, "records"), len(w.records)-1)
		if from == to {
			break
		}
		switch cut := w.records[from:to]; rapid.SampledFrom([]string{"delivered", "open", "discarded"}).Draw(t, "window") {
		case "delivered":
			w.mark(cut)
		case "open":
			w.put(t, cut)
		default:
			w.put(t, cut)
			w.discard(t, cut)
		}
		begins = append(begins, to)
	}
	begin := rapid.SampledFrom(begins)
	for range rapid.IntRange(0, 3).Draw(t, "cuts left behind") {
		from := begin.Draw(t, "begin of a cut")
		w.put(t, w.records[from:min(from+size.Draw(t, "records"), len(w.records))])
	}
	if at := begin.Draw(t, "marker"); at > 0 {
		m := marker.Marker{Stream: "api-logs", ShardID: shard, Checkpoint: window.SequenceNumber(w.records[at-1])}
		if err := w.markers().Replace(context.Background(), m); err != nil {
			t.Fatal(err)
		}
	}
	w.outlive(t, begin.Draw(t, "begin of a poller that outlived the database"))
	return w
}

// outlive opens windows on the new database as a poller does that has not noticed yet.
func (w *lostShard) outlive(t *rapid.T, from int) {
	chain := starter.Chain{Client: w.server, Stage: w.stage, Pipeline: "p", Stream: "api-logs"}
	for range rapid.IntRange(0, 2).Draw(t, "its windows") {
		to := min(from+rapid.IntRange(1, 5).Draw(t, "records"), len(w.records))
		if from == to {
			return
		}
		if _, err := chain.Open(context.Background(), shard, someRecords(w.records[from:to]...), window.ReasonAge); err != nil {
			t.Fatal(err)
		}
		from = to
	}
}

func (w *lostShard) markers() marker.Store { return marker.Store{Stage: w.stage, Pipeline: "p"} }

func (w *lostShard) mark(delivered []string) {
	for _, sequence := range delivered {
		w.delivered[sequence] = true
	}
}

func (w *lostShard) discard(t *rapid.T, cut []string) {
	r := window.Range{ShardID: shard, First: window.SequenceNumber(cut[0]), Last: window.SequenceNumber(cut[len(cut)-1])}
	if err := w.stage.Put(context.Background(), window.Discarded{Window: r, At: recoveredAt}.NoteKey("p"), nil); err != nil {
		t.Fatal(err)
	}
	w.given[r] = true
	for _, sequence := range cut {
		w.discarded[sequence] = true
	}
}

func (w *lostShard) put(t *rapid.T, cut []string) {
	r := window.Range{ShardID: shard, First: window.SequenceNumber(cut[0]), Last: window.SequenceNumber(cut[len(cut)-1])}
	if err := w.stage.Put(context.Background(), r.RawKey("p"), window.Append(nil, someRecords(cut...))); err != nil {
		t.Fatal(err)
	}
}

// attempt recovers with so many effects before one fails; what fails may be done all
// the same.
func (w *lostShard) attempt(t *rapid.T, effects int) error {
	f := &failing{left: effects, done: rapid.Bool().Draw(t, "the failed effect is done")}
	r := starter.Recovery{
		Config: settings(), Temporal: failingTemporal{w.server, f}, Stage: failingStage{w.stage, f},
		Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return recoveredAt },
	}
	r.Config.StartPosition = config.Latest()
	plan, err := r.Plan(context.Background())
	for _, s := range plan.Shards {
		for _, in := range s.Windows {
			if w.given[in.Range()] {
				t.Fatalf("window %s was discarded and is to be started again", in.Range())
			}
		}
	}
	if err == nil {
		_, err = r.Run(context.Background(), plan)
	}
	if w.server.reader == nil && err != nil && f.left > 0 {
		// Nothing in the stage, or notes only: nothing to recover, and all is read from the start.
		keys, _ := w.stage.Keys(context.Background(), "p/")
		if slices.ContainsFunc(keys, func(key string) bool { return !strings.HasPrefix(key, window.DiscardedPrefix("p")) }) {
			t.Fatal(err)
		}
		return nil
	}
	return err
}

// deliver lets workers finish some windows.
func (w *lostShard) deliver(t *rapid.T) {
	for _, id := range slices.Sorted(maps.Keys(w.server.inputs)) {
		in := w.server.inputs[id]
		if !rapid.Bool().Draw(t, "deliver "+in.Range().String()) {
			continue
		}
		w.mark(w.staged(in.StageKey))
		if err := w.stage.Delete(context.Background(), in.StageKey); err != nil {
			t.Fatal(err)
		}
	}
}

// staged are the records of an object, none where there is no such object.
func (w *lostShard) staged(key string) []string {
	var out []string
	object, err := w.stage.Reader(context.Background(), key)
	if err != nil {
		return nil
	}
	defer object.Close()
	for rec, err := range window.Read(object) {
		if err != nil {
			return nil
		}
		out = append(out, string(rec.SequenceNumber))
	}
	return out
}

func (w *lostShard) check(t *rapid.T) {
	held := map[string]bool{}
	for _, in := range w.server.inputs {
		for _, sequence := range w.staged(in.StageKey) {
			held[sequence] = true
		}
	}
	m, _, err := w.markers().Get(context.Background(), shard)
	if err != nil {
		t.Fatal(err)
	}
	for _, sequence := range w.records {
		read := window.SequenceNumber(sequence).Compare(m.Checkpoint) > 0
		if !read && !w.delivered[sequence] && !held[sequence] && !w.discarded[sequence] {
			t.Fatalf("record %s is lost: reading resumes after %s", sequence, m.Checkpoint)
		}
	}
}

var errInterrupted = errors.New("interrupted")

// failing lets so many effects pass and breaks all that follow.
type failing struct {
	mu   sync.Mutex
	left int
	done bool // the first that is broken is done, only its answer is lost
}

func (f *failing) effect(do func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left--
	if f.left >= 0 {
		return do()
	}
	if f.left == -1 && f.done {
		_ = do()
	}
	return errInterrupted
}

type failingTemporal struct {
	*fakeTemporal
	f *failing
}

func (c failingTemporal) ExecuteWorkflow(ctx context.Context, o client.StartWorkflowOptions, workflow any, args ...any) (run client.WorkflowRun, err error) {
	err = c.f.effect(func() error {
		run, err = c.fakeTemporal.ExecuteWorkflow(ctx, o, workflow, args...)
		return err
	})
	return run, err
}

type failingStage struct {
	*stage.Stage
	f *failing
}

func (s failingStage) Put(ctx context.Context, key string, body []byte) error {
	return s.f.effect(func() error { return s.Stage.Put(ctx, key, body) })
}

func (s failingStage) Reader(ctx context.Context, key string) (r io.ReadCloser, err error) {
	err = s.f.effect(func() error {
		r, err = s.Stage.Reader(ctx, key)
		return err
	})
	if err != nil && r != nil {
		_ = r.Close() // an answer that is lost
	}
	return r, err
}
