package failover

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

// tip measures, while nothing is disturbed, from the arrival of a window's first record
// in Kinesis to the start of its workflow. Only windows count that time has closed, since
// one that is full is begun at once.
func (r *run) tip(ctx context.Context) (*Tip, error) {
	r.say("windows at the tip, for %s", r.options.Tip)
	from := time.Now()
	if err := pause(ctx, r.options.Tip); err != nil {
		return nil, err
	}
	to := time.Now()
	// A window may be late, and visibility is a little behind.
	if err := pause(ctx, r.options.WindowMaxAge+settled); err != nil {
		return nil, err
	}
	windows, err := r.fleet.Windows(ctx)
	if err != nil {
		return nil, err
	}
	var excess []time.Duration
	for _, w := range windows {
		// Reading is at the tip, so a span of arrivals ends a window no sooner than its age.
		byAge := w.ClosedBecause == window.ReasonAge || w.ClosedBecause == window.ReasonSpan
		if byAge && w.FirstArrival.After(from) && w.FirstArrival.Before(to) {
			excess = append(excess, w.Started.Sub(w.FirstArrival)-r.options.WindowMaxAge)
		}
	}
	if len(excess) == 0 {
		return nil, errors.New("no window was closed by its age: lower --rate, or raise --tip")
	}
	slices.Sort(excess)
	return &Tip{
		Windows: len(excess), WindowMaxAge: r.options.WindowMaxAge.Milliseconds(),
		P50: percentile(excess, 50).Milliseconds(), P99: percentile(excess, 99).Milliseconds(), Max: percentile(excess, 100).Milliseconds(),
	}, nil
}
