package bench

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/dev/fleet"
	"github.com/log-event-pipeline/logpipe/internal/cpuprofile"
)

// ErrInterrupted ends a measurement whose context ended.
var ErrInterrupted = errors.New("interrupted")

const (
	// startPatience is how long a process may take until it asks Temporal for work.
	startPatience = time.Minute
	// lookInterval is how often what is waited for is looked at.
	lookInterval = 50 * time.Millisecond
	// quietLooks in a row must find no open window: visibility is a little behind.
	quietLooks = 3
)

// Run measures. The error says what did not work; whether every event arrived once is
// in the report.
func Run(ctx context.Context, o Options) (Report, error) {
	if err := o.Validate(); err != nil {
		return Report{}, err
	}
	remove, err := o.build(ctx)
	if err != nil {
		return Report{}, interrupted(ctx, err)
	}
	defer remove()
	report := Report{Options: o.summary(), Machine: thisMachine()}
	report.Machine.Profiled = o.Profiles != ""
	if o.Find {
		err = find(ctx, o, &report)
	} else {
		err = repeat(ctx, o, &report)
	}
	if err != nil {
		return report, interrupted(ctx, err)
	}
	report.Median = median(report.Runs)
	return report, nil
}

// build makes the binary once for all runs, where none was given. remove is for when all is over.
func (o *Options) build(ctx context.Context) (remove func(), err error) {
	if o.Logpipe != "" {
		return func() {}, nil
	}
	dir, err := os.MkdirTemp("", "logpipe-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the binary: %w", err)
	}
	remove = func() { _ = os.RemoveAll(dir) }
	o.Logpipe = filepath.Join(dir, "logpipe")
	if err := fleet.BuildLogpipe(ctx, o.Logpipe, o.buildTags()...); err != nil {
		remove()
		return nil, err
	}
	return remove, nil
}

func repeat(ctx context.Context, o Options, report *Report) error {
	for n := range o.Repeat {
		if o.Repeat > 1 {
			fmt.Fprintf(o.Out, "run %d of %d\n", n+1, o.Repeat)
		}
		result, err := measure(ctx, o)
		if err != nil {
			return err
		}
		report.Runs = append(report.Runs, result)
	}
	return nil
}

// interrupted is err, or ErrInterrupted where the context has ended: what fails then is
// a consequence.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ErrInterrupted
	}
	return err
}

// run is one run.
type run struct {
	options  Options
	fleet    *fleet.Fleet
	loader   *loader
	starters []*fleet.Member
	workers  []*fleet.Member
	primed   map[analytics.ID]bool // events before the measurement
	// backlogUntil is when, by the clock of AWS, the last record of the backlog had arrived.
	backlogUntil time.Time

	mu     sync.Mutex
	broken error // the first process that ended by itself
}

// measure is one run from the start of the servers to their end.
func measure(ctx context.Context, o Options) (Result, error) {
	r := &run{options: o, primed: map[analytics.ID]bool{}}
	f, err := fleet.Start(ctx, r.fleetOptions())
	if err != nil {
		return Result{}, err
	}
	r.fleet, r.loader = f, newLoader(f)
	for n := range o.Workers {
		r.workers = append(r.workers, f.Worker(n+1))
	}
	for n := range o.Starters {
		r.starters = append(r.starters, f.Starter(n+1))
	}
	var result Result
	switch {
	case o.Waiting > 0:
		result, err = r.outage(ctx)
	case o.Rate > 0:
		result, err = r.steady(ctx)
	default:
		result, err = r.drain(ctx)
	}
	keep := err != nil && ctx.Err() == nil
	if keep {
		fmt.Fprintf(o.Out, "logs of all processes: %s\n", f.Logs())
	}
	return result, errors.Join(err, f.Stop(keep))
}

func (r *run) fleetOptions() fleet.Options {
	o := r.options
	environment := map[string]string{"GODEBUG": "gctrace=1"}
	if o.Profiles != "" {
		environment[cpuprofile.Variable] = o.Profiles
	}
	maps.Copy(environment, o.Environment)
	f := fleet.Options{
		Temporal: append(append([]string{}, o.Dev...), "temporal"), Dev: o.Dev, Logpipe: o.Logpipe,
		Shards: o.Shards, Settings: o.settings(), Environment: environment,
		Report: func(text string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.broken == nil {
				r.broken = errors.New(text)
			}
		},
	}
	if o.Rate == 0 && o.Waiting == 0 {
		f.ClockBehind = backlogAge(o.windowAge())
	}
	return f
}

// failed is why a process has ended by itself, or nil.
func (r *run) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.broken
}

// start starts processes and returns when Temporal would give them work.
func (r *run) start(ctx context.Context, members []*fleet.Member) error {
	for _, m := range members {
		if err := m.Start(); err != nil {
			return err
		}
	}
	for _, m := range members {
		err := r.until(ctx, startPatience, m.String()+" to ask Temporal for work", func() (bool, error) {
			p := m.Process()
			if p == nil {
				return false, nil // its end is reported
			}
			return r.fleet.Polls(ctx, p)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// arrived waits until the API has so many log events.
func (r *run) arrived(ctx context.Context, events int64) error {
	var last uint64
	moved := time.Now()
	for {
		stats, err := analytics.FetchStats(ctx, r.fleet.APIURL())
		switch {
		case err != nil:
			return err
		case stats.LogEvents >= uint64(events):
			return nil
		case stats.LogEvents != last:
			last, moved = stats.LogEvents, time.Now()
		case time.Since(moved) > r.options.Patience:
			return fmt.Errorf("waited %s without progress: the API has %d of %d log events", r.options.Patience, last, events)
		}
		if err := r.look(ctx); err != nil {
			return err
		}
	}
}

// finished waits until no window is open.
func (r *run) finished(ctx context.Context) error {
	quiet := 0
	return r.until(ctx, r.options.Patience, "the windows to end", func() (bool, error) {
		open, _, err := r.fleet.OpenWindows(ctx)
		if err != nil {
			return false, err
		}
		if quiet++; open > 0 {
			quiet = 0
		}
		return quiet == quietLooks, nil
	})
}

// until waits for a condition.
func (r *run) until(ctx context.Context, patience time.Duration, what string, condition func() (bool, error)) error {
	for deadline := time.Now().Add(patience); ; {
		met, err := condition()
		if met || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %s for %s", patience, what)
		}
		if err := r.look(ctx); err != nil {
			return err
		}
	}
}

// look waits until it is time for the next look. It fails where a process has.
func (r *run) look(ctx context.Context) error {
	timer := time.NewTimer(lookInterval)
	defer timer.Stop()
	select {
	case <-timer.C:
		return r.failed()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// measured are the receipts of the events that are measured, in no order.
func (r *run) measured(receipts iter.Seq2[analytics.ID, analytics.Receipt]) iter.Seq2[analytics.ID, analytics.Receipt] {
	return func(yield func(analytics.ID, analytics.Receipt) bool) {
		for id, receipt := range receipts {
			if r.primed[id] && receipt.Count == 1 {
				continue
			}
			if !yield(id, receipt) {
				return
			}
		}
	}
}
