package workflows_test

import (
	"errors"
	"fmt"
	"hash/fnv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"pgregory.net/rapid"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// one formats every window into a single batch of so many events.
func (w *worker) one(events int) {
	w.format = func(workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
		return workflows.FormatLogsResult{
			Batches: []workflows.Batch{{StageKey: "batch", IdempotencyKey: "key", Events: events, Bytes: 10 * events}},
			Events:  events, Bytes: int64(10 * events), Concurrency: 1,
		}, nil
	}
}

// A batch that is too large is divided until the destination takes it.
func TestFlushWindowDividesWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	w.one(8)
	events := 0
	w.deliver = func(in workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		if in.Batch.Events > 2 {
			return workflows.DeliverBatchResult{}, refused(workflows.ErrorBatchTooLarge, 413)
		}
		events += in.Batch.Events
		return workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: 1}, nil
	}
	w.register(env)
	out := flushed(t, env)
	require.Equal(t, visibility.StatusDelivered, out.Status)
	require.Equal(t, []string{"key.a.a", "key.a.b", "key.b.a", "key.b.b"}, w.delivered, "in their order")
	require.Equal(t, 8, events)
	require.Equal(t, 7, out.Attempts)
	require.Equal(t, 1, out.Batches)
	require.Equal(t, []string{"batch"}, w.divided, "the parts are deleted, too")
	require.Equal(t, []string{"raw", "batch"}, w.cleared)
}

// An event that is too large by itself waits for an operator; those beside it are delivered.
func TestFlushWindowParksAnEventThatIsTooLarge(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	w.one(8)
	limit := false
	w.deliver = func(in workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		large := in.Batch.IdempotencyKey == "key.b.a.b" || len(in.Batch.IdempotencyKey) < len("key.b.a.b")
		if large && !limit {
			return workflows.DeliverBatchResult{}, refused(workflows.ErrorBatchTooLarge, 413)
		}
		return workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: 1}, nil
	}
	w.register(env)
	env.RegisterDelayedCallback(func() {
		require.Len(t, w.delivered, 7)
		require.Contains(t, details(t, env), "**1 parked**")
		require.Contains(t, details(t, env), "1 events of batch 1 of 1, since ")
		require.Contains(t, details(t, env), "BatchTooLarge: no")
		limit = true
		env.SignalWorkflow(workflows.SignalRedrive, nil)
	}, time.Hour)
	require.Equal(t, visibility.StatusDelivered, flushed(t, env).Status)
	require.Len(t, w.delivered, 8)
}

// A destination that takes nothing is not asked about each single event, and the operator
// not either.
func TestFlushWindowDoesNotAskAboutEachEvent(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	w.one(4096)
	requests, limit := 0, true
	w.deliver = func(workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		if requests++; limit {
			return workflows.DeliverBatchResult{}, refused(workflows.ErrorBatchTooLarge, 413)
		}
		return workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: 1}, nil
	}
	w.register(env)
	env.RegisterDelayedCallback(func() {
		require.Less(t, requests, 150)
		require.Regexp(t, `\*\*[56]\d parked\*\*`, details(t, env))
		require.Regexp(t, `… and [45]\d more`, details(t, env))
		limit = false
		env.SignalWorkflow(workflows.SignalRedrive, nil)
	}, time.Hour)
	require.Equal(t, visibility.StatusDelivered, flushed(t, env).Status)
	require.Less(t, len(w.delivered), 70)
}

// What waits for an operator does not keep other batches waiting.
func TestParkedBatchesHoldNobodyUp(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	format := w.format
	w.format = func(in workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
		out, err := format(in)
		out.Concurrency = 1
		return out, err
	}
	w.deliver = func(in workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		if in.Batch.IdempotencyKey == "key-0" {
			return workflows.DeliverBatchResult{}, refused(workflows.ErrorDestinationRefused, 400)
		}
		return workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: 1}, nil
	}
	w.register(env)
	env.RegisterDelayedCallback(func() {
		require.Equal(t, []string{"key-1"}, w.delivered)
		require.Contains(t, details(t, env), "1 of 2 batches finished")
		env.SignalWorkflow(workflows.SignalDiscard, nil)
	}, time.Minute)
	require.Equal(t, visibility.StatusDiscarded, flushed(t, env).Status)
}

// What the destination could not take is sent again after pauses that grow, and not before
// it wants to have it.
func TestFlushWindowSendsTheRemainderAfterPauses(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	w.one(1000)
	var sent []time.Time
	w.deliver = func(in workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		sent = append(sent, env.Now())
		out := workflows.DeliverBatchResult{HTTPStatus: 207, Attempts: 1}
		if len(sent) < 15 {
			out.Remainder = &workflows.Batch{StageKey: "rest", IdempotencyKey: fmt.Sprintf("rest-%d", len(sent)), Events: in.Batch.Events - 1, Bytes: 5}
		}
		if len(sent) == 1 {
			out.RetryAfter = time.Minute
		}
		return out, nil
	}
	w.register(env)
	require.Equal(t, visibility.StatusDelivered, flushed(t, env).Status)
	require.Len(t, w.delivered, 15)
	pause := func(n int) time.Duration { return sent[n].Sub(sent[n-1]) }
	require.GreaterOrEqual(t, pause(1), time.Minute)
	require.GreaterOrEqual(t, pause(4), 8*time.Second)
	require.GreaterOrEqual(t, pause(14), 5*time.Minute)
	require.Less(t, pause(14), 6*time.Minute)
}

// While the destination takes a good part each time nothing waits for long.
func TestFlushWindowSendsTheRemainderSoonWhereItGetsOn(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	w.one(5000)
	start := env.Now()
	w.deliver = func(in workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		out := workflows.DeliverBatchResult{HTTPStatus: 207, Attempts: 1}
		if left := in.Batch.Events * 4 / 5; left > 0 {
			out.Remainder = &workflows.Batch{StageKey: "rest", IdempotencyKey: fmt.Sprintf("rest-%d", left), Events: left, Bytes: 5}
		}
		return out, nil
	}
	w.register(env)
	require.Equal(t, visibility.StatusDelivered, flushed(t, env).Status)
	require.Len(t, w.delivered, 34)
	require.Less(t, env.Now().Sub(start), time.Minute)
}

// A destination that answers, and can take nothing for a day, is shown as what is waited for.
func TestFlushWindowShowsWhatCouldNotBeTaken(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	w.one(3)
	start := env.Now()
	sent := 0
	w.deliver = func(workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		sent++
		out := workflows.DeliverBatchResult{HTTPStatus: 207, Attempts: 1}
		if env.Now().Sub(start) < 24*time.Hour {
			out.Remainder = &workflows.Batch{StageKey: "batch", IdempotencyKey: fmt.Sprintf("again-%d", sent), Events: 3, Bytes: 30}
		}
		return out, nil
	}
	w.register(env)
	env.RegisterDelayedCallback(func() {
		require.Contains(t, details(t, env), "**retrying**")
		require.Regexp(t, `\*\*3 events could not be taken\*\*, by the destination's own account, 1\d\d times in a row at most\. .* next at \S+; the signal `+"`redrive`", details(t, env))
	}, 12*time.Hour)
	require.Equal(t, visibility.StatusDelivered, flushed(t, env).Status)
	require.NotContains(t, details(t, env), "could not be taken")
	require.InDelta(t, 24*12, sent, 20)
}

// It is parked like any other where that is wanted, and a redrive begins anew.
func TestFlushWindowGivesUpWhatCannotBeTaken(t *testing.T) {
	t.Parallel()
	env, w := environment(t), newWorker()
	w.one(3)
	start, mended := env.Now(), false
	sent := 0
	w.deliver = func(workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
		sent++
		out := workflows.DeliverBatchResult{HTTPStatus: 207, Attempts: 1, GiveUpAfter: 2 * time.Hour}
		if !mended {
			out.Remainder = &workflows.Batch{StageKey: "batch", IdempotencyKey: fmt.Sprintf("again-%d", sent), Events: 3, Bytes: 30}
		}
		return out, nil
	}
	w.register(env)
	env.RegisterDelayedCallback(func() {
		require.Regexp(t, `3 events of batch 1 of 1, since \S+: DestinationUnavailable: the destination could not take 3 events, 3\d times in a row: HTTP status 207`, details(t, env))
		require.NotContains(t, details(t, env), "could not be taken")
		mended = true
		env.SignalWorkflow(workflows.SignalRedrive, nil)
	}, 3*time.Hour)
	require.Equal(t, visibility.StatusDelivered, flushed(t, env).Status)
	require.Less(t, env.Now().Sub(start), 3*time.Hour+time.Minute)
}

// TestFlushWindowDeliversEachEventOnce: whatever the destination answers, whenever runs of
// the workflow end and operators decide, each event is accepted once or was discarded.
func TestFlushWindowDeliversEachEventOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		api := &destination{
			seed:  rapid.Uint64().Draw(r, "seed"),
			limit: rapid.IntRange(1, 20).Draw(r, "most events of a batch"),
			calls: map[string]int{}, events: map[string][]int{}, taken: map[int]int{}, has: map[string]bool{},
		}
		formatted := workflows.FormatLogsResult{Concurrency: rapid.IntRange(1, 4).Draw(r, "concurrency")}
		for n, events := range rapid.SliceOfN(rapid.IntRange(1, 20), 0, 5).Draw(r, "events of each batch") {
			b := workflows.Batch{StageKey: fmt.Sprintf("batch-%d", n), IdempotencyKey: fmt.Sprintf("key-%d", n), Events: events, Bytes: events}
			for range events {
				api.events[b.IdempotencyKey] = append(api.events[b.IdempotencyKey], formatted.Events)
				formatted.Events++
			}
			formatted.Batches = append(formatted.Batches, b)
		}
		discards := rapid.Bool().Draw(r, "an operator discards")

		together := rapid.Bool().Draw(r, "batches are sent together")
		small := rapid.Bool().Draw(r, "the window is small")
		out := api.flush(t, r, formatted, discards, together, small)
		missing := 0
		for e := range formatted.Events {
			if api.taken[e] > 1 {
				r.Fatalf("event %d was accepted %d times", e, api.taken[e])
			}
			missing += 1 - api.taken[e]
		}
		if missing > 0 && out.Status != visibility.StatusDiscarded {
			r.Fatalf("%d of %d events are missing of a window that is %s", missing, formatted.Events, out.Status)
		}
		if !discards && out.Status != visibility.StatusDelivered {
			r.Fatalf("nobody discarded, and it is %s", out.Status)
		}
	})
}

// destination is an API that honours idempotency keys, with all its faults, and what
// activities make of it.
type destination struct {
	seed   uint64
	limit  int
	calls  map[string]int   // how often a thing was thrown for
	events map[string][]int // of each batch, by its idempotency key
	taken  map[int]int      // how often each event was accepted
	has    map[string]bool  // keys of accepted batches
}

// throw is a number that the seed decides, and how often it was asked for the same thing:
// activities run in any order.
func (d *destination) throw(thing string, sides int) int {
	d.calls[thing]++
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %d", d.seed, thing, d.calls[thing])
	return int(h.Sum64() >> 33 % uint64(sides))
}

// flush runs the workflow to its end, with an operator who decides every hour.
func (d *destination) flush(t *testing.T, r *rapid.T, formatted workflows.FormatLogsResult, discards, together, small bool) workflows.FlushWindowResult {
	t.Helper()
	in := aWindow()
	if !small {
		in.StoredBytes = 1 << 20
	}
	for run := 0; ; run++ {
		env, w := environment(t), newWorker()
		w.format = func(workflows.FormatLogsInput) (workflows.FormatLogsResult, error) {
			switch fault := d.throw("format", 12); {
			case fault < 4:
				return workflows.FormatLogsResult{}, unavailable(workflows.ErrorStageUnavailable, workflows.Refusal{})
			case fault == 4:
				return workflows.FormatLogsResult{}, refused(workflows.ErrorStageObject, 0)
			case fault == 5 && w.here:
				return workflows.FormatLogsResult{}, temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE, nil)
			case fault == 6 && w.here:
				return workflows.FormatLogsResult{}, unavailable(workflows.ErrorNotHere, workflows.Refusal{})
			}
			return formatted, nil
		}
		w.split = func(in workflows.SplitBatchInput) (workflows.SplitBatchResult, error) {
			events := d.events[in.Batch.IdempotencyKey]
			half := len(events) / 2
			return workflows.SplitBatchResult{Batches: []workflows.Batch{*d.part(in.Batch, "a", events[:half]), *d.part(in.Batch, "b", events[half:])}}, nil
		}
		w.deliver = func(in workflows.DeliverBatchInput) (workflows.DeliverBatchResult, error) {
			if run < 20 && d.throw("run", 12) == 0 {
				env.SetContinueAsNewSuggested(true)
			}
			return d.deliver(in.Batch, w.attempt)
		}
		if together {
			w.together = func(in workflows.DeliverBatchesInput) (workflows.DeliverBatchesResult, error) {
				return outcomes(in, func(b workflows.Batch) (workflows.DeliverBatchResult, error) { return d.deliver(b, 1) }), nil
			}
		}
		w.register(env)
		for hour := range 200 {
			signal := workflows.SignalRedrive
			if discards && d.throw("operator", 4) == 0 {
				signal = workflows.SignalDiscard
			}
			env.RegisterDelayedCallback(func() {
				if !env.IsWorkflowCompleted() {
					env.SignalWorkflow(signal, nil)
				}
			}, time.Duration(hour)*time.Hour)
		}
		env.ExecuteWorkflow(workflows.FlushWindow, in)
		var next *workflow.ContinueAsNewError
		switch err := env.GetWorkflowError(); {
		case !env.IsWorkflowCompleted():
			r.Fatal("it has not ended")
		case errors.As(err, &next):
			in = continuedInput[workflows.FlushWindowInput](t, next)
			continue
		case err != nil:
			r.Fatalf("it failed: %v", err)
		}
		var out workflows.FlushWindowResult
		if err := env.GetWorkflowResult(&out); err != nil {
			r.Fatal(err)
		}
		return out
	}
}

// deliver answers as it should in the end, and before that in any way.
func (d *destination) deliver(batch workflows.Batch, attempt int) (workflows.DeliverBatchResult, error) {
	key := batch.IdempotencyKey
	events := d.events[key]
	fault := -1
	if d.calls[key] < 10 {
		fault = d.throw(key, 10)
	}
	answer := workflows.DeliverBatchResult{HTTPStatus: 200, Attempts: attempt}
	switch {
	case fault == 0:
		return answer, unavailable(workflows.ErrorDestinationUnavailable, workflows.Refusal{HTTPStatus: 503, Attempts: attempt})
	case fault == 1:
		return answer, refused(workflows.ErrorTokenRefused, 401)
	case fault == 2:
		return answer, refused(workflows.ErrorDestinationRefused, 400)
	case d.has[key]:
		return answer, nil
	case len(events) > d.limit:
		return answer, refused(workflows.ErrorBatchTooLarge, 413)
	case fault == 3 && len(events) > 1:
		fates := make([][]int, 3)
		for _, e := range events {
			fate := d.throw("fate", 3)
			fates[fate] = append(fates[fate], e)
		}
		d.accept(fates[0])
		answer.Remainder = d.part(batch, "r", fates[1])
		if never := d.part(batch, "n", fates[2]); never != nil {
			answer.Refused = &workflows.RefusedPart{Batch: *never, Refusal: workflows.Refusal{HTTPStatus: 422}}
		}
		return answer, nil
	}
	d.accept(events)
	d.has[key] = true
	if fault == 4 {
		return answer, errors.New("the answer is lost")
	}
	return answer, nil
}

func (d *destination) accept(events []int) {
	for _, e := range events {
		d.taken[e]++
	}
}

// part is the batch of some events of another one, nil if there are none.
func (d *destination) part(of workflows.Batch, name string, events []int) *workflows.Batch {
	if len(events) == 0 {
		return nil
	}
	part := workflows.Batch{StageKey: of.StageKey + name, IdempotencyKey: of.IdempotencyKey + name, Events: len(events), Bytes: len(events)}
	d.events[part.IdempotencyKey] = events
	return &part
}
