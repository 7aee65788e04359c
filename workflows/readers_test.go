package workflows_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

var pollOptions = workflows.PollOptions{HeartbeatTimeout: 15 * time.Second, Lease: time.Minute}

// kinesis is a hand-written starter process in front of a stream whose shards a
// test changes, and the worker that starts their readers.
type kinesis struct {
	shards   []workflows.Shard
	page     int // of a listing; 0 for all
	listings []workflows.ListShardsInput
	resolved []workflows.ResolveStartInput
	polls    []workflows.PollShardInput
	// resolve answers ResolveStart; nil for record 5.
	resolve func(workflows.ResolveStartInput) workflows.ResolveStartResult
	// poll answers the nth PollShard.
	poll func(n int, in workflows.PollShardInput) workflows.PollShardResult
	// started are the readers in the order of their start; drained, the shards that were
	// drained before.
	started []workflows.ReaderStart
	drained []string
	running map[string]bool
	calls   int // of StartReaders
	sweeps  int
	asOf    time.Time // of the last sweep
	// endless sweeps never end, as where the stage fails them again and again.
	endless bool
}

var listedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (k *kinesis) register(env *testsuite.TestWorkflowEnvironment) {
	k.running = map[string]bool{}
	register := func(name string, fn any) {
		env.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
	}
	register(workflows.ListShardsName, func(_ context.Context, in workflows.ListShardsInput) (workflows.ListShardsResult, error) {
		k.listings = append(k.listings, in)
		out := workflows.ListShardsResult{At: listedAt}
		for _, shard := range k.shards {
			switch {
			case shard.ID <= in.After:
			case k.page > 0 && len(out.Shards) == k.page:
				out.More = true
			default:
				out.Shards = append(out.Shards, shard)
			}
		}
		return out, nil
	})
	register(workflows.StartReadersName, func(_ context.Context, in workflows.StartReadersInput) (workflows.StartReadersResult, error) {
		k.calls++
		var out workflows.StartReadersResult
		for _, reader := range in.Readers {
			if slices.Contains(k.drained, reader.ShardID) {
				out.States = append(out.States, workflows.ShardIsRead)
				continue
			}
			if !k.running[reader.ShardID] {
				k.started = append(k.started, reader)
				k.running[reader.ShardID] = true
			}
			out.States = append(out.States, workflows.ShardReading)
		}
		return out, nil
	})
	register(workflows.SweepStageName, func(_ context.Context, in workflows.SweepStageInput) (workflows.SweepStageResult, error) {
		k.sweeps++
		k.asOf = in.AsOf
		if k.endless {
			return workflows.SweepStageResult{}, activity.ErrResultPending
		}
		return workflows.SweepStageResult{}, nil
	})
	register(workflows.ResolveStartName, func(_ context.Context, in workflows.ResolveStartInput) (workflows.ResolveStartResult, error) {
		k.resolved = append(k.resolved, in)
		if k.resolve != nil {
			return k.resolve(in), nil
		}
		return workflows.ResolveStartResult{Start: workflows.ChainStart{Kind: workflows.StartAtSequenceNumber, SequenceNumber: "5"}}, nil
	})
	register(workflows.PollShardName, func(_ context.Context, in workflows.PollShardInput) (workflows.PollShardResult, error) {
		k.polls = append(k.polls, in)
		return k.poll(len(k.polls), in), nil
	})
}

func aShard() workflows.ShardReaderInput {
	return workflows.ShardReaderInput{Pipeline: "p", Stream: "s", ShardID: "shardId-000000000001", Position: "TRIM_HORIZON", Poll: pollOptions}
}

func progress(checkpoint window.SequenceNumber) workflows.Progress {
	return workflows.Progress{Checkpoint: checkpoint}
}

// expectDrained expects the signal of a drained shard.
func expectDrained(env *testsuite.TestWorkflowEnvironment, signal workflows.ShardDrained) {
	env.OnSignalExternalWorkflow(mock.Anything, "p/stream", "", workflows.SignalShardDrained, signal).Return(nil).Once()
}

func runShardReader(t *testing.T, env *testsuite.TestWorkflowEnvironment, in workflows.ShardReaderInput) {
	t.Helper()
	env.ExecuteWorkflow(workflows.ShardReader, in)
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError())
	env.AssertExpectations(t)
}

func TestShardReaderHoldsTheCheckpointBetweenLeases(t *testing.T) {
	t.Parallel()
	env := environment(t)
	children := []workflows.Shard{{ID: "shardId-000000000002", Parents: []string{"shardId-000000000001"}}}
	k := &kinesis{poll: func(n int, _ workflows.PollShardInput) workflows.PollShardResult {
		out := workflows.PollShardResult{
			Progress: progress([]window.SequenceNumber{"7", "9", "9"}[n-1]),
			Windows:  1, Records: 2, Options: pollOptions,
		}
		if n == 3 {
			out.Drained, out.Children = true, children
		}
		return out
	}}
	k.register(env)
	expectDrained(env, workflows.ShardDrained{ShardID: "shardId-000000000001", Children: children})
	runShardReader(t, env, aShard())

	require.Equal(t, []workflows.ResolveStartInput{{Pipeline: "p", Stream: "s", ShardID: "shardId-000000000001", Position: "TRIM_HORIZON"}}, k.resolved,
		"the start is resolved once")
	var checkpoints []window.SequenceNumber
	for _, p := range k.polls {
		checkpoints = append(checkpoints, p.Checkpoint)
		require.Equal(t, window.SequenceNumber("5"), p.Start.SequenceNumber)
	}
	require.Equal(t, []window.SequenceNumber{"", "7", "9"}, checkpoints)
	require.Equal(t, 2, k.polls[2].WindowsBefore)
	require.Equal(t, 4, k.polls[2].RecordsBefore)
}

// TestShardReaderGoesOnWhereTheStageRemembers: its predecessor is forgotten.
func TestShardReaderGoesOnWhereTheStageRemembers(t *testing.T) {
	t.Parallel()
	remembered := workflows.ResolveStartResult{
		Start: workflows.ChainStart{Kind: workflows.StartAtSequenceNumber, SequenceNumber: "5"}, Progress: progress("70"),
	}
	env := environment(t)
	k := &kinesis{
		resolve: func(workflows.ResolveStartInput) workflows.ResolveStartResult { return remembered },
		poll: func(int, workflows.PollShardInput) workflows.PollShardResult {
			return workflows.PollShardResult{Drained: true, Options: pollOptions}
		},
	}
	k.register(env)
	expectDrained(env, workflows.ShardDrained{ShardID: "shardId-000000000001"})
	runShardReader(t, env, aShard())
	require.Len(t, k.polls, 1)
	require.Equal(t, window.SequenceNumber("70"), k.polls[0].Checkpoint)

	remembered.Drained = true
	env = environment(t)
	k.polls = nil
	k.register(env)
	expectDrained(env, workflows.ShardDrained{ShardID: "shardId-000000000001"})
	runShardReader(t, env, aShard())
	require.Empty(t, k.polls)
}

// TestShardReaderGoesOnBehindAGap: the new beginning is resolved and recorded as the
// first one was, each time with more distance from the horizon.
func TestShardReaderGoesOnBehindAGap(t *testing.T) {
	t.Parallel()
	for kind, behind := range map[workflows.GapKind]bool{workflows.GapTrimmed: true, workflows.GapPosition: true, workflows.GapForgotten: false} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			env := environment(t)
			k := &kinesis{
				resolve: func(in workflows.ResolveStartInput) workflows.ResolveStartResult {
					start := workflows.ChainStart{Kind: workflows.StartAtSequenceNumber, SequenceNumber: "5"}
					if in.AfterGap {
						start.SequenceNumber = "500"
					}
					return workflows.ResolveStartResult{Start: start}
				},
				poll: func(n int, _ workflows.PollShardInput) workflows.PollShardResult {
					gap := &workflows.Gap{Kind: kind, After: "7"}
					return []workflows.PollShardResult{
						{Progress: progress("7"), Windows: 1, Gap: gap, Options: pollOptions},
						{Gap: gap, Options: pollOptions},
						{Gap: gap, Options: pollOptions},
						{Progress: progress("510"), Windows: 1, Gap: gap, Options: pollOptions},
						{Progress: progress("520"), Drained: true, Options: pollOptions},
					}[n-1]
				},
			}
			k.register(env)
			expectDrained(env, workflows.ShardDrained{ShardID: "shardId-000000000001"})
			var remembered []workflows.GapsMemo
			env.OnUpsertMemo(mock.MatchedBy(func(memo map[string]any) bool {
				gaps, ok := memo[workflows.MemoGaps].(workflows.GapsMemo)
				remembered = append(remembered, gaps)
				return ok
			})).Return(nil)
			runShardReader(t, env, aShard())
			require.Len(t, k.polls, 5)
			last := remembered[3] // the mock goes on matching behind it
			require.Equal(t, 4, last.Gaps)
			require.Equal(t, workflows.Gap{Kind: kind, After: "7"}, last.Last)
			require.False(t, last.At.IsZero())
			if !behind {
				require.Len(t, k.resolved, 1, "nothing is missing: reading goes on where it was")
				require.Equal(t, window.SequenceNumber("7"), k.polls[1].Checkpoint)
				require.False(t, k.polls[1].CheckpointAt.IsZero(), "the checkpoint counts as known from now on")
				return
			}
			var margins []time.Duration
			for _, in := range k.resolved[1:] {
				require.True(t, in.AfterGap)
				require.Equal(t, "TRIM_HORIZON", in.Position)
				margins = append(margins, in.Margin)
			}
			require.Equal(t, []time.Duration{0, 10 * time.Second, 20 * time.Second, 0}, margins)
			for _, poll := range k.polls[1:] {
				require.Equal(t, window.SequenceNumber("500"), poll.Start.SequenceNumber)
				require.Empty(t, poll.Checkpoint, "nothing of the new chain is in a window")
			}
		})
	}
}

func TestShardReaderStopsAtAGapWhereItIsAskedTo(t *testing.T) {
	t.Parallel()
	env := environment(t)
	strict := pollOptions
	strict.OnGap = workflows.GapFail
	k := &kinesis{poll: func(n int, _ workflows.PollShardInput) workflows.PollShardResult {
		if n == 1 {
			return workflows.PollShardResult{Progress: progress("7"), Gap: &workflows.Gap{Kind: workflows.GapTrimmed}, Options: strict}
		}
		return workflows.PollShardResult{Drained: true, Options: strict}
	}}
	k.register(env)
	env.OnUpsertTypedSearchAttributes(temporal.NewSearchAttributes(visibility.Status.ValueSet(visibility.StatusGap))).Return(nil).Once()
	env.OnUpsertTypedSearchAttributes(temporal.NewSearchAttributes(visibility.Status.ValueSet(visibility.StatusReading))).Return(nil).Once()
	env.RegisterDelayedCallback(func() {
		require.Len(t, k.polls, 1, "a day later")
		env.SignalWorkflow(workflows.SignalSkipGap, nil)
	}, 24*time.Hour)
	expectDrained(env, workflows.ShardDrained{ShardID: "shardId-000000000001"})
	runShardReader(t, env, aShard())
	require.Len(t, k.resolved, 2)
}

// TestShardReaderWaitsAtEachGapAnew: a signal that was sent twice is no answer to a gap
// that nobody knew of.
func TestShardReaderWaitsAtEachGapAnew(t *testing.T) {
	t.Parallel()
	env := environment(t)
	strict := pollOptions
	strict.OnGap = workflows.GapFail
	k := &kinesis{poll: func(n int, _ workflows.PollShardInput) workflows.PollShardResult {
		if n < 3 {
			return workflows.PollShardResult{Progress: progress("7"), Gap: &workflows.Gap{Kind: workflows.GapTrimmed}, Options: strict}
		}
		return workflows.PollShardResult{Drained: true, Options: strict}
	}}
	k.register(env)
	skip := func() { env.SignalWorkflow(workflows.SignalSkipGap, nil) }
	env.RegisterDelayedCallback(func() { skip(); skip() }, time.Hour)
	var waited bool
	env.RegisterDelayedCallback(func() {
		waited = len(k.polls) == 2
		skip()
	}, 2*time.Hour)
	expectDrained(env, workflows.ShardDrained{ShardID: "shardId-000000000001"})
	runShardReader(t, env, aShard())
	require.True(t, waited, "at the second gap")
}

// TestShardReaderOfAShardThatIsGone: it can be found before the first poll or later.
func TestShardReaderOfAShardThatIsGone(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]*kinesis{
		"before": {resolve: func(workflows.ResolveStartInput) workflows.ResolveStartResult {
			return workflows.ResolveStartResult{Gone: true}
		}},
		"later": {poll: func(int, workflows.PollShardInput) workflows.PollShardResult {
			return workflows.PollShardResult{Progress: progress("7"), Gap: &workflows.Gap{Kind: workflows.GapShardGone}, Options: pollOptions}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := environment(t)
			k.register(env)
			expectDrained(env, workflows.ShardDrained{ShardID: "shardId-000000000001"})
			runShardReader(t, env, aShard())
			require.LessOrEqual(t, len(k.polls), 1)
		})
	}
}

func TestShardReaderContinuesAsNewWithItsState(t *testing.T) {
	t.Parallel()
	env := environment(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	reached := workflows.Progress{Checkpoint: "7", CheckpointAt: at, CompleteUntil: at}
	k := &kinesis{poll: func(n int, _ workflows.PollShardInput) workflows.PollShardResult {
		out := workflows.PollShardResult{Progress: reached, Windows: 1, Options: pollOptions}
		if n == 1 {
			out.Gap = &workflows.Gap{Kind: workflows.GapTrimmed}
		}
		return out
	}}
	k.register(env)
	env.ExecuteWorkflow(workflows.ShardReader, aShard())
	require.True(t, env.IsWorkflowCompleted())
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next)
	in := continuedInput[workflows.ShardReaderInput](t, next)
	require.NotNil(t, in.Start, "a resolved start is never resolved again")
	require.Equal(t, reached, in.Progress)
	require.Equal(t, len(k.polls), in.Windows)
	require.Equal(t, 1, in.Gaps)
	require.NotNil(t, in.LastGap)
}

func aStream(position string) workflows.StreamReaderInput {
	return workflows.StreamReaderInput{Pipeline: "p", Stream: "s", Position: position, Poll: pollOptions}
}

func drained(env *testsuite.TestWorkflowEnvironment, shardID string, after time.Duration, children ...workflows.Shard) {
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow(workflows.SignalShardDrained, workflows.ShardDrained{ShardID: shardID, Children: children})
	}, after)
}

func (k *kinesis) ids() []string {
	var out []string
	for _, reader := range k.started {
		out = append(out, reader.ShardID)
	}
	return out
}

func TestStreamReaderReadsChildrenAfterTheirParents(t *testing.T) {
	t.Parallel()
	// a splits into b and c, which merge into d.
	k := &kinesis{shards: []workflows.Shard{
		{ID: "a", Closed: true},
		{ID: "b", Parents: []string{"a"}, Closed: true}, {ID: "c", Parents: []string{"a"}, Closed: true},
		{ID: "d", Parents: []string{"b", "c"}},
	}}
	env := environment(t)
	k.register(env)
	env.RegisterDelayedCallback(func() { require.Equal(t, []string{"a"}, k.ids()) }, 30*time.Second)
	drained(env, "a", time.Minute+30*time.Second)
	env.RegisterDelayedCallback(func() { require.ElementsMatch(t, []string{"a", "b", "c"}, k.ids()) }, 3*time.Minute)
	drained(env, "c", 4*time.Minute)
	env.RegisterDelayedCallback(func() { require.Len(t, k.started, 3, "d waits for both parents") }, 6*time.Minute)
	drained(env, "b", 7*time.Minute)
	env.RegisterDelayedCallback(env.CancelWorkflow, 9*time.Minute)
	env.ExecuteWorkflow(workflows.StreamReader, aStream("TRIM_HORIZON"))
	require.Equal(t, "d", k.started[3].ShardID)
	require.Len(t, k.started, 4, "no shard is given two readers")
}

func TestStreamReaderFindsNewShards(t *testing.T) {
	t.Parallel()
	k := &kinesis{shards: []workflows.Shard{{ID: "a"}}}
	env := environment(t)
	k.register(env)
	env.RegisterDelayedCallback(func() {
		k.shards = append(k.shards, workflows.Shard{ID: "x"})
	}, 10*time.Minute)
	env.RegisterDelayedCallback(env.CancelWorkflow, 12*time.Minute)
	env.ExecuteWorkflow(workflows.StreamReader, aStream("LATEST"))
	require.Equal(t, []workflows.ReaderStart{
		{ShardID: "a", Position: "2026-01-02T03:04:05Z"}, // LATEST is one time for all shards
		{ShardID: "x", Position: "TRIM_HORIZON"},         // nothing of a new shard was ever read
	}, k.started)
	require.Empty(t, k.listings[0].After)
	require.Equal(t, "a", k.listings[1].After, "only new shards are asked for")
}

// TestStreamReaderNoticesALostReader: whoever is terminated tells nobody, and the signal
// of a drained shard can be lost.
func TestStreamReaderNoticesALostReader(t *testing.T) {
	t.Parallel()
	k := &kinesis{shards: []workflows.Shard{{ID: "a"}, {ID: "b", Closed: true}, {ID: "c", Parents: []string{"b"}}}}
	env := environment(t)
	k.register(env)
	env.RegisterDelayedCallback(func() {
		require.Equal(t, []string{"a", "b"}, k.ids())
		delete(k.running, "a")
		k.drained = []string{"b"}
	}, 10*time.Minute)
	env.RegisterDelayedCallback(env.CancelWorkflow, 70*time.Minute)
	env.ExecuteWorkflow(workflows.StreamReader, aStream("LATEST"))
	require.Equal(t, []string{"a", "b", "a", "c"}, k.ids())
	require.Equal(t, "TRIM_HORIZON", k.started[2].Position, "where the stage remembers nothing, all is read that there is")
}

// TestStreamReaderDoesNotWaitForTheStage: a sweep that fails for ever, as where the
// policy lacks listing, must not keep new shards from being read.
func TestStreamReaderDoesNotWaitForTheStage(t *testing.T) {
	t.Parallel()
	k := &kinesis{shards: []workflows.Shard{{ID: "a"}}, endless: true}
	env := environment(t)
	k.register(env)
	begin := env.Now()
	env.ExecuteWorkflow(workflows.StreamReader, aStream("LATEST"))
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next)
	require.Less(t, env.Now().Sub(begin), 9*time.Hour)
	require.False(t, continuedInput[workflows.StreamReaderInput](t, next).SweepAt.After(env.Now()), "the next run sweeps at once")
}

// TestStreamReaderKnowsChildrenAtOnce: a poller sees the children of a shard before
// the listing has them.
func TestStreamReaderKnowsChildrenAtOnce(t *testing.T) {
	t.Parallel()
	k := &kinesis{shards: []workflows.Shard{{ID: "a"}, {ID: "b"}}}
	env := environment(t)
	k.register(env)
	c := workflows.Shard{ID: "c", Parents: []string{"a", "b"}}
	drained(env, "a", 90*time.Second, c)
	env.RegisterDelayedCallback(func() { require.Len(t, k.started, 2, "c waits for b") }, 91*time.Second)
	drained(env, "b", 92*time.Second, c)
	env.RegisterDelayedCallback(func() { require.Equal(t, []string{"a", "b", "c"}, k.ids()) }, 93*time.Second)
	// The listing comes to know c, and d, into which c was split at once.
	env.RegisterDelayedCallback(func() {
		k.shards = append(k.shards, c, workflows.Shard{ID: "d", Parents: []string{"c"}})
	}, 94*time.Second)
	drained(env, "c", 5*time.Minute, workflows.Shard{ID: "d", Parents: []string{"c"}})
	drained(env, "b", 6*time.Minute, c) // a signal that was sent twice
	env.RegisterDelayedCallback(env.CancelWorkflow, 10*time.Minute)
	env.ExecuteWorkflow(workflows.StreamReader, aStream("TRIM_HORIZON"))
	require.Equal(t, []string{"a", "b", "c", "d"}, k.ids(), "no shard is given two readers")
}

// TestStreamReaderOfALongHistory: shards that were drained before are passed over,
// whatever their number, and parents that have expired are not waited for.
func TestStreamReaderOfALongHistory(t *testing.T) {
	t.Parallel()
	const generations = 300
	k := &kinesis{page: 100}
	for n := range generations {
		shard := workflows.Shard{ID: fmt.Sprintf("shardId-%012d", n+1), Parents: []string{fmt.Sprintf("shardId-%012d", n)}, Closed: true}
		k.shards = append(k.shards, shard)
		if n < generations-2 {
			k.drained = append(k.drained, shard.ID)
		}
	}
	env := environment(t)
	k.register(env)
	last := []string{k.shards[generations-2].ID, k.shards[generations-1].ID}
	env.RegisterDelayedCallback(func() { require.Equal(t, last[:1], k.ids()) }, 10*time.Second)
	drained(env, last[0], 11*time.Second)
	env.RegisterDelayedCallback(func() { require.Equal(t, last, k.ids()) }, 12*time.Second)
	env.RegisterDelayedCallback(env.CancelWorkflow, 13*time.Second)
	env.ExecuteWorkflow(workflows.StreamReader, aStream("TRIM_HORIZON"))
	require.Equal(t, last, k.ids())
}

// TestStreamReaderOfThousandsOfShards: the state that the next run gets has to fit into
// the 2 MB that Temporal takes, and so has the result of each listing.
func TestStreamReaderOfThousandsOfShards(t *testing.T) {
	t.Parallel()
	const shards = 10_000
	k := &kinesis{page: 1000}
	for n := range shards {
		k.shards = append(k.shards, workflows.Shard{ID: fmt.Sprintf("shardId-%012d", n), Parents: []string{"shardId-999999999999"}})
	}
	env := environment(t)
	k.register(env)
	env.ExecuteWorkflow(workflows.StreamReader, aStream("TRIM_HORIZON"))
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next)
	require.Len(t, k.started, shards)
	const checks = 9 // in the 500 listings of a run, the first one among them
	require.Equal(t, checks*shards/200, k.calls)
	require.Less(t, next.Input.Size(), 1<<20)
	require.Len(t, continuedInput[workflows.StreamReaderInput](t, next).Shards, shards)
}

func TestStreamReaderContinuesAsNewWithItsShards(t *testing.T) {
	t.Parallel()
	k := &kinesis{shards: []workflows.Shard{{ID: "a", Closed: true}, {ID: "b", Parents: []string{"a"}}, {ID: "gone", Closed: true}}}
	env := environment(t)
	k.register(env)
	drained(env, "gone", 5*time.Minute)
	env.RegisterDelayedCallback(func() { k.shards = k.shards[:2] }, 10*time.Minute)
	env.ExecuteWorkflow(workflows.StreamReader, aStream("LATEST"))
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next)
	in := continuedInput[workflows.StreamReaderInput](t, next)
	require.True(t, in.Listed)
	require.Equal(t, "gone", in.ListedUpTo)
	require.Equal(t, "2026-01-02T03:04:05Z", in.Position, "LATEST is not resolved again")
	require.Equal(t, 1, in.Drained)
	require.Equal(t, 8, k.sweeps, "one an hour, in the 500 minutes of a run")
	require.WithinRange(t, k.asOf, env.Now().Add(-time.Hour), env.Now(), "Temporal's clock tells what is old")
	require.False(t, in.SweepAt.IsZero())
	require.Equal(t, []workflows.KnownShard{
		{Shard: workflows.Shard{ID: "a", Closed: true}, State: workflows.ShardReading},
		{Shard: workflows.Shard{ID: "b", Parents: []string{"a"}}, State: workflows.ShardWaiting, Position: "2026-01-02T03:04:05Z"},
	}, in.Shards)
	require.ElementsMatch(t, []string{"a", "gone"}, k.ids())
}
