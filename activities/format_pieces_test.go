package activities_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/apigateway"
	"github.com/log-event-pipeline/logpipe/internal/quarantine"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// retry formats pieces of aWindow again.
func retry(t *testing.T, s *fakeStage, o apigateway.Options, pieces ...string) (workflows.FormatLogsResult, error) {
	t.Helper()
	in := aWindow()
	in.StageKey, in.Pieces = "", pieces
	f := &activities.Format{Stage: s, Formatter: newFormatter(t, o), Concurrency: 2}
	return execute(t, f.FormatLogs, workflows.FormatLogsInput{Window: in})
}

// quarantined formats the staged window and returns the keys of its pieces.
func quarantined(t *testing.T, s *fakeStage, o apigateway.Options) []string {
	t.Helper()
	out, err := format(t, &activities.Format{Stage: s, Formatter: newFormatter(t, o)})
	require.NoError(t, err)
	pieces := s.keys("p/quarantine/")
	require.Len(t, pieces, out.QuarantinedTotal)
	return pieces
}

// bodies are the messages of the events in batches, in order.
func bodies(t *testing.T, s *fakeStage, batches []workflows.Batch) []string {
	t.Helper()
	var all []string
	for _, b := range batches {
		var events []struct{ Body string }
		require.NoError(t, json.Unmarshal(s.objects[b.StageKey], &events))
		for _, e := range events {
			all = append(all, e.Body)
		}
	}
	return all
}

var (
	small = apigateway.Options{BatchMaxBytes: 2000}
	large = apigateway.Options{}
	long  = strings.Repeat("x", 3000)
)

func TestPiecesBecomeBatches(t *testing.T) {
	t.Parallel()
	s := staged(envelope(t, "a", long+"1"), envelope(t, long+"2", "b"))
	pieces := quarantined(t, s, small)
	require.Len(t, pieces, 2)
	before := maps.Clone(s.objects)

	out, err := retry(t, s, large, pieces...)
	require.NoError(t, err)
	require.Equal(t, []string{long + "1", long + "2"}, bodies(t, s, out.Batches))
	require.Equal(t, pieces, out.Retried, "to be deleted when they are delivered")
	require.Equal(t, 2, out.Events)
	require.Equal(t, 2, out.Concurrency)
	require.Zero(t, out.QuarantinedTotal)
	for _, b := range out.Batches {
		// Neither the batches of the window nor its idempotency keys.
		require.True(t, strings.HasPrefix(b.StageKey, "p/retry/1/"), b.StageKey)
		require.True(t, strings.HasPrefix(b.IdempotencyKey, "p/retry/1/"), b.IdempotencyKey)
		require.NotContains(t, before, b.StageKey)
	}
	for key, body := range before {
		require.Equal(t, body, s.objects[key], "formatting neither changes nor deletes %s", key)
	}
	again, err := retry(t, s, large, pieces...)
	require.NoError(t, err)
	require.Equal(t, out, again, "a second attempt makes the same batches")

	// What an earlier retry has delivered is not delivered again.
	delete(s.objects, pieces[0])
	out, err = retry(t, s, large, pieces...)
	require.NoError(t, err)
	require.Equal(t, []string{long + "2"}, bodies(t, s, out.Batches))
	require.Equal(t, pieces[1:], out.Retried)
	delete(s.objects, pieces[1])
	out, err = retry(t, s, large, pieces...)
	require.NoError(t, err)
	require.Equal(t, workflows.FormatLogsResult{Concurrency: 2}, out)
}

// TestPiecesThatFailAgain stay in quarantine, once.
func TestPiecesThatFailAgain(t *testing.T) {
	t.Parallel()
	cut := envelope(t, "a", "b")
	s := staged(envelope(t, long, long), []byte("no envelope"), cut[:len(cut)-10], envelope(t, "c"))
	pieces := quarantined(t, s, small)
	require.Len(t, pieces, 4)
	before := maps.Clone(s.objects)

	out, err := retry(t, s, small, pieces...)
	require.NoError(t, err)
	require.Empty(t, out.Batches)
	require.Empty(t, out.Retried)
	require.Equal(t, 4, out.QuarantinedTotal)
	require.Equal(t, before, s.objects)

	// One passes now, and the others stay.
	out, err = retry(t, s, apigateway.Options{BatchMaxBytes: 4000, BatchMaxEvents: 1}, pieces...)
	require.NoError(t, err)
	require.Equal(t, []string{long, long}, bodies(t, s, out.Batches))
	require.Equal(t, pieces[:2], out.Retried)
	require.Equal(t, 2, out.QuarantinedTotal)
	require.Equal(t, pieces, s.keys("p/quarantine/"))
}

// TestPieceThatFailsForAnotherReason is the same piece still.
func TestPieceThatFailsForAnotherReason(t *testing.T) {
	t.Parallel()
	s := staged(envelope(t, strings.Repeat("x", 1<<20)))
	pieces := quarantined(t, s, apigateway.Options{MaxInflatedBytes: 1000})
	reason := func() string {
		header, _, err := quarantine.Parse(s.objects[pieces[0]])
		require.NoError(t, err)
		return header.Reason
	}
	require.Equal(t, "inflated_limit", reason())
	out, err := retry(t, s, apigateway.Options{MaxInflateRatio: 2}, pieces...)
	require.NoError(t, err)
	require.Empty(t, out.Retried)
	require.Equal(t, pieces, s.keys("p/quarantine/"))
	require.Equal(t, "ratio_limit", reason())
}

// TestPartOfAPieceFails: the rest is delivered, and the part takes the place of the piece
// when that has happened.
func TestPartOfAPieceFails(t *testing.T) {
	t.Parallel()
	s := staged(slices.Concat(envelope(t, "first"), envelope(t, "second", long, "last")))
	limited := apigateway.Options{MaxInflatedBytes: 3000, BatchMaxBytes: 2000}
	window, err := format(t, &activities.Format{Stage: s, Formatter: newFormatter(t, limited)})
	require.NoError(t, err)
	require.Equal(t, []string{"first"}, bodies(t, s, window.Batches))
	pieces := s.keys("p/quarantine/")
	require.Len(t, pieces, 1)

	out, err := retry(t, s, small, pieces...)
	require.NoError(t, err)
	require.Equal(t, []string{"second", "last"}, bodies(t, s, out.Batches), "the first was delivered with the window")
	require.Equal(t, pieces, out.Retried)
	require.Equal(t, 1, out.QuarantinedTotal)
	left := slices.DeleteFunc(s.keys("p/quarantine/"), func(key string) bool { return key == pieces[0] })
	require.Len(t, left, 1)
	require.Equal(t, left[0], out.Quarantined[0].StageKey)

	out, err = retry(t, s, large, left...)
	require.NoError(t, err)
	require.Equal(t, []string{long}, bodies(t, s, out.Batches))
	require.Equal(t, left, out.Retried)
}

func TestPiecesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(s *fakeStage, piece string)
		pieces  []string
		kind    string
		retried bool
	}{
		"damaged":     {prepare: func(s *fakeStage, piece string) { s.objects[piece] = []byte(logCanary) }, kind: workflows.ErrorStageObject},
		"not a piece": {pieces: []string{rawKey}, kind: workflows.ErrorStageObject},
		"stage down": {prepare: func(s *fakeStage, _ string) { s.brokenGet = errors.New("the bucket does not answer") },
			kind: activities.ErrorStageUnavailable, retried: true},
		"stage not to be written": {prepare: func(s *fakeStage, _ string) { s.brokenPut = errors.New("the bucket does not answer") },
			kind: activities.ErrorStageUnavailable, retried: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := staged(envelope(t, long+logCanary))
			pieces := quarantined(t, s, small)
			if c.prepare != nil {
				c.prepare(s, pieces[0])
			}
			if c.pieces != nil {
				pieces = c.pieces
			}
			_, err := retry(t, s, small, pieces...)
			requireFailure(t, err, c.kind, c.retried)
		})
	}
}
