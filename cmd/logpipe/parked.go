package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/operator"
)

func redriveCommand(logs io.Writer) *cobra.Command {
	return parkedCommand(operator.Redrive, logs, &cobra.Command{
		Short: "Try again what is parked",
		Long: `redrive has parked windows tried again, after what they were refused for was mended: it
sends the signal "redrive" to their workflows and does not wait for them. Windows that
are retrying get it, too, and try at once. What is refused again is parked again.

` + parkedHelp,
		Example: `  logpipe redrive orders/flush/7/00000000000009f5ozh4xsvn1j40kr7mh8p2
  logpipe redrive --query "LogpipeHTTPStatus = '413'" --dry-run
  logpipe redrive --query "LogpipeShard = '7' AND LogpipeFirstArrival < '2026-03-04T06:00:00Z'"
  logpipe redrive --all --yes --json | jq -r 'select(.outcome == "ended") | .workflow_id'`,
	})
}

func discardCommand(logs io.Writer) *cobra.Command {
	return parkedCommand(operator.Discard, logs, &cobra.Command{
		Short: "Give up what is parked",
		Long: `discard gives up what is parked in windows: it sends the signal "discard" to their
workflows. Their other batches are delivered; what was parked is not, and the
destination never gets it. What was staged of such a window stays in the stage for
stage_keep_discarded, a setting of the workers; "logpipe format" shows what is in it.

` + parkedHelp,
		Example: `  logpipe discard --all --dry-run
  logpipe discard orders/flush/7/00000000000009f5ozh4xsvn1j40kr7mh8p2
  logpipe discard --query "LogpipeHTTPStatus = '422' AND LogpipeEvents < 10" --yes`,
	})
}

const parkedHelp = `Name windows by their workflow ids, or have them found: by --query, a filter of Temporal
for the list of workflows, which can name any search attribute, or --all of the pipeline.
What it is about to act on is listed, each with its status, the last HTTP status, the
events in it, its shard, since when its records wait (the arrival of the first one) and
its workflow id, and then you are asked. Without a terminal give --yes.

It needs Temporal and the setting "pipeline". The exit status is 1 if a window that was
named is not there or not parked; the others are acted on all the same.`

// most is how many windows one command acts on. What it has listed is what it acts on,
// so all of them are in memory.
const most = 100_000

type parkedFlags struct {
	query                    string
	all, yes, dryRun, asJSON bool
}

func parkedCommand(action operator.Action, logs io.Writer, cmd *cobra.Command) *cobra.Command {
	var flags parkedFlags
	cmd.Use = string(action) + " [WORKFLOW-ID…]"
	f := cmd.Flags()
	f.StringVar(&flags.query, "query", "", "act on the windows for which this filter holds")
	f.BoolVar(&flags.all, "all", false, "act on all windows of the pipeline that wait")
	f.BoolVarP(&flags.yes, "yes", "y", false, "do not ask")
	f.BoolVar(&flags.dryRun, "dry-run", false, "only list")
	form := outputFlags(cmd, "window, with what became of it")
	cmd.ValidArgsFunction = completeParked(action)
	cmd.Args = func(cmd *cobra.Command, ids []string) error {
		ways := 0
		for _, given := range []bool{len(ids) > 0, cmd.Flags().Changed("query"), flags.all} {
			if given {
				ways++
			}
		}
		switch {
		case ways == 0:
			return fmt.Errorf("nothing to %s: name workflow ids, or give --query or --all", action)
		case ways > 1:
			return errors.New("workflow ids, --query and --all: give one of them")
		case cmd.Flags().Changed("query") && strings.TrimSpace(flags.query) == "":
			return errors.New("--query is empty: give a filter, or --all for all windows that wait")
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, ids []string) error {
		flags.asJSON = form.asJSON()
		cfg, err := loadConfig(cmd, config.RoleNone)
		if err != nil {
			return err
		}
		if !flags.yes && !flags.dryRun && !canAsk(cmd.InOrStdin()) {
			return errors.New("nothing was done: there is no terminal to ask on; give --yes to act without asking, or --dry-run to list only")
		}
		return throughTemporal(cmd, logs, cfg, func(ctx context.Context, temporal client.Client) error {
			p := parked{
				windows: operator.Windows{Temporal: temporal, Pipeline: cfg.Pipeline, Action: action},
				flags:   flags, most: most, out: cmd.OutOrStdout(),
				ask: func(ctx context.Context, question string) error {
					return ask(ctx, cmd.InOrStdin(), cmd.ErrOrStderr(), question)
				},
			}
			return p.act(ctx, ids)
		})
	}
	return cmd
}

// parked is one run of redrive or discard.
type parked struct {
	windows operator.Windows
	flags   parkedFlags
	most    int
	out     io.Writer
	ask     func(ctx context.Context, question string) error
}

// act lists, asks and tells. What was named and cannot be told is its error, after the
// others were told.
func (p *parked) act(ctx context.Context, ids []string) error {
	found, refused, err := p.find(ctx, ids)
	if err != nil {
		return err
	}
	if !p.flags.asJSON {
		p.list(found, len(refused))
	}
	if len(found) == 0 {
		return errors.Join(refused...)
	}
	if p.flags.dryRun {
		if p.flags.asJSON {
			return errors.Join(append([]error{p.printJSON(found)}, refused...)...)
		}
		fmt.Fprintln(p.out, "nothing was done: this is a dry run")
		return errors.Join(refused...)
	}
	if !p.flags.yes {
		if err := p.ask(ctx, question(p.windows.Action, found)); err != nil {
			return err
		}
	}
	return errors.Join(append([]error{p.tell(ctx, found)}, refused...)...)
}

// find returns the windows to act on, and why those that were named are not among them.
func (p *parked) find(ctx context.Context, ids []string) (found []operator.Window, refused []error, err error) {
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		w, err := p.windows.Get(ctx, id)
		switch {
		case ctx.Err() != nil:
			return nil, nil, ctx.Err()
		case err != nil:
			refused = append(refused, err)
		default:
			found = append(found, w)
		}
	}
	if len(ids) > 0 {
		return found, refused, nil
	}
	for w, err := range p.windows.Find(ctx, p.flags.query) {
		if err != nil {
			return nil, nil, err
		}
		if len(found) == p.most {
			refused = append(refused, fmt.Errorf("more than %d windows wait: the others are left; %s again for the next ones", p.most, p.windows.Action))
			break
		}
		found = append(found, w)
	}
	return found, refused, nil
}

func (p *parked) list(found []operator.Window, refused int) {
	statuses := strings.Join(p.windows.Action.Statuses(), " or ")
	switch {
	case len(found) > 0:
		fmt.Fprintf(p.out, "%-8s  %-4s  %9s  %-5s  %-20s  %s\n", "STATUS", "HTTP", "EVENTS", "SHARD", "SINCE", "WORKFLOW ID")
	case refused > 0:
	case p.flags.query != "":
		fmt.Fprintf(p.out, "no window of pipeline %s for which the query holds is %s\n", p.windows.Pipeline, statuses)
	default:
		fmt.Fprintf(p.out, "no window of pipeline %s is %s\n", p.windows.Pipeline, statuses)
	}
	for _, w := range found {
		fmt.Fprintf(p.out, "%-8s  %-4s  %9d  %-5s  %-20s  %s\n", w.Status, cmp.Or(w.HTTPStatus, "-"), w.Events, w.Shard, w.Since.Format(time.RFC3339), w.WorkflowID)
	}
	if len(found) > 0 {
		fmt.Fprintf(p.out, "windows: %d, events in them: %d\n", len(found), events(found))
	}
}

func events(windows []operator.Window) int64 {
	var n int64
	for _, w := range windows {
		n += w.Events
	}
	return n
}

// tell tells the windows and counts.
func (p *parked) tell(ctx context.Context, found []operator.Window) error {
	counts := map[operator.Outcome]int{}
	var broken error
	err := p.windows.Tell(ctx, found, func(w operator.Window, outcome operator.Outcome) {
		counts[outcome]++
		if p.flags.asJSON {
			broken = errors.Join(broken, p.line(w, string(outcome)))
		}
	})
	if !p.flags.asJSON {
		fmt.Fprintf(p.out, "told to %s: %d, ended meanwhile: %d\n", p.windows.Action, counts[operator.Told], counts[operator.Ended])
	}
	if left := len(found) - counts[operator.Told] - counts[operator.Ended]; err != nil && left > 0 {
		if !p.flags.asJSON {
			fmt.Fprintf(p.out, "left: %d\n", left)
		}
		err = fmt.Errorf("%w; %d of %d windows are left: %s again for these", err, left, len(found), p.windows.Action)
	}
	return cmp.Or(err, broken)
}

// outcomeListed is that of a dry run.
const outcomeListed = "listed"

func (p *parked) printJSON(found []operator.Window) error {
	for _, w := range found {
		if err := p.line(w, outcomeListed); err != nil {
			return err
		}
	}
	return nil
}

// line prints a window as JSON.
func (p *parked) line(w operator.Window, outcome string) error {
	return printLine(p.out, struct {
		WorkflowID string    `json:"workflow_id"`
		Shard      string    `json:"shard"`
		Status     string    `json:"status"`
		HTTPStatus string    `json:"http_status,omitempty"`
		Events     int64     `json:"events"`
		Bytes      int64     `json:"bytes"`
		Attempts   int64     `json:"attempts"`
		Since      time.Time `json:"since"`
		Outcome    string    `json:"outcome"`
	}{w.WorkflowID, w.Shard, w.Status, w.HTTPStatus, w.Events, w.Bytes, w.Attempts, w.Since, outcome})
}

func question(action operator.Action, found []operator.Window) string {
	if action == operator.Discard {
		return fmt.Sprintf("Give up what is parked in these windows (%d, with %d events)? The destination will never get it. Type yes to go on: ", len(found), events(found))
	}
	return fmt.Sprintf("Try these windows again (%d, with %d events)? Type yes to go on: ", len(found), events(found))
}

// ask fails unless the answer is yes. It does not wait for one when ctx ends.
func ask(ctx context.Context, in io.Reader, out io.Writer, question string) error {
	fmt.Fprint(out, question)
	answers := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n') // an end without an answer is none
		answers <- strings.TrimSpace(line)
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(out)
		return ctx.Err()
	case answer := <-answers:
		if strings.EqualFold(answer, "yes") {
			return nil
		}
		return errors.New("nothing was done: the answer was not yes")
	}
}

// canAsk reports whether somebody sits behind the input.
func canAsk(in io.Reader) bool {
	f, ok := in.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
