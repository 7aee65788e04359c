package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/log-event-pipeline/logpipe/dev/sizing"
)

// sizingCommand prints what a pipeline needs and costs.
func sizingCommand() *cobra.Command {
	traffic := sizing.Busy.At(10_000)
	settings := sizing.Defaults
	cmd := &cobra.Command{
		Use:   "sizing",
		Short: "Print what a pipeline needs and costs",
		Long: `Print shards, tasks, Temporal actions, requests to S3 and dollars a month for a rate of log
events, by the model of docs/deployment.md: figures that were measured with JSON access
logs, assumptions that stand there, and list prices of a region that you have to check.
Nothing is run.`,
		Example: `  go run ./dev sizing --rate 25000
  go run ./dev sizing --rate 1000000 --window-bytes 8e6 --batch-bytes 8e6 --gzip`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for flag, value := range map[string]float64{
				"--rate": traffic.Events, "--record-events": traffic.EventsPerRecord, "--stored-bytes": traffic.StoredPerEvent,
				"--window-bytes": settings.WindowMaxBytes, "--window-age": settings.WindowMaxAge, "--batch-bytes": settings.BatchMaxBytes,
			} {
				if value <= 0 {
					return misused(flagFaults(flag, fmt.Errorf("%v is not above 0", value)))
				}
			}
			if traffic.StoredPerEvent > 1e6 {
				return misused(flagFaults("--stored-bytes", errors.New("no record is that large")))
			}
			model := sizing.Model{Figures: sizing.Measured, Assumptions: sizing.Assumed}
			columns := []sizing.Column{{Name: fmt.Sprintf("%g events/s", traffic.Events), Traffic: traffic, Settings: settings}}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n%s\nList prices of %s, looked up on %s: check them.\n",
				model.NeedTable(columns), model.CostTable(columns, sizing.Listed), sizing.Listed.Region, sizing.Listed.LookedUp)
			return err
		},
	}
	flags := cmd.Flags()
	flags.Float64Var(&traffic.Events, "rate", traffic.Events, "log events a second")
	flags.Float64Var(&traffic.EventsPerRecord, "record-events", traffic.EventsPerRecord, "log events in a record")
	flags.Float64Var(&traffic.StoredPerEvent, "stored-bytes", traffic.StoredPerEvent, "bytes of a record for each log event, compressed")
	flags.Float64Var(&settings.WindowMaxBytes, "window-bytes", settings.WindowMaxBytes, "the setting window_max_bytes")
	flags.Float64Var(&settings.WindowMaxAge, "window-age", settings.WindowMaxAge, "the setting window_max_age, in seconds")
	flags.Float64Var(&settings.BatchMaxBytes, "batch-bytes", settings.BatchMaxBytes, "the setting batch_max_bytes")
	flags.BoolVar(&settings.Gzip, "gzip", settings.Gzip, "the setting batch_compression is gzip")
	return cmd
}
