package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/pausing"
	"github.com/log-event-pipeline/logpipe/operator"
)

// workersKnow is how long it takes at most until all workers know that delivery goes on,
// with something to spare: windows are told after it.
const workersKnow = 2 * time.Second

type pauseFlags struct {
	reason, by string
	asJSON     bool
}

func pauseCommand(logs io.Writer) *cobra.Command {
	var flags pauseFlags
	cmd := &cobra.Command{
		Use:   "pause reading|delivery",
		Short: "Pause the reading of the stream, or the delivery to the API",
		Long: `pause has all processes of the pipeline stop reading the stream, or stop sending to the
API, within some seconds, until "logpipe resume". It outlives restarts and deployments
of starters and workers, since the pipeline's StreamReader workflow remembers it, and
the Web UI shows it. Pausing what is paused changes nothing.

  reading    what was read becomes windows, which are delivered; the rest stays in
             Kinesis. It is deleted there after the stream's retention, read or not.
  delivery   windows are read, staged and formatted, and wait with the status
             "paused". When max_open_windows of them wait, reading pauses, too. Requests
             that are under way end first.

The reason is shown to everybody who can see the Web UI: say nothing secret in it.`,
		Example: `  logpipe pause delivery --reason "maintenance of the API until 06:00"
  logpipe pause reading`,
	}
	cmd.Flags().StringVar(&flags.reason, "reason", "", "why, for whoever finds it paused")
	cmd.Flags().StringVar(&flags.by, "by", "", "who has it paused (default: your user name)")
	return pausingCommand(cmd, &flags, logs, true)
}

func resumeCommand(logs io.Writer) *cobra.Command {
	var flags pauseFlags
	cmd := &cobra.Command{
		Use:   "resume reading|delivery",
		Short: "End a pause of reading or delivery",
		Long: `resume ends what "logpipe pause" has begun. Resuming what is not paused changes nothing.

Windows that waited for the end of a pause of delivery are told, 50 a second, so that
the API does not meet all of them at once. Interrupted, it leaves the rest untold: each
finds out by itself within five minutes.`,
		Example: `  logpipe resume delivery
  logpipe resume reading`,
	}
	return pausingCommand(cmd, &flags, logs, false)
}

// pausingCommand completes one of both.
func pausingCommand(cmd *cobra.Command, flags *pauseFlags, logs io.Writer, paused bool) *cobra.Command {
	cmd.Flags().BoolVar(&flags.asJSON, "json", false, "print the outcome as a JSON object")
	cmd.ValidArgs = []string{string(pausing.Reading), string(pausing.Delivery)}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s what? Name one of %s", cmd.Name(), strings.Join(cmd.ValidArgs, " and "))
		}
		_, err := pausing.Parse(args[0])
		return err
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		what, err := pausing.Parse(args[0])
		if err != nil {
			return err
		}
		cfg, err := loadConfig(cmd, config.RoleNone)
		if err != nil {
			return err
		}
		return throughTemporal(cmd, logs, cfg, func(ctx context.Context, temporal client.Client) error {
			p := pauser{temporal: temporal, pipeline: cfg.Pipeline, out: cmd.OutOrStdout(), flags: *flags, wait: workersKnow}
			return p.set(ctx, what, paused)
		})
	}
	return cmd
}

// pauser is one run of pause or resume.
type pauser struct {
	temporal operator.Temporal
	pipeline string
	out      io.Writer
	flags    pauseFlags
	// wait is how long workers may not know that delivery goes on.
	wait time.Duration
}

// outcome is what --json prints.
type pauseOutcome struct {
	Pipeline string         `json:"pipeline"`
	What     pausing.What   `json:"what"`
	Paused   bool           `json:"paused"`
	Changed  bool           `json:"changed"`
	Pause    *pausing.Pause `json:"pause,omitempty"`
	// Told are windows that were told that delivery goes on.
	Told int `json:"told,omitempty"`
}

func (p *pauser) set(ctx context.Context, what pausing.What, paused bool) error {
	pauses := operator.Pauses{Temporal: p.temporal, Pipeline: p.pipeline}
	before, err := pauses.Get(ctx, what)
	if err != nil {
		return err
	}
	out := pauseOutcome{Pipeline: p.pipeline, What: what, Paused: paused, Changed: (before != nil) != paused, Pause: before}
	// Sent even if nothing seems to change: another order may be on its way.
	if out.Pause, err = pauses.Set(ctx, pausing.Request{What: what, Paused: paused, By: p.by(paused), Reason: p.flags.reason}); err != nil {
		return err
	}
	p.say(out)
	if what == pausing.Delivery && !paused {
		if out.Told, err = p.tell(ctx); err != nil {
			return err
		}
	}
	if p.flags.asJSON {
		if err := json.NewEncoder(p.out).Encode(out); err != nil {
			return fmt.Errorf("print the outcome: %w", err)
		}
	}
	return nil
}

// by is who pauses.
func (p *pauser) by(paused bool) string {
	if !paused || p.flags.by != "" {
		return p.flags.by
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

func (p *pauser) say(out pauseOutcome) {
	switch {
	case p.flags.asJSON:
	case out.Pause != nil && out.Changed:
		fmt.Fprintf(p.out, "%s\nit goes on after: %s\n", out.Pause.Sentence(out.What), pausing.Remedy(out.What))
	case out.Pause != nil:
		fmt.Fprintf(p.out, "nothing was changed: %s\n", out.Pause.Sentence(out.What))
	case out.Changed:
		fmt.Fprintf(p.out, "%s goes on\n", out.What)
	default:
		fmt.Fprintf(p.out, "nothing was changed: %s was not paused\n", out.What)
	}
}

// tell tells the windows that wait, when all workers know that delivery goes on.
func (p *pauser) tell(ctx context.Context) (told int, err error) {
	select {
	case <-time.After(p.wait):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	windows := operator.Windows{Temporal: p.temporal, Pipeline: p.pipeline, Action: operator.Resume}
	var waiting []operator.Window
	for w, err := range windows.Find(ctx, "") {
		if err != nil {
			return 0, err
		}
		if waiting = append(waiting, w); len(waiting) == most {
			break
		}
	}
	err = windows.Tell(ctx, waiting, func(_ operator.Window, outcome operator.Outcome) {
		if outcome == operator.Told {
			told++
		}
	})
	if !p.flags.asJSON {
		fmt.Fprintf(p.out, "windows that were told to go on: %d\n", told)
	}
	if err != nil {
		return told, fmt.Errorf("%w; the other windows find out by themselves within five minutes", err)
	}
	return told, nil
}
