package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

// leasesPerRun bounds the history of one run of a ShardReader: a lease is a few
// events, so a run stays far below Temporal's limit of 51,200.
const leasesPerRun = 200

// ShardReaderInput is one shard and what is known about it.
type ShardReaderInput struct {
	Pipeline string `json:"pipeline"`
	Stream   string `json:"stream"`
	ShardID  string `json:"shardId"`
	// Position is where reading begins if no start was resolved yet: TRIM_HORIZON or a
	// time in RFC 3339.
	Position string      `json:"position"`
	Poll     PollOptions `json:"poll"`

	// Start and Progress are what an earlier run has found and reached.
	Start *ChainStart `json:"chainStart,omitempty"`
	Progress
	Windows int `json:"windows,omitempty"`
	Records int `json:"records,omitempty"`
	// Gaps that reading has met, and the last of them. GapsInRow are those since the
	// last window.
	Gaps      int  `json:"gaps,omitempty"`
	LastGap   *Gap `json:"lastGap,omitempty"`
	GapsInRow int  `json:"gapsInRow,omitempty"`
}

// ShardDrained is what a ShardReader tells its StreamReader at the end.
type ShardDrained struct {
	ShardID string `json:"shardId"`
	// Children are the shards that this one was split or merged into.
	Children []Shard `json:"children,omitempty"`
}

// ShardReader has one shard polled, lease after lease, until it is closed and
// read to its end. Temporal hands each lease to some starter process; the
// checkpoint between two leases lives here.
func ShardReader(ctx workflow.Context, in ShardReaderInput) error {
	r := &shardReader{in: in}
	if r.in.Start == nil {
		// Recorded before the first poll: two pollers must never begin two chains.
		if err := r.resolve(ctx, ResolveStartInput{Position: in.Position}); err != nil {
			return err
		}
	}
	for range leasesPerRun {
		if r.drained {
			return r.reportDrained(ctx)
		}
		if err := r.lease(ctx); err != nil {
			return err
		}
		if !r.drained && workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			break
		}
	}
	if r.drained {
		return r.reportDrained(ctx)
	}
	return workflow.NewContinueAsNewError(ctx, ShardReaderName, r.in)
}

type shardReader struct {
	in ShardReaderInput

	drained  bool
	children []Shard
}

// resolve finds where the chain of the shard begins.
func (r *shardReader) resolve(ctx workflow.Context, in ResolveStartInput) error {
	in.Pipeline, in.Stream, in.ShardID = r.in.Pipeline, r.in.Stream, r.in.ShardID
	var found ResolveStartResult
	err := workflow.ExecuteActivity(resolveStartOptions(ctx, r.in.Pipeline), ResolveStartName, in).Get(ctx, &found)
	if err != nil {
		return err
	}
	if found.Gone {
		return r.passGap(ctx, Gap{Kind: GapShardGone, After: r.in.Checkpoint, From: r.in.CompleteUntil})
	}
	r.in.Start, r.in.Progress, r.drained = &found.Start, found.Progress, found.Drained
	return nil
}

// lease has the shard polled once and takes note of how far it got.
func (r *shardReader) lease(ctx workflow.Context) error {
	r.describe(ctx, "")
	summary := "from the start of the chain"
	if r.in.Checkpoint != "" {
		summary = "from " + r.in.Checkpoint.Short()
	}
	var lease PollShardResult
	err := workflow.ExecuteActivity(pollShardOptions(ctx, r.in.Pipeline, summary, r.in.Poll), PollShardName, PollShardInput{
		Pipeline: r.in.Pipeline, Stream: r.in.Stream, ShardID: r.in.ShardID, Start: *r.in.Start, Progress: r.in.Progress,
	}).Get(ctx, &lease)
	if err != nil {
		return err
	}
	r.in.Progress, r.in.Poll = lease.Progress, lease.Options
	r.in.Windows += lease.Windows
	r.in.Records += lease.Records
	r.drained, r.children = lease.Drained, lease.Children
	if lease.Windows > 0 {
		r.in.GapsInRow = 0
	}
	if lease.Gap != nil {
		return r.passGap(ctx, *lease.Gap)
	}
	return nil
}

// passGap reports a gap and has reading go on behind it: at once, or when somebody
// has said so.
func (r *shardReader) passGap(ctx workflow.Context, gap Gap) error {
	r.in.Gaps++
	r.in.LastGap = &gap
	workflow.GetLogger(ctx).Error("gap in a shard", "shard", r.in.ShardID, "kind", gap.Kind, "after", gap.After, "from", gap.From, "to", gap.To)
	if r.in.Poll.OnGap == GapFail {
		if err := r.awaitSkip(ctx); err != nil {
			return err
		}
	}
	switch gap.Kind {
	case GapShardGone:
		r.drained = true
		return nil
	case GapForgotten:
		// All that can be done is to go on where the last known window ends.
		r.in.CheckpointAt = workflow.Now(ctx)
		return nil
	}
	// The new beginning is found and recorded as the first one was.
	r.in.GapsInRow++
	return r.resolve(ctx, ResolveStartInput{Position: trimHorizon, AfterGap: true, Margin: gapMargin(r.in.GapsInRow)})
}

// gapMargin is how far from the oldest record reading begins after the nth gap in a
// row. The oldest record can be trimmed before it is read; then the next one is taken
// from where there is more time.
func gapMargin(n int) time.Duration {
	if n < 2 {
		return 0
	}
	return min(firstGapMargin<<min(n-2, 10), longestGapMargin)
}

const (
	firstGapMargin   = 10 * time.Second
	longestGapMargin = 10 * time.Minute
)

// awaitSkip waits for the signal that lets reading go on.
func (r *shardReader) awaitSkip(ctx workflow.Context) error {
	if err := workflow.UpsertTypedSearchAttributes(ctx, visibility.Status.ValueSet(visibility.StatusGap)); err != nil {
		return fmt.Errorf("show status %s: %w", visibility.StatusGap, err)
	}
	r.describe(ctx, fmt.Sprintf("**Stopped at the gap.** Send the signal `%s` to read on behind it.", SignalSkipGap))
	skip := workflow.GetSignalChannel(ctx, SignalSkipGap)
	for skip.ReceiveAsync(nil) {
		// Whoever sent it before could not know of this gap: it was meant for another one.
	}
	selector := workflow.NewSelector(ctx)
	selector.AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) {})
	selector.AddReceive(skip, func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, nil) })
	selector.Select(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, visibility.Status.ValueSet(visibility.StatusReading)); err != nil {
		return fmt.Errorf("show status %s: %w", visibility.StatusReading, err)
	}
	return nil
}

// reportDrained tells the StreamReader, which then starts the readers of the
// children. A StreamReader that is gone does not matter: the next one asks Temporal
// how the readers are that were started before it.
func (r *shardReader) reportDrained(ctx workflow.Context) error {
	r.describe(ctx, "Drained.")
	err := workflow.SignalExternalWorkflow(ctx, window.StreamReaderID(r.in.Pipeline), "", SignalShardDrained,
		ShardDrained{ShardID: r.in.ShardID, Children: r.children}).Get(ctx, nil)
	if _, gone := errors.AsType[*temporal.UnknownExternalWorkflowExecutionError](err); gone {
		workflow.GetLogger(ctx).Warn("no stream reader to tell that the shard is drained", "shard", r.in.ShardID)
		return nil
	}
	return err
}

func (r *shardReader) describe(ctx workflow.Context, note string) {
	details := fmt.Sprintf("%d windows, %d records", r.in.Windows, r.in.Records)
	if r.in.Checkpoint != "" {
		details += fmt.Sprintf(", the last one ends at `%s`", r.in.Checkpoint)
	}
	if !r.in.CompleteUntil.IsZero() {
		details += ". Everything that arrived before " + r.in.CompleteUntil.UTC().Format(time.RFC3339) + " is in a window"
	}
	if gap := r.in.LastGap; gap != nil {
		details += fmt.Sprintf("\n\n%d gaps, the last one: %s", r.in.Gaps, gap.describe())
	}
	if note != "" {
		details += "\n\n" + note
	}
	workflow.SetCurrentDetails(ctx, details)
}

// describe says in a sentence what may be missing.
func (g Gap) describe() string {
	what := map[GapKind]string{
		GapTrimmed:   "Kinesis has deleted records before they were read",
		GapPosition:  "Kinesis does not know the position any more, as when the stream was made anew",
		GapShardGone: "Kinesis does not have the shard any more",
		GapForgotten: "the checkpoint is older than the retention of the namespace: records after it can come twice, none is missing",
	}[g.Kind]
	if g.After != "" {
		what += fmt.Sprintf("; after `%s`", g.After)
	}
	if !g.From.IsZero() {
		what += ", arrived after " + g.From.UTC().Format(time.RFC3339)
	}
	if !g.To.IsZero() {
		what += " and before " + g.To.UTC().Format(time.RFC3339)
	}
	return what
}
