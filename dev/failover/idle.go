package failover

import (
	"context"
	"fmt"
	"time"
)

const (
	// warmUp is how long a starter runs before it is measured, so that what its start has
	// cost is over.
	warmUp = 20 * time.Second
	// usageInterval is how often memory is looked at.
	usageInterval = time.Second
)

// idle measures a starter that reads quiet shards.
func (r *run) idle(ctx context.Context) (*Idle, error) {
	p := r.members[0].Process()
	if p == nil {
		return nil, fmt.Errorf("the starter has ended")
	}
	r.say("warming up for %s, then measuring for %s", warmUp, r.options.Idle)
	if err := pause(ctx, warmUp); err != nil {
		return nil, err
	}
	before, err := p.Usage()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	after, resident := before, before.Resident
	for time.Since(began) < r.options.Idle {
		if err := pause(ctx, usageInterval); err != nil {
			return nil, err
		}
		if after, err = p.Usage(); err != nil {
			return nil, err
		}
		resident = max(resident, after.Resident)
	}
	took := time.Since(began).Seconds()
	if read := r.shardsRead(); read != r.options.Shards {
		return nil, fmt.Errorf("the starter reads %d shards of %d", read, r.options.Shards)
	}
	return &Idle{
		Shards: r.options.Shards, Seconds: took, Resident: resident, Peak: max(after.Peak, resident),
		CPU: (after.Processor - before.Processor).Seconds() / took,
	}, nil
}
