package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/internal/pausing"
)

const (
	// pausedLook is how long a window waits at most, before it tries whether delivery goes
	// on. Who resumes it tells the windows; this is for those that were not told.
	pausedLook = 5 * time.Minute

	// pausedChange is the version of FlushWindow that knows of pauses. A worker of before
	// takes ErrorDeliveryPaused for a failure that time mends.
	pausedChange = "delivery-paused"
)

// standstill is the waiting of a window while an operator has paused delivery. It is no
// failure: nothing was tried, and the time does not count.
type standstill struct {
	by    *pausing.Pause // nil while it does not wait
	since time.Time      // when it has begun to
	// before is how long it has waited in all, without this time. Who gives up after some
	// time does not count any of it, which can only be too late.
	before time.Duration
	looks  int // how often it was found that the pause lasts

	lock    workflow.Mutex // held by who tries whether it is over
	resumes int            // signals that say so
}

// listenResume receives the signal that delivery goes on.
func (f *flush) listenResume(ctx workflow.Context) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		for resumed := workflow.GetSignalChannel(ctx, SignalResume); resumed.Receive(ctx, nil); {
			f.pause.resumes++
		}
	})
}

// unlessPaused has something delivered, when delivery is not paused. While it is, one
// part of the window tries now and then, for all of them.
func (f *flush) unlessPaused(ctx workflow.Context, deliver func(ctx workflow.Context) error) error {
	for {
		if f.pause.by != nil {
			if tried, err := f.sitOut(ctx, deliver); tried || err != nil {
				return err
			}
			continue
		}
		err := deliver(ctx)
		pause := f.pausedBy(ctx, err)
		if pause == nil {
			return err
		}
		if err := f.stand(ctx, *pause); err != nil {
			return err
		}
	}
}

// sitOut waits until the pause may be over, and has it tried then. It has not tried where
// another part has found that it is over, or where it is not.
func (f *flush) sitOut(ctx workflow.Context, deliver func(ctx workflow.Context) error) (tried bool, err error) {
	if err := f.pause.lock.Lock(ctx); err != nil {
		return false, err
	}
	defer f.pause.lock.Unlock()
	if f.pause.by == nil {
		return false, nil
	}
	if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
		f.unfinished = true
	}
	if err := f.awaitResume(ctx); err != nil {
		return false, err
	}
	err = deliver(ctx)
	if pause := f.pausedBy(ctx, err); pause != nil {
		return false, f.stand(ctx, *pause)
	}
	f.pause.before += workflow.Now(ctx).Sub(f.pause.since)
	f.pause.by, f.pause.since, f.pause.looks = nil, time.Time{}, 0
	if shown := f.show(ctx); err == nil {
		err = shown
	}
	return true, err
}

// awaitResume waits to be told that delivery goes on, or for some time.
func (f *flush) awaitResume(ctx workflow.Context) error {
	told := f.pause.resumes
	if _, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout:      pausedLook - scatter(pausedLook/5, f.in, f.pause.looks),
		TimerOptions: workflow.TimerOptions{Summary: f.pause.summary()},
	}, func() bool { return f.interrupted() || f.pause.resumes != told }); err != nil {
		return err
	}
	if f.interrupted() {
		return errInterrupted
	}
	return nil
}

// pausedBy is the pause for which a delivery was not made, nil if it failed otherwise, or
// not at all.
func (f *flush) pausedBy(ctx workflow.Context, failure error) *pausing.Pause {
	kind, refusal := refusalOf(failure)
	if kind != ErrorDeliveryPaused || !knowsPauses(ctx) {
		return nil
	}
	if refusal.Paused == nil {
		return &pausing.Pause{}
	}
	return refusal.Paused
}

// knowsPauses: the history was not begun by a worker that took a pause for a failure. It
// is asked where there is a pause, so that all others cost nothing.
func knowsPauses(ctx workflow.Context) bool {
	return workflow.GetVersion(ctx, pausedChange, workflow.DefaultVersion, 1) != workflow.DefaultVersion
}

// stand begins to wait, or goes on to.
func (f *flush) stand(ctx workflow.Context, pause pausing.Pause) error {
	if f.pause.by == nil {
		f.pause.since = workflow.Now(ctx)
	}
	f.pause.by = &pause
	f.pause.looks++
	return f.show(ctx)
}

// summary of the timer behind which the window waits.
func (s *standstill) summary() string {
	return fmt.Sprintf("%s; %s", s.by.Sentence(pausing.Delivery), pausing.Remedy(pausing.Delivery))
}

// describe is what the window's page says about the pause.
func (s *standstill) describe() string {
	if s.by == nil {
		return ""
	}
	return fmt.Sprintf("\n\n**%s**\n\nNothing of this window is sent meanwhile, and nothing of it is lost. It goes on after `%s`.",
		s.by.Sentence(pausing.Delivery), pausing.Remedy(pausing.Delivery))
}
