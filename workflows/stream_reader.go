package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

// listInterval is how often the shards are listed without being asked to.
const listInterval = time.Minute

// listsPerRun bounds the history of one run of a StreamReader.
const listsPerRun = 500

// trimHorizon is where the reader of a shard begins that appeared after the
// pipeline was started: nothing in it was ever read.
const trimHorizon = "TRIM_HORIZON"

// ShardState is how far the reading of a shard has come.
type ShardState string

// A shard waits for its parents, is read, and is drained. It is stopped if somebody
// has ended its reader before that; only a person can decide what to do then.
const (
	ShardWaiting ShardState = "waiting"
	ShardReading ShardState = "reading"
	ShardIsRead  ShardState = "drained"
	ShardStopped ShardState = "stopped"
)

// KnownShard is a shard as the StreamReader knows it.
type KnownShard struct {
	Shard
	State ShardState `json:"state"`
	// Position is where its reader begins.
	Position string `json:"position"`
}

// StreamReaderInput is the pipeline's stream and what is known of its shards.
type StreamReaderInput struct {
	Pipeline string `json:"pipeline"`
	Stream   string `json:"stream"`
	// Position is where reading begins in the shards of the first listing:
	// TRIM_HORIZON, LATEST or a time in RFC 3339.
	Position string      `json:"position"`
	Poll     PollOptions `json:"poll"`

	// Listed is false until the shards were listed for the first time.
	Listed bool         `json:"listed,omitempty"`
	Shards []KnownShard `json:"shards,omitempty"`
}

// StreamReader keeps one ShardReader for each shard of the stream. A shard that
// came from a split or a merge is read after its parents are drained, so that the
// order of records holds across a reshard. It never ends by itself.
func StreamReader(ctx workflow.Context, in StreamReaderInput) error {
	r := &streamReader{in: in}
	drained := workflow.GetSignalChannel(ctx, SignalShardDrained)
	for range listsPerRun {
		if err := r.list(ctx); err != nil {
			return err
		}
		if err := r.startReady(ctx); err != nil {
			return err
		}
		r.describe(ctx)
		if r.ready() {
			continue // a shard was found drained, and its children wait for nothing
		}
		r.await(ctx, drained)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			break
		}
	}
	// What arrived since the last wait goes into the state of the next run.
	r.receiveDrained(drained)
	return workflow.NewContinueAsNewError(ctx, StreamReaderName, r.in)
}

type streamReader struct{ in StreamReaderInput }

// list brings the known shards up to date.
func (r *streamReader) list(ctx workflow.Context) error {
	var listed ListShardsResult
	err := workflow.ExecuteActivity(listShardsOptions(ctx, r.in.Pipeline), ListShardsName, ListShardsInput{Stream: r.in.Stream}).Get(ctx, &listed)
	if err != nil {
		return err
	}
	r.merge(listed.Shards)
	return nil
}

// merge adds new shards and forgets drained ones that Kinesis no longer lists.
func (r *streamReader) merge(listed []Shard) {
	for _, shard := range listed {
		if at := r.find(shard.ID); at >= 0 {
			r.in.Shards[at].Shard = shard
			continue
		}
		known := KnownShard{Shard: shard, State: ShardWaiting, Position: trimHorizon}
		if !r.in.Listed {
			known.Position = r.in.Position
			if shard.Closed && r.in.Position == "LATEST" {
				// Closed before the pipeline was started: all of it is in the past.
				known.State = ShardIsRead
			}
		}
		r.in.Shards = append(r.in.Shards, known)
	}
	r.in.Listed = true
	r.in.Shards = slices.DeleteFunc(r.in.Shards, func(k KnownShard) bool {
		return k.State == ShardIsRead && !slices.ContainsFunc(listed, func(s Shard) bool { return s.ID == k.ID })
	})
}

func (r *streamReader) find(shardID string) int {
	return slices.IndexFunc(r.in.Shards, func(k KnownShard) bool { return k.ID == shardID })
}

// startReady starts the readers of all shards whose parents are drained.
func (r *streamReader) startReady(ctx workflow.Context) error {
	type starting struct {
		at    int
		child workflow.ChildWorkflowFuture
	}
	var all []starting
	for i, shard := range r.in.Shards {
		if shard.State != ShardWaiting || !r.parentsDrained(shard) {
			continue
		}
		child := workflow.ExecuteChildWorkflow(r.childOptions(ctx, shard), ShardReaderName, ShardReaderInput{
			Pipeline: r.in.Pipeline, Stream: r.in.Stream, ShardID: shard.ID, Position: shard.Position, Poll: r.in.Poll,
		})
		all = append(all, starting{at: i, child: child})
	}
	for _, s := range all {
		shard := &r.in.Shards[s.at]
		err := s.child.GetChildWorkflowExecution().Get(ctx, nil)
		switch {
		case err == nil:
			shard.State = ShardReading
		case isAlreadyStarted(err):
			// Of a StreamReader before this one. It may have ended since, and its signal
			// gone to nobody.
			if shard.State, err = r.findReader(ctx, shard.ID); err != nil {
				return err
			}
		default:
			return fmt.Errorf("start the reader of shard %s: %w", shard.ID, err)
		}
	}
	return nil
}

func isAlreadyStarted(err error) bool {
	_, ok := errors.AsType[*temporal.ChildWorkflowExecutionAlreadyStartedError](err)
	return ok
}

// findReader asks Temporal how the reader is that was started before.
func (r *streamReader) findReader(ctx workflow.Context, shardID string) (ShardState, error) {
	var found FindReaderResult
	err := workflow.ExecuteActivity(findReaderOptions(ctx), FindReaderName,
		FindReaderInput{Pipeline: r.in.Pipeline, ShardID: shardID}).Get(ctx, &found)
	if err != nil {
		return "", err
	}
	if found.State == ShardStopped {
		workflow.GetLogger(ctx).Error("the reader of a shard was ended before the shard was drained", "shard", shardID, "status", found.Status)
	}
	return found.State, nil
}

// ready reports whether there is a reader to start.
func (r *streamReader) ready() bool {
	return slices.ContainsFunc(r.in.Shards, func(k KnownShard) bool { return k.State == ShardWaiting && r.parentsDrained(k) })
}

func (r *streamReader) parentsDrained(shard KnownShard) bool {
	for _, parent := range shard.Parents {
		if at := r.find(parent); at >= 0 && r.in.Shards[at].State != ShardIsRead {
			return false
		}
	}
	return true
}

// childOptions: a reader outlives the run that started it, and a shard is never
// read by a second one.
func (r *streamReader) childOptions(ctx workflow.Context, shard KnownShard) workflow.Context {
	return workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            window.ShardReaderID(r.in.Pipeline, shard.ID),
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
		StaticSummary:         fmt.Sprintf("shard %s of %s", window.ShortShard(shard.ID), r.in.Stream),
		TypedSearchAttributes: temporal.NewSearchAttributes(
			visibility.Pipeline.ValueSet(r.in.Pipeline),
			visibility.Shard.ValueSet(window.ShortShard(shard.ID)),
		),
	})
}

// await returns when a shard was drained, or when it is time to list again.
func (r *streamReader) await(ctx workflow.Context, drained workflow.ReceiveChannel) {
	timerCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	selector := workflow.NewSelector(ctx)
	selector.AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) {})
	selector.AddFuture(workflow.NewTimerWithOptions(timerCtx, listInterval, workflow.TimerOptions{Summary: "list shards again"}), func(workflow.Future) {})
	selector.AddReceive(drained, func(c workflow.ReceiveChannel, _ bool) {
		// All that have come, so that a reshard of many shards costs one listing.
		r.receiveDrained(c)
	})
	selector.Select(ctx)
}

func (r *streamReader) receiveDrained(drained workflow.ReceiveChannel) {
	var signal ShardDrained
	for drained.ReceiveAsync(&signal) {
		r.markDrained(signal.ShardID)
	}
}

func (r *streamReader) markDrained(shardID string) {
	if at := r.find(shardID); at >= 0 {
		r.in.Shards[at].State = ShardIsRead
	}
}

// shardsShown bounds the table in the current details, which Temporal caps.
const shardsShown = 50

func (r *streamReader) describe(ctx workflow.Context) {
	counts := map[ShardState]int{}
	var table strings.Builder
	for i, shard := range r.in.Shards {
		counts[shard.State]++
		if i < shardsShown {
			fmt.Fprintf(&table, "| %s | %s |\n", window.ShortShard(shard.ID), shard.State)
		}
	}
	details := fmt.Sprintf("`%s`: %d shards being read, %d waiting for their parents, %d drained, %d stopped\n\n| shard | state |\n|---|---|\n%s",
		r.in.Stream, counts[ShardReading], counts[ShardWaiting], counts[ShardIsRead], counts[ShardStopped], table.String())
	if more := len(r.in.Shards) - shardsShown; more > 0 {
		details += fmt.Sprintf("\nand %d more", more)
	}
	workflow.SetCurrentDetails(ctx, details)
}
