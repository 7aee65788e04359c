package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/log-event-pipeline/logpipe/dev/fleet"
)

// backlogAge is how old a backlog is when it is drained: so old that the record that is
// put behind it closes the last window of each shard.
func backlogAge(windowAge time.Duration) time.Duration { return windowAge + time.Minute }

// drain measures how a backlog is read and delivered.
//
// The backlog arrives while the clock of AWS is behind, and in each shard a control
// message follows when it is right again. So the last window before it is closed like
// all others, by its limits, and the run does not end with a wait for its age.
//
// The processes are ready before they have work: workers run first and are then
// suspended, starters cannot get a shard without them.
func (r *run) drain(ctx context.Context) (Result, error) {
	loading := time.Now()
	if err := r.loader.backlog(ctx, r.options); err != nil {
		return Result{}, fmt.Errorf("load the stream: %w", err)
	}
	r.backlogUntil = time.Now().Add(-backlogAge(r.options.windowAge()) + time.Second)
	if err := r.fleet.SetAWSClock(ctx, 0); err != nil {
		return Result{}, err
	}
	message, err := compressed(controlMessage)
	if err != nil {
		return Result{}, err
	}
	if err := r.loader.everywhere(ctx, func() []byte { return message }); err != nil {
		return Result{}, err
	}
	r.say("loaded %d events, %.1f MB of text in %.1f MB, in %s", r.loader.count.Load(),
		megabytes(float64(r.loader.text.Load())), megabytes(float64(r.loader.stored.Load())), time.Since(loading).Round(100*time.Millisecond))

	if err := r.start(ctx, r.workers); err != nil {
		return Result{}, err
	}
	if err := r.suspended(func() error { return r.start(ctx, r.starters) }); err != nil {
		return Result{}, err
	}
	m, err := r.begin(r.resume)
	if err != nil {
		return Result{}, err
	}
	if err := r.arrived(ctx, r.loader.count.Load()); err != nil {
		return Result{}, err
	}
	if err := r.finished(ctx); err != nil {
		return Result{}, err
	}
	return m.end(ctx)
}

// suspended does something while the workers do nothing. They go on doing nothing.
func (r *run) suspended(do func() error) error {
	for _, m := range r.workers {
		p := m.Process()
		if p == nil {
			return errors.Join(fmt.Errorf("%s has ended", m), r.failed())
		}
		if err := p.Suspend(); err != nil {
			return err
		}
	}
	return do()
}

func (r *run) resume() error {
	var errs []error
	for _, m := range r.workers {
		if p := m.Process(); p != nil {
			errs = append(errs, p.Resume())
		}
	}
	return errors.Join(errs...)
}

func (r *run) say(format string, args ...any) { fmt.Fprintf(r.options.Out, format+"\n", args...) }

func compressed(text string) ([]byte, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write([]byte(text)); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// processes are all that are measured, by their roles.
func (r *run) processes() ([]roleOf, error) {
	all := []roleOf{{roleTemporal, r.fleet.Temporal.Process()}, {roleAWS, r.fleet.AWSProcess}, {roleAPI, r.fleet.APIProcess}}
	for _, m := range r.starters {
		all = append(all, roleOf{roleStarter, m.Process()})
	}
	for _, m := range r.workers {
		all = append(all, roleOf{roleWorker, m.Process()})
	}
	for _, p := range all {
		if p.process == nil {
			return nil, errors.Join(fmt.Errorf("a %s has ended", p.role), r.failed())
		}
	}
	return all, nil
}

type roleOf struct {
	role    string
	process *fleet.Process
}
