package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/operator/namespace"
)

const (
	// defaultRetention is the least that docs/design.md asks for.
	defaultRetention = 72 * time.Hour
	// setupPatience covers the intervals in which Temporal's own caches are renewed.
	setupPatience = time.Minute
)

type setupFlags struct {
	create, dryRun bool
	retention      time.Duration
	output         *output
}

func setupCommand() *cobra.Command {
	var flags setupFlags
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Register the search attributes in the Temporal namespace",
		Long: `setup registers the search attributes by which windows are found, where the Temporal
namespace lacks them, and says what it did. What is there stays as it is, so that it can be run
at each deployment. With --create-namespace it makes the namespace, too, if it is not there.

The processes register what is missing when they start, if they may. Where nobody may by the
API, as in Temporal Cloud, setup prints the commands that do it and ends with status 1.

It needs Temporal (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, …) and no other setting.`,
		Example: `  logpipe setup --dry-run
  logpipe setup
  TEMPORAL_NAMESPACE=logs logpipe setup --create-namespace --retention 168h
  logpipe setup --json | jq -r 'select(.state != "present") | .attribute'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("retention") && !flags.create {
				return errors.New("--retention is that of a namespace that is made: give --create-namespace, too, or change it with temporal operator namespace update")
			}
			if flags.retention < time.Hour {
				return fmt.Errorf("--retention %s: want an hour or more; 72h or more is sensible", flags.retention)
			}
			if _, err := loadConfig(cmd, config.RoleNone); err != nil {
				return err
			}
			place, err := connect.TemporalPlace()
			if err != nil {
				return err
			}
			ctx, release := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer release()
			err = setup(ctx, place, flags, cmd.OutOrStdout())
			switch {
			case err == nil:
				return nil
			case ctx.Err() != nil:
				err = errInterrupted
			}
			return &processError{err}
		},
	}
	f := cmd.Flags()
	f.BoolVar(&flags.create, "create-namespace", false, "make the namespace if it is not there")
	f.DurationVar(&flags.retention, "retention", defaultRetention, "how long a namespace that is made remembers windows after their end")
	f.BoolVar(&flags.dryRun, "dry-run", false, "only say what would be done")
	flags.output = outputFlags(cmd, "search attribute")
	return cmd
}

func setup(ctx context.Context, place connect.Place, flags setupFlags, out io.Writer) error {
	c, err := connect.Dial(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer c.Close()
	s := namespace.Setup{
		Name: place.Namespace, Namespaces: c.WorkflowService(), Operator: c.OperatorService(),
		Retention: flags.retention, Patience: setupPatience,
	}
	p := setupPrinter{out: out, json: flags.output.asJSON(), place: place}
	plan, err := s.Plan(ctx, flags.create)
	if errors.Is(err, namespace.ErrNoNamespace) {
		return fmt.Errorf("%w at %s; set TEMPORAL_NAMESPACE to one that exists, or make it: logpipe setup --create-namespace --retention 72h; in Temporal Cloud: tcld namespace create", err, place.Address)
	}
	if err != nil {
		return fmt.Errorf("the namespace of Temporal at %s: %w; is TEMPORAL_API_KEY one that the namespace lets in?", place.Address, err)
	}
	if plan.Mistyped() {
		p.attributes(plan)
		return errors.Join(errors.New("search attributes have other types than they should: remove them there (temporal operator search-attribute remove), or use another namespace"), p.err)
	}
	if flags.dryRun {
		p.dryRun(plan, flags.retention)
		return p.err
	}
	if plan.Create {
		if err := s.Create(ctx); err != nil {
			return fmt.Errorf("%w; whoever may can: temporal operator namespace create --namespace %s --retention %s; in Temporal Cloud: tcld namespace create",
				err, place.Namespace, hours(flags.retention))
		}
		p.say("created namespace %s, which remembers windows for %s\n", place.Namespace, hours(flags.retention))
	}
	if err := s.Register(ctx, plan); err != nil {
		p.attributes(plan)
		p.commands(plan)
		return errors.Join(err, p.err)
	}
	for i, a := range plan.Attributes {
		if a.State == namespace.Missing {
			plan.Attributes[i].State = namespace.Registered
		}
	}
	p.attributes(plan)
	return p.err
}

// setupPrinter prints what setup does for people or scripts.
type setupPrinter struct {
	out   io.Writer
	json  bool
	place connect.Place
	err   error // the first that writing met
}

func (p *setupPrinter) keep(err error) {
	if p.err == nil {
		p.err = err
	}
}

// say prints what no script needs.
func (p *setupPrinter) say(format string, args ...any) {
	if !p.json {
		_, err := fmt.Fprintf(p.out, format, args...)
		p.keep(err)
	}
}

func (p *setupPrinter) attributes(plan namespace.Plan) {
	counts := map[namespace.State]int{}
	for _, a := range plan.Attributes {
		counts[a.State]++
		has := ""
		if a.State == namespace.Mistyped {
			has = a.Has.String()
		}
		if p.json {
			p.keep(printLine(p.out, struct {
				Namespace string `json:"namespace"`
				Attribute string `json:"attribute"`
				Type      string `json:"type"`
				State     string `json:"state"`
				Has       string `json:"has,omitempty"`
			}{p.place.Namespace, a.Name, a.Type.String(), string(a.State), has}))
			continue
		}
		if has != "" {
			has = ": it is a " + has
		}
		p.say("%-10s  %-20s  %s%s\n", a.State, a.Name, a.Type, has)
	}
	var parts []string
	for _, state := range []namespace.State{namespace.Present, namespace.Registered, namespace.Missing, namespace.Mistyped} {
		if n := counts[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s: %d", state, n))
		}
	}
	p.say("search attributes of namespace %s: %s\n", p.place.Namespace, strings.Join(parts, ", "))
}

func (p *setupPrinter) dryRun(plan namespace.Plan, retention time.Duration) {
	if plan.Create {
		p.say("namespace %s is not there: it would be created with a retention of %s\n", p.place.Namespace, hours(retention))
	}
	p.attributes(plan)
	if len(plan.Missing()) > 0 || plan.Create {
		p.say("nothing was done: this is a dry run; what is missing would be registered\n")
	}
}

// commands are for those who may register what this command could not.
func (p *setupPrinter) commands(plan namespace.Plan) {
	missing := plan.Missing()
	cloud := "in Temporal Cloud\n  " + broken(visibility.CloudCommand(p.place.Namespace, missing), " --search-attribute ")
	own := "with a Temporal service of your own\n  " + broken(visibility.Command(p.place.Namespace, missing), " --name ")
	ways := []string{own, cloud}
	if isCloud(p.place.Address) {
		ways = []string{cloud, own}
	}
	p.say("\nThey can be registered by whoever may administer the namespace:\n\n%s\n\n", strings.Join(ways, "\n\n"))
}

// broken puts each attribute on a line of its own, for the shell as for the eye.
func broken(command, before string) string {
	return strings.ReplaceAll(command, before, " \\\n   "+before)
}

// hours writes a retention as people do.
func hours(d time.Duration) string { return strings.TrimSuffix(d.String(), "0m0s") }

// isCloud reports whether an address is one of Temporal Cloud.
func isCloud(address string) bool {
	host, _, _ := strings.Cut(address, ":")
	return strings.HasSuffix(host, ".tmprl.cloud") || strings.HasSuffix(host, ".api.temporal.io")
}
