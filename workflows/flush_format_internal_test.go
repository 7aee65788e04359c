package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A window whose first workflow task comes late has waited for workers that are behind, or has
// killed one: the task timed out.
func TestWhoHasWaitedIsFormattedApart(t *testing.T) {
	t.Parallel()
	for waited, want := range map[time.Duration]bool{0: true, 10 * time.Second: true, time.Minute: false, time.Hour: false} {
		require.Equal(t, want, formattedHere(FlushWindowInput{StoredBytes: 1}, waited), waited)
	}
}
