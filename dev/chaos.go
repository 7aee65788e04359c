package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-event-pipeline/logpipe/dev/chaos"
)

// errNotExactlyOnce ends a run of chaos whose reconciliation has been printed already.
var errNotExactlyOnce = errors.New("not every record is in one window and every event at the API once")

// chaosCommand runs the pipeline in many processes and lets things go wrong.
func chaosCommand() *cobra.Command {
	var o chaos.Options
	var report string
	cmd := &cobra.Command{
		Use:   "chaos",
		Short: "Kill, stop and suspend the pipeline's processes, and count what is lost",
		Long: `Run starters, workers and the Temporal server, with its database in a file, as separate
processes, with traffic, and let something go wrong every few seconds: SIGKILL and
SIGTERM of any of them, SIGSTOP of a starter for longer than the heartbeat timeout,
splits and merges of shards, throttled and failing reads, expired iterators, outages of
the API, revoked tokens. What happens when follows from the seed.

At the end everything is delivered, and three views are compared: the records that
Kinesis took in, the windows that Temporal holds, the events at the API. The exit status
is 1 if a record is in no window or in two, or if an event did not arrive or arrived
twice. Ctrl-C ends the chaos early and delivers what is on its way; a second one kills.`,
		Example: `  go run ./dev chaos --for 5m
  go run ./dev chaos --for 60s --seed 7 --report report.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("seed") {
				o.Seed = uint64(rand.Uint32())
			}
			if err := misused(o.Validate(), checkReportPath(report)); err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this program, which serves Temporal, too: %w", err)
			}
			o.Temporal, o.Out = []string{self, temporalCommand().Name()}, cmd.OutOrStdout()
			result, err := chaos.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			return conclude(result, report, errNotExactlyOnce)
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&o.For, "for", 5*time.Minute, "how long things go wrong")
	flags.Uint64Var(&o.Seed, "seed", 0, "decides what happens when (default: another one each time)")
	flags.IntVar(&o.Starters, "starters", 3, "starter processes")
	flags.IntVar(&o.Workers, "workers", 2, "worker processes")
	flags.IntVar(&o.Shards, "shards", 4, "shards of the Kinesis stream at the beginning")
	flags.Float64Var(&o.Rate, "rate", 200, "log events a second")
	flags.DurationVar(&o.Patience, "patience", 5*time.Minute, "how long to wait at the end until all is delivered")
	flags.StringVar(&o.Logpipe, "logpipe", "", "logpipe binary to run (default: build it)")
	flags.StringVar(&report, "report", "", "write the reconciliation to this file as JSON")
	return cmd
}
