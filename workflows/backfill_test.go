package workflows_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/workflows"
)

func aBackfill() workflows.BackfillInput {
	from := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	return workflows.BackfillInput{
		Pipeline: "p", Stream: "s", Run: "again", From: from, To: from.Add(time.Hour), Keys: workflows.BackfillOwn, Rate: 100, MaxOpen: 8,
	}
}

// backfilling is a starter: each call of BackfillShard opens one window of ten events, and
// a shard has as many windows as its id says.
type backfilling struct {
	shards []string
	wants  map[string]int
	calls  []workflows.BackfillShardInput
	mu     sync.Mutex // of calls
	fail   error      // of the shard b
}

func (s *backfilling) register(env *testsuite.TestWorkflowEnvironment) {
	env.RegisterActivityWithOptions(func(context.Context, workflows.PlanBackfillInput) (workflows.PlanBackfillResult, error) {
		return workflows.PlanBackfillResult{Shards: s.shards}, nil
	}, activity.RegisterOptions{Name: workflows.PlanBackfillName})
	env.RegisterActivityWithOptions(func(_ context.Context, in workflows.BackfillShardInput) (workflows.BackfillProgress, error) {
		s.mu.Lock()
		s.calls = append(s.calls, in)
		s.mu.Unlock()
		out := in.Progress
		if out.ShardID == "b" && s.fail != nil {
			return out, s.fail
		}
		out.Windows++
		out.Records += 2
		out.Events += 10
		out.Done = out.Windows == s.wants[out.ShardID]
		return out, nil
	}, activity.RegisterOptions{Name: workflows.BackfillShardName})
}

func newBackfilling() *backfilling {
	return &backfilling{shards: []string{"a", "b", "c"}, wants: map[string]int{"a": 1, "b": 2, "c": 5}}
}

func TestBackfillReadsAllShards(t *testing.T) {
	t.Parallel()
	env, s := environment(t), newBackfilling()
	s.register(env)
	env.ExecuteWorkflow(workflows.Backfill, aBackfill())
	require.NoError(t, env.GetWorkflowError())
	var out workflows.BackfillResult
	require.NoError(t, env.GetWorkflowResult(&out))
	require.Equal(t, workflows.BackfillResult{Shards: 3, Windows: 8, Records: 16, Events: 80}, out)
	require.Len(t, s.calls, 8, "each goes on where the last one was")
	for _, call := range s.calls {
		require.InDelta(t, 100.0/3, call.Rate, 0.01, "the rate is shared")
		require.Equal(t, 2, call.MaxOpen, "and so are the windows")
	}
	require.Contains(t, details(t, env), "8 windows, 16 records, 80 events delivered")
	value, err := env.QueryWorkflow(workflows.QueryState)
	require.NoError(t, err)
	var state workflows.BackfillState
	require.NoError(t, value.Get(&state))
	require.Len(t, state.Progress, 3)
}

// One shard whose records are gone does not keep the others from being delivered, and is
// not passed over in silence.
func TestBackfillThatLacksAShard(t *testing.T) {
	t.Parallel()
	env, s := environment(t), newBackfilling()
	s.fail = temporal.NewNonRetryableApplicationError("records are missing", "BackfillRange", nil)
	s.register(env)
	env.ExecuteWorkflow(workflows.Backfill, aBackfill())
	var app *temporal.ApplicationError
	require.ErrorAs(t, env.GetWorkflowError(), &app)
	require.Equal(t, workflows.ErrorBackfillIncomplete, app.Type())
	require.Equal(t, "shard b: records are missing", app.Message())
	var out workflows.BackfillResult
	require.NoError(t, app.Details(&out))
	require.Equal(t, 6, out.Windows)
	require.Contains(t, details(t, env), "**failed**: records are missing")
}

// A long history is gone on with in another run, and nothing is done twice.
func TestBackfillContinuesAsNew(t *testing.T) {
	t.Parallel()
	env, s := environment(t), newBackfilling()
	s.register(env)
	env.SetContinueAsNewSuggested(true)
	env.ExecuteWorkflow(workflows.Backfill, aBackfill())
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &again)
	in := continuedInput[workflows.BackfillInput](t, again)
	require.True(t, in.Planned)
	require.Len(t, in.Progress, 3)

	in.Progress[0].Done, in.Progress[0].Windows = true, 1
	env = environment(t)
	s.register(env)
	env.ExecuteWorkflow(workflows.Backfill, in)
	require.NoError(t, env.GetWorkflowError())
	require.Len(t, s.calls, 7)
}

func TestBackfillIsCancelled(t *testing.T) {
	t.Parallel()
	env, s := environment(t), newBackfilling()
	s.wants["c"] = 1 << 30
	s.register(env)
	env.RegisterDelayedCallback(env.CancelWorkflow, 0)
	env.ExecuteWorkflow(workflows.Backfill, aBackfill())
	require.True(t, temporal.IsCanceledError(env.GetWorkflowError()), "%v", env.GetWorkflowError())
}
