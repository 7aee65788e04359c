package starter_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/log-event-pipeline/logpipe/internal/quarantine"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/starter"
)

// entries are pieces of a window as they are listed: in the order of their keys.
func entries(first string, numbers ...int) []quarantine.Entry {
	r := window.Range{ShardID: shard, First: window.SequenceNumber(first), Last: window.SequenceNumber(first + "9")}
	var list []quarantine.Entry
	for _, n := range numbers {
		list = append(list, quarantine.Entry{
			Key:   r.QuarantineKey("p", n, "d"),
			Place: window.Piece{Window: r, Number: n, Digest: "d"}, Bytes: 10,
			Header: quarantine.Header{Arrival: recoveredAt},
		})
	}
	slices.SortFunc(list, func(a, b quarantine.Entry) int { return strings.Compare(a.Key, b.Key) })
	return list
}

func each(list ...quarantine.Entry) iter.Seq2[quarantine.Entry, error] {
	return func(yield func(quarantine.Entry, error) bool) {
		for _, e := range list {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func retried(t *testing.T, server *fakeTemporal, list ...quarantine.Entry) []starter.Retried {
	t.Helper()
	var all []starter.Retried
	r := starter.Retry{Temporal: server, Pipeline: "p", Stream: "api-logs"}
	require.NoError(t, r.Run(t.Context(), each(list...), func(r starter.Retried) { all = append(all, r) }))
	return all
}

func TestRetryStartsAWorkflowForEachWindow(t *testing.T) {
	t.Parallel()
	server := newFakeTemporal()
	a, b := entries("10", 0, 1), entries("20", 0)
	damaged := entries("20", 1)
	damaged[0].Damaged = quarantine.ErrCorrupt
	got := retried(t, server, slices.Concat(a, b, damaged)...)
	require.Len(t, got, 2)
	require.Equal(t, a[0].Place.Retry().WorkflowID("p"), got[0].WorkflowID)
	require.Equal(t, 2, got[0].Pieces)
	require.Equal(t, 1, got[1].Pieces)

	in := server.inputs[got[0].WorkflowID]
	require.True(t, in.IsRetry())
	require.Equal(t, a[0].Place.Retry(), in.Retry())
	require.Equal(t, []string{a[0].Key, a[1].Key}, in.Pieces)
	require.Empty(t, in.StageKey)
	require.Equal(t, window.ReasonRetry, in.ClosedBecause)
	require.Equal(t, 20, in.StoredBytes)
	require.Equal(t, 2, in.Records)
	o := server.started[got[0].WorkflowID]
	require.Equal(t, "p/worker", o.TaskQueue)
	require.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, o.WorkflowIDReusePolicy, "what fails again can be retried again")
	require.Equal(t, enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, o.WorkflowIDConflictPolicy)
	require.NotContains(t, server.started, window.FlushWindowID("p", shard, "10"), "no window of the chain is touched")

	// A second retry while the first is running: with the same pieces, or another of them.
	again := retried(t, server, a[1])
	require.Equal(t, []starter.Retried{{WorkflowID: got[0].WorkflowID, Left: 1}}, again)
	require.Equal(t, in, server.inputs[got[0].WorkflowID])

	// After it has ended.
	delete(server.started, got[0].WorkflowID)
	require.Equal(t, 1, retried(t, server, a[1])[0].Pieces)
}

// TestRetryOfManyPieces: neither numbers with more digits, which sort otherwise as keys,
// nor what is left of one piece put a piece into two workflows or make one too large.
func TestRetryOfManyPieces(t *testing.T) {
	t.Parallel()
	server := newFakeTemporal()
	var numbers []int
	for n := range 12_000 {
		numbers = append(numbers, n)
	}
	list := entries("10", numbers...)
	for n := range window.RetrySize + 100 { // parts of piece 7
		e := list[0]
		e.Place.Number, e.Place.Digest = 7, fmt.Sprint("part", n)
		e.Key = e.Place.Window.QuarantineKey("p", 7, e.Place.Digest)
		list = append(list, e)
	}
	got := retried(t, server, list...)
	seen := map[string]bool{}
	pieces, left := 0, 0
	for _, r := range got {
		pieces += r.Pieces
		left += r.Left
		for _, key := range server.inputs[r.WorkflowID].Pieces {
			require.False(t, seen[key], key)
			seen[key] = true
		}
		require.LessOrEqual(t, len(server.inputs[r.WorkflowID].Pieces), window.RetrySize)
	}
	require.Equal(t, len(list), pieces+left)
	require.Equal(t, window.RetrySize+100, left)
	require.Len(t, got, 12_000/window.RetrySize)
}

func TestRetryNamesAPieceOnce(t *testing.T) {
	t.Parallel()
	e := entries("10", 3)
	got := retried(t, newFakeTemporal(), e[0], e[0])
	require.Len(t, got, 1)
	require.Equal(t, 1, got[0].Pieces)
	require.Zero(t, got[0].Left)
	require.Empty(t, retried(t, newFakeTemporal()))
}

func TestRetryFails(t *testing.T) {
	t.Parallel()
	server := newFakeTemporal()
	server.lost = true
	r := starter.Retry{Temporal: server, Pipeline: "p"}
	err := r.Run(t.Context(), each(entries("10", 3)...), func(starter.Retried) { t.Error("reported") })
	require.ErrorContains(t, err, "start workflow p/retry/")

	broken := errors.New("access denied")
	err = r.Run(t.Context(), func(yield func(quarantine.Entry, error) bool) { yield(quarantine.Entry{}, broken) }, nil)
	require.ErrorIs(t, err, broken)
}
