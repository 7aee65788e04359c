package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

var pollOptions = workflows.PollOptions{HeartbeatTimeout: 15 * time.Second, Lease: time.Minute}

// kinesis is a hand-written starter process in front of a stream whose shards a
// test changes.
type kinesis struct {
	shards   []workflows.Shard
	resolved []string
	polls    []workflows.PollShardInput
	// poll answers the nth PollShard.
	poll func(n int, in workflows.PollShardInput) workflows.PollShardResult
}

func (k *kinesis) register(env *testsuite.TestWorkflowEnvironment) {
	env.RegisterActivityWithOptions(func(context.Context, workflows.ListShardsInput) (workflows.ListShardsResult, error) {
		return workflows.ListShardsResult{Shards: k.shards}, nil
	}, activity.RegisterOptions{Name: workflows.ListShardsName})
	env.RegisterActivityWithOptions(func(_ context.Context, in workflows.ResolveStartInput) (workflows.ChainStart, error) {
		k.resolved = append(k.resolved, in.Position)
		return workflows.ChainStart{Kind: workflows.StartAtSequenceNumber, SequenceNumber: "5"}, nil
	}, activity.RegisterOptions{Name: workflows.ResolveStartName})
	env.RegisterActivityWithOptions(func(_ context.Context, in workflows.PollShardInput) (workflows.PollShardResult, error) {
		k.polls = append(k.polls, in)
		return k.poll(len(k.polls), in), nil
	}, activity.RegisterOptions{Name: workflows.PollShardName})
}

func aShard() workflows.ShardReaderInput {
	return workflows.ShardReaderInput{Pipeline: "p", Stream: "s", ShardID: "shardId-000000000001", Position: "TRIM_HORIZON", Poll: pollOptions}
}

func TestShardReaderHoldsTheCheckpointBetweenLeases(t *testing.T) {
	t.Parallel()
	env := environment(t)
	k := &kinesis{poll: func(n int, _ workflows.PollShardInput) workflows.PollShardResult {
		return workflows.PollShardResult{
			Checkpoint: []window.SequenceNumber{"7", "9", "9"}[n-1],
			Drained:    n == 3, Windows: 1, Records: 2, Options: pollOptions,
		}
	}}
	k.register(env)
	env.OnSignalExternalWorkflow(mock.Anything, "p/stream", "", workflows.SignalShardDrained,
		workflows.ShardDrained{ShardID: "shardId-000000000001"}).Return(nil).Once()
	env.ExecuteWorkflow(workflows.ShardReader, aShard())
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError())
	env.AssertExpectations(t)

	require.Equal(t, []string{"TRIM_HORIZON"}, k.resolved, "the start is resolved once")
	var checkpoints []window.SequenceNumber
	for _, p := range k.polls {
		checkpoints = append(checkpoints, p.Checkpoint)
		require.Equal(t, window.SequenceNumber("5"), p.Start.SequenceNumber)
	}
	require.Equal(t, []window.SequenceNumber{"", "7", "9"}, checkpoints)
}

func TestShardReaderContinuesAsNewWithItsState(t *testing.T) {
	t.Parallel()
	env := environment(t)
	k := &kinesis{poll: func(int, workflows.PollShardInput) workflows.PollShardResult {
		return workflows.PollShardResult{Checkpoint: "7", Windows: 1, Options: pollOptions}
	}}
	k.register(env)
	env.ExecuteWorkflow(workflows.ShardReader, aShard())
	require.True(t, env.IsWorkflowCompleted())
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next)
	in := continuedInput[workflows.ShardReaderInput](t, next)
	require.NotNil(t, in.Start, "a resolved start is never resolved again")
	require.Equal(t, window.SequenceNumber("7"), in.Checkpoint)
	require.Equal(t, len(k.polls), in.Windows)
}

func aStream(position string) workflows.StreamReaderInput {
	return workflows.StreamReaderInput{Pipeline: "p", Stream: "s", Position: position, Poll: pollOptions}
}

// streamEnvironment runs a StreamReader whose ShardReaders are recorded by the
// order of their start; each ends when drain sends its signal.
func streamEnvironment(t *testing.T, k *kinesis) (env *testsuite.TestWorkflowEnvironment, started *[]workflows.ShardReaderInput) {
	t.Helper()
	env = environment(t)
	k.register(env)
	started = new([]workflows.ShardReaderInput)
	env.RegisterWorkflowWithOptions(func(_ workflow.Context, in workflows.ShardReaderInput) error {
		*started = append(*started, in)
		return nil
	}, workflow.RegisterOptions{Name: workflows.ShardReaderName})
	return env, started
}

func drained(env *testsuite.TestWorkflowEnvironment, shardID string, after time.Duration) {
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow(workflows.SignalShardDrained, workflows.ShardDrained{ShardID: shardID})
	}, after)
}

func ids(started []workflows.ShardReaderInput) []string {
	var out []string
	for _, in := range started {
		out = append(out, in.ShardID)
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
	env, started := streamEnvironment(t, k)
	env.RegisterDelayedCallback(func() { require.Equal(t, []string{"a"}, ids(*started)) }, 30*time.Second)
	drained(env, "a", time.Minute+30*time.Second)
	env.RegisterDelayedCallback(func() { require.ElementsMatch(t, []string{"a", "b", "c"}, ids(*started)) }, 3*time.Minute)
	drained(env, "c", 4*time.Minute)
	env.RegisterDelayedCallback(func() { require.Len(t, *started, 3, "d waits for both parents") }, 6*time.Minute)
	drained(env, "b", 7*time.Minute)
	env.RegisterDelayedCallback(env.CancelWorkflow, 9*time.Minute)
	env.ExecuteWorkflow(workflows.StreamReader, aStream("TRIM_HORIZON"))
	require.Equal(t, "d", (*started)[3].ShardID)
	require.Len(t, *started, 4, "no shard is given two readers")
}

func TestStreamReaderFindsNewShards(t *testing.T) {
	t.Parallel()
	k := &kinesis{shards: []workflows.Shard{{ID: "a"}}}
	env, started := streamEnvironment(t, k)
	env.RegisterDelayedCallback(func() {
		k.shards = append(k.shards, workflows.Shard{ID: "x"})
	}, 10*time.Minute)
	env.RegisterDelayedCallback(env.CancelWorkflow, 12*time.Minute)
	env.ExecuteWorkflow(workflows.StreamReader, aStream("LATEST"))
	require.Equal(t, []string{"a", "x"}, ids(*started))
	require.Equal(t, "LATEST", (*started)[0].Position)
	require.Equal(t, "TRIM_HORIZON", (*started)[1].Position, "nothing of a new shard was ever read")
}

func TestStreamReaderAtLatestSkipsThePast(t *testing.T) {
	t.Parallel()
	k := &kinesis{shards: []workflows.Shard{{ID: "a", Closed: true}, {ID: "b", Parents: []string{"a"}}}}
	env, started := streamEnvironment(t, k)
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Minute)
	env.ExecuteWorkflow(workflows.StreamReader, aStream("LATEST"))
	require.Equal(t, []string{"b"}, ids(*started))
}

func TestStreamReaderContinuesAsNewWithItsShards(t *testing.T) {
	t.Parallel()
	k := &kinesis{shards: []workflows.Shard{{ID: "a", Closed: true}, {ID: "b", Parents: []string{"a"}}, {ID: "gone", Closed: true}}}
	env, started := streamEnvironment(t, k)
	drained(env, "gone", 5*time.Minute)
	env.RegisterDelayedCallback(func() { k.shards = k.shards[:2] }, 10*time.Minute)
	env.ExecuteWorkflow(workflows.StreamReader, aStream("TRIM_HORIZON"))
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next)
	in := continuedInput[workflows.StreamReaderInput](t, next)
	require.True(t, in.Listed)
	require.Len(t, in.Shards, 2, "a drained shard that Kinesis forgot is forgotten")
	require.Equal(t, workflows.ShardReading, in.Shards[0].State)
	require.Equal(t, workflows.ShardWaiting, in.Shards[1].State)
	require.ElementsMatch(t, []string{"a", "gone"}, ids(*started))
}
