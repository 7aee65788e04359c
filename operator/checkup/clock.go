package checkup

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Clock is somebody who tells the time.
type Clock struct {
	// Name to show.
	Name string
	// Ask returns the time in whole seconds, rounded down, and zero where it is not told.
	Ask func(context.Context) (time.Time, error)
}

// The clock of this machine may differ by so much.
const (
	skewNoticed = time.Minute
	// skewRefused is what signatures of AWS are refused from on.
	skewRefused = 5 * time.Minute
)

// remedySkew is for whoever has the wrong clock.
const remedySkew = "set the clock of whichever is wrong by NTP; on this machine look at chronyc tracking or timedatectl"

// Clocks compares the clock of this machine with those of others.
func Clocks(clocks []Clock, now func() time.Time) Check {
	return Check{Name: nameClock, Run: func(ctx context.Context, r *Report) {
		type told struct {
			skew time.Duration
			at   time.Time
			err  error
		}
		answers := make([]told, len(clocks))
		var asking sync.WaitGroup
		for i, clock := range clocks {
			asking.Go(func() {
				asked := now()
				at, err := clock.Ask(ctx)
				answers[i] = told{skew(at, asked, now()), at, err}
			})
		}
		asking.Wait()
		for i, a := range answers {
			what, name := clocks[i].Name, clocks[i].Name
			switch {
			case a.err != nil:
				r.note(what, "its time is not known: it cannot be asked, as another check says")
			case a.at.IsZero():
				r.note(what, "its time is not known: it does not tell it")
			case a.skew.Abs() >= skewRefused:
				r.fail(what, remedySkew, fmt.Errorf("%s: AWS refuses signatures that are 5 minutes off, and tokens expire at other times than they seem to", apart(name, a.skew)))
			case a.skew.Abs() >= skewNoticed:
				r.warn(what, remedySkew, "%s", apart(name, a.skew))
			default:
				r.ok(what, "the clocks are %s apart at most", (a.skew.Abs() + time.Second).Truncate(time.Second))
			}
		}
	}}
}

func apart(name string, skew time.Duration) string {
	word := "ahead of"
	if skew < 0 {
		word = "behind"
	}
	return fmt.Sprintf("the clock of this machine is %s %s that of %s", skew.Abs().Round(time.Second), word, name)
}

// skew is how far our clock is ahead of theirs, at least. They told their time in whole
// seconds, and at some moment between the question and the answer.
func skew(theirs, asked, answered time.Time) time.Duration {
	least, most := asked.Sub(theirs.Add(time.Second)), answered.Sub(theirs)
	switch {
	case least > 0:
		return least
	case most < 0:
		return most
	}
	return 0
}
