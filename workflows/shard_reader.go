package workflows

import (
	"errors"
	"fmt"
	"strings"
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
	// LastLease is the last one that came to an end, nil before there was any.
	LastLease *LeaseSummary `json:"lastLease,omitempty"`
}

// LeaseSummary is what the page of a ShardReader shows of a lease.
type LeaseSummary struct {
	// Starter is the identity of the process that held it, EndedAt when it came to its end
	// by Temporal's clock, and Ended why, as in PollShardResult.
	Starter string    `json:"starter"`
	EndedAt time.Time `json:"endedAt"`
	Ended   string    `json:"ended"`
	// Windows and Records of the lease alone.
	Windows int `json:"windows"`
	Records int `json:"records"`
	// MillisBehindLatest and Waiting are as of its end.
	MillisBehindLatest int64  `json:"millisBehindLatest,omitempty"`
	Waiting            string `json:"waiting,omitempty"`
	Clocks
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
		WindowsBefore: r.in.Windows, RecordsBefore: r.in.Records,
	}).Get(ctx, &lease)
	if err != nil {
		return err
	}
	r.in.Progress, r.in.Poll = lease.Progress, lease.Options
	r.in.Windows += lease.Windows
	r.in.Records += lease.Records
	r.in.LastLease = &LeaseSummary{
		Starter: lease.Starter, EndedAt: workflow.Now(ctx), Ended: lease.Ended, Windows: lease.Windows, Records: lease.Records,
		MillisBehindLatest: lease.MillisBehindLatest, Waiting: lease.Waiting, Clocks: lease.Clocks,
	}
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
	if err := r.rememberGap(ctx); err != nil {
		return err
	}
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

// rememberGap puts the gap where it is read without asking the workflow, which needs a
// worker: into the memo.
func (r *shardReader) rememberGap(ctx workflow.Context) error {
	if workflow.GetVersion(ctx, "gaps-in-memo", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return nil
	}
	if err := workflow.UpsertMemo(ctx, map[string]any{
		MemoGaps: GapsMemo{Gaps: r.in.Gaps, Last: *r.in.LastGap, At: workflow.Now(ctx)},
	}); err != nil {
		return fmt.Errorf("remember a gap: %w", err)
	}
	return nil
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

// describe shows what is known between two leases. While one is held only its starter
// knows more, and tells it by the heartbeat of the pending PollShard on the same page.
func (r *shardReader) describe(ctx workflow.Context, note string) {
	workflow.SetCurrentDetails(ctx, r.details(workflow.Now(ctx), note))
}

func (r *shardReader) details(now time.Time, note string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "As of %s, before the next lease: %d windows, %d records", clock(now), r.in.Windows, r.in.Records)
	if r.in.Checkpoint != "" {
		fmt.Fprintf(&text, ", the last window ends at `%s`", r.in.Checkpoint)
	}
	if !r.in.CompleteUntil.IsZero() {
		text.WriteString(". Everything that arrived before " + clock(r.in.CompleteUntil) + " is in a window")
	}
	if last := r.in.LastLease; last != nil {
		text.WriteString("\n\n" + last.describe())
	}
	if gap := r.in.LastGap; gap != nil {
		fmt.Fprintf(&text, "\n\n%d gaps, the last one: %s", r.in.Gaps, gap.describe())
	}
	switch {
	case note != "":
		text.WriteString("\n\n" + note)
	default:
		fmt.Fprintf(&text, "\n\nA lease of about %s is given away now: the pending activity `%s` below says who holds it, and its heartbeat how far it is, what it waits for, and since when.",
			r.in.Poll.Lease, PollShardName)
	}
	return text.String()
}

// describe says in some sentences how a lease was.
func (l *LeaseSummary) describe() string {
	text := fmt.Sprintf("The last lease was held by `%s` until %s (`%s`): %d windows, %d records", l.Starter, clock(l.EndedAt), l.Ended, l.Windows, l.Records)
	if l.MillisBehindLatest > 0 {
		text += fmt.Sprintf(", %s behind the tip of the shard at its end", time.Duration(l.MillisBehindLatest)*time.Millisecond)
	} else {
		text += ", at the tip of the shard at its end"
	}
	if l.Waiting != "" {
		text += ". **It waited:** " + l.Waiting
	}
	return text + l.Clocks.describe()
}

// describe says which clocks are off.
func (c Clocks) describe() string {
	var text strings.Builder
	for _, clock := range []struct {
		whose  string
		millis int64
	}{{"that starter", c.StarterAheadMillis}, {"Kinesis", c.KinesisAheadMillis}} {
		if ahead := time.Duration(clock.millis) * time.Millisecond; ahead.Abs() >= ClockTolerance {
			fmt.Fprintf(&text, "\n\n**The clock of %s was %s Temporal's by %s.** Set whichever is wrong right.", clock.whose, aheadOrBehind(ahead), ahead.Abs().Round(time.Second))
		}
	}
	return text.String()
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
