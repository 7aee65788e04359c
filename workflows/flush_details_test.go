package workflows

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// TestParkedSummary: Temporal refuses a summary that is too long, and with it the workflow
// task.
func TestParkedSummary(t *testing.T) {
	t.Parallel()
	f := &flush{parked: []ParkedPart{
		{Part: BatchPart{Number: 1, Whole: true, Batch: Batch{Events: 7}}, Reason: "DestinationRefused: HTTP status 422"},
	}}
	f.result.Batches = 3
	require.Equal(t, "parked until a redrive or discard: batch 2 of 3 (7 events): DestinationRefused: HTTP status 422", f.parkedSummary())

	for n := range 8 { // wherever a letter is cut
		f.parked[0].Reason = strings.Repeat("x", n) + strings.Repeat("…ä€", 200)
		text := f.parkedSummary()
		require.LessOrEqual(t, len(text), longestSummary)
		require.True(t, utf8.ValidString(text))
		require.True(t, strings.HasSuffix(text, "…"))
	}
	f.parked = append(f.parked, ParkedPart{}, ParkedPart{})
	require.True(t, strings.HasPrefix(f.parkedSummary(), "3 parked until a redrive or discard: batch 2 of 3"))
}
