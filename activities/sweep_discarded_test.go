package activities_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/testsuite"
	"pgregory.net/rapid"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

const month = 30 * 24 * time.Hour

// note stages the note that a window, or its retry, was discarded so long ago.
func (l *listing) note(d window.Discarded, age time.Duration) string {
	d.At = now.Add(-age)
	key := d.NoteKey("p")
	l.add(age, key)
	return key
}

// sweepAsOf sweeps when it is so late by Temporal's clock.
func sweepAsOf(t require.TestingT, s *activities.Sweep, env *testsuite.TestActivityEnvironment, asOf time.Time) (out workflows.SweepStageResult) {
	env.RegisterActivity(s.SweepStage)
	value, err := env.ExecuteActivity(s.SweepStage, workflows.SweepStageInput{Pipeline: "p", AsOf: asOf})
	require.NoError(t, err)
	require.NoError(t, value.Get(&out))
	return out
}

func TestKeepDiscardedLeavesANote(t *testing.T) {
	t.Parallel()
	st := newFakeStage()
	d := &activities.Discard{Stage: st}
	in := workflows.KeepDiscardedInput{
		Pipeline: "p", ShardID: "shardId-000000000007", FirstSequenceNumber: "10", LastSequenceNumber: "19", Events: 5, At: now,
	}
	keep := func(in workflows.KeepDiscardedInput) error {
		env := environment(t)
		env.RegisterActivity(d.KeepDiscarded)
		_, err := env.ExecuteActivity(d.KeepDiscarded, in)
		return err
	}
	require.NoError(t, keep(in))
	require.NoError(t, keep(in), "an attempt whose answer was lost")
	keys := st.keys("")
	require.Equal(t, []string{window.Discarded{Window: cut(10, 19), At: now}.NoteKey("p")}, keys)
	var note map[string]any
	require.NoError(t, json.Unmarshal(st.objects[keys[0]], &note))
	require.Equal(t, map[string]any{
		"shard_id": "shardId-000000000007", "first_sequence_number": "10", "last_sequence_number": "19",
		"discarded_at": "2026-03-04T05:06:07Z", "events": 5.0,
		"staged": []any{strings.TrimSuffix(cut(10, 19).BatchKey("p", 0, ""), "0000-"), cut(10, 19).RawKey("p")},
	}, note)

	in.Retry, in.RetryGroup = true, 3
	require.NoError(t, keep(in))
	require.Len(t, st.keys(window.Discarded{Window: cut(10, 19), IsRetry: true, Group: 3}.NotesPrefix("p")), 1)

	st.brokenPut = errors.New("bucket is gone")
	requireFailure(t, keep(in), activities.ErrorStageUnavailable, true)
}

// TestSweepKeepsWhatWasDiscarded: by the clocks and the setting.
func TestSweepKeepsWhatWasDiscarded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		discarded time.Duration // ago
		written   time.Duration // the note, by the storage's clock; ago
		asOf, now time.Duration // how far the clocks of Temporal and of this process are ahead
		unknown   bool          // Temporal's time
		keep      time.Duration
		want      bool
	}{
		"just now":                                {discarded: 0, keep: month, want: true},
		"a moment too young":                      {discarded: month - 1, written: month - 1, keep: month, want: true},
		"old enough":                              {discarded: month, written: month, keep: month},
		"for ever":                                {discarded: 99 * month, written: 99 * month, want: true},
		"the clock of this process is ahead":      {discarded: time.Hour, written: time.Hour, now: 99 * month, keep: month, want: true},
		"the clock of Temporal was ahead":         {discarded: time.Hour, written: time.Hour, asOf: 99 * month, keep: month, want: true},
		"both are ahead of the storage":           {discarded: 99 * month, written: time.Hour, keep: month, want: true},
		"Temporal's time is not known":            {discarded: 99 * month, written: 99 * month, unknown: true, keep: month, want: true},
		"less than the sweep leaves to the stage": {discarded: 25 * time.Hour, written: 25 * time.Hour, keep: 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, d := &listing{}, newDirectory()
			of := window.Discarded{Window: cut(10, 19), At: now.Add(-c.discarded)}
			keys := []string{cut(10, 19).RawKey("p"), cut(10, 19).BatchKey("p", 0, "a")}
			l.add(max(2*week, c.discarded), keys...) // parked for longer than a sweep leaves it alone
			l.add(c.written, of.NoteKey("p"))
			d.window(t, cut(10, 19), enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, "19")
			s := newSweep(l, d)
			s.KeepDiscarded, s.Now = c.keep, func() time.Time { return now.Add(c.now) }
			var asOf time.Time
			if !c.unknown {
				asOf = now.Add(c.asOf)
			}
			got := sweepAsOf(t, s, environment(t), asOf)
			if c.want {
				require.Equal(t, workflows.SweepStageResult{Discarded: 2}, got)
				require.Empty(t, l.deleted)
				return
			}
			require.Equal(t, workflows.SweepStageResult{Swept: 2, Bytes: 20}, got)
			require.Equal(t, []string{of.NoteKey("p")}, l.keys(), "the note is the last to go")
			require.Equal(t, workflows.SweepStageResult{Swept: 1, Bytes: 10}, sweepAsOf(t, s, environment(t), asOf))
			require.Empty(t, l.keys())
		})
	}
}

// TestSweepKeepsNoMoreThanTheNoteSays: a note is about one window or one retry.
func TestSweepKeepsNoMoreThanTheNoteSays(t *testing.T) {
	t.Parallel()
	l, d := &listing{}, newDirectory()
	whole, rejected := cut(10, 19), cut(10, 15)
	retry := func(group int) window.Retry { return window.Retry{Window: whole, Group: group} }
	keep := []string{whole.RawKey("p"), whole.BatchKey("p", 0, "a"), whole.BatchKey("p", 1, "b"), retry(1).BatchKey("p", 0, "a"), retry(2).BatchKey("p", 0, "a")}
	gone := []string{rejected.RawKey("p"), rejected.BatchKey("p", 0, "a"), retry(0).BatchKey("p", 0, "a"), retry(12).BatchKey("p", 0, "a"), cut(30, 39).RawKey("p")}
	l.add(2*week, slices.Concat(keep, gone)...)
	notes := []string{
		l.note(window.Discarded{Window: whole}, week),
		l.note(window.Discarded{Window: whole, IsRetry: true, Group: 1}, week),
		// It was retried and discarded once more; the last time counts.
		l.note(window.Discarded{Window: whole, IsRetry: true, Group: 2}, 2*month),
		l.note(window.Discarded{Window: whole, IsRetry: true, Group: 2}, week),
		// A retry that was discarded long ago, and runs again.
		l.note(window.Discarded{Window: whole, IsRetry: true, Group: 3}, 2*month),
	}
	runs := retry(3).BatchKey("p", 0, "a")
	l.add(2*week, runs)
	d.known[retry(3).WorkflowID("p")] = &workflowpb.WorkflowExecutionInfo{Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING}
	foreign := "p/discarded/7/readme"
	l.add(2*week, foreign)
	s := newSweep(l, d)
	s.KeepDiscarded = month
	got := sweepAsOf(t, s, environment(t), now)
	require.Equal(t, workflows.SweepStageResult{Swept: len(gone), Bytes: int64(10 * len(gone)), Kept: 1, Discarded: len(keep), Foreign: 1}, got)
	require.ElementsMatch(t, gone, l.deleted)
	require.ElementsMatch(t, slices.Concat(keep, notes, []string{foreign, runs}), l.keys())
	require.NotContains(t, d.asked, retry(1).WorkflowID("p"), "what is noted costs no question")
}

// TestSweepSeesANoteThatWasJustWritten: a window is discarded while the sweep asks about
// it, long after the notes were listed.
func TestSweepSeesANoteThatWasJustWritten(t *testing.T) {
	t.Parallel()
	l, d := &listing{}, newDirectory()
	r := cut(10, 19)
	l.add(2*week, r.RawKey("p"), r.BatchKey("p", 0, "a"))
	d.window(t, r, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, r.Last)
	noted := false
	d.after = func(id string) {
		if id == window.FlushWindowID("p", r.ShardID, r.First) && !noted {
			noted = true
			l.note(window.Discarded{Window: r}, 0)
		}
	}
	s := newSweep(l, d)
	s.KeepDiscarded = month
	require.Equal(t, workflows.SweepStageResult{Discarded: 2}, sweepAsOf(t, s, environment(t), now))
	require.True(t, noted)
	require.Empty(t, l.deleted)
}

// TestSweepKeepsNotesOfWhatIsLeft: a raw window without its note would be started again
// by a recovery.
func TestSweepKeepsNotesOfWhatIsLeft(t *testing.T) {
	t.Parallel()
	l, d := &listing{}, newDirectory()
	r := cut(10, 19)
	l.add(time.Hour, r.RawKey("p")) // staged once more by a poller that followed the chain
	note := l.note(window.Discarded{Window: r}, 2*month)
	s := newSweep(l, d)
	s.KeepDiscarded = month
	require.Zero(t, sweepAsOf(t, s, environment(t), now))
	require.ElementsMatch(t, []string{r.RawKey("p"), note}, l.keys())

	l.brokenDelete = note
	require.NoError(t, l.Delete(t.Context(), r.RawKey("p")))
	_, err := execute(t, s.SweepStage, workflows.SweepStageInput{Pipeline: "p", AsOf: now})
	requireFailure(t, err, activities.ErrorStageUnavailable, true)
	l.brokenDelete, l.brokenList = "", errors.New("bucket is gone")
	_, err = execute(t, s.SweepStage, workflows.SweepStageInput{Pipeline: "p", AsOf: now})
	requireFailure(t, err, activities.ErrorStageUnavailable, true)
}

// TestSweepKeepsDiscardedWindowsForTheirTime draws windows, decisions, and sweeps at any
// time by workers whose clocks are wrong. Whatever a note is about is there until the
// time is over, and gone at some time after it.
func TestSweepKeepsDiscardedWindowsForTheirTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		const keep = 10 * 24 * time.Hour
		l, d := &listing{}, newDirectory()
		day := rapid.IntRange(0, 40)
		days := func(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }
		storage := days(rapid.IntRange(-5, 5).Draw(rt, "the storage's clock is off by days"))
		put := func(at time.Time, keys ...string) { l.add(now.Sub(at)-storage, keys...) }
		until := map[string]time.Time{} // by key of what is discarded
		type decision struct {
			of window.Discarded
			at time.Time
		}
		var decisions []decision
		for n := range rapid.IntRange(1, 3).Draw(rt, "windows") {
			r := cut(100*n+1, 100*n+99)
			staged := now.Add(days(day.Draw(rt, "staged on day")))
			of := window.Discarded{Window: r, IsRetry: rapid.Bool().Draw(rt, "retry")}
			keys := []string{r.RawKey("p"), r.BatchKey("p", 0, "a")}
			if of.IsRetry {
				keys = []string{window.Retry{Window: r}.BatchKey("p", 0, "a")}
			}
			put(staged, keys...)
			of.At = staged.Add(days(day.Draw(rt, "parked for days")))
			decisions = append(decisions, decision{of, of.At})
			for _, key := range keys {
				until[key] = of.At.Add(keep)
			}
			if of.IsRetry {
				d.known[window.Retry{Window: r}.WorkflowID("p")] = &workflowpb.WorkflowExecutionInfo{Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING}
			} else {
				d.window(t, r, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, r.Last)
			}
		}
		sweepAt := func(at time.Time, off time.Duration) {
			for _, dec := range decisions {
				key := dec.of.NoteKey("p")
				if dec.at.After(at) || slices.ContainsFunc(l.objects, func(o stage.Object) bool { return o.Key == key }) || slices.Contains(l.deleted, key) {
					continue
				}
				put(dec.at, key)
				id := window.FlushWindowID("p", dec.of.Window.ShardID, dec.of.Window.First)
				if dec.of.IsRetry {
					id = window.Retry{Window: dec.of.Window}.WorkflowID("p")
				}
				delete(d.known, id) // Temporal may have forgotten it at any time after that
			}
			s := newSweep(l, d)
			s.KeepDiscarded, s.Now = keep, func() time.Time { return at.Add(off) }
			sweepAsOf(rt, s, environment(t), at)
			for _, key := range l.deleted {
				if end, of := until[key]; of && at.Before(end) {
					rt.Fatalf("%s is deleted at %s, to be kept until %s", key, at, end)
				}
			}
		}
		at := now
		for range rapid.IntRange(1, 8).Draw(rt, "sweeps") {
			at = at.Add(days(rapid.IntRange(0, 20).Draw(rt, "days go by")))
			sweepAt(at, days(rapid.IntRange(-60, 60).Draw(rt, "the worker's clock is off by days")))
		}
		sweepAt(at.Add(6*month), 0)
		sweepAt(at.Add(6*month), 0)
		if left := l.keys(); len(left) > 0 {
			rt.Fatalf("left after half a year: %v", left)
		}
	})
}
