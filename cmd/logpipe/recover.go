package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect"
	"github.com/log-event-pipeline/logpipe/internal/telemetry"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/starter"
)

func recoverCommand(logs io.Writer) *cobra.Command {
	var dryRun bool
	var form *output
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Bring a pipeline back whose Temporal database was lost",
		Long: `recover brings a pipeline back by what its stage holds, after Temporal has lost its
database or a new Temporal service has taken over. It starts a FlushWindow workflow
again for each window that is staged, writes down how far each shard was read, and
starts the StreamReader; starters refuse to start before that. Nothing that was
accepted is lost, but records can come twice: the plan that is printed first says
what. Without Temporal's memory there is no telling what was delivered last. What was
discarded is not started again, as long as the stage keeps it.

It needs the settings of a starter, refuses a pipeline that Temporal knows, and can be
interrupted and run again. The exit status is 1 if a staged window is damaged; the
others are recovered all the same.`,
		Example: `  logpipe recover --config logpipe.yaml --dry-run
  logpipe recover --config logpipe.yaml
  logpipe recover --dry-run --json | jq 'select(.kind == "damaged")'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd, config.RoleStarter)
			if err != nil {
				return err
			}
			ctx, release := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer release()
			return failureOf(ctx, recoverPipeline(ctx, cfg, dryRun, planPrinter{cmd.OutOrStdout(), form.asJSON()}, logs))
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only print what would be done")
	form = outputFlags(cmd, "shard, damaged window and foreign object, and one for the result")
	return cmd
}

func recoverPipeline(ctx context.Context, cfg config.Config, dryRun bool, out planPrinter, logs io.Writer) (err error) {
	logger := telemetry.NewLogger(logs, cfg.LogLevel)
	st, err := connect.Stage(ctx, cfg.StageURL, cfg.Pipeline)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	temporal, err := connect.Temporal(ctx, logger, client.MetricsNopHandler)
	if err != nil {
		return err
	}
	defer temporal.Close()

	recovery := starter.Recovery{Config: cfg, Temporal: temporal, Stage: st, Logger: logger, Now: time.Now}
	plan, err := recovery.Plan(ctx)
	if err != nil {
		return err
	}
	if err := out.plan(cfg, plan, time.Now()); err != nil {
		return err // before anything is done that nobody was told of
	}
	if dryRun {
		return errors.Join(out.dryRun(plan), damage(plan))
	}
	done, err := recovery.Run(ctx, plan)
	if err != nil {
		return err
	}
	return errors.Join(out.done(plan, done.Started, done.Known, done.Markers, window.StreamReaderID(cfg.Pipeline)), damage(plan))
}

// damage is the error of a plan that leaves something behind.
func damage(plan starter.RecoveryPlan) error {
	if len(plan.Damaged) == 0 {
		return nil
	}
	return fmt.Errorf("damaged windows: %d; they are named above and left alone: put back a good copy before you recover; without one their records are to be had from Kinesis only", len(plan.Damaged))
}

// printPlan tells a person what is there, what will be done, and what can come twice.
func printPlan(out io.Writer, cfg config.Config, plan starter.RecoveryPlan, now time.Time) {
	var windows, covered, overlapping, discarded int
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "shard\twindows\trecords\tfirst arrival\tlast arrival\treading resumes after\tmarker")
	for _, s := range plan.Shards {
		windows += len(s.Windows)
		covered += s.Covered
		overlapping += s.Overlapping
		discarded += s.Discarded
		first, last := s.Arrivals()
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\t%s\t%s\n", window.ShortShard(s.ShardID), len(s.Windows), s.Records(),
			arrival(first), arrival(last), resume(s), markerAge(s, now))
	}
	_ = table.Flush() // a terminal that is gone is not an error of the recovery
	fmt.Fprintf(out, "all other shards are read from %s", plan.Position)
	if plan.Position != cfg.StartPosition {
		fmt.Fprintf(out, " rather than %s, which would leave out what they have taken in before now", cfg.StartPosition)
	}

	fmt.Fprintf(out, `

what comes twice, or can:
- what was delivered after the last marker of its shard, where no later window is staged
- windows that were delivered and not yet cleared: they are staged still
- records that two staged windows share: %d of %d windows begin inside the one before
  (%d more lie wholly inside another and are not started)
A window that is started again has the idempotency keys that it had, unless the batch settings have changed
since: an API that honours them takes it once.

what was discarded by an operator stays discarded; windows that are staged and not started for this: %d
`, overlapping, windows, covered, discarded)

	for _, d := range plan.Damaged {
		fmt.Fprintf(out, "\ndamaged: %v", d.Err)
	}
	if len(plan.Damaged) > 0 {
		fmt.Fprintln(out)
	}
	if n := len(plan.Foreign); n > 0 {
		fmt.Fprintf(out, "\nnot made by the pipeline and left alone: %d, the first is %s\n", n, plan.Foreign[0])
	}
}

func arrival(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.UTC().Format(time.RFC3339)
}

func resume(s starter.ShardRecovery) string {
	switch after := s.Resume(); {
	case s.Marker != nil && s.Marker.Drained:
		return "nothing, it is drained"
	case after == "":
		return "its start"
	default:
		return after.Short()
	}
}

// markerAge is by two clocks, so it is rounded.
func markerAge(s starter.ShardRecovery, now time.Time) string {
	if s.Marker == nil {
		return "none"
	}
	return max(0, now.Sub(s.Marker.WrittenAt)).Round(time.Second).String() + " old"
}
