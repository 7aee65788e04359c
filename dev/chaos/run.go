package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/log-event-pipeline/logpipe/dev/fleet"
)

// ErrInterrupted ends a run whose context ended before everything ran.
var ErrInterrupted = errors.New("interrupted")

// run is one run.
type run struct {
	*journal
	options  Options
	fleet    *fleet.Fleet
	kinesis  *kinesis.Client
	starters []*fleet.Member
	workers  []*fleet.Member
	plan     []Action

	acting  sync.WaitGroup
	kills   atomic.Int64
	unclean atomic.Int64
	exits   atomic.Int64
	// apiDown: the API was told to take nothing.
	apiDown atomic.Bool

	mu     sync.Mutex
	faults map[Kind]int
}

// Run lets things go wrong for a while, or until the context ends, then waits until all
// is delivered and reconciles. The error is about the run itself; whether all is well
// with the pipeline is in the report.
func Run(ctx context.Context, o Options) (Report, error) {
	if err := o.Validate(); err != nil {
		return Report{}, err
	}
	r := &run{journal: &journal{out: o.Out}, options: o, plan: Plan(o.Seed, o.For, o.cast()), faults: map[Kind]int{}}
	fmt.Fprintf(o.Out, "seed %d: %d things go wrong in %s, with %d starters, %d workers, %d shards, %v events/s\n",
		o.Seed, len(r.plan), o.For, o.Starters, o.Workers, o.Shards, o.Rate)
	if err := r.start(ctx); err != nil {
		if ctx.Err() != nil {
			return Report{}, ErrInterrupted
		}
		return Report{}, err
	}
	report, err := r.do(ctx)
	if err == nil {
		report.Print(o.Out)
	}
	keep := err != nil || !report.OK()
	if keep {
		fmt.Fprintf(o.Out, "\nlogs of all processes, stage and database of this run: %s\n", r.fleet.Directory())
	}
	fmt.Fprintf(o.Out, "\nseed %d\n", o.Seed)
	return report, errors.Join(err, r.fleet.Stop(keep))
}

// start starts everything but the traffic.
func (r *run) start(ctx context.Context) error {
	o := r.options
	var err error
	r.fleet, err = fleet.Start(ctx, fleet.Options{
		Temporal: o.Temporal, Logpipe: o.Logpipe, Shards: o.Shards, Settings: settings(),
		TokenLife: tokenLife, Seed: o.Seed, Throttle: true,
		Report: func(text string) {
			r.exits.Add(1)
			r.say("%s", text)
		},
	})
	if err != nil {
		return err
	}
	r.kinesis = kinesis.NewFromConfig(r.fleet.AWSConfig)
	for n := range o.Starters {
		r.starters = append(r.starters, r.fleet.Starter(n+1))
	}
	for n := range o.Workers {
		r.workers = append(r.workers, r.fleet.Worker(n+1))
	}
	for _, members := range [][]*fleet.Member{r.workers, r.starters} {
		for _, m := range members {
			if err := m.Start(); err != nil {
				return errors.Join(err, r.fleet.Stop(false))
			}
		}
	}
	fmt.Fprintf(o.Out, "Web UI %s, logs in %s\n\n", r.fleet.WebUI(), r.fleet.Logs())
	return nil
}

func (r *run) do(ctx context.Context) (Report, error) {
	// The end of the context ends the chaos and the traffic; what is on its way is
	// delivered and reconciled all the same.
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	generator, err := r.fleet.Generator(r.options.Rate)
	if err != nil {
		return Report{}, err
	}
	r.begin()
	var watching sync.WaitGroup
	var seen stall
	watchCtx, endWatch := context.WithCancel(lasting)
	defer endWatch()
	watching.Go(func() { seen = r.watch(watchCtx) })

	trafficCtx, endTraffic := context.WithTimeout(ctx, r.options.For)
	defer endTraffic()
	traffic := make(chan error, 1)
	go func() { traffic <- generator.Run(trafficCtx) }()

	r.inject(trafficCtx, r.plan)
	// The last fault may end before the time does, and a slow machine may be late.
	err = <-traffic
	if err != nil {
		return Report{}, fmt.Errorf("traffic: %w", err)
	}
	lasted := time.Since(r.began)
	r.say("the chaos is over")
	if err := r.fleet.AWS.Flush(lasting); err != nil {
		return Report{}, fmt.Errorf("forward the last log events to Kinesis: %w", err)
	}
	drained := r.drain(lasting)
	endWatch()
	watching.Wait()

	report, err := r.reconcile(lasting)
	if err != nil {
		return Report{}, err
	}
	report.Duration, report.Drain, report.Drained = lasted, time.Since(r.began)-lasted, drained
	report.LongestStall, report.StallEnded = seen.longest, seen.ended.Sub(r.began)
	return report, nil
}
