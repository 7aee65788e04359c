package starter

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/marker"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// horizon is what is left of a shard.
type horizon struct {
	endless
	asked  []window.SequenceNumber
	holds  bool
	faults []error // of the first questions
	hidden []error // of the first questions for the retention
}

func (h *horizon) Retention(ctx context.Context) (time.Duration, error) {
	if len(h.hidden) > 0 {
		fault := h.hidden[0]
		h.hidden = h.hidden[1:]
		return 0, fault
	}
	return h.endless.Retention(ctx)
}

func (h *horizon) Holds(_ context.Context, _ string, record window.SequenceNumber) (bool, error) {
	h.asked = append(h.asked, record)
	if len(h.faults) > 0 {
		fault := h.faults[0]
		h.faults = h.faults[1:]
		return false, fault
	}
	return h.holds, nil
}

func arrived(b kinesis.Batch, at time.Time) kinesis.Batch {
	for i := range b.Records {
		b.Records[i].Arrival = at
	}
	return b
}

func TestLeaseFindsWhatWasTrimmed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const day = 24 * time.Hour
		now := time.Now()
		busy := errors.Join(kinesis.ErrThrottled)
		for name, c := range map[string]struct {
			checkpoint    window.SequenceNumber
			completeUntil time.Time
			first         int // record of the only batch
			horizon       horizon
			asked         window.SequenceNumber // "" for nobody
			gap           bool
		}{
			"everything was read not long ago":         {checkpoint: "4", completeUntil: now.Add(-time.Hour), first: 9},
			"nothing has come for long":                {checkpoint: "4", completeUntil: now.Add(-day + 2*trimMargin), first: 9},
			"near the horizon, and still there":        {checkpoint: "4", completeUntil: now.Add(-day), first: 9, horizon: horizon{holds: true}, asked: "4"},
			"near the horizon, and asked again":        {checkpoint: "4", completeUntil: now.Add(-day), first: 9, horizon: horizon{holds: true, faults: []error{busy, busy}}, asked: "4"},
			"trimmed, but nothing can be missing":      {checkpoint: "4", completeUntil: now.Add(-day + 2*arrivalMargin), first: 9, asked: "4"},
			"trimmed, and the clocks cannot tell":      {checkpoint: "4", completeUntil: now.Add(-day + arrivalMargin/2), first: 9, asked: "4", gap: true},
			"trimmed":                                  {checkpoint: "4", completeUntil: now.Add(-day - time.Minute), first: 9, asked: "4", gap: true},
			"trimmed, and nobody knows since when":     {checkpoint: "4", first: 9, asked: "4", gap: true},
			"nobody tells the retention":               {checkpoint: "4", completeUntil: now.Add(-time.Hour), first: 9, horizon: horizon{hidden: []error{errors.New("denied")}}},
			"the retention is asked for again":         {checkpoint: "4", completeUntil: now.Add(-day), first: 9, horizon: horizon{holds: true, hidden: []error{busy, busy}}, asked: "4"},
			"trimmed within the error of the clocks":   {checkpoint: "4", completeUntil: now.Add(-day + 8*time.Second), first: 9, asked: "4", gap: true},
			"the first record, and nothing before":     {completeUntil: now.Add(-day + time.Minute), first: 2, asked: "1", gap: true},
			"the first record of the chain":            {first: 1},
			"the first record of the chain is trimmed": {first: 2, asked: "1", gap: true},
		} {
			chain := &chainOf{}
			run := runLease(t.Context(), &script{batches: []kinesis.Batch{atEnd(arrived(someBatch(c.first, c.first), now))}}, chain, nil, func(l *lease) {
				l.Horizon = &c.horizon
				l.progress = workflows.Progress{Checkpoint: c.checkpoint, CompleteUntil: c.completeUntil}
				l.last, l.readUntil = c.checkpoint, c.completeUntil
			})
			require.NoError(t, run.err, name)
			if c.asked == "" {
				require.Empty(t, c.horizon.asked, name)
			} else {
				require.Contains(t, c.horizon.asked, c.asked, name)
			}
			if !c.gap {
				require.Nil(t, run.result.Gap, name)
				require.Len(t, chain.opened, 1, name)
				continue
			}
			require.Empty(t, chain.opened, name)
			require.Equal(t, endedByGap, run.result.Ended, name)
			require.False(t, run.result.Drained, name)
			require.Equal(t, workflows.GapTrimmed, run.result.Gap.Kind, name)
			require.Equal(t, c.checkpoint, run.result.Gap.After, name)
			require.True(t, c.completeUntil.Equal(run.result.Gap.From), name)
			require.WithinDuration(t, now.Add(-day), run.result.Gap.To, time.Minute, name)
		}
	})
}

// TestLeasePutsWhatItHasIntoAWindowBeforeAGap: it may be gone from Kinesis.
func TestLeasePutsWhatItHasIntoAWindowBeforeAGap(t *testing.T) {
	t.Parallel()
	for kind, fault := range map[workflows.GapKind]error{workflows.GapPosition: kinesis.ErrPosition, workflows.GapShardGone: kinesis.ErrNoShard} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := &chainOf{}
				run := runLease(t.Context(), &script{
					batches: []kinesis.Batch{behind(someBatch(1, 3))}, fail: fmt.Errorf("find it: %w", fault),
				}, c, nil, nil)
				require.NoError(t, run.err)
				require.Equal(t, []string{"1-3 drain"}, c.opened)
				require.Equal(t, kind, run.result.Gap.Kind)
				require.Equal(t, window.SequenceNumber("3"), run.result.Gap.After)
				require.Equal(t, window.SequenceNumber("3"), run.result.Checkpoint)
			})
		})
	}
}

// TestLeaseRefusesToRelyOnWhatTemporalForgot: a checkpoint that is older than the
// retention of the namespace does not tell where the chain ends.
func TestLeaseRefusesToRelyOnWhatTemporalForgot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const remembered = 72 * time.Hour
		now := time.Now()
		for name, c := range map[string]struct {
			known      time.Duration // since when
			marker     *marker.Marker
			otherChain bool
			gap        bool
			from       kinesis.Position
		}{
			"young enough":           {known: 60 * time.Hour, from: kinesis.After("4")},
			"too old":                {known: 66 * time.Hour, gap: true},
			"the stage knows better": {known: 100 * time.Hour, marker: &marker.Marker{Checkpoint: "6", WrittenAt: now.Add(-time.Hour)}, from: kinesis.After("6")},
			"the stage knows a chain from before a gap": {known: 100 * time.Hour, marker: &marker.Marker{Checkpoint: "6", WrittenAt: now.Add(-time.Hour)}, otherChain: true, gap: true},
			"the stage is as old":                       {known: 100 * time.Hour, marker: &marker.Marker{Checkpoint: "6", WrittenAt: now.Add(-99 * time.Hour)}, gap: true},
			"the stage knows no more":                   {known: 100 * time.Hour, marker: &marker.Marker{Checkpoint: "4", WrittenAt: now.Add(-time.Hour)}, gap: true},
			"nothing was ever known of it":              {from: kinesis.After("4")},
		} {
			s := &script{batches: []kinesis.Batch{atEnd(someBatch(9, 9))}}
			run := runLease(t.Context(), s, &chainOf{}, nil, func(l *lease) {
				l.Remembered = remembered
				l.progress.Checkpoint, l.last = "4", "4"
				if c.known > 0 {
					l.progress.CheckpointAt = now.Add(-c.known)
				}
				if c.marker != nil {
					c.marker.Start = marker.Start{Kind: string(l.in.Start.Kind), SequenceNumber: l.in.Start.SequenceNumber}
					if c.otherChain {
						c.marker.Start.SequenceNumber = "0"
					}
					l.Markers = &markers{m: c.marker}
				}
			})
			require.NoError(t, run.err, name)
			require.Equal(t, c.gap, run.result.Gap != nil, name)
			if c.gap {
				require.Equal(t, workflows.GapForgotten, run.result.Gap.Kind, name)
				require.Zero(t, s.reads, name)
				continue
			}
			require.Equal(t, c.from, s.from, name)
		}
	})
}

// TestCheckpointsAgeByTheClockOfTemporal: the local one can be days ahead, and would find
// every checkpoint too old, again and again.
func TestCheckpointsAgeByTheClockOfTemporal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		theirs := time.Now().Add(-100 * time.Hour)
		clock := clockOf(activity.Info{StartedTime: theirs})
		run := runLease(t.Context(), &script{}, &chainOf{}, nil, func(l *lease) {
			l.Remembered, l.now = 72*time.Hour, clock
			l.progress = workflows.Progress{Checkpoint: "4", CheckpointAt: theirs.Add(-time.Minute)}
		})
		require.NoError(t, run.err)
		require.Nil(t, run.result.Gap)
		require.WithinDuration(t, theirs.Add(5*time.Minute), run.result.CheckpointAt, time.Minute)
	})
}

// TestCheckpointIsKnownToBeTheLast only where no other poller can have opened a window
// behind it.
func TestCheckpointIsKnownToBeTheLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old := time.Now().Add(-time.Hour)
		begin := func(l *lease) { l.progress.CheckpointAt = old }
		theirs := &chainOf{theirs: map[window.SequenceNumber]window.SequenceNumber{"1": "2"}}
		s := &script{batches: []kinesis.Batch{behind(someBatch(1, 4))}, fail: errors.New("no more")}
		run := runLease(t.Context(), s, theirs, nil, begin)
		require.Error(t, run.err)
		for _, beat := range run.beats[:2] {
			require.Equal(t, old, beat.CheckpointAt, "there may be more windows of theirs")
		}
		require.Equal(t, window.SequenceNumber("4"), run.beats[len(run.beats)-1].Checkpoint)
		require.True(t, run.beats[len(run.beats)-1].CheckpointAt.After(old), "this one is ours")

		run = runLease(t.Context(), &script{batches: []kinesis.Batch{{}}}, &chainOf{}, nil, begin)
		require.NoError(t, run.err)
		require.True(t, run.result.CheckpointAt.After(old), "nothing has come behind it")
		require.True(t, run.result.CompleteUntil.After(old))
	})
}
