package allinone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"go.temporal.io/api/serviceerror"

	"github.com/log-event-pipeline/logpipe/dev/traffic"
)

const (
	// lookInterval is how often flushes are looked for.
	lookInterval = 500 * time.Millisecond
	// summaryInterval is how often a running summary is printed.
	summaryInterval = 5 * time.Second
	// defaultPatience exceeds all that may pass without a sign of life while an event
	// is still on its way: a poll, a visibility update, the start of a window.
	defaultPatience = 20 * time.Second
)

// ErrInterrupted ends a run whose context ended before everything ran.
var ErrInterrupted = errors.New("interrupted")

// started is err, or ErrInterrupted where the context has ended: what a start says
// then is a consequence.
func started(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ErrInterrupted
	}
	return err
}

// Run runs the pipeline until the traffic has ended (by its time, at the end of its
// input, or with the context) and everything is delivered. The error is about the
// run itself; whether all events arrived is in the report.
func Run(ctx context.Context, o Options) (Report, error) {
	if err := o.Validate(); err != nil {
		return Report{}, err
	}
	began := time.Now()
	s, err := startServers(ctx, o)
	if err != nil {
		return Report{}, err
	}
	if err := started(ctx, s.startPipeline(ctx)); err != nil {
		return Report{}, errors.Join(err, s.stop(false))
	}
	r := &run{stack: s, out: o.Out, watcher: newWatcher(s.client, o.Out)}
	r.greet(time.Since(began))
	if o.onStarted != nil {
		o.onStarted(s)
	}
	report, err := r.do(ctx)
	if report != (Report{}) || err == nil {
		report.Print(o.Out)
	}
	if o.Stay && ctx.Err() == nil {
		fmt.Fprintln(o.Out, "\nthe servers stay until Ctrl-C")
		<-ctx.Done()
	}
	keep := err != nil || !report.OK()
	if keep {
		fmt.Fprintf(o.Out, "\nstage and log of this run: %s\n", s.dir)
	}
	return report, errors.Join(err, s.stop(keep))
}

type run struct {
	*stack
	out     io.Writer
	watcher *watcher
	late    int // looks in a row that had no answer in time
}

func (r *run) greet(took time.Duration) {
	fmt.Fprintf(r.out, `Web UI          http://%s
analytics API   %s
local AWS       %s
Temporal        %s
`, r.temporal.UIAddress(), r.api.URL(), r.awsURL, r.temporal.Address())
	if r.logFile != "" {
		fmt.Fprintf(r.out, "log             %s\n", r.logFile)
	}
	if faults := r.options.Faults.String(); faults != "" {
		fmt.Fprintf(r.out, "faults          %s\n", faults)
	}
	fmt.Fprintf(r.out, "started in %s; windows of %s\n\n", took.Round(10*time.Millisecond), r.options.WindowMaxAge)
}

func (r *run) do(ctx context.Context) (Report, error) {
	// The watcher outlives the traffic: it reports until everything has arrived.
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- r.traffic(ctx) }()

	look := time.NewTicker(lookInterval)
	defer look.Stop()
	summary := time.NewTicker(summaryInterval)
	defer summary.Stop()
	var drain *drain
	var failed error
	for {
		select {
		case err := <-ended:
			// What was taken in before a fault is delivered and reconciled all the same.
			failed = err
			if err := r.aws.Flush(watching); err != nil {
				return Report{}, fmt.Errorf("forward the last log events to Kinesis: %w", err)
			}
			drain = r.newDrain()
			fmt.Fprintf(r.out, "traffic has ended, %d events are on their way\n", r.produced.Count()-int(r.api.Stats().LogEvents))
		case <-summary.C:
			r.summarise(watching)
		case <-look.C:
			if err := r.watcher.look(watching); err != nil {
				if !r.laterAgain(watching, err) {
					return Report{}, err
				}
				continue
			}
			if drain == nil {
				r.late = 0
				continue
			}
			done, err := drain.done(watching)
			if err != nil {
				if !r.laterAgain(watching, err) {
					return Report{}, err
				}
				continue
			}
			r.late = 0
			if done {
				report, err := r.finish(watching)
				return report, errors.Join(failed, err)
			}
		}
	}
}

// traffic writes events until the context or the input ends.
func (r *run) traffic(ctx context.Context) error {
	if len(r.options.Inputs) > 0 {
		read, err := traffic.Replay(ctx, r.writer, r.options.Inputs, traffic.ReplayOptions{LogGroup: r.options.InputGroup, Logger: r.logger})
		fmt.Fprintf(r.out, "read %d log events (%d control messages and %d blank lines skipped)\n", read.Events, read.Control, read.Blank)
		if refused := r.writer.Counts().Lost(); refused > 0 {
			fmt.Fprintf(r.out, "%d of them were not taken by CloudWatch Logs: %+v\n", refused, r.writer.Counts())
		}
		return err
	}
	if r.options.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.options.For)
		defer cancel()
	}
	generator, err := traffic.NewGenerator(r.writer, traffic.GeneratorConfig{
		Rate: r.options.Rate, Mix: r.options.Mix, Seed: r.options.Seed,
		Account: r.aws.Account(), Region: r.aws.Region(), Logger: r.logger,
	})
	if err != nil {
		return err
	}
	return generator.Run(ctx)
}

func (r *run) summarise(ctx context.Context) {
	stats := r.api.Stats()
	open, err := r.watcher.busy(ctx)
	if err != nil {
		r.logger.Warn("summary", "error", err)
		return
	}
	produced := r.produced.Count()
	fmt.Fprintf(r.out, "%s  produced %d  delivered %d  on their way %d  open windows %d  requests %d  token requests %d\n",
		time.Now().Format("15:04:05"), produced, stats.LogEvents, produced-int(stats.LogEvents), open, stats.Attempts, stats.TokenRequests)
}

// mostLate is how many looks in a row Temporal may be too busy to answer, each for the 10 s
// that its client waits.
const mostLate = 6

// laterAgain: Temporal was too busy for an answer in time, which is no fault of the pipeline.
// The next look sees what this one has not.
func (r *run) laterAgain(ctx context.Context, err error) bool {
	if _, slow := errors.AsType[*serviceerror.DeadlineExceeded](err); ctx.Err() != nil || !slow && !errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	r.late++
	return r.late < mostLate
}

// finish looks a last time and reconciles.
func (r *run) finish(ctx context.Context) (Report, error) {
	if err := r.watcher.look(ctx); err != nil {
		return Report{}, err
	}
	if r.options.onDrained != nil {
		r.options.onDrained(r.stack)
	}
	windows, err := r.watcher.count(ctx, "")
	if err != nil {
		return Report{}, err
	}
	waiting, err := r.watcher.count(ctx, parked)
	if err != nil {
		return Report{}, err
	}
	return reconcile(r.produced, r.api, windows, waiting), nil
}

// drain tells when a run has nothing more to wait for.
type drain struct {
	*run
	// activity counts what has happened at the API; changed is when it last did.
	activity uint64
	changed  time.Time
}

func (r *run) newDrain() *drain { return &drain{run: r, changed: time.Now()} }

// done reports whether everything has arrived and every window is finished, or
// nothing has moved for so long that the rest never will.
func (d *drain) done(ctx context.Context) (bool, error) {
	busy, err := d.watcher.busy(ctx)
	if err != nil {
		return false, err
	}
	stats := d.api.Stats()
	if now := stats.Attempts + stats.LogEvents; busy > 0 || now != d.activity {
		d.activity, d.changed = now, time.Now()
		return false, nil
	}
	if int(stats.LogEvents) >= d.produced.Count() {
		return true, nil
	}
	return time.Since(d.changed) > d.options.WindowMaxAge+cmp.Or(d.options.patience, defaultPatience), nil
}
