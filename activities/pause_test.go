package activities_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/activities"
)

// most draws the most.
func most(below time.Duration) time.Duration { return below - 1 }

func TestPauses(t *testing.T) {
	t.Parallel()
	for attempt, want := range map[int32]time.Duration{
		-1: time.Second, 0: time.Second, 1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 9: 256 * time.Second,
		10: 5 * time.Minute, 100: 5 * time.Minute, 1 << 30: 5 * time.Minute,
	} {
		require.Equal(t, want/2, activities.PauseAfter(attempt, noChance), attempt)
		require.Equal(t, want-1, activities.PauseAfter(attempt, most), attempt)
	}
}

func TestDeliveryPause(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		attempt         int32
		retryAfter      time.Duration
		shortest, below time.Duration
	}{
		"not asked":               {3, 0, 2 * time.Second, 4 * time.Second},
		"asked for more":          {1, 90 * time.Second, 90 * time.Second, 99 * time.Second},
		"asked for less":          {10, 10 * time.Second, 150 * time.Second, 300 * time.Second},
		"asked for an hour":       {10, time.Hour, time.Hour, 66 * time.Minute},
		"asked for next to none":  {1, 1, 500 * time.Millisecond, time.Second},
		"asked for what is drawn": {1, 700 * time.Millisecond, 700 * time.Millisecond, time.Second},
	} {
		require.Equal(t, c.shortest, activities.DeliveryPause(c.attempt, c.retryAfter, noChance), name)
		require.Equal(t, c.below-1, activities.DeliveryPause(c.attempt, c.retryAfter, most), name)
	}
}
