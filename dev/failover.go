package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-event-pipeline/logpipe/dev/failover"
)

// failoverCommand measures how soon others take over.
func failoverCommand() *cobra.Command {
	var o failover.Options
	var report string
	cmd := &cobra.Command{
		Use:   "failover",
		Short: "Measure how soon a shard has another reader, and a record a window",
		Long: `Run two starters, a worker and the Temporal server as separate processes, with traffic,
and measure

- handover: from SIGTERM to a starter to the first read of each of its shards by another,
- recovery: the same from SIGKILL, with the default heartbeat timeout of 15 s,
- windows at the tip: from a record's arrival in Kinesis to the start of the workflow of
  its window, beyond the age of the window.

With --idle, measure instead what one starter costs that reads quiet shards: resident
memory and processor time, from /proc.`,
		Example: `  go run ./dev failover --times 20
  go run ./dev failover --shards 256 --idle 60s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := misused(o.Validate(), checkReportPath(report)); err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this program, which serves Temporal, too: %w", err)
			}
			o.Temporal, o.Out = []string{self, temporalCommand().Name()}, cmd.OutOrStdout()
			result, err := failover.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			if report == "" {
				return nil
			}
			return result.WriteFile(report)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.Handovers, "times", 20, "how often a starter is stopped")
	flags.IntVar(&o.Recoveries, "recoveries", 5, "how often a starter is killed")
	flags.DurationVar(&o.Tip, "tip", time.Minute, "how long windows at the tip are measured")
	flags.DurationVar(&o.WindowMaxAge, "window-max-age", 5*time.Second, "the pipeline's setting window_max_age")
	flags.IntVar(&o.Shards, "shards", 4, "shards of the Kinesis stream")
	flags.Float64Var(&o.Rate, "rate", 200, "log events a second")
	flags.DurationVar(&o.Idle, "idle", 0, "measure an idle starter for this long instead")
	flags.StringVar(&o.Logpipe, "logpipe", "", "logpipe binary to run (default: build it)")
	flags.StringVar(&report, "report", "", "write the figures to this file as JSON")
	return cmd
}
