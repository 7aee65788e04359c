package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-event-pipeline/logpipe/dev/bench"
	"github.com/log-event-pipeline/logpipe/dev/traffic"
)

// benchCommand measures what the pipeline takes of the machine.
func benchCommand() *cobra.Command {
	var o bench.Options
	var report, drawing, mix string
	var scale []string
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure throughput, CPU time, memory, freshness, and what Temporal and the stage take",
		Long: `Run the local AWS, the analytics API, Temporal, starters and workers as separate
processes and measure what they do with the machine.

- Without --rate, a backlog of --events is drained that was there before.
- With --rate, events come at a steady rate for --for, and it is measured how long they
  take to the API.
- With --find, the highest rate is looked for at which 99 of 100 events arrive within the
  age of a window and 2 s, beginning with --rate.
- With --scale, backlogs are drained while one thing grows and all else stays as the other
  flags have it: shards, backlog (its log text), workers, windows (window_max_bytes); or
  outage: so many windows, of a record each, wait while the API is away, for --settle and then
  for --for, in which it is measured what that takes. Values other than the usual ones stand
  behind the name: backlog=1GB/10GB. --plot draws it.

Processor time (user and system) and memory are those of each process, from /proc, from
the beginning of the work until its last workflow has ended. GC is the share of it that
Go's runtime says its collections took. Actions are counted in the histories, as Temporal
Cloud bills them; heartbeats are in none and not counted. A MB is 10^6 bytes of log text.

The exit status is 1 if an event did not arrive or arrived twice.`,
		Example: `  go run ./dev bench --events 2000000 --mix access-json --repeat 5 --report report.json
  go run ./dev bench --rate 2000 --for 60s --window-age 1s
  go run ./dev bench --rate 2000 --for 30s --window-age 1s --find
  go run ./dev bench --scale shards,backlog,workers,windows --report scale.json --plot scale.svg
  go run ./dev bench --scale outage=1000/10000 --for 5m`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Mix = traffic.Mix(mix)
			axes, axesErr := bench.ParseAxes(scale)
			err := misused(o.Validate(), flagFaults("--scale", axesErr), o.ValidateScale(axes), checkReportPath(report), checkPlot(drawing, scale))
			if err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this program, which is the servers, too: %w", err)
			}
			if o.Profiles != "" {
				// The processes have working directories of their own choice.
				if o.Profiles, err = filepath.Abs(o.Profiles); err != nil {
					return fmt.Errorf("--cpuprofile: %w", err)
				}
			}
			o.Dev, o.Out = []string{self}, cmd.OutOrStdout()
			if len(axes) > 0 {
				return runScale(cmd.Context(), o, axes, report, drawing)
			}
			result, err := bench.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			result.Print(o.Out)
			return conclude(result, report, errIncomplete)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.Events, "events", 1_000_000, "log events of the backlog")
	flags.StringVar(&mix, "mix", string(traffic.AccessJSON), fmt.Sprintf("what is logged: %v", traffic.Mixes()))
	flags.Uint64Var(&o.Seed, "seed", 1, "makes the traffic repeatable")
	flags.IntVar(&o.RecordEvents, "record-events", 500, "log events of each Kinesis record of the backlog")
	flags.Float64Var(&o.Rate, "rate", 0, "log events a second; 0 drains a backlog instead")
	flags.DurationVar(&o.For, "for", time.Minute, "how long the rate is held, or an outage is measured")
	flags.BoolVar(&o.Find, "find", false, "look for the highest rate that is sustained")
	flags.StringSliceVar(&scale, "scale", nil, fmt.Sprintf("measure how cost grows along `AXIS[=VALUE/VALUE…]`, comma-separated: %v", bench.AxisNames()))
	flags.DurationVar(&o.Settle, "settle", 6*time.Minute, "how long the windows of an outage have waited before that is measured")
	flags.StringVar(&drawing, "plot", "", "with --scale, draw the figures into this file as SVG")
	flags.IntVar(&o.Shards, "shards", 4, "shards of the Kinesis stream")
	flags.IntVar(&o.Starters, "starters", 1, "starter processes")
	flags.IntVar(&o.Workers, "workers", 1, "worker processes")
	flags.DurationVar(&o.WindowAge, "window-age", 0, "the pipeline's setting window_max_age (default: its own)")
	flags.StringVar(&o.WindowBytes, "window-bytes", "", "the pipeline's setting window_max_bytes, such as 64kB (default: its own)")
	flags.StringToStringVar(&o.Settings, "set", nil, "any other setting, as `NAME=VALUE`, such as LOGPIPE_BATCH_MAX_BYTES=4MB; may be repeated")
	flags.IntVar(&o.Repeat, "repeat", 1, "runs, of which the medians are reported")
	flags.DurationVar(&o.Patience, "patience", 2*time.Minute, "how long to wait without progress")
	flags.StringVar(&o.Profiles, "cpuprofile", "", "write a CPU profile of each process into this directory, which changes the figures a little")
	flags.StringVar(&o.Logpipe, "logpipe", "", "logpipe binary to run (default: build it)")
	flags.StringVar(&report, "report", "", "write the figures to this file as JSON")
	return cmd
}

// checkPlot finds out before a run whether there will be something to draw, and a place for it.
func checkPlot(path string, scale []string) error {
	if path != "" && len(scale) == 0 {
		return fmt.Errorf("--plot %s: draws what --scale measures", path)
	}
	return checkOutputPath("--plot", path)
}

// runScale measures along axes. What was measured before it ended early is printed and
// written, but not drawn.
func runScale(ctx context.Context, o bench.Options, axes []bench.Axis, report, drawing string) error {
	result, err := bench.Scale(ctx, o, axes)
	result.Print(o.Out)
	if report != "" && result.Measured() {
		err = errors.Join(err, result.WriteFile(report))
	}
	switch {
	case err != nil:
		return err
	case drawing != "":
		return result.WritePlot(drawing)
	}
	return nil
}
