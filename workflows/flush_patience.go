package workflows

import (
	"errors"
	"hash/fnv"
	"strconv"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

const (
	// quickTries is how often Temporal alone tries an activity, within half a minute,
	// before the workflow is told. These tries cost no history, and most faults are over
	// by then.
	quickTries = 6

	// firstPause and longestPause bound the pauses between the tries after that. A window
	// waits for as long again as it has waited already.
	firstPause   = 30 * time.Second
	longestPause = 5 * time.Minute
)

var (
	// errInterrupted ends the waiting in a run of the workflow that ends before.
	errInterrupted = errors.New("left for the next run")
	// errAgain: the trouble is over, somebody else has found.
	errAgain = errors.New("again")
	// errTurn: it was tried in vain, and is another one's turn.
	errTurn = errors.New("another one's turn")
)

// patience waits for what only time can mend: the destination, the token, or the stage. It
// knows since when that is so, which the window's page tells, and has one at a time try
// whether it is over: a window of many batches is no greater burden than one of a single
// batch. Batches take turns, so that one which the destination will never take, though it
// says that it will, does not keep it from being found that the others are taken.
type patience struct {
	trouble *FlushTrouble
	lock    workflow.Mutex // held by who tries

	// turns: who has tried in vain is told so, and comes behind the others.
	turns bool

	// givenUp is the failure after which nothing is tried before an operator says so.
	givenUp error
}

// tried is one activity, which Temporal may try so often.
type tried func(ctx workflow.Context, tries int32) error

// persist has an activity tried until it succeeds or fails for good, or until it is
// another one's turn.
func (f *flush) persist(ctx workflow.Context, p *patience, do tried) error {
	for {
		var err error
		if p.trouble == nil && p.givenUp == nil {
			if err = do(ctx, quickTries); !passing(err) {
				return err
			}
			if p.givenUp != nil { // meanwhile, by another part
				return p.givenUp
			}
			if err = f.note(ctx, p, err, quickTries); err == nil {
				err = errTurn
			}
		} else {
			err = f.outlast(ctx, p, do)
		}
		again := errors.Is(err, errAgain) || !p.turns && errors.Is(err, errTurn)
		if !again {
			return err
		}
	}
}

// outlast waits for the next try, and makes it.
func (f *flush) outlast(ctx workflow.Context, p *patience, do tried) error {
	if err := p.lock.Lock(ctx); err != nil {
		return err
	}
	defer p.lock.Unlock()
	switch {
	case p.givenUp != nil:
		return p.givenUp
	case p.trouble == nil:
		return errAgain
	}
	if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
		f.unfinished = true
	}
	if err := f.rest(ctx, p.trouble.NextAt.Sub(workflow.Now(ctx)), p.trouble.summary()); err != nil {
		return err
	}
	err := do(ctx, 1)
	switch {
	case temporal.IsCanceledError(err), errors.Is(err, errInterrupted):
		return err
	case passing(err):
		if err := f.note(ctx, p, err, 1); err != nil {
			return err
		}
		return errTurn
	}
	// A token that has expired meanwhile says nothing about the destination.
	if failure, refusal := refusalOf(err); failure != ErrorTokenRefused || refusal.HTTPStatus != 0 {
		p.trouble = nil
	}
	return err
}

// note adds a failure to the trouble, and returns it where nothing more is to be tried.
func (f *flush) note(ctx workflow.Context, p *patience, failure error, tries int) error {
	now := workflow.Now(ctx)
	_, refusal := refusalOf(failure)
	if p.trouble == nil {
		p.trouble = &FlushTrouble{Since: now}
	}
	t := p.trouble
	t.Type, t.Message = kindOf(failure), message(failure)
	t.Tries += max(tries, refusal.Attempts)
	lasted := now.Sub(t.Since)
	if refusal.GiveUpAfter > 0 && lasted-f.pause.before >= refusal.GiveUpAfter {
		p.trouble, p.givenUp = nil, failure
		return failure
	}
	pause := min(max(lasted, firstPause), longestPause)
	pause += scatter(pause/5, f.in, t.Tries)
	asked := refusal.RetryAfter + scatter(refusal.RetryAfter/10, f.in, t.Tries)
	t.NextAt = now.Add(max(pause, asked))
	return f.show(ctx)
}

// scatter is a part of a pause that differs from window to window and from try to try, so
// that thousands of windows that have waited together do not come back together.
func scatter(most time.Duration, in FlushWindowInput, try int) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(in.ShardID + string(in.FirstSequenceNumber) + strconv.Itoa(try))) // never fails
	return time.Duration(h.Sum32()%1000) * most / 1000
}

// rest waits, unless an operator has things tried at once.
func (f *flush) rest(ctx workflow.Context, pause time.Duration, why string) error {
	before := f.redrives
	if pause > 0 {
		if _, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
			Timeout:      pause,
			TimerOptions: workflow.TimerOptions{Summary: why},
		}, func() bool { return f.interrupted() || f.redrives != before }); err != nil {
			return err
		}
	}
	if f.interrupted() {
		return errInterrupted
	}
	return nil
}

// passing: time can mend the failure, and nobody has cancelled.
func passing(err error) bool {
	if err == nil || temporal.IsCanceledError(err) || errors.Is(err, errInterrupted) {
		return false
	}
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	return !ok || !app.NonRetryable()
}

// refusalOf returns the type of an activity's application error and its detail.
func refusalOf(err error) (string, Refusal) {
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	if !ok {
		return "", Refusal{}
	}
	var refusal Refusal
	if app.HasDetails() {
		// An error without this detail leaves it empty; the type alone decides.
		_ = app.Details(&refusal)
	}
	return app.Type(), refusal
}
