package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/operator/checkup"
)

// checkTimeout is for the slowest of what answers at all: a request to the destination
// has half a minute by default, but a handshake needs less.
const checkTimeout = 30 * time.Second

type checkFlags struct {
	only         []string
	role         string
	timeout      time.Duration
	requestToken bool
	output       *output
}

// roles by the value of --role.
var roles = map[string]config.Role{
	"starter": config.RoleStarter, "worker": config.RoleWorker, "all": config.RoleStarter | config.RoleWorker,
}

func checkCommand() *cobra.Command {
	var flags checkFlags
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Look at the settings and at everything that the pipeline needs",
		Long: `check looks at the settings and tries everything that the processes need, as they do it:
Temporal, its namespace and search attributes; the stream and each action that reading
takes; the stage, with an object of its own; the parameters with the secrets; the token
and its endpoint; the way to the destination, which gets no event, no token and no header;
and the clocks. Each finding is ok, note, warn or fail, and says what to do.

It changes nothing that others see, and says what it did not try for that reason. Run it
with the role of the task that it is about: --role starter tries nothing that only a
worker may do. An object is written to PIPELINE/check/ in the stage and deleted again.

The exit status is 1 if anything fails, and 2 for misuse.`,
		Example: `  logpipe check --config logpipe.yaml
  logpipe check --role starter --only stream,stage
  logpipe check --request-token
  logpipe check --json | jq -r 'select(.status == "fail") | .name + ": " + .message'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			role, ok := roles[flags.role]
			switch {
			case !ok:
				return fmt.Errorf("--role %q: want starter, worker or all", flags.role)
			case flags.timeout <= 0:
				return fmt.Errorf("--timeout %s: want more than 0", flags.timeout)
			}
			// Before anything is read: a wrong name is misuse.
			if _, _, err := checkup.Select(nil, flags.only); err != nil {
				return fmt.Errorf("--only: %w", err)
			}
			ctx, release := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer release()
			return check(ctx, cmd, flags, role)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&flags.only, "only", nil, "look only at these: "+strings.Join(checkup.Names(), ", ")+", or single findings such as stage/put")
	f.StringVar(&flags.role, "role", "all", "whose settings and permissions: starter, worker or all")
	f.DurationVar(&flags.timeout, "timeout", checkTimeout, "how long each check may take; all of them run at once")
	f.BoolVar(&flags.requestToken, "request-token", false, "ask the token endpoint for a token, which is not kept")
	flags.output = outputFlags(cmd, "finding")
	if err := cmd.RegisterFlagCompletionFunc("only", completeList(checkup.Names())); err != nil {
		panic(err) // the flag is not there
	}
	completeWith(cmd, "role", "starter", "worker", "all")
	return cmd
}

func check(ctx context.Context, cmd *cobra.Command, flags checkFlags, role config.Role) error {
	checks, shown := []checkup.Check(nil), func(checkup.Finding) bool { return true }
	if cfg, err := loadConfig(cmd, role); err != nil {
		checks = append(checks, checkup.Unread(err))
	} else {
		deps := newDependencies(cfg)
		defer deps.close()
		if checks, shown, err = checkup.Select(deps.checks(role, flags.requestToken, probeName()), flags.only); err != nil {
			return fmt.Errorf("--only: %w", err)
		}
	}
	printer := findingPrinter{out: cmd.OutOrStdout(), json: flags.output.asJSON(), colours: coloured(cmd.OutOrStdout())}
	counts := map[checkup.Status]int{}
	var names []string // of all findings, shown or not
	checkup.Run(ctx, checks, flags.timeout, func(f checkup.Finding) {
		names = append(names, f.Name)
		// What an interruption has broken off is no finding.
		if shown(f) && ctx.Err() == nil {
			counts[f.Status]++
			printer.print(f)
		}
	})
	if ctx.Err() != nil {
		return &processError{errInterrupted}
	}
	printer.summary(counts)
	if err := nothingFound(flags, names); err != nil && counts[checkup.Fail] == 0 {
		return &processError{err}
	}
	switch {
	case printer.err != nil:
		return &processError{printer.err}
	case counts[checkup.Fail] > 0:
		return &processError{errReported}
	}
	return nil
}

// nothingFound names what was asked for and not looked at: a script whose --only has a
// wrong name must not take that for a success.
func nothingFound(flags checkFlags, found []string) error {
	var faults []error
	for _, name := range flags.only {
		group, _, single := strings.Cut(name, "/")
		var beside []string
		for _, f := range found {
			if strings.HasPrefix(f, group+"/") && !slices.Contains(beside, f) {
				beside = append(beside, f)
			}
		}
		switch {
		case len(beside) == 0:
			faults = append(faults, fmt.Errorf("--only %s: not looked at, a %s does not need it: try --role all", name, flags.role))
		case single && !slices.Contains(beside, name):
			faults = append(faults, fmt.Errorf("--only %s: nothing was found under this name; what was: %s", name, strings.Join(beside, ", ")))
		}
	}
	return errors.Join(faults...)
}

// probeName tells the object of this check from those of others.
func probeName() string { return "probe-" + strings.ToLower(rand.Text()) }

// findingPrinter prints findings for people or scripts.
type findingPrinter struct {
	out           io.Writer
	json, colours bool
	err           error // the first that writing met
}

// findingColours are those of a terminal.
var findingColours = map[checkup.Status]string{checkup.OK: "\x1b[32m", checkup.Note: "\x1b[2m", checkup.Warn: "\x1b[33m", checkup.Fail: "\x1b[31m"}

func (p *findingPrinter) print(f checkup.Finding) {
	if p.json {
		p.keep(printLine(p.out, struct {
			Name    string `json:"name"`
			Status  string `json:"status"`
			Message string `json:"message"`
			Remedy  string `json:"remedy,omitempty"`
		}{f.Name, string(f.Status), f.Message, f.Remedy}))
		return
	}
	status := fmt.Sprintf("%-4s", f.Status)
	if p.colours {
		status = findingColours[f.Status] + status + "\x1b[0m"
	}
	text := fmt.Sprintf("%s  %-30s  %s\n", status, f.Name, f.Message)
	if f.Remedy != "" {
		text += "      → " + f.Remedy + "\n"
	}
	_, err := io.WriteString(p.out, text)
	p.keep(err)
}

func (p *findingPrinter) keep(err error) {
	if p.err == nil {
		p.err = err
	}
}

// summary counts the findings.
func (p *findingPrinter) summary(counts map[checkup.Status]int) {
	if p.json {
		return
	}
	_, err := fmt.Fprintf(p.out, "ok: %d, notes: %d, warnings: %d, failed: %d\n", counts[checkup.OK], counts[checkup.Note], counts[checkup.Warn], counts[checkup.Fail])
	p.keep(err)
}
