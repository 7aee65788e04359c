package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect"
	"github.com/log-event-pipeline/logpipe/internal/telemetry"
	"github.com/log-event-pipeline/logpipe/operator/status"
)

// Exit statuses of status, beside those of every command.
const (
	exitBehind = 3 // logs are late
	exitStuck  = 4 // something waits for a person
)

// healthError is the end of a look at a pipeline that is not healthy.
type healthError struct{ status int }

func (e *healthError) Error() string {
	return fmt.Sprintf("the pipeline is not healthy: exit status %d", e.status)
}

// Is lets what was reported already be printed once.
func (e *healthError) Is(target error) bool { return target == errReported }

// errorOf returns the exit status for a health as an error, nil for a healthy pipeline.
func errorOf(h status.Health) error {
	switch h {
	case status.Behind:
		return &healthError{exitBehind}
	case status.Stuck:
		return &healthError{exitStuck}
	case status.Unknown:
		return &healthError{exitFailed}
	case status.Healthy:
	}
	return nil
}

type statusFlags struct {
	watch, asJSON, all bool
	interval, maxAge   time.Duration
}

func statusCommand(logs io.Writer) *cobra.Command {
	var flags statusFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell whether logs arrive, how late, what is stuck and why",
		Long: `status tells how a pipeline is: for each shard who reads it, how late, and what became
of its windows; the token; what was delivered lately; the oldest event that is not. What
is wrong it names, with its cause and the next command to type. It asks nothing but
Temporal, needs no worker and no starter, and changes nothing.

The exit status is
  0  healthy: logs arrive in time
  3  behind:  logs are late; it mends by itself when its cause is over
  4  stuck:   something goes on only when a person has done something
  1  Temporal could not be asked, so nothing is known
  2  misuse

A pipeline is behind when the oldest event that is not delivered, or not read, arrived
longer ago than --max-age, when windows are being retried, or when reading is held up.
It is stuck when windows are parked, or when a cause lasts until somebody mends it.

The worst shards come first, as many as fit; --all shows all. Beyond 1,000 shards and
10,000 open windows it looks at some of them, and says so. --watch looks again and again
until Ctrl-C, and then ends with the exit status of the last look.`,
		Example: `  logpipe status
  logpipe status --watch --interval 10s
  logpipe status --json | jq -r '.problems[] | .summary, .next[]'
  logpipe status --max-age 15m > /dev/null || page-somebody`,
		Args: noArgs,
	}
	f := cmd.Flags()
	f.BoolVarP(&flags.watch, "watch", "w", false, "look again and again until Ctrl-C")
	f.DurationVar(&flags.interval, "interval", 5*time.Second, "time between two looks of --watch, 1s at least")
	form := outputFlags(cmd, "look")
	f.BoolVar(&flags.all, "all", false, "show all shards")
	f.DurationVar(&flags.maxAge, "max-age", status.DefaultMaxAge, "how old the oldest event may be that is not delivered or not read")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		flags.asJSON = form.asJSON()
		switch {
		case flags.interval < time.Second:
			return fmt.Errorf("--interval %s: want 1s or more", flags.interval)
		case cmd.Flags().Changed("interval") && !flags.watch:
			return errors.New("--interval is for --watch: give both, or none")
		case flags.maxAge < time.Second:
			return fmt.Errorf("--max-age %s: want 1s or more", flags.maxAge)
		}
		cfg, err := loadConfig(cmd, config.RoleNone)
		if err != nil {
			return err
		}
		ctx, release := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer release()
		defer context.AfterFunc(ctx, release)() // a second Ctrl-C ends it at once
		w := watching{
			flags: flags, screen: newScreen(cmd.OutOrStdout(), flags.all), out: cmd.OutOrStdout(), errors: cmd.ErrOrStderr(), pipeline: cfg.Pipeline,
			// What the SDK logs would be in the middle of the screen, and says no more.
			looker: lookerThrough(telemetry.NewLogger(logs, max(cfg.LogLevel, slog.LevelError))),
		}
		defer w.close()
		return w.run(ctx)
	}
	return cmd
}

// lookerThrough returns a function that connects to Temporal and returns how to look at
// the pipeline through it.
func lookerThrough(logger *slog.Logger) connector {
	return func(ctx context.Context, pipeline string, maxAge time.Duration) (looker, func(), error) {
		namespace, err := connect.TemporalNamespace()
		if err != nil {
			return nil, nil, err
		}
		// As a process does, but without registering search attributes: looking changes nothing.
		temporal, err := connect.Dial(ctx, logger)
		if err != nil {
			return nil, nil, err
		}
		return &status.Looker{
			Temporal: temporal, Service: temporal.WorkflowService(), Namespace: string(namespace), Pipeline: pipeline, MaxAge: maxAge, Now: time.Now,
		}, temporal.Close, nil
	}
}

// looker takes a look; *status.Looker does.
type looker interface {
	Look(ctx context.Context) status.Report
}

type connector func(ctx context.Context, pipeline string, maxAge time.Duration) (looker, func(), error)

// watching is one run of status.
type watching struct {
	flags    statusFlags
	pipeline string
	looker   connector
	screen   *screen
	out      io.Writer
	errors   io.Writer

	through    looker
	disconnect func()
}

// lookTimeout bounds one look.
const lookTimeout = 45 * time.Second

func (w *watching) run(ctx context.Context) error {
	var last status.Report
	for {
		report, err := w.look(ctx)
		if ctx.Err() != nil {
			if w.flags.watch && last.Health != "" {
				return errorOf(last.Health)
			}
			return &processError{errInterrupted}
		}
		last = report
		if printed := w.print(report); printed != nil {
			return &processError{fmt.Errorf("print the report: %w", printed)}
		}
		if !w.flags.watch {
			if err != nil {
				return &processError{err}
			}
			return errorOf(report.Health)
		}
		select {
		case <-ctx.Done():
			return errorOf(last.Health)
		case <-time.After(w.flags.interval):
		}
	}
}

// look connects where that was not done yet, and looks. An error is that of the connection,
// which is in the report, too.
func (w *watching) look(ctx context.Context) (status.Report, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lookTimeout, fmt.Errorf("no answer within %s", lookTimeout))
	defer cancel()
	if w.through == nil {
		through, disconnect, err := w.looker(ctx, w.pipeline, w.flags.maxAge)
		if err != nil {
			return status.Unreachable(w.pipeline, time.Now(), err), err
		}
		w.through, w.disconnect = through, disconnect
	}
	return w.through.Look(ctx), nil
}

func (w *watching) close() {
	if w.disconnect != nil {
		w.disconnect()
	}
}

func (w *watching) print(report status.Report) error {
	if w.flags.asJSON {
		return printLine(w.out, report)
	}
	unknown := len(report.Problems) > 0 && report.Problems[0].Code == status.CodeTemporal
	if unknown && !w.flags.watch {
		return w.tellUnreachable(report)
	}
	return w.screen.draw(report, w.flags.watch, w.flags.interval)
}

// tellUnreachable says on standard error, as every command, that Temporal cannot be asked.
// The error of a connection is printed by main.
func (w *watching) tellUnreachable(report status.Report) error {
	if w.through == nil {
		return nil
	}
	p := report.Problems[0]
	_, err := fmt.Fprintf(w.errors, "%s%s: %s: %s\n", errorLinePre, p.Summary, p.Detail, p.Advice)
	return err
}

// newScreen finds out what the output is.
func newScreen(out io.Writer, all bool) *screen {
	s := &screen{out: out, all: all}
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return s
	}
	s.terminal = true
	s.colours = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	s.redraws = cmp.Or(os.Getenv("TERM"), "dumb") != "dumb"
	s.size = func() (int, int, error) { return term.GetSize(int(f.Fd())) }
	return s
}
