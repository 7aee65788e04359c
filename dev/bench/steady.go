package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/dev/traffic"
)

const (
	// tickInterval is between the records of a log stream at a steady rate.
	tickInterval = 200 * time.Millisecond
	// primingPart is a maker of its own.
	primingPart = parts
	// lateAllowed is how far behind its plan the load may be at the end. More is a rate
	// that this machine cannot even write.
	lateAllowed = time.Second
)

// steady measures at a rate that is held for some time.
//
// What is written is made before it begins, so that the measurement shares the machine
// with as little as can be. Each shard has delivered an event by then: readers are at
// the tip and the token is there.
func (r *run) steady(ctx context.Context) (Result, error) {
	ticks, err := r.ticks()
	if err != nil {
		return Result{}, err
	}
	if err := r.start(ctx, r.workers); err != nil {
		return Result{}, err
	}
	if err := r.start(ctx, r.starters); err != nil {
		return Result{}, err
	}
	if err := r.prime(ctx); err != nil {
		return Result{}, err
	}
	m, err := r.begin(func() error { return nil })
	if err != nil {
		return Result{}, err
	}
	if m.before, err = analytics.FetchStats(ctx, r.fleet.APIURL()); err != nil {
		return Result{}, err
	}
	var late time.Duration
	for n, records := range ticks {
		due := m.began.Add(time.Duration(n) * tickInterval)
		if err := wait(ctx, time.Until(due)); err != nil {
			return Result{}, err
		}
		late = time.Since(due)
		if err := r.loader.put(ctx, records, time.Now()); err != nil {
			return Result{}, fmt.Errorf("write at %v events a second: %w", r.options.Rate, err)
		}
	}
	if err := r.arrived(ctx, int64(len(r.primed))+r.loader.count.Load()); err != nil {
		return Result{}, err
	}
	if err := r.finished(ctx); err != nil {
		return Result{}, err
	}
	result, err := m.end(ctx)
	if result.Freshness != nil {
		result.Freshness.Late = late > lateAllowed
	}
	return result, err
}

// ticks makes the records of each interval.
func (r *run) ticks() ([][]traffic.SubscriptionRecord, error) {
	config := r.options.recordsConfig(0)
	config.Events = traffic.MaxRecordEvents // records are ended by time
	maker, err := traffic.NewRecords(config)
	if err != nil {
		return nil, err
	}
	ticks := make([][]traffic.SubscriptionRecord, int(r.options.For/tickInterval))
	begin, due := time.Now(), 0.0
	for n := range ticks {
		add := func(record traffic.SubscriptionRecord) error {
			ticks[n] = append(ticks[n], record)
			return nil
		}
		due += r.options.Rate * tickInterval.Seconds()
		for due > 0 {
			events, err := maker.Request(begin.Add(time.Duration(n)*tickInterval), add)
			if err != nil {
				return nil, err
			}
			due -= float64(events)
		}
		if err := maker.Flush(add); err != nil {
			return nil, err
		}
	}
	return ticks, nil
}

// prime puts some events into each shard and waits until they have arrived.
func (r *run) prime(ctx context.Context) error {
	config := r.options.recordsConfig(primingPart)
	config.Events = 1
	maker, err := traffic.NewRecords(config)
	if err != nil {
		return err
	}
	var fault error
	next := func() []byte {
		var data []byte
		_, fault = maker.Request(time.Now(), func(record traffic.SubscriptionRecord) error {
			// A request can fill two records, of which one will do.
			if data == nil {
				data = record.Data
				for _, id := range record.EventIDs {
					r.primed[analytics.LogEventID(record.Owner, record.LogGroup, record.LogStream, id)] = true
				}
			}
			return nil
		})
		return data
	}
	if err := r.loader.everywhere(ctx, next); err != nil || fault != nil {
		return fmt.Errorf("put an event into each shard: %w", firstOf(err, fault))
	}
	if err := r.arrived(ctx, int64(len(r.primed))); err != nil {
		return err
	}
	return r.finished(ctx)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// wait waits, unless the context ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
