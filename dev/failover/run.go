package failover

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/fleet"
)

// ErrInterrupted ends a measurement whose context ended.
var ErrInterrupted = errors.New("interrupted")

const (
	// settled is how long the fleet is left alone after a change.
	settled = 2 * time.Second
	// patience is how long anything is waited for; the default heartbeat timeout is 15 s.
	patience = 2 * time.Minute
	// lookInterval is how often what is waited for is looked at.
	lookInterval = 20 * time.Millisecond
)

// run is one measurement.
type run struct {
	options Options
	fleet   *fleet.Fleet
	reads   *reads
	members []*fleet.Member // starters
}

// Run measures. The error says what did not work; figures that miss their goals are in
// the report.
func Run(ctx context.Context, o Options) (Report, error) {
	if err := o.Validate(); err != nil {
		return Report{}, err
	}
	r := &run{options: o, reads: newReads()}
	var report Report
	err := r.start(ctx)
	if err == nil {
		if o.Idle > 0 {
			report.Idle, err = r.idle(ctx)
		} else {
			report, err = r.measure(ctx)
		}
	}
	if r.fleet == nil {
		return Report{}, interrupted(ctx, err)
	}
	if err == nil {
		report.Print(o.Out)
	} else if ctx.Err() == nil {
		fmt.Fprintf(o.Out, "logs of all processes: %s\n", r.fleet.Logs())
	}
	return report, errors.Join(interrupted(ctx, err), r.fleet.Stop(err != nil && ctx.Err() == nil))
}

// interrupted is err, or ErrInterrupted where the context has ended: what fails then is
// a consequence.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ErrInterrupted
	}
	return err
}

func (r *run) say(format string, args ...any) { fmt.Fprintf(r.options.Out, format+"\n", args...) }

// start starts two starters, or one that is to be idle, and a worker, and returns when
// every shard is read.
func (r *run) start(ctx context.Context) error {
	o := r.options
	settings := map[string]string{}
	starters := 2
	if o.Idle > 0 {
		starters = 1
		settings["LOGPIPE_MAX_SHARDS"] = strconv.Itoa(o.Shards)
	} else {
		settings["LOGPIPE_WINDOW_MAX_AGE"] = o.WindowMaxAge.String()
	}
	var err error
	r.fleet, err = fleet.Start(ctx, fleet.Options{
		Temporal: o.Temporal, Logpipe: o.Logpipe, Shards: o.Shards, Settings: settings,
		Throttle: true, OnRequest: r.reads.add, Report: func(text string) { r.say("%s", text) },
	})
	if err != nil {
		return err
	}
	members := []*fleet.Member{r.fleet.Worker(1)}
	for n := range starters {
		r.members = append(r.members, r.fleet.Starter(n+1))
	}
	for _, m := range append(members, r.members...) {
		if err := m.Start(); err != nil {
			return err
		}
	}
	began := time.Now()
	err = until(ctx, "every shard to be read", func() (bool, error) { return r.shardsRead() == o.Shards, nil })
	if err != nil {
		return err
	}
	r.say("%d shards have a reader after %s", o.Shards, time.Since(began).Round(100*time.Millisecond))
	return nil
}

func (r *run) shardsRead() int {
	n := 0
	for _, shards := range r.reads.held(time.Now()) {
		n += len(shards)
	}
	return n
}

// measure measures with traffic.
func (r *run) measure(ctx context.Context) (Report, error) {
	generator, err := r.fleet.Generator(r.options.Rate)
	if err != nil {
		return Report{}, err
	}
	trafficCtx, endTraffic := context.WithCancel(ctx)
	traffic := make(chan error, 1)
	go func() { traffic <- generator.Run(trafficCtx) }()
	report, err := r.disturb(ctx)
	endTraffic()
	if trafficErr := <-traffic; trafficErr != nil {
		err = errors.Join(err, fmt.Errorf("traffic: %w", trafficErr))
	}
	return report, err
}

func (r *run) disturb(ctx context.Context) (report Report, err error) {
	if r.options.Tip > 0 {
		if report.Tip, err = r.tip(ctx); err != nil {
			return report, err
		}
	}
	if r.options.Handovers > 0 {
		if report.Handover, err = r.rounds(ctx, "handover", r.options.Handovers, (*fleet.Process).Terminate); err != nil {
			return report, err
		}
	}
	if r.options.Recoveries > 0 {
		report.Recovery, err = r.rounds(ctx, "recovery", r.options.Recoveries, (*fleet.Process).Kill)
	}
	return report, err
}

// until waits for a condition.
func until(ctx context.Context, what string, condition func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	for {
		met, err := condition()
		if met || err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("waited %s for %s", patience, what)
		}
	}
}

// pause waits, unless the context ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
