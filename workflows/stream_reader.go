package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/internal/pausing"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

// listInterval is how often the shards are listed without being asked to.
const listInterval = time.Minute

// listsPerRun bounds the history of one run of a StreamReader.
const listsPerRun = 500

// listsPerCheck is how many listings pass between two looks at the readers that are
// taken to be at work.
const listsPerCheck = 60

// sweepInterval is how often the stage is swept.
const sweepInterval = time.Hour

// readersPerStart is how many ShardReaders one activity starts.
const readersPerStart = 200

// trimHorizon is where the reader of a shard begins that appeared after the
// pipeline was started: nothing in it was ever read.
const trimHorizon = "TRIM_HORIZON"

// latest as a position is only found in the input of the first run.
const latest = "LATEST"

// ShardState is how far the reading of a shard has come.
type ShardState string

// A shard waits for its parents, is read, and is drained.
const (
	ShardWaiting ShardState = "waiting"
	ShardReading ShardState = "reading"
	ShardIsRead  ShardState = "drained"
)

// KnownShard is a shard as the StreamReader knows it.
type KnownShard struct {
	Shard
	State ShardState `json:"state"`
	// Position is where its reader begins. Once it is read, neither this nor the
	// parents matter, and they are left out: thousands of shards have to fit in the
	// input of the next run.
	Position string `json:"position,omitempty"`
}

// StreamReaderInput is the pipeline's stream and what is known of its shards.
type StreamReaderInput struct {
	Pipeline string `json:"pipeline"`
	Stream   string `json:"stream"`
	// Position is where reading begins in the shards of the first listing:
	// TRIM_HORIZON, LATEST or a time in RFC 3339. The first listing turns LATEST into
	// the time of that listing, the same for all shards.
	Position string      `json:"position"`
	Poll     PollOptions `json:"poll"`

	// Created is when the stream was made, as the first listing told.
	Created time.Time `json:"created,omitzero"`
	// Listed is false until all shards were listed for the first time.
	Listed bool `json:"listed,omitempty"`
	// ListedUpTo is the last shard that was listed. Kinesis gives new shards higher ids.
	ListedUpTo string `json:"listedUpTo,omitempty"`
	// Shards that are waiting or being read. A drained one is forgotten with the first
	// listing after it, which has its children.
	Shards []KnownShard `json:"shards,omitempty"`
	// Drained counts those that were forgotten.
	Drained int `json:"drained,omitempty"`
	// SweepAt is when the stage is swept next.
	SweepAt time.Time `json:"sweepAt,omitzero"`

	// PausedReading and PausedDelivery are what an operator has paused, nil for nothing.
	// The memo has the same.
	PausedReading  *pausing.Pause `json:"pausedReading,omitempty"`
	PausedDelivery *pausing.Pause `json:"pausedDelivery,omitempty"`
}

// StreamReader keeps one ShardReader for each shard of the stream. A shard that
// came from a split or a merge is read after its parents are drained, so that the
// order of records holds across a reshard. Beside that it has the stage swept. It never
// ends by itself.
func StreamReader(ctx workflow.Context, in StreamReaderInput) error {
	r := &streamReader{in: in}
	r.number()
	r.listen(ctx)
	drained := workflow.GetSignalChannel(ctx, SignalShardDrained)
	for n := range listsPerRun {
		if err := r.list(ctx); err != nil {
			return err
		}
		if n%listsPerCheck == 0 {
			r.doubtReaders()
		}
		if err := r.startReady(ctx); err != nil {
			return err
		}
		r.forget()
		r.sweep(ctx)
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
	if r.swept != nil {
		// The end of this run cancels it, and the next one sweeps at once. Waiting for it
		// would be waiting for the stage, and no new shard would be read meanwhile.
		r.in.SweepAt = workflow.Now(ctx)
	}
	// What arrived since the last wait goes into the state of the next run.
	r.receiveDrained(drained)
	if err := r.receivePauses(ctx); err != nil {
		return err
	}
	return workflow.NewContinueAsNewError(ctx, StreamReaderName, r.in)
}

type streamReader struct {
	in StreamReaderInput
	// at is where the shards are in the list, by id: with thousands of them, searching
	// would take longer than a workflow task may.
	at map[string]int
	// open and mostOpen are the pipeline's open windows and their ceiling, as the last
	// listing told.
	open, mostOpen int64
	// waiting is what does not get on, and listedAt when the last listing was over.
	waiting  *WaitingCounts
	listedAt time.Time
	// swept is the sweep that runs, nil for none.
	swept workflow.Future
}

// list asks for the shards that have come since the last listing.
func (r *streamReader) list(ctx workflow.Context) error {
	for {
		var listed ListShardsResult
		err := workflow.ExecuteActivity(listShardsOptions(ctx, r.in.Pipeline), ListShardsName,
			ListShardsInput{Stream: r.in.Stream, After: r.in.ListedUpTo, Created: r.in.Created}).Get(ctx, &listed)
		if err != nil {
			return err
		}
		if r.in.Created.IsZero() {
			r.in.Created = listed.Created
		}
		r.open, r.mostOpen = listed.OpenWindows, listed.MaxOpenWindows
		r.waiting, r.listedAt = listed.Waiting, workflow.Now(ctx)
		if r.in.Position == latest {
			// A shard that was closed before has no record from then on, and is drained at
			// its first read.
			r.in.Position = listed.At.UTC().Format(time.RFC3339)
		}
		r.merge(listed.Shards)
		if !listed.More {
			r.in.Listed = true
			return nil
		}
	}
}

// merge adds the shards that were not known.
func (r *streamReader) merge(listed []Shard) {
	for _, shard := range listed {
		r.in.ListedUpTo = shard.ID
		if _, known := r.at[shard.ID]; !known {
			position := trimHorizon
			if !r.in.Listed {
				position = r.in.Position
			}
			r.add(shard, position)
		}
	}
}

func (r *streamReader) add(shard Shard, position string) {
	r.at[shard.ID] = len(r.in.Shards)
	r.in.Shards = append(r.in.Shards, KnownShard{Shard: shard, State: ShardWaiting, Position: position})
}

// number notes where each shard is in the list.
func (r *streamReader) number() {
	r.at = make(map[string]int, len(r.in.Shards))
	for i, shard := range r.in.Shards {
		r.at[shard.ID] = i
	}
}

// startReady starts the readers of all shards whose parents are drained.
func (r *streamReader) startReady(ctx workflow.Context) error {
	var ready []int
	for i, shard := range r.in.Shards {
		if r.isReady(shard) {
			ready = append(ready, i)
		}
	}
	for some := range slices.Chunk(ready, readersPerStart) {
		in := StartReadersInput{Pipeline: r.in.Pipeline, Stream: r.in.Stream, Poll: r.in.Poll}
		for _, i := range some {
			in.Readers = append(in.Readers, ReaderStart{ShardID: r.in.Shards[i].ID, Position: r.in.Shards[i].Position})
		}
		var started StartReadersResult
		err := workflow.ExecuteActivity(startReadersOptions(ctx, len(some)), StartReadersName, in).Get(ctx, &started)
		if err != nil {
			return err
		}
		if len(started.States) != len(some) {
			return fmt.Errorf("%s was asked for %d readers and tells of %d", StartReadersName, len(some), len(started.States))
		}
		for n, i := range some {
			shard := &r.in.Shards[i]
			shard.State, shard.Position, shard.Parents = started.States[n], "", nil
		}
	}
	return nil
}

// doubtReaders has all readers started again that are taken to be at work: one that
// runs stays as it is. A reader that somebody has terminated does not tell, and neither
// does one whose signal was lost; its shard and all that come from it would not be read
// any more.
func (r *streamReader) doubtReaders() {
	for i := range r.in.Shards {
		if shard := &r.in.Shards[i]; shard.State == ShardReading {
			// It has begun, so the stage remembers where to go on.
			shard.State, shard.Position = ShardWaiting, trimHorizon
		}
	}
}

// ready reports whether there is a reader to start.
func (r *streamReader) ready() bool { return slices.ContainsFunc(r.in.Shards, r.isReady) }

func (r *streamReader) isReady(shard KnownShard) bool {
	return shard.State == ShardWaiting && !slices.ContainsFunc(shard.Parents, func(parent string) bool {
		// One that is not known was drained, or has expired before it could be read.
		at, known := r.at[parent]
		return known && r.in.Shards[at].State != ShardIsRead
	})
}

// sweep has the stage swept when it is time to, while the reader goes on with its work.
func (r *streamReader) sweep(ctx workflow.Context) {
	if r.swept != nil && r.swept.IsReady() {
		if err := r.swept.Get(ctx, nil); err != nil {
			workflow.GetLogger(ctx).Warn("the stage could not be swept", "error", err)
		}
		r.swept = nil
	}
	now := workflow.Now(ctx)
	due := !r.in.SweepAt.IsZero() && !now.Before(r.in.SweepAt)
	if due || r.in.SweepAt.IsZero() {
		r.in.SweepAt = now.Add(sweepInterval)
	}
	if r.swept != nil || !due {
		return
	}
	r.swept = workflow.ExecuteActivity(sweepStageOptions(ctx), SweepStageName, SweepStageInput{Pipeline: r.in.Pipeline, AsOf: now})
}

// forget leaves out the drained shards. All their children are known by now, and a
// parent that is not known is taken for drained.
func (r *streamReader) forget() {
	before := len(r.in.Shards)
	r.in.Shards = slices.DeleteFunc(r.in.Shards, func(k KnownShard) bool { return k.State == ShardIsRead })
	if forgotten := before - len(r.in.Shards); forgotten > 0 {
		r.in.Drained += forgotten
		r.number()
	}
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
		if at, known := r.at[signal.ShardID]; known {
			r.in.Shards[at].State = ShardIsRead
		}
		for _, child := range signal.Children {
			// Known at once, whatever the next listing has. One that was listed, drained and
			// forgotten meanwhile must not come back.
			if _, known := r.at[child.ID]; !known && child.ID > r.in.ListedUpTo {
				r.add(child, trimHorizon)
			}
		}
		signal = ShardDrained{}
	}
}

// shardsShown bounds the table in the current details, which Temporal caps.
const shardsShown = 50

func (r *streamReader) describe(ctx workflow.Context) {
	workflow.SetCurrentDetails(ctx, r.details())
}

// details are what the page of the StreamReader shows. What a single shard is at it does
// not know: that changes by the second, and each ShardReader has it.
func (r *streamReader) details() string {
	counts := map[ShardState]int{}
	var table strings.Builder
	for i, shard := range r.in.Shards {
		counts[shard.State]++
		if i < shardsShown {
			fmt.Fprintf(&table, "| %s | %s | `%s` |\n", window.ShortShard(shard.ID), shard.State, window.ShardReaderID(r.in.Pipeline, shard.ID))
		}
	}
	details := fmt.Sprintf("`%s`: %d shards being read, %d waiting for their parents, %d drained", r.in.Stream, counts[ShardReading], counts[ShardWaiting], r.in.Drained)
	if !r.listedAt.IsZero() {
		details += ", as listed at " + clock(r.listedAt)
	}
	details += "\n\n"
	details += r.describePauses()
	switch {
	case r.mostOpen > 0 && r.open >= r.mostOpen:
		details += fmt.Sprintf("**Reading pauses**: %d windows are open, as many as there may be (`max_open_windows`). It goes on as soon as some are delivered.\n\n", r.open)
	case r.open > 0:
		details += fmt.Sprintf("About %d windows are open; reading pauses at %d.\n\n", r.open, r.mostOpen)
	}
	if w := r.waiting; w != nil {
		details += w.describe()
	}
	details += "| shard | state | its page: who reads it, how far, what it waits for, gaps |\n|---|---|---|\n" + table.String()
	if more := len(r.in.Shards) - shardsShown; more > 0 {
		details += fmt.Sprintf("\nand %d more", more)
	}
	return details
}

// describe says what does not get on, in sentences of their own.
func (w WaitingCounts) describe() string {
	var text string
	if w.Parked > 0 {
		text += fmt.Sprintf("**%d windows are parked**, until a `%s` or `%s`. ", w.Parked, SignalRedrive, SignalDiscard)
	}
	if w.Retrying > 0 {
		text += fmt.Sprintf("**%d windows are retrying**: the pages of some say what they wait for. ", w.Retrying)
	}
	if w.Gaps > 0 {
		text += fmt.Sprintf("**%d shards have stopped at a gap**, until a `%s`. ", w.Gaps, SignalSkipGap)
	}
	if text == "" {
		text = "No window is parked or retrying, and no shard has stopped at a gap. "
	}
	return text + "Counted at " + clock(w.At) + ".\n\n"
}
