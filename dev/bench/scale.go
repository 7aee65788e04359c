package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNotOnce ends a measurement at the first point at which an event was lost or arrived
// twice: what it costs to do it wrong is of no use.
var ErrNotOnce = errors.New("not every event arrived exactly once")

// ValidateScale reports what is wrong with growing along the axes, under the names of the
// flags, beyond what [Options.Validate] does.
func (o Options) ValidateScale(along []Axis) error {
	if len(along) == 0 {
		return nil
	}
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.Rate > 0 || o.Find {
		wrong("--scale: measures backlogs, leave out --rate and --find")
	}
	for _, a := range along {
		for _, name := range a.axis.without {
			if value, given := o.Settings[name]; given {
				wrong("--set %s=%s: --scale %s sets it", name, value, a.axis.name)
			}
		}
		if a.axis.name == outageAxis && o.For < time.Second {
			wrong("--for %s: want 1s or more", o.For)
		}
		if a.axis.name == outageAxis && o.Settle < 0 {
			wrong("--settle %s: want a duration that is not negative", o.Settle)
		}
	}
	return errors.Join(errs...)
}

// Scale measures at each value of each axis. Where that ends early, with an error, the
// report has what was measured until then.
func Scale(ctx context.Context, o Options, along []Axis) (ScaleReport, error) {
	if err := errors.Join(o.Validate(), o.ValidateScale(along)); err != nil {
		return ScaleReport{}, err
	}
	report := ScaleReport{Began: time.Now().UTC().Truncate(time.Second), Machine: thisMachine()}
	report.Machine.Profiled = o.Profiles != ""
	remove, err := o.build(ctx)
	if err != nil {
		return report, interrupted(ctx, err)
	}
	defer remove()
	for _, a := range along {
		report.Axes = append(report.Axes, Growth{Axis: a.axis.name})
		if err := grow(ctx, o, a, &report.Axes[len(report.Axes)-1]); err != nil {
			return report, interrupted(ctx, err)
		}
	}
	return report, nil
}

func grow(ctx context.Context, o Options, a Axis, growth *Growth) error {
	for n, value := range a.Values {
		one, err := a.axis.point(o, value)
		if err != nil {
			return err
		}
		fmt.Fprintf(o.Out, "\n%s %s (%d of %d)\n", a.axis.name, a.axis.text(value), n+1, len(a.Values))
		var measured Report
		if err := repeat(ctx, one, &measured); err != nil {
			return fmt.Errorf("%s %s: %w", a.axis.name, a.axis.text(value), err)
		}
		point := Point{Value: value, Options: one.summary(), Median: median(measured.Runs), Runs: measured.Runs}
		growth.Points = append(growth.Points, point)
		fmt.Fprintln(o.Out, point.Median.line())
		if !point.Median.OK() {
			return fmt.Errorf("%s %s: %w", a.axis.name, a.axis.text(value), ErrNotOnce)
		}
	}
	return nil
}

// line is what a person sees of a point at once. How much text an outage takes processor
// time for has no meaning.
func (r Result) line() string {
	cost := fmt.Sprintf(", %.1f MB per CPU-second", r.MBPerCPUSecond)
	if r.Outage != nil {
		cost = ""
	}
	return fmt.Sprintf("%.1f s%s, %.0f windows: lost %d, duplicates %d, strangers %d", r.Seconds, cost, r.Windows, r.Lost, r.Duplicates, r.Strangers)
}
