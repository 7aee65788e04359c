package marker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/marker"
	"github.com/log-event-pipeline/logpipe/internal/stage"
)

const shard = "shardId-000000000007"

func open(t *testing.T) (marker.Store, *stage.Stage) {
	t.Helper()
	s, err := stage.Open(t.Context(), "mem://")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return marker.Store{Stage: s, Pipeline: "p"}, s
}

func TestMarkerOnlyAdvances(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	_, found, err := store.Get(t.Context(), shard)
	require.NoError(t, err)
	require.False(t, found)
	some, err := store.Any(t.Context())
	require.NoError(t, err)
	require.False(t, some)

	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	begin := marker.Marker{
		Stream: "s", ShardID: shard, WrittenAt: at,
		Start: marker.Start{Kind: "AT_TIMESTAMP", Timestamp: at},
	}
	first := begin
	first.Checkpoint, first.CompleteUntil = "100", at
	later := first
	later.CompleteUntil = at.Add(time.Second)
	longer := later
	longer.Checkpoint = "1000" // a longer number is a greater one
	drained := longer
	drained.Drained = true

	steps := []marker.Marker{begin, first, later, longer, drained}
	for i, m := range steps {
		require.NoError(t, store.Advance(t.Context(), m))
		for _, before := range steps[:i] {
			require.NoError(t, store.Advance(t.Context(), before))
		}
		got, found, err := store.Get(t.Context(), shard)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, m, got)
	}

	require.NoError(t, store.Replace(t.Context(), begin))
	some, err = store.Any(t.Context())
	require.NoError(t, err)
	require.True(t, some)
	all, err := store.All(t.Context())
	require.NoError(t, err)
	require.Equal(t, []marker.Marker{begin}, all)
}

// TestMarkerOfAChainThatBeganAnew: behind a gap, a poller from before it must not bring
// its own chain back.
func TestMarkerOfAChainThatBeganAnew(t *testing.T) {
	t.Parallel()
	store, _ := open(t)
	old := marker.Marker{ShardID: shard, Start: marker.Start{Kind: "AT_SEQUENCE_NUMBER", SequenceNumber: "5"}, Checkpoint: "100"}
	anew := marker.Marker{ShardID: shard, Start: marker.Start{Kind: "AT_SEQUENCE_NUMBER", SequenceNumber: "500"}}
	get := func() marker.Marker {
		m, _, err := store.Get(t.Context(), shard)
		require.NoError(t, err)
		return m
	}
	require.NoError(t, store.Advance(t.Context(), old))
	require.NoError(t, store.Replace(t.Context(), anew))
	require.NoError(t, store.Advance(t.Context(), old))
	require.Equal(t, anew, get())
	anew.Checkpoint = "510"
	require.NoError(t, store.Advance(t.Context(), anew))
	require.NoError(t, store.Advance(t.Context(), old))
	require.Equal(t, anew, get())
	// One whose beginning another attempt has noted differently goes on all the same.
	other := anew
	other.Start.SequenceNumber, other.Checkpoint = "501", "520"
	require.NoError(t, store.Advance(t.Context(), other))
	require.Equal(t, other, get())
}

func TestDamagedMarkersAreNamed(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no JSON":         `nonsense`,
		"no number":       `{"shardId":"shardId-000000000007","checkpoint":"12x"}`,
		"no start number": `{"shardId":"shardId-000000000007","chainStart":{"sequenceNumber":"-1"}}`,
	} {
		store, objects := open(t)
		require.NoError(t, objects.Put(t.Context(), "p/marker/7", []byte(body)))
		_, _, err := store.Get(t.Context(), shard)
		require.ErrorContains(t, err, "p/marker/7", name)
		require.Error(t, store.Advance(t.Context(), marker.Marker{ShardID: shard}), name)
		_, err = store.All(t.Context())
		require.ErrorContains(t, err, "p/marker/7", name)
	}
	store, objects := open(t)
	require.NoError(t, objects.Put(t.Context(), "p/marker/8", []byte(`{"shardId":"shardId-000000000007"}`)))
	_, err := store.All(t.Context())
	require.ErrorContains(t, err, "shardId-000000000007")
}
