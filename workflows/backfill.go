package workflows

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

// ErrorBackfillIncomplete is the type of the error of a Backfill that has not delivered all
// of its range. It is in histories, and never changed.
const ErrorBackfillIncomplete = "BackfillIncomplete"

const (
	// backfillAtOnce is how many shards a run reads at a time.
	backfillAtOnce = 4

	// BackfillLease is for how long one activity works on a shard, at most.
	BackfillLease = 10 * time.Minute

	backfillHeartbeat = 30 * time.Second
)

// Backfill delivers a range of the stream again, or for the first time, by windows of its
// own that the chains of the shards do not know of. It goes on without the command that
// has started it, and ends when all is delivered. Cancelled, it opens no more windows; those
// that are open are delivered all the same.
func Backfill(ctx workflow.Context, in BackfillInput) (BackfillResult, error) {
	b := &backfill{in: in}
	if err := workflow.SetQueryHandler(ctx, QueryState, func() (BackfillState, error) {
		return BackfillState{Progress: b.in.Progress}, nil
	}); err != nil {
		return BackfillResult{}, fmt.Errorf("answer the query %s: %w", QueryState, err)
	}
	if err := b.plan(ctx); err != nil {
		return BackfillResult{}, err
	}
	b.describe(ctx)
	if err := b.read(ctx); err != nil {
		return b.result(), err
	}
	if b.unfinished {
		return b.result(), workflow.NewContinueAsNewError(ctx, BackfillName, b.in)
	}
	return b.result(), b.failure()
}

type backfill struct {
	in         BackfillInput
	next       int  // the next shard that nobody works on
	unfinished bool // the rest is for the next run of the workflow
}

func (b *backfill) plan(ctx workflow.Context) error {
	if b.in.Planned {
		return nil
	}
	var planned PlanBackfillResult
	err := workflow.ExecuteActivity(planBackfillOptions(ctx, b.in.Pipeline), PlanBackfillName, PlanBackfillInput{
		Stream: b.in.Stream, From: b.in.From, To: b.in.To, Shards: b.in.Shards,
	}).Get(ctx, &planned)
	if err != nil {
		return err
	}
	for _, id := range planned.Shards {
		b.in.Progress = append(b.in.Progress, BackfillProgress{ShardID: id})
	}
	b.in.Planned = true
	return nil
}

// read has all shards read, some at a time.
func (b *backfill) read(ctx workflow.Context) error {
	var failures []error
	group := workflow.NewWaitGroup(ctx)
	for range b.atOnce() {
		group.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer group.Done()
			for b.next < len(b.in.Progress) && len(failures) == 0 {
				at := b.next
				b.next++
				if err := b.shard(ctx, at); err != nil {
					failures = append(failures, err)
				}
			}
		})
	}
	group.Wait(ctx)
	return errors.Join(failures...)
}

func (b *backfill) atOnce() int { return max(1, min(backfillAtOnce, b.in.MaxOpen, len(b.in.Progress))) }

// shard has one shard read to the end of the range, or until this run ends.
func (b *backfill) shard(ctx workflow.Context, at int) error {
	for !b.in.Progress[at].Done && b.in.Progress[at].Failed == "" {
		if b.unfinished || workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			b.unfinished = true
			return nil
		}
		progress := b.in.Progress[at]
		var out BackfillProgress
		err := workflow.ExecuteActivity(backfillShardOptions(ctx, b.in.Pipeline, "shard "+window.ShortShard(progress.ShardID)), BackfillShardName, BackfillShardInput{
			Pipeline: b.in.Pipeline, Stream: b.in.Stream, Run: b.in.Run, From: b.in.From, To: b.in.To, Keys: b.in.Keys,
			Rate: b.in.Rate / float64(b.atOnce()), MaxOpen: max(1, b.in.MaxOpen/b.atOnce()), Progress: progress,
		}).Get(ctx, &out)
		switch {
		case temporal.IsCanceledError(err):
			return err
		case err != nil:
			// The other shards are delivered all the same.
			b.in.Progress[at].Failed = message(err)
		default:
			b.in.Progress[at] = out
		}
		b.describe(ctx)
	}
	return nil
}

func (b *backfill) result() BackfillResult {
	out := BackfillResult{Shards: len(b.in.Progress)}
	for _, p := range b.in.Progress {
		out.Windows += p.Windows
		out.Records += p.Records
		out.Events += p.Events
	}
	return out
}

// failure is the error of a run that could not deliver all of the range.
func (b *backfill) failure() error {
	var reasons []string
	for _, p := range b.in.Progress {
		if p.Failed != "" {
			reasons = append(reasons, fmt.Sprintf("shard %s: %s", window.ShortShard(p.ShardID), p.Failed))
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	return temporal.NewNonRetryableApplicationError(strings.Join(reasons, "\n"), ErrorBackfillIncomplete, nil, b.result())
}

func (b *backfill) describe(ctx workflow.Context) {
	var text strings.Builder
	sum := b.result()
	fmt.Fprintf(&text, "from %s to %s, %s keys: %d windows, %d records, %d events delivered\n\n| shard | until | windows | state |\n|---|---|---|---|\n",
		clock(b.in.From), clock(b.in.To), b.in.Keys, sum.Windows, sum.Records, sum.Events)
	for i, p := range b.in.Progress {
		if i == shardsShown {
			fmt.Fprintf(&text, "\nand %d more", len(b.in.Progress)-shardsShown)
			break
		}
		state := "waiting"
		switch {
		case p.Failed != "":
			state = "**failed**: " + p.Failed
		case p.Done:
			state = "delivered"
		case i < b.next:
			state = "reading"
		}
		until := "-"
		if !p.CompleteUntil.IsZero() {
			until = clock(p.CompleteUntil)
		}
		fmt.Fprintf(&text, "| %s | %s | %d | %s |\n", window.ShortShard(p.ShardID), until, p.Windows, state)
	}
	workflow.SetCurrentDetails(ctx, text.String())
}

func planBackfillOptions(ctx workflow.Context, pipeline string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           window.BackfillQueue(pipeline),
		StartToCloseTimeout: 5 * time.Minute,
		RetryPolicy:         retryForEver(),
	})
}

// backfillShardOptions: it hands back in time, however long its last window takes to end.
func backfillShardOptions(ctx workflow.Context, pipeline, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           window.BackfillQueue(pipeline),
		StartToCloseTimeout: BackfillLease + pollMargin,
		HeartbeatTimeout:    backfillHeartbeat,
		WaitForCancellation: true,
		RetryPolicy:         retryForEver(),
		Summary:             summary,
	})
}
