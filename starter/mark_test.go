package starter

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/marker"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// markers holds the marker of one shard.
type markers struct {
	m      *marker.Marker
	writes []time.Time
	broken error
}

func (s *markers) Get(context.Context, string) (marker.Marker, bool, error) {
	if s.m == nil || s.broken != nil {
		return marker.Marker{}, false, s.broken
	}
	return *s.m, true, nil
}

func (s *markers) Advance(_ context.Context, m marker.Marker) error {
	s.writes = append(s.writes, time.Now())
	if s.broken != nil {
		return s.broken
	}
	s.m = &m
	return nil
}

func (s *markers) Replace(ctx context.Context, m marker.Marker) error { return s.Advance(ctx, m) }

func TestLeaseKeepsItsMarker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// A window every second for five minutes, then nothing for five.
		s := &script{}
		for i := range 5 * 60 * 5 {
			s.batches = append(s.batches, behind(someBatch(i+1, i+1)))
		}
		all := &markers{}
		long := func(l *lease) {
			l.Markers = all
			l.Options.Lease = 10 * time.Minute
		}
		run := runLease(t.Context(), s, &chainOf{}, nil, long)
		require.NoError(t, run.err)
		require.InDelta(t, 10, len(all.writes), 2, "two a minute while there are windows")
		for i, at := range all.writes[1:] {
			require.LessOrEqual(t, at.Sub(all.writes[i]), time.Minute+time.Second)
		}
		require.Equal(t, run.result.Checkpoint, all.m.Checkpoint)
		require.Equal(t, workflows.StartAtSequenceNumber, workflows.StartKind(all.m.Start.Kind))

		// The next lease finds the marker as it should be, and nothing new.
		all.writes = nil
		next := func(l *lease) { long(l); l.progress, l.last = run.result.Progress, run.result.Checkpoint }
		run = runLease(t.Context(), &script{}, &chainOf{}, nil, next)
		require.NoError(t, run.err)
		require.Empty(t, all.writes)

		// Hours of silence are noted, too.
		run = runLease(t.Context(), &script{}, &chainOf{}, nil, func(l *lease) { next(l); l.Options.Lease = 150 * time.Minute })
		require.NoError(t, run.err)
		require.InDelta(t, 2, len(all.writes), 1)

		// The end of the shard is.
		run = runLease(t.Context(), &script{batches: []kinesis.Batch{atEnd(kinesis.Batch{})}}, &chainOf{}, nil, next)
		require.NoError(t, run.err)
		require.True(t, all.m.Drained)

		// A stage that does not take markers does not keep a shard from being read.
		broken := &markers{broken: errors.New("denied")}
		run = runLease(t.Context(), &script{batches: []kinesis.Batch{atEnd(someBatch(1, 3))}}, &chainOf{}, nil, func(l *lease) { l.Markers = broken })
		require.NoError(t, run.err)
		require.True(t, run.result.Drained)
	})
}

func TestMarkersHoldTheWholeProgress(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	start := workflows.ChainStart{Kind: workflows.StartAtTimestamp, Timestamp: at}
	p := workflows.Progress{Checkpoint: "7", CheckpointAt: at, CompleteUntil: at}
	m := markerOf("s", "shardId-000000000001", start, p)
	require.Equal(t, p, progressOf(m))
	require.Equal(t, start, startOf(m))

	st, err := stage.Open(t.Context(), "mem://")
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	store := marker.Store{Stage: st, Pipeline: "p"}
	require.NoError(t, store.Replace(t.Context(), m))
	got, found, err := store.Get(t.Context(), m.ShardID)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, p, progressOf(got))
}
