package starter_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/marker"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/starter"
	"github.com/log-event-pipeline/logpipe/workflows"
)

var recoveredAt = time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)

// lost is a pipeline whose Temporal has forgotten everything.
type lost struct {
	*starter.Recovery
	server *fakeTemporal
	stage  *stage.Stage
}

func newLost(t *testing.T) *lost {
	t.Helper()
	server, st := newFakeTemporal(), memory(t)
	return &lost{server: server, stage: st, Recovery: &starter.Recovery{
		Config: settings(), Temporal: server, Stage: st, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return recoveredAt },
	}}
}

func (l *lost) markers() marker.Store { return marker.Store{Stage: l.stage, Pipeline: "p"} }

// put stages the records as a window of the shard and returns its key.
func (l *lost) put(t *testing.T, shardID string, sequence ...string) string {
	t.Helper()
	r := window.Range{ShardID: shardID, First: window.SequenceNumber(sequence[0]), Last: window.SequenceNumber(sequence[len(sequence)-1])}
	require.NoError(t, l.stage.Put(t.Context(), r.RawKey("p"), window.Append(nil, someRecords(sequence...))))
	return r.RawKey("p")
}

func (l *lost) mark(t *testing.T, shardID, checkpoint string) {
	t.Helper()
	require.NoError(t, l.markers().Replace(t.Context(), marker.Marker{
		Stream: "api-logs", ShardID: shardID, Checkpoint: window.SequenceNumber(checkpoint),
		Start: marker.Start{Kind: "AT_SEQUENCE_NUMBER", SequenceNumber: "1"}, WrittenAt: recoveredAt.Add(-time.Hour),
	}))
}

// recover plans and runs.
func (l *lost) recover(t *testing.T) (starter.RecoveryPlan, starter.Recovered) {
	t.Helper()
	plan, err := l.Plan(t.Context())
	require.NoError(t, err)
	done, err := l.Run(t.Context(), plan)
	require.NoError(t, err)
	return plan, done
}

// windows are the ranges of the windows that run, in order.
func (l *lost) windows() []string {
	var out []string
	for _, in := range l.server.inputs {
		out = append(out, in.Range().String())
	}
	slices.Sort(out)
	return out
}

func TestRecoverStartsWhatIsStagedAndReadsOn(t *testing.T) {
	t.Parallel()
	const other, idle = "shardId-000000000012", "shardId-000000000002"
	l := newLost(t)
	key := l.put(t, shard, "10", "11", "12")
	l.put(t, shard, "13", "14")
	l.mark(t, shard, "12")
	l.put(t, other, "5")
	l.mark(t, idle, "77")

	plan, done := l.recover(t)
	require.Equal(t, starter.Recovered{Started: 3, Markers: 3}, done)
	var shards []string
	for _, s := range plan.Shards {
		shards = append(shards, fmt.Sprintf("%s: %d windows, %d records, after %s", window.ShortShard(s.ShardID), len(s.Windows), s.Records(), s.Resume()))
	}
	require.Equal(t, []string{"2: 0 windows, 0 records, after 77", "7: 2 windows, 5 records, after 14", "12: 1 windows, 1 records, after 5"}, shards)
	first, last := plan.Shards[1].Arrivals()
	require.Equal(t, someRecords("10", "11", "12")[0].Arrival.UTC(), first)
	require.Equal(t, someRecords("10", "11", "12")[2].Arrival.UTC(), last)

	// A recovered window is what its poller would have started.
	chain, pollers, _ := newChain()
	chain.Stream = "api-logs"
	_, err := chain.Open(t.Context(), shard, someRecords("10", "11", "12"), window.ReasonRecovered)
	require.NoError(t, err)
	id := window.FlushWindowID("p", shard, "10")
	require.Equal(t, pollers.started[id], l.server.started[id])
	require.Equal(t, pollers.inputs[id], l.server.inputs[id])
	require.Equal(t, key, l.server.inputs[id].StageKey)

	all, err := l.markers().All(t.Context())
	require.NoError(t, err)
	checkpoints := map[string]window.SequenceNumber{}
	for _, m := range all {
		require.Equal(t, "api-logs", m.Stream)
		require.NotEmpty(t, m.Start.Kind)
		require.Equal(t, recoveredAt, m.WrittenAt, "a marker that seems old would be a gap to its reader")
		checkpoints[m.ShardID] = m.Checkpoint
	}
	require.Equal(t, map[string]window.SequenceNumber{shard: "14", other: "5", idle: "77"}, checkpoints)
	require.Equal(t, "TRIM_HORIZON", l.server.reader.Position, "with LATEST, what a shard took in before now would be left out")
	require.Equal(t, "api-logs", l.server.reader.Stream)
	var begun []string
	for _, known := range l.server.reader.Shards {
		begun = append(begun, window.ShortShard(known.ID))
	}
	require.Equal(t, []string{"2", "7", "12"}, begun, "whether or not Kinesis still lists them")

	_, err = l.Plan(t.Context())
	require.ErrorContains(t, err, "p/stream", "Temporal knows the pipeline again")
	require.ErrorContains(t, err, "start a starter")
}

func TestRecoverChoosesAmongCuts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		staged               [][]string
		want                 []string
		covered, overlapping int
		resume               window.SequenceNumber
	}{
		"one after another":        {[][]string{{"1", "2"}, {"3"}}, []string{"1-2", "3-3"}, 0, 0, "3"},
		"two from the same record": {[][]string{{"1", "2"}, {"1", "2", "3"}}, []string{"1-3"}, 1, 0, "3"},
		"one inside another":       {[][]string{{"1", "2", "3", "4"}, {"2", "3"}}, []string{"1-4"}, 1, 0, "4"},
		"one at another's end":     {[][]string{{"1", "2", "3"}, {"2", "3"}}, []string{"1-3"}, 1, 0, "3"},
		"two that overlap":         {[][]string{{"1", "2", "3"}, {"3", "4"}}, []string{"1-3", "3-4"}, 0, 1, "4"},
		"by number, not as text":   {[][]string{{"9", "10", "11"}, {"100"}}, []string{"9-11", "100-100"}, 0, 0, "100"},
		"all of it": {[][]string{{"1"}, {"1", "2", "3", "4"}, {"2", "3"}, {"4", "5"}, {"5"}, {"9"}},
			[]string{"1-4", "4-5", "9-9"}, 3, 1, "9"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLost(t)
			for _, sequence := range c.staged {
				l.put(t, shard, sequence...)
			}
			plan, _ := l.recover(t)
			require.Len(t, plan.Shards, 1)
			got := plan.Shards[0]
			var ranges []string
			for _, w := range got.Windows {
				ranges = append(ranges, fmt.Sprintf("%s-%s", w.FirstSequenceNumber, w.LastSequenceNumber))
			}
			require.Equal(t, c.want, ranges)
			require.Equal(t, c.covered, got.Covered)
			require.Equal(t, c.overlapping, got.Overlapping)
			m, _, err := l.markers().Get(t.Context(), shard)
			require.NoError(t, err)
			require.Equal(t, c.resume, m.Checkpoint)
			require.Equal(t, recoveredAt, m.WrittenAt)
		})
	}
}

// TestRecoverLeavesDiscardedWindowsAlone: they are neither started nor read again, and
// nothing else is given up with them.
func TestRecoverLeavesDiscardedWindowsAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		staged, discarded [][]string
		want              []string
		covered, overlaps int
		noted             int
		resume            window.SequenceNumber
	}{
		"one of several":      {[][]string{{"1", "2"}, {"3", "4"}, {"5", "6"}}, [][]string{{"3", "4"}}, []string{"1-2", "5-6"}, 0, 0, 1, "6"},
		"the last":            {[][]string{{"1", "2"}, {"3", "4"}}, [][]string{{"3", "4"}}, []string{"1-2"}, 0, 0, 1, "4"},
		"all":                 {[][]string{{"1", "2"}, {"3", "4"}}, [][]string{{"1", "2"}, {"3", "4"}}, nil, 0, 0, 2, "4"},
		"a cut inside it":     {[][]string{{"1", "2", "3"}, {"1", "2"}, {"2", "3"}}, [][]string{{"1", "2", "3"}}, nil, 2, 0, 1, "3"},
		"a cut across":        {[][]string{{"1", "2", "3"}, {"3", "4"}}, [][]string{{"1", "2", "3"}}, []string{"3-4"}, 0, 1, 1, "4"},
		"inside a cut":        {[][]string{{"1", "2"}, {"1", "2", "3", "4"}}, [][]string{{"1", "2"}}, []string{"1-4"}, 0, 0, 1, "4"},
		"not staged any more": {[][]string{{"1", "2"}}, [][]string{{"3", "4"}}, []string{"1-2"}, 0, 0, 0, "2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLost(t)
			for _, sequence := range c.staged {
				l.put(t, shard, sequence...)
			}
			for _, sequence := range c.discarded {
				l.discard(t, sequence[0], sequence[len(sequence)-1])
			}
			plan, done := l.recover(t)
			require.Equal(t, len(c.want), done.Started)
			var ranges []string
			for _, w := range plan.Shards[0].Windows {
				ranges = append(ranges, fmt.Sprintf("%s-%s", w.FirstSequenceNumber, w.LastSequenceNumber))
			}
			require.Equal(t, c.want, ranges)
			require.Equal(t, c.covered, plan.Shards[0].Covered)
			require.Equal(t, c.overlaps, plan.Shards[0].Overlapping)
			require.Equal(t, c.noted, plan.Shards[0].Discarded)
			m, _, err := l.markers().Get(t.Context(), shard)
			require.NoError(t, err)
			require.Equal(t, c.resume, m.Checkpoint, "what was discarded is not read again")
			require.Equal(t, c.resume, plan.Shards[0].Resume())
			require.NotEmpty(t, m.Start.SequenceNumber)
		})
	}
}

// discard leaves the note that the window was discarded, and that a retry of it was.
func (l *lost) discard(t *testing.T, first, last string) {
	t.Helper()
	of := window.Discarded{Window: window.Range{ShardID: shard, First: window.SequenceNumber(first), Last: window.SequenceNumber(last)}, At: recoveredAt}
	require.NoError(t, l.stage.Put(t.Context(), of.NoteKey("p"), []byte("nobody reads it")))
}

// A retry that was discarded says nothing of its window, and damage to what was discarded
// is nobody's business.
func TestRecoverTellsNotesApart(t *testing.T) {
	t.Parallel()
	l := newLost(t)
	l.put(t, shard, "1", "2")
	retry := window.Discarded{Window: window.Range{ShardID: shard, First: "1", Last: "2"}, IsRetry: true, At: recoveredAt}
	require.NoError(t, l.stage.Put(t.Context(), retry.NoteKey("p"), nil))
	require.NoError(t, l.stage.Put(t.Context(), "p/discarded/7/readme", nil))
	damaged := l.put(t, shard, "3", "4")
	require.NoError(t, l.stage.Put(t.Context(), damaged, []byte("damaged")))
	l.discard(t, "3", "4")
	plan, done := l.recover(t)
	require.Equal(t, 1, done.Started)
	require.Equal(t, []string{shard + "[1..2]"}, l.windows())
	require.Empty(t, plan.Damaged)
	require.Equal(t, 1, plan.Shards[0].Discarded)
	require.Equal(t, window.SequenceNumber("4"), plan.Shards[0].Resume())
}

// TestRecoverLeavesDamageAlone: what is wrong with one object is said, and the others
// are recovered.
func TestRecoverLeavesDamageAlone(t *testing.T) {
	t.Parallel()
	l := newLost(t)
	good := l.put(t, shard, "1", "2")
	whole, err := l.stage.Get(t.Context(), good)
	require.NoError(t, err)
	at := func(first, last string) string {
		return window.Range{ShardID: shard, First: window.SequenceNumber(first), Last: window.SequenceNumber(last)}.RawKey("p")
	}
	says := map[string]string{at("3", "4"): "it ends inside", at("5", "6"): "its key names", at("7", "8"): "follows", at("9", "9"): "0 records"}
	require.NoError(t, l.stage.Put(t.Context(), at("3", "4"), whole[:len(whole)-3]))
	require.NoError(t, l.stage.Put(t.Context(), at("5", "6"), whole))
	require.NoError(t, l.stage.Put(t.Context(), at("7", "8"), window.Append(nil, someRecords("7", "9", "8"))))
	require.NoError(t, l.stage.Put(t.Context(), at("9", "9"), window.Append(nil, nil)))
	require.NoError(t, l.stage.Put(t.Context(), "p/raw/7/fileblob271828", whole[:9]))

	plan, done := l.recover(t)
	require.Equal(t, 1, done.Started)
	require.Equal(t, []string{shard + "[1..2]"}, l.windows())
	require.Len(t, plan.Damaged, len(says))
	for _, d := range plan.Damaged {
		require.ErrorContains(t, d.Err, says[d.Key])
		_, err := l.stage.Get(t.Context(), d.Key)
		require.NoError(t, err, "left alone")
	}
	require.Equal(t, []string{"p/raw/7/fileblob271828"}, plan.Foreign)
	m, _, err := l.markers().Get(t.Context(), shard)
	require.NoError(t, err)
	require.Equal(t, window.SequenceNumber("2"), m.Checkpoint, "what is damaged may be read again")
}

// unsteady is a stage whose connections break a few times.
type unsteady struct {
	*stage.Stage
	breaks int
}

func (u *unsteady) Reader(ctx context.Context, key string) (io.ReadCloser, error) {
	r, err := u.Stage.Reader(ctx, key)
	if u.breaks > 0 && err == nil {
		u.breaks--
		return struct {
			io.Reader
			io.Closer
		}{io.LimitReader(r, 30), r}, nil
	}
	return r, err
}

func TestRecoverReadsAgainWhatMayOnlySeemDamaged(t *testing.T) {
	t.Parallel()
	l := newLost(t)
	l.put(t, shard, "1", "2")
	l.Stage = &unsteady{Stage: l.stage, breaks: 2}
	plan, _ := l.recover(t)
	require.Empty(t, plan.Damaged)
	require.Len(t, l.server.inputs, 1)
}

// TestRecoverCompletesAShorterWindow: a starter that outlived the database has begun a
// window on the new one, shorter than the one that is staged.
func TestRecoverCompletesAShorterWindow(t *testing.T) {
	t.Parallel()
	l := newLost(t)
	l.put(t, shard, "1", "2", "3", "4", "5")
	l.put(t, shard, "6", "7")
	chain := &starter.Chain{Client: l.server, Stage: l.stage, Pipeline: "p", Stream: "api-logs"}
	for _, cut := range [][]string{{"1", "2"}, {"3"}} {
		_, err := chain.Open(t.Context(), shard, someRecords(cut...), window.ReasonAge)
		require.NoError(t, err)
	}
	_, done := l.recover(t)
	require.Equal(t, []string{shard + "[1..2]", shard + "[3..3]", shard + "[4..5]", shard + "[6..7]"}, l.windows())
	require.Equal(t, 2, done.Started)
	for _, in := range l.server.inputs {
		_, err := l.stage.Get(t.Context(), in.StageKey)
		require.NoError(t, err, in.StageKey)
	}
}

// TestRecoverFollowsALongerWindow: reading resumes behind what runs, whatever is staged.
func TestRecoverFollowsALongerWindow(t *testing.T) {
	t.Parallel()
	l := newLost(t)
	l.put(t, shard, "1", "2")
	l.server.started[window.FlushWindowID("p", shard, "1")] = client.StartWorkflowOptions{Memo: map[string]any{workflows.MemoLastSequenceNumber: "9"}}
	_, done := l.recover(t)
	require.Equal(t, starter.Recovered{Known: 1, Markers: 1}, done)
	m, _, err := l.markers().Get(t.Context(), shard)
	require.NoError(t, err)
	require.Equal(t, window.SequenceNumber("9"), m.Checkpoint)
}

// TestRecoverOfWindowsBeforeAGap: the chain has begun anew behind the gap, and what
// Kinesis has deleted before is not asked for again.
func TestRecoverOfWindowsBeforeAGap(t *testing.T) {
	t.Parallel()
	arrived := someRecords("10", "11")[1].Arrival
	for name, start := range map[string]marker.Start{
		"at a record": {Kind: "AT_SEQUENCE_NUMBER", SequenceNumber: "100"},
		"at a time":   {Kind: "AT_TIMESTAMP", Timestamp: arrived.Add(time.Hour)},
	} {
		l := newLost(t)
		l.put(t, shard, "10", "11")
		require.NoError(t, l.markers().Replace(t.Context(), marker.Marker{Stream: "api-logs", ShardID: shard, Start: start}))
		plan, done := l.recover(t)
		require.Equal(t, 1, done.Started, name)
		require.Empty(t, plan.Shards[0].Resume(), name)
		m, _, err := l.markers().Get(t.Context(), shard)
		require.NoError(t, err)
		require.Empty(t, m.Checkpoint, name)

		l.put(t, shard, "100", "101") // and one behind it
		l = &lost{Recovery: l.Recovery, server: newFakeTemporal(), stage: l.stage}
		l.Temporal = l.server
		plan, _ = l.recover(t)
		require.Equal(t, start.SequenceNumber == "", plan.Shards[0].Resume() == "", name)
	}
}

func TestRecoverRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(*testing.T, *lost)
		says    []string
	}{
		"nothing is staged": {func(*testing.T, *lost) {}, []string{"nothing to recover", "LOGPIPE_PIPELINE", "LOGPIPE_STAGE_URL"}},
		"Temporal knows the pipeline": {func(t *testing.T, l *lost) {
			t.Helper()
			l.mark(t, shard, "1")
			l.server.started["p/stream"] = client.StartWorkflowOptions{}
		}, []string{"p/stream", "Running", "start a starter"}},
		"markers of another stream": {func(t *testing.T, l *lost) {
			t.Helper()
			l.mark(t, shard, "1")
			l.Config.Stream = "other-logs"
		}, []string{"api-logs", "other-logs", "LOGPIPE_STREAM"}},
		"damaged marker": {func(t *testing.T, l *lost) {
			t.Helper()
			require.NoError(t, l.stage.Put(t.Context(), "p/marker/7", []byte("{")))
		}, []string{"p/marker/7", "can be deleted"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLost(t)
			c.prepare(t, l)
			_, err := l.Plan(t.Context())
			require.Error(t, err)
			for _, text := range c.says {
				require.ErrorContains(t, err, text)
			}
			require.NotContains(t, err.Error(), "\n")
			require.Nil(t, l.server.reader)
		})
	}
}

func TestRecoverChecksAgainBeforeItStarts(t *testing.T) {
	t.Parallel()
	l := newLost(t)
	l.put(t, shard, "1")
	plan, err := l.Plan(t.Context())
	require.NoError(t, err)
	l.server.started["p/stream"] = client.StartWorkflowOptions{} // somebody else was faster
	_, err = l.Run(t.Context(), plan)
	require.ErrorContains(t, err, "p/stream")
	require.Empty(t, l.server.inputs)
}

func TestOtherShardsBeginWhereNothingIsLost(t *testing.T) {
	t.Parallel()
	at := config.AtTimestamp(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	for configured, want := range map[config.StartPosition]config.StartPosition{
		config.TrimHorizon(): config.TrimHorizon(), config.Latest(): config.TrimHorizon(), at: at,
	} {
		l := newLost(t)
		l.Config.StartPosition = configured
		l.mark(t, shard, "1")
		plan, _ := l.recover(t)
		require.Equal(t, want, plan.Position)
		require.Equal(t, want.String(), l.server.reader.Position)
	}
}

func TestRecoverSaysHowToGoOn(t *testing.T) {
	t.Parallel()
	l := newLost(t)
	l.put(t, shard, "1")
	plan, err := l.Plan(t.Context())
	require.NoError(t, err)
	l.server.lost = true // the start succeeds, its answer is lost
	_, err = l.Run(t.Context(), plan)
	require.EqualError(t, err, "start workflow p/flush/7/"+window.SequenceNumber("1").Short()+": connection lost; mend that and recover again, what was started is found")
	require.Nil(t, l.server.reader, "no starter may read yet")

	l.Stage = brokenListing{l.stage}
	_, err = l.Plan(t.Context())
	require.ErrorContains(t, err, "bucket is gone")
	l.Stage = l.stage
	_, done := l.recover(t)
	require.Equal(t, starter.Recovered{Known: 1, Markers: 1}, done)
}

type brokenListing struct{ *stage.Stage }

func (brokenListing) Keys(context.Context, string) ([]string, error) {
	return nil, errors.New("bucket is gone")
}
