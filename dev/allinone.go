package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-event-pipeline/logpipe/dev/allinone"
	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/dev/traffic"
)

// allinoneCommand runs everything in one process.
func allinoneCommand() *cobra.Command {
	var o allinone.Options
	var faults, mix, report string
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run the whole pipeline in one process, with traffic",
		Long: `Run the whole pipeline in one process: a local AWS, Temporal with its Web UI, a sample
analytics API, and traffic like that of API Gateway. Every flush gets a line. Ctrl-C
ends the traffic and delivers what is on its way; a second one kills.

At the end every event that CloudWatch Logs took in is looked for at the API. The exit
status is 1 if one was lost or arrived twice, or if something did not work, and 2 if a
flag is wrong. With --stay the servers, and with them the Web UI, stay until Ctrl-C.

` + analytics.FaultsHelp,
		Example: `  go run ./dev
  go run ./dev --for 60s --rate 500
  go run ./dev --for 60s --rate 500 --fault 5xx=20%,token-life=10s,outage=20s@15s
  go run ./dev --for 20s --ui 127.0.0.1:8233 --stay
  go run ./dev --input access.log --input envelopes.json.gz`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var faultsErr, mixErr error
			o.Faults, faultsErr = analytics.ParseFaults(faults)
			o.Mix, mixErr = traffic.ParseMix(mix)
			o.Out, o.Logs = cmd.OutOrStdout(), cmd.ErrOrStderr()
			err := misused(o.Validate(), flagFaults("--fault", faultsErr), flagFaults("--mix", mixErr), checkReportPath(report))
			if err != nil {
				return err
			}
			result, err := allinone.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			return conclude(result, report, errIncomplete)
		},
	}
	flags := cmd.Flags()
	flags.Float64Var(&o.Rate, "rate", 100, "log events a second to invent")
	flags.StringVar(&mix, "mix", string(traffic.Mixed), fmt.Sprintf("what to invent: %v", traffic.Mixes()))
	flags.DurationVar(&o.For, "for", 0, "how long to invent events (default: until Ctrl-C)")
	flags.StringArrayVar(&o.Inputs, "input", nil, "replay a file instead: text lines, NDJSON or CloudWatch subscription envelopes, gzip or not; - is standard input; may be repeated")
	flags.StringVar(&o.InputGroup, "log-group", "/logpipe/input", "log group of replayed lines that do not name theirs")
	flags.StringVar(&faults, "fault", "", "faults of the analytics API, such as 5xx=20%,token-life=10s,outage=20s@15s")
	flags.Uint64Var(&o.Seed, "seed", 1, "makes traffic and faults repeatable")
	flags.IntVar(&o.Shards, "shards", 2, "shards of the Kinesis stream")
	flags.DurationVar(&o.WindowMaxAge, "window-max-age", 5*time.Second, "the pipeline's setting window_max_age")
	flags.StringToStringVar(&o.Settings, "set", nil, "any other setting of the pipeline, as `NAME=VALUE`, such as LOGPIPE_DELIVERY_RATE=5; may be repeated")
	flags.StringVar(&report, "report", "", "write the reconciliation to this file as JSON")
	flags.StringVar(&o.UIListen, "ui", "", "address of the Web UI (default: a free port)")
	flags.StringVar(&o.APIListen, "analytics", "", "address of the analytics API (default: a free port)")
	flags.StringVar(&o.AWSListen, "aws", "", "address of the local AWS (default: a free port)")
	flags.StringVar(&o.TemporalListen, "temporal", "", "address of Temporal (default: a free port)")
	flags.BoolVar(&o.Stay, "stay", false, "keep the servers when all is delivered, for a look at the Web UI, until Ctrl-C")
	flags.BoolVar(&o.Verbose, "verbose", false, "show the processes' logs")
	return cmd
}

// checkReportPath finds out before a run whether its report will have a place.
func checkReportPath(path string) error { return checkOutputPath("--report", path) }

// checkOutputPath does so for what another flag names.
func checkOutputPath(flag, path string) error {
	if path == "" {
		return nil
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return fmt.Errorf("%s %s: is a directory, name a file in it", flag, path)
	}
	dir := filepath.Dir(path)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("%s %s: there is no directory %s", flag, path, dir)
	}
	return nil
}
