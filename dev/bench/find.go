package bench

import (
	"context"
	"fmt"
	"time"
)

// bisections between the highest rate that was sustained and the lowest that was not:
// after four the result is exact to 6 %.
const bisections = 4

// find looks for the highest rate that is sustained: doubling it while it is, halving
// it while it is not, then between the two. Each rate has a fleet of its own, so that
// none inherits what the one before has left behind.
func find(ctx context.Context, o Options, report *Report) error {
	try := func(rate float64) (bool, error) {
		one := o
		one.Rate = rate
		result, err := measure(ctx, one)
		if err != nil {
			return false, err
		}
		step := Step{Rate: rate, Freshness: *result.Freshness, Sustained: result.Sustained(o.windowAge())}
		report.Steps = append(report.Steps, step)
		fmt.Fprintf(o.Out, "%8.0f events/s: %s\n", rate, step)
		if step.Sustained && rate > report.Highest {
			report.Highest = rate
			report.Runs = []Result{result}
		}
		return step.Sustained, nil
	}
	low, high, err := bracket(o.Rate, try)
	if err != nil {
		return err
	}
	if low == 0 || high == 0 {
		return nil // nothing to look for in between
	}
	for range bisections {
		middle := (low + high) / 2
		sustained, err := try(middle)
		switch {
		case err != nil:
			return err
		case sustained:
			low = middle
		default:
			high = middle
		}
	}
	return nil
}

// lowestRate is where one stops to look for a lower one.
const lowestRate = 10

// bracket finds a rate that is sustained and twice that, which is not. Either is 0 where
// there is none.
func bracket(first float64, try func(float64) (bool, error)) (low, high float64, err error) {
	for rate := first; rate <= maxRate && rate >= lowestRate; {
		sustained, err := try(rate)
		switch {
		case err != nil:
			return 0, 0, err
		case sustained:
			low = rate
			rate *= 2
		default:
			high = rate
			rate /= 2
		}
		if low > 0 && high > 0 {
			break
		}
	}
	return low, high, nil
}

// Sustained tells whether events were as fresh as they have to be, and all were written
// in time.
func (r Result) Sustained(windowAge time.Duration) bool {
	f := r.Freshness
	return f != nil && !f.Late && r.OK() && time.Duration(f.P99*float64(time.Millisecond)) <= windowAge+Allowance
}
