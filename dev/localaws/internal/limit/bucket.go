// Package limit holds the token bucket behind the quotas that the local AWS enforces when it is asked to.
package limit

import (
	"sync"
	"time"
)

// Bucket admits a rate per second with a burst of one second's worth. The zero Bucket admits everything.
type Bucket struct {
	rate   float64
	mu     sync.Mutex
	tokens float64
	last   time.Time
}

// PerSecond makes a full bucket that refills at rate per second.
func PerSecond(rate float64) *Bucket { return &Bucket{rate: rate, tokens: rate} }

func (b *Bucket) refill(now time.Time) {
	if b.last.IsZero() {
		b.last = now
	}
	if d := now.Sub(b.last); d > 0 {
		b.tokens = min(b.rate, b.tokens+d.Seconds()*b.rate)
		b.last = now
	}
}

// Take consumes n if that much is there.
func (b *Bucket) Take(now time.Time, n float64) bool {
	if b == nil || b.rate == 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill(now)
	if b.tokens < n {
		return false
	}
	b.tokens -= n
	return true
}

// Open reports whether anything is left, without taking it. With Charge it serves calls whose cost is known only
// afterwards.
func (b *Bucket) Open(now time.Time) bool {
	if b == nil || b.rate == 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill(now)
	return b.tokens > 0
}

// Charge takes n even if that leaves a debt, which later seconds pay off.
func (b *Bucket) Charge(now time.Time, n float64) {
	if b == nil || b.rate == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refill(now)
	b.tokens -= n
}
