package activities

import "time"

// Pauses of those who wait for what is away: a token, the destination.
const (
	firstPause   = time.Second
	longestPause = 5 * time.Minute
)

// pauseAfter is the pause after the nth attempt: 1 s, 2 s, 4 s … at most five minutes. Half
// of it is left to chance, so that thousands which have waited together do not come back
// together.
func pauseAfter(attempt int32, chance func(time.Duration) time.Duration) time.Duration {
	pause := min(firstPause<<min(max(attempt-1, 0), 20), longestPause)
	return pause/2 + chance(pause/2)
}

// deliveryPause is the pause after the nth attempt to deliver. It is not over before the
// destination asked for that, and up to a tenth later: it has most likely told all the same.
func deliveryPause(attempt int32, retryAfter time.Duration, chance func(time.Duration) time.Duration) time.Duration {
	pause := pauseAfter(attempt, chance)
	if spread := retryAfter / 10; spread > 0 {
		retryAfter += chance(spread)
	}
	return max(pause, retryAfter)
}
