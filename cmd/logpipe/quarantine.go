package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect"
	"github.com/log-event-pipeline/logpipe/internal/quarantine"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/telemetry"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/starter"
)

func quarantineCommand(logs io.Writer) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "List what could not be formatted, and format it again",
		Long: `quarantine looks after the pieces of windows that could not be formatted. They are in
the stage, each with its position and the reason, and stay there until they are
delivered. docs/events.md lists the reasons.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(quarantineListCommand(), quarantineRetryCommand(logs))
	return cmd
}

func quarantineListCommand() *cobra.Command {
	var form *output
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the quarantined pieces of the pipeline",
		Long: `list prints the quarantined pieces by shard and window, one a line: reason, log events
as far as they could be told apart, size, when it was quarantined, the record with the
user record if it is of an aggregate, the position in bytes of the inflated data, and the
key of the object in the stage. It needs the settings of a starter and only reads.`,
		Example: `  logpipe quarantine list --config logpipe.yaml
  logpipe quarantine list --json | jq -r 'select(.reason == "event_too_large") | .key'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withStage(cmd, func(ctx context.Context, cfg config.Config, st *stage.Stage) error {
				return listQuarantine(cmd.OutOrStdout(), quarantine.List(ctx, st, cfg.Pipeline), form.asJSON())
			})
		},
	}
	form = outputFlags(cmd, "piece")
	return cmd
}

func quarantineRetryCommand(logs io.Writer) *cobra.Command {
	var all bool
	var form *output
	cmd := &cobra.Command{
		Use:   "retry [KEY…]",
		Short: "Format quarantined pieces again, and deliver them",
		Long: `retry has pieces formatted again, after an upgrade or with other settings. It starts a
FlushWindow workflow for the pieces of each window and does not wait for it. What is
delivered is deleted from the quarantine, what fails again stays in it. Retrying a piece
twice does not deliver it twice. It needs the settings of a starter, and workers that run.

The exit status is 1 if a piece that was named is not there, or cannot be read.`,
		Example: `  logpipe quarantine retry orders/quarantine/7/000…-000…/0003-9f86d081884c
  logpipe quarantine retry --all --config logpipe.yaml
  logpipe quarantine retry --all --json | jq -r .workflow_id`,
		Args: func(_ *cobra.Command, keys []string) error {
			switch {
			case all && len(keys) > 0:
				return errors.New("--all and keys: give one or the other")
			case !all && len(keys) == 0:
				return errors.New("nothing to retry: name the keys that `logpipe quarantine list` prints, or give --all")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, keys []string) error {
			return withStage(cmd, func(ctx context.Context, cfg config.Config, st *stage.Stage) error {
				return retryQuarantine(ctx, cfg, st, keys, retryPrinter{cmd.OutOrStdout(), form.asJSON()}, logs)
			})
		},
	}
	form = outputFlags(cmd, "workflow, with what became of its pieces")
	cmd.Flags().BoolVar(&all, "all", false, "retry all pieces of the pipeline")
	return cmd
}

// withStage runs what needs the stage of a pipeline, until a signal ends it. Its failures
// are not misuse.
func withStage(cmd *cobra.Command, do func(context.Context, config.Config, *stage.Stage) error) error {
	cfg, err := loadConfig(cmd, config.RoleStarter)
	if err != nil {
		return err
	}
	ctx, release := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer release()
	st, err := stage.Open(ctx, cfg.StageURL)
	if err == nil {
		err = errors.Join(do(ctx, cfg, st), st.Close())
	}
	return failureOf(ctx, err)
}

// listed is a piece in the output of list --json.
type listed struct {
	Key            string    `json:"key"`
	ShardID        string    `json:"shard_id"`
	SequenceNumber string    `json:"sequence_number,omitempty"`
	Arrival        time.Time `json:"arrival,omitzero"`
	UserRecord     string    `json:"user_record,omitempty"`
	Offset         int64     `json:"offset"`
	Reason         string    `json:"reason"`
	Events         int       `json:"events"`
	Stored         bool      `json:"stored"`
	Bytes          int64     `json:"bytes"`
	QuarantinedAt  time.Time `json:"quarantined_at"`
}

// reasonDamaged is shown for an object that is no piece any more.
const reasonDamaged = "damaged"

func listQuarantine(out io.Writer, pieces iter.Seq2[quarantine.Entry, error], asJSON bool) error {
	lines := json.NewEncoder(out)
	reasons := map[string]int{}
	var events int
	var bytes int64
	for e, err := range pieces {
		if err != nil {
			return err
		}
		if e.Damaged != nil {
			e.Reason = reasonDamaged
		}
		reasons[e.Reason]++
		events += e.Events
		bytes += e.Bytes
		if asJSON {
			err = lines.Encode(listed{
				Key: e.Key, ShardID: e.Place.Window.ShardID, SequenceNumber: e.SequenceNumber, Arrival: e.Arrival,
				UserRecord: e.UserRecord, Offset: e.Offset, Reason: e.Reason, Events: e.Events, Stored: e.Stored,
				Bytes: e.Bytes, QuarantinedAt: e.At.UTC(),
			})
		} else {
			_, err = fmt.Fprintf(out, "%-22s  %6d events  %9d bytes  %s  record %s byte %d  %s\n", e.Reason, e.Events, e.Bytes,
				e.At.UTC().Format(time.RFC3339), recordName(e.SequenceNumber, e.UserRecord), e.Offset, e.Key)
		}
		if err != nil {
			return fmt.Errorf("print the pieces: %w", err)
		}
	}
	if asJSON {
		return nil
	}
	var counts []string
	total := 0
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		counts = append(counts, fmt.Sprintf("%s %d", reason, reasons[reason]))
		total += reasons[reason]
	}
	if total == 0 {
		fmt.Fprintln(out, "nothing is quarantined")
		return nil
	}
	fmt.Fprintf(out, "%d pieces, %d events known, %d bytes: %s\n", total, events, bytes, strings.Join(counts, ", "))
	return nil
}

// recordName is the short form of a sequence number, with the user record.
func recordName(sequenceNumber, userRecord string) string {
	name := cmp.Or(window.SequenceNumber(sequenceNumber).Short(), "-")
	if userRecord != "" {
		name += " user record " + userRecord
	}
	return name
}

// retryQuarantine retries the pieces with the keys, or all if there are none.
func retryQuarantine(ctx context.Context, cfg config.Config, st *stage.Stage, keys []string, out retryPrinter, logs io.Writer) error {
	temporal, err := connect.Temporal(ctx, telemetry.NewLogger(logs, cfg.LogLevel), client.MetricsNopHandler)
	if err != nil {
		return err
	}
	defer temporal.Close()

	var unusable []error
	pieces := quarantine.List(ctx, st, cfg.Pipeline)
	if len(keys) > 0 {
		pieces = named(ctx, st, cfg.Pipeline, keys, &unusable)
	}
	usable := func(yield func(quarantine.Entry, error) bool) {
		for e, err := range pieces {
			if e.Damaged != nil {
				unusable = append(unusable, e.Damaged)
			} else if !yield(e, err) {
				return
			}
		}
	}
	workflows, started, left := 0, 0, 0
	var broken error
	retry := starter.Retry{Temporal: temporal, Pipeline: cfg.Pipeline, Stream: cfg.Stream}
	err = retry.Run(ctx, usable, func(r starter.Retried) {
		left += r.Left
		if r.Pieces > 0 {
			workflows++
			started += r.Pieces
		}
		broken = errors.Join(broken, out.retried(r))
	})
	out.summary(workflows, started, left)
	return errors.Join(append([]error{err, broken}, unusable...)...)
}

// retryPrinter prints what becomes of pieces that are retried, for people or scripts.
type retryPrinter struct {
	io.Writer
	json bool
}

func (p retryPrinter) retried(r starter.Retried) error {
	outcome := "started"
	if r.Pieces == 0 {
		outcome = "running"
	}
	if p.json {
		return printLine(p, struct {
			WorkflowID string `json:"workflow_id"`
			Outcome    string `json:"outcome"`
			Pieces     int    `json:"pieces"`
			Left       int    `json:"left"`
		}{r.WorkflowID, outcome, r.Pieces, r.Left})
	}
	if r.Pieces == 0 {
		fmt.Fprintf(p, "running already  %s\n", r.WorkflowID)
		return nil
	}
	fmt.Fprintf(p, "started  %s  pieces: %d\n", r.WorkflowID, r.Pieces)
	return nil
}

func (p retryPrinter) summary(workflows, started, left int) {
	if p.json {
		return
	}
	fmt.Fprintf(p, "workflows started: %d, pieces in them: %d\n", workflows, started)
	if left > 0 {
		fmt.Fprintf(p, "pieces left: %d; retry them when the workflow of their window has ended\n", left)
	}
}

// named yields the pieces with the keys, in the order of the keys, and notes those that
// are not there.
func named(ctx context.Context, st *stage.Stage, pipeline string, keys []string, missing *[]error) iter.Seq2[quarantine.Entry, error] {
	return func(yield func(quarantine.Entry, error) bool) {
		for _, key := range slices.Sorted(slices.Values(keys)) {
			e, err := quarantine.Get(ctx, st, pipeline, key)
			_, parseErr := window.ParseQuarantineKey(pipeline, key)
			switch {
			case parseErr != nil:
				*missing = append(*missing, parseErr)
			case errors.Is(err, stage.ErrNotFound):
				*missing = append(*missing, fmt.Errorf("%w: it was delivered, or was never there", err))
			case !yield(e, err):
				return
			}
		}
	}
}
