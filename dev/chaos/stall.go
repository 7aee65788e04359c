package chaos

import (
	"context"
	"time"
)

// stallInterval is how often the API is looked at, and so how exact a stall is.
const stallInterval = 100 * time.Millisecond

// sight is what is seen at one look.
type sight struct {
	at        time.Time
	delivered uint64 // different events at the API
	produced  uint64 // events that were put
	down      bool   // the API was told to take nothing
}

// stall measures the longest time in which nothing arrived at the API although something
// was on its way. Time in which the API was told to take nothing does not count; what
// the pipeline needs to notice that it is over does.
type stall struct {
	last    sight
	current time.Duration
	longest time.Duration
	ended   time.Time // the longest one
}

func (s *stall) look(now sight) {
	switch {
	case s.last.at.IsZero(), now.delivered > s.last.delivered, now.delivered >= now.produced:
		s.current = 0
	case !now.down && !s.last.down:
		s.current += now.at.Sub(s.last.at)
	}
	if s.current > s.longest {
		s.longest, s.ended = s.current, now.at
	}
	s.last = now
}

// watch looks until the context ends and returns what it has seen. What comes before the
// first delivery is the start of the pipeline, and no stall.
func (r *run) watch(ctx context.Context) stall {
	ticker := time.NewTicker(stallInterval)
	defer ticker.Stop()
	var s stall
	for {
		select {
		case <-ctx.Done():
			return s
		case at := <-ticker.C:
			if delivered := r.fleet.API.Stats().LogEvents; delivered > 0 {
				s.look(sight{at: at, delivered: delivered, produced: uint64(r.fleet.Events.Count()), down: r.apiDown.Load()})
			}
		}
	}
}
