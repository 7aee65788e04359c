package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/dev/fleet"
)

// Outage is what it costs that windows wait for the API.
type Outage struct {
	Windows     float64 `json:"windows"`
	OpenSeconds float64 `json:"open_seconds"` // until all of them waited
	Seconds     float64 `json:"seconds"`      // that were measured then
	// DrainSeconds is from the return of the API until it has accepted the last batch.
	DrainSeconds              float64   `json:"drain_seconds"`
	RequestsPerSecond         float64   `json:"requests_per_second"` // of batches
	EventsPerWindowHour       float64   `json:"history_events_per_window_hour"`
	HistoryBytesPerWindowHour float64   `json:"history_bytes_per_window_hour"`
	Processes                 []Waiting `json:"processes"`
}

// Waiting is what the processes of one role take while windows wait.
type Waiting struct {
	Role          string  `json:"role"`
	CPUPerSecond  float64 `json:"cpu_seconds_per_second"` // of all of them
	ResidentBytes float64 `json:"resident_bytes"`         // most that was seen, of the largest of them
}

// process is what the processes of a role take; nothing where there was no outage.
func (o *Outage) process(role string) Waiting {
	if o != nil {
		for _, p := range o.Processes {
			if p.Role == role {
				return p
			}
		}
	}
	return Waiting{Role: role}
}

const (
	// maxWaiting is more windows than one machine can hold open.
	maxWaiting = 100_000
	// outageRecordEvents are few events of a record, which becomes a window.
	outageRecordEvents = 10
	// outagePatience is longer than the longest pause between two tries of a window.
	outagePatience = 7 * time.Minute
	// outageLook is how often it is looked how many windows wait, and what that takes.
	outageLook = time.Second
	// outageTold is how often a person is told.
	outageTold = 10 * time.Second
	// endless is longer than anybody measures.
	endless = 1000 * time.Hour
)

// outage measures what windows cost that wait for the API.
//
// Each shard has delivered something before, so that a token is there and readers are at
// the tip. Then the API goes away, and each record becomes a window, for whose size it does
// not matter how it waits. The measurement begins when all of them wait between tries, and
// only Settle after that: pauses grow for the first five minutes.
func (r *run) outage(ctx context.Context) (Result, error) {
	if err := r.start(ctx, r.workers); err != nil {
		return Result{}, err
	}
	if err := r.start(ctx, r.starters); err != nil {
		return Result{}, err
	}
	if err := r.prime(ctx); err != nil {
		return Result{}, err
	}
	if err := analytics.PutFaults(ctx, r.fleet.APIURL(), analytics.Faults{Outages: []analytics.Outage{{For: endless}}}); err != nil {
		return Result{}, err
	}
	m, err := r.begin(func() error { return r.loader.exactly(ctx, r.options, r.options.Waiting) })
	if err != nil {
		return Result{}, err
	}
	if m.before, err = analytics.FetchStats(ctx, r.fleet.APIURL()); err != nil {
		return Result{}, err
	}
	if err := r.allWait(ctx); err != nil {
		return Result{}, err
	}
	opened := time.Since(m.began)
	r.say("%d windows wait after %s; they are left alone for %s", r.options.Waiting, opened.Round(time.Second), r.options.Settle)
	if err := wait(ctx, r.options.Settle); err != nil {
		return Result{}, err
	}
	measured, err := m.wait(ctx)
	if err != nil {
		return Result{}, err
	}
	measured.OpenSeconds = opened.Seconds()

	if err := analytics.PutFaults(ctx, r.fleet.APIURL(), analytics.Faults{}); err != nil {
		return Result{}, err
	}
	returned := time.Now()
	r.say("the API is back; windows try again within five minutes or so")
	if err := r.arrived(ctx, int64(len(r.primed))+r.loader.count.Load()); err != nil {
		return Result{}, err
	}
	if err := r.finished(ctx); err != nil {
		return Result{}, err
	}
	result, err := m.end(ctx)
	if err != nil {
		return Result{}, err
	}
	measured.DrainSeconds = result.Seconds - returned.Sub(m.began).Seconds()
	hours := measured.Windows * measured.Seconds / time.Hour.Seconds()
	measured.EventsPerWindowHour, measured.HistoryBytesPerWindowHour = ratio(m.waited.events, hours), ratio(m.waited.bytes, hours)
	result.Outage = measured
	return result, nil
}

// allWait returns when every window waits between two tries.
func (r *run) allWait(ctx context.Context) error {
	last, moved, told := 0, time.Now(), time.Now()
	for {
		waiting, err := r.fleet.RetryingWindows(ctx)
		switch {
		case err != nil:
			return err
		case waiting >= r.options.Waiting:
			return nil
		case waiting != last:
			last, moved = waiting, time.Now()
		case time.Since(moved) > r.options.Patience:
			return fmt.Errorf("waited %s without progress: %d of %d windows wait for the API", r.options.Patience, last, r.options.Waiting)
		}
		if time.Since(told) > outageTold {
			told = time.Now()
			r.say("%d of %d windows wait", waiting, r.options.Waiting)
		}
		if err := r.pause(ctx, outageLook); err != nil {
			return err
		}
	}
}

// wait measures while windows wait.
func (m *meter) wait(ctx context.Context) (*Outage, error) {
	r := m.run
	before, err := analytics.FetchStats(ctx, r.fleet.APIURL())
	if err != nil {
		return nil, err
	}
	m.waited.from = time.Now()
	first, err := m.usages()
	if err != nil {
		return nil, err
	}
	last, most := first, make([]int64, len(first))
	for until := m.waited.from.Add(r.options.For); time.Now().Before(until); {
		if err := r.pause(ctx, min(outageLook, time.Until(until))); err != nil {
			return nil, err
		}
		if last, err = m.usages(); err != nil {
			return nil, err
		}
		for i, u := range last {
			most[i] = max(most[i], u.Resident)
		}
	}
	m.waited.to = time.Now()
	after, err := analytics.FetchStats(ctx, r.fleet.APIURL())
	if err != nil {
		return nil, err
	}
	took := m.waited.to.Sub(m.waited.from).Seconds()
	o := &Outage{Windows: float64(r.options.Waiting), Seconds: took, RequestsPerSecond: float64(after.Attempts-before.Attempts) / took}
	for _, role := range pipeline {
		w := Waiting{Role: role}
		for i, p := range m.processes {
			if p.role == role {
				w.CPUPerSecond += (last[i].Processor - first[i].Processor).Seconds() / took
				w.ResidentBytes = max(w.ResidentBytes, float64(most[i]))
			}
		}
		o.Processes = append(o.Processes, w)
	}
	return o, nil
}

// usages are those of all processes.
func (m *meter) usages() ([]fleet.Usage, error) {
	var all []fleet.Usage
	for _, p := range m.processes {
		usage, err := p.process.Usage()
		if err != nil {
			return nil, err
		}
		all = append(all, usage)
	}
	return all, nil
}

// pause waits. It fails where a process has.
func (r *run) pause(ctx context.Context, d time.Duration) error {
	if err := wait(ctx, d); err != nil {
		return err
	}
	return r.failed()
}

// span is a time, and what was added to the histories of windows in it.
type span struct {
	from, to      time.Time
	events, bytes float64
}

func (s span) holds(at time.Time) bool { return !at.Before(s.from) && at.Before(s.to) }
