package failover

import (
	"context"
	"errors"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/fleet"
)

// rounds ends the starter that reads most shards, again and again, and measures how
// long each of these waits for another reader.
func (r *run) rounds(ctx context.Context, name string, times int, end func(*fleet.Process) error) (*Takeovers, error) {
	var all [][]time.Duration
	for n := range times {
		if err := r.ready(ctx); err != nil {
			return nil, err
		}
		m, shards := r.busiest()
		if m == nil {
			return nil, errors.New("no starter reads a shard")
		}
		p := m.Release()
		began := time.Now()
		if err := end(p); err != nil {
			return nil, err
		}
		round := make([]time.Duration, len(shards))
		err := until(ctx, "the shards to be read by another starter", func() (bool, error) {
			for i, shard := range shards {
				at, taken := r.reads.takeover(shard, p.Name(), began)
				if !taken {
					return false, nil
				}
				round[i] = at.Sub(began)
			}
			return true, nil
		})
		if err != nil {
			return nil, err
		}
		all = append(all, round)
		one := takeovers([][]time.Duration{round})
		r.say("%s %d of %d: %d shards of %s, median %s, slowest %s", name, n+1, times, len(shards), p.Name(), millis(one.Median), millis(one.Max))
		<-p.Done()
		if err := m.Start(); err != nil {
			return nil, err
		}
	}
	return takeovers(all), nil
}

// ready returns when every starter asks Temporal for shards, and every shard is read.
func (r *run) ready(ctx context.Context) error {
	err := until(ctx, "all starters to be ready", func() (bool, error) {
		for _, m := range r.members {
			p := m.Process()
			if p == nil {
				return false, nil
			}
			if polls, err := r.fleet.Polls(ctx, p); !polls || err != nil {
				return false, err
			}
		}
		return r.shardsRead() == r.options.Shards, nil
	})
	if err != nil {
		return err
	}
	return pause(ctx, settled)
}

// busiest is the starter that reads most shards, and these.
func (r *run) busiest() (busiest *fleet.Member, most []string) {
	held := r.reads.held(time.Now())
	for _, m := range r.members {
		p := m.Process()
		if p == nil {
			continue
		}
		if shards := held[p.Name()]; len(shards) > len(most) {
			busiest, most = m, shards
		}
	}
	return busiest, most
}
