package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect"
	"github.com/log-event-pipeline/logpipe/internal/telemetry"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/operator"
	"github.com/log-event-pipeline/logpipe/workflows"
)

const (
	// lookEvery is how often a run that is followed is looked at, and sayEvery how often a
	// line is printed where there is no terminal.
	lookEvery = time.Second
	sayEvery  = 10 * time.Second

	// mostOpen bounds --max-open: more windows of one run would keep live ones from the
	// workers.
	mostOpen = 1000
)

var runName = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

type backfillFlags struct {
	from, to, keys, name string
	shards               []string
	rate                 float64
	maxOpen              int
	detach, asJSON       bool
}

func backfillCommand(logs io.Writer) *cobra.Command {
	var flags backfillFlags
	cmd := &cobra.Command{
		Use:   "backfill --from TIME --to TIME",
		Short: "Deliver a range of the stream again",
		Long: `backfill delivers what arrived in the stream from one time to another, again or for the
first time, beside live traffic and without disturbing it. Starters read the range, workers
deliver it, and a workflow PIPELINE/backfill/NAME keeps the progress: the command only
follows it. Interrupt the command, and the run goes on; give the same command again to
follow it, or to go on with one that was cancelled or has failed.

Keys:
  own        The idempotency keys have the name of the run, so the API takes everything
             once more. One event in the range is delivered once by a run.
  original   The keys are those under which live windows were delivered, so an API that
             honours them takes only what it does not have. The windows that begin in the
             range are repeated as they were cut. That takes that Temporal remembers
             them, and the settings of formats and batches that were in force then.

The range has to lie within the retention of the stream, and in the past.`,
		Example: `  logpipe backfill --from 2026-03-04T05:00:00Z --to 2026-03-04T06:00:00Z --rate 500
  logpipe backfill --from 2026-03-04T05:00:00Z --to 2026-03-04T06:00:00Z --keys original --name lost-hour --detach
  logpipe backfill cancel lost-hour`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&flags.from, "from", "", "first time of arrival in the stream, RFC 3339")
	f.StringVar(&flags.to, "to", "", "time of arrival behind the last one, RFC 3339")
	f.StringSliceVar(&flags.shards, "shard", nil, "only these shards (default: all)")
	f.Float64Var(&flags.rate, "rate", 0, "events a second, on average over some windows; 0 for no limit")
	f.StringVar(&flags.keys, "keys", string(workflows.BackfillOwn), "idempotency keys: own or original")
	f.StringVar(&flags.name, "name", "", "name of the run, a-z, 0-9 and - (default: made of the range and the keys)")
	f.IntVar(&flags.maxOpen, "max-open", 16, "windows of the run that may be open at once")
	f.BoolVar(&flags.detach, "detach", false, "start it and do not follow it")
	f.BoolVar(&flags.asJSON, "json", false, "print the outcome as a JSON object")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		request, err := flags.request(time.Now())
		if err != nil {
			return err
		}
		return withBackfills(cmd, logs, func(ctx context.Context, b *operator.Backfills) error {
			r := backfillRun{backfills: b, flags: flags, request: request, out: cmd.OutOrStdout(), terminal: isTerminal(cmd.OutOrStdout())}
			return r.do(ctx)
		})
	}
	cmd.AddCommand(&cobra.Command{
		Use:     "cancel NAME",
		Short:   "Have a backfill open no more windows",
		Long:    "cancel ends a backfill. Windows that it has opened are delivered all the same.",
		Example: "  logpipe backfill cancel lost-hour",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withBackfills(cmd, logs, func(ctx context.Context, b *operator.Backfills) error {
				if err := b.Cancel(ctx, args[0]); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "backfill %s opens no more windows\n", args[0])
				return nil
			})
		},
	})
	return cmd
}

// withBackfills connects to Temporal.
func withBackfills(cmd *cobra.Command, logs io.Writer, do func(context.Context, *operator.Backfills) error) error {
	cfg, err := loadConfig(cmd, config.RoleNone)
	if err != nil {
		return err
	}
	ctx, release := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer release()
	temporal, err := connect.Temporal(ctx, telemetry.NewLogger(logs, cfg.LogLevel), client.MetricsNopHandler)
	if err == nil {
		defer temporal.Close()
		err = do(ctx, &operator.Backfills{Temporal: temporal, Pipeline: cfg.Pipeline})
	}
	if err != nil {
		return &processError{err}
	}
	return nil
}

// request is what the flags ask for. It gives the run a name where they do not.
func (f *backfillFlags) request(now time.Time) (workflows.BackfillRequest, error) {
	var errs []error
	parse := func(name, text string) time.Time {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			errs = append(errs, fmt.Errorf("--%s %q: give a time such as 2026-03-04T05:06:07Z", name, text))
		}
		return at.UTC()
	}
	out := workflows.BackfillRequest{From: parse("from", f.from), To: parse("to", f.to), Keys: workflows.BackfillKeys(f.keys), Rate: f.rate}
	for _, shard := range f.shards {
		out.Shards = append(out.Shards, window.LongShard(shard))
	}
	slices.Sort(out.Shards)
	out.Shards = slices.Compact(out.Shards)
	if len(errs) == 0 && !out.From.Before(out.To) {
		errs = append(errs, fmt.Errorf("--from %s is not before --to %s", f.from, f.to))
	}
	if len(errs) == 0 && out.To.After(now) {
		errs = append(errs, fmt.Errorf("--to %s has not come yet: what arrives from now on is delivered as it comes", f.to))
	}
	if out.Keys != workflows.BackfillOwn && out.Keys != workflows.BackfillOriginal {
		errs = append(errs, fmt.Errorf("--keys %q: give own or original", f.keys))
	}
	if f.rate < 0 {
		errs = append(errs, fmt.Errorf("--rate %g: give events a second, or 0 for no limit", f.rate))
	}
	if f.maxOpen < 1 || f.maxOpen > mostOpen {
		errs = append(errs, fmt.Errorf("--max-open %d: give 1 to %d", f.maxOpen, mostOpen))
	}
	if f.name == "" {
		const compact = "20060102t150405.999z"
		name := func(t time.Time) string { return strings.ReplaceAll(t.Format(compact), ".", "-") }
		f.name = name(out.From) + "-" + name(out.To) + "-" + f.keys
	} else if !runName.MatchString(f.name) {
		errs = append(errs, fmt.Errorf("--name %q: give 1 to 64 of a-z, 0-9 and -", f.name))
	}
	return out, errors.Join(errs...)
}

// backfillRun follows one run.
type backfillRun struct {
	backfills *operator.Backfills
	flags     backfillFlags
	request   workflows.BackfillRequest
	out       io.Writer
	terminal  bool
}

func (r *backfillRun) do(ctx context.Context) error {
	started, err := r.backfills.Start(ctx, r.flags.name, r.request, r.flags.maxOpen)
	if err != nil {
		return err
	}
	r.printf("backfill %s: %s\n", r.flags.name, started)
	if r.flags.detach {
		r.printf("it goes on by itself; the same command without --detach follows it\n")
		return r.json(started, nil)
	}
	if err := r.follow(ctx); err != nil {
		return err
	}
	result, err := r.backfills.Result(ctx, r.flags.name)
	r.printf("delivered %d events, %d records in %d windows of %d shards\n", result.Events, result.Records, result.Windows, result.Shards)
	return errors.Join(r.json(started, &result), err)
}

// follow returns when the run has ended.
func (r *backfillRun) follow(ctx context.Context) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var said time.Time
	for {
		shards, ended, err := r.backfills.Progress(ctx, r.flags.name)
		if ctx.Err() != nil {
			r.printf("\n")
			return fmt.Errorf("interrupted: the backfill goes on; the same command follows it, and logpipe backfill cancel %s ends it", r.flags.name)
		}
		if ended {
			if r.terminal {
				r.printf("\n")
			}
			return nil
		}
		if err == nil && (r.terminal || time.Since(said) >= sayEvery) {
			said = time.Now()
			r.show(shards)
		}
		select {
		case <-look.C:
		case <-ctx.Done():
		}
	}
}

// barWidth is that of the progress bar.
const barWidth = 30

// show prints how far the run is: one line, over the last one on a terminal.
func (r *backfillRun) show(shards []workflows.BackfillProgress) {
	done, events, windows := fraction(r.request, shards)
	line := fmt.Sprintf("%3.0f %%  %d windows  %d events", done*100, windows, events)
	for _, s := range shards {
		if s.Waiting != "" && !strings.HasPrefix(s.Waiting, "for ") {
			line += "  " + s.Waiting
			break
		}
	}
	if r.terminal {
		full := int(done * barWidth)
		line = "\r\x1b[K[" + strings.Repeat("=", full) + strings.Repeat(" ", barWidth-full) + "] " + line
	} else {
		line += "\n"
	}
	r.printf("%s", line)
}

// fraction of the range that is in windows, by the time of arrival, and what these have.
func fraction(request workflows.BackfillRequest, shards []workflows.BackfillProgress) (done float64, events, windows int) {
	for _, s := range shards {
		switch {
		case s.Done, s.Failed != "":
			done++
		case !s.CompleteUntil.IsZero():
			done += min(1, max(0, s.CompleteUntil.Sub(request.From).Seconds()/request.To.Sub(request.From).Seconds()))
		}
		events += s.Events
		windows += s.Windows
	}
	return done / float64(max(1, len(shards))), events, windows
}

func (r *backfillRun) printf(format string, args ...any) {
	if !r.flags.asJSON {
		fmt.Fprintf(r.out, format, args...)
	}
}

func (r *backfillRun) json(started operator.Started, result *workflows.BackfillResult) error {
	if !r.flags.asJSON {
		return nil
	}
	err := json.NewEncoder(r.out).Encode(struct {
		Name    string                    `json:"name"`
		Started operator.Started          `json:"started"`
		Result  *workflows.BackfillResult `json:"result,omitempty"`
	}{r.flags.name, started, result})
	if err != nil {
		return fmt.Errorf("print the outcome: %w", err)
	}
	return nil
}
