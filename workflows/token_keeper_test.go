package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/workflows"
)

// continuedInput is what a workflow hands to its next run.
func continuedInput[T any](t *testing.T, next *workflow.ContinueAsNewError) T {
	t.Helper()
	var in T
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(next.Input, &in))
	return in
}

// refreshes counts and answers RefreshToken with the next version.
type refreshes struct{ known []int64 }

func (r *refreshes) register(env *testsuite.TestWorkflowEnvironment, life time.Duration) {
	env.RegisterActivityWithOptions(func(_ context.Context, in workflows.RefreshTokenInput) (workflows.TokenVersion, error) {
		r.known = append(r.known, in.KnownVersion)
		expires := env.Now().Add(life)
		return workflows.TokenVersion{Parameter: "/token", Version: in.KnownVersion + 1, ExpiresAt: expires, RefreshAfter: life / 2}, nil
	}, activity.RegisterOptions{Name: workflows.RefreshTokenName})
}

// asked sends the update after a while and puts its answer into the result.
func asked(env *testsuite.TestWorkflowEnvironment, id string, known int64, after time.Duration) (answer *workflows.TokenVersion, failure *error) {
	answer, failure = new(workflows.TokenVersion), new(error)
	env.RegisterDelayedCallback(func() {
		env.UpdateWorkflow(workflows.UpdateRefresh, id, &testsuite.TestUpdateCallback{
			OnAccept: func() {},
			OnReject: func(err error) { *failure = err },
			OnComplete: func(result any, err error) {
				if err != nil {
					*failure = err
					return
				}
				*answer, _ = result.(workflows.TokenVersion)
			},
		}, workflows.RefreshTokenInput{KnownVersion: known})
	}, after)
	return answer, failure
}

func TestTokenKeeperRefreshesOnceForAll(t *testing.T) {
	t.Parallel()
	env := environment(t)
	var r refreshes
	r.register(env, time.Hour)
	first, err1 := asked(env, "1", 0, 0)
	second, err2 := asked(env, "2", 0, 0)
	third, err3 := asked(env, "3", 0, 0)
	env.ExecuteWorkflow(workflows.TokenKeeper, workflows.TokenKeeperInput{Pipeline: "p"})
	require.NoError(t, *err1)
	require.NoError(t, *err2)
	require.NoError(t, *err3)
	for _, answer := range []*workflows.TokenVersion{first, second, third} {
		require.Equal(t, int64(1), answer.Version)
	}
	require.Equal(t, []int64{0}, r.known, "one refresh for three callers")

	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next, "a refresh ends the run")
	in := continuedInput[workflows.TokenKeeperInput](t, next)
	require.Equal(t, int64(1), in.Current.Version)
	require.Equal(t, 1, in.Refreshes)
}

func TestTokenKeeperRefreshesAheadOfExpiry(t *testing.T) {
	t.Parallel()
	env := environment(t)
	var r refreshes
	r.register(env, time.Hour)
	start := env.Now()
	env.ExecuteWorkflow(workflows.TokenKeeper, workflows.TokenKeeperInput{
		Pipeline: "p", Current: workflows.TokenVersion{Version: 4, ExpiresAt: start.Add(time.Hour)}, RefreshAt: start.Add(50 * time.Minute),
	})
	require.Equal(t, []int64{4}, r.known)
	require.Equal(t, 50*time.Minute, env.Now().Sub(start).Round(time.Second))
}

func TestTokenKeeperAnswersWhoIsBehindWithoutARefresh(t *testing.T) {
	t.Parallel()
	env := environment(t)
	var r refreshes
	r.register(env, time.Hour)
	answer, failure := asked(env, "1", 3, time.Minute)
	start := env.Now()
	env.RegisterDelayedCallback(func() {
		require.Empty(t, r.known)
	}, 2*time.Minute)
	env.ExecuteWorkflow(workflows.TokenKeeper, workflows.TokenKeeperInput{
		Pipeline: "p", Current: workflows.TokenVersion{Version: 4, ExpiresAt: start.Add(time.Hour)}, RefreshAt: start.Add(50 * time.Minute),
	})
	require.NoError(t, *failure)
	require.Equal(t, int64(4), answer.Version)
}

func TestTokenKeeperReplacesARefusedToken(t *testing.T) {
	t.Parallel()
	env := environment(t)
	var r refreshes
	r.register(env, time.Hour)
	start := env.Now()
	answer, failure := asked(env, "1", 4, time.Minute)
	env.ExecuteWorkflow(workflows.TokenKeeper, workflows.TokenKeeperInput{
		Pipeline: "p", Current: workflows.TokenVersion{Version: 4, ExpiresAt: start.Add(time.Hour)}, RefreshAt: start.Add(50 * time.Minute),
	})
	require.NoError(t, *failure)
	require.Equal(t, int64(5), answer.Version)
	require.Equal(t, []int64{4}, r.known)
	require.Equal(t, time.Minute, env.Now().Sub(start).Round(time.Second), "at once, not at the time of the timer")
}

// TestTokenKeeperRemembers: the next run knows what was wrong before, and how far the clock
// of the worker was off.
func TestTokenKeeperRemembers(t *testing.T) {
	t.Parallel()
	env := environment(t)
	env.RegisterActivityWithOptions(func(context.Context, workflows.RefreshTokenInput) (workflows.TokenVersion, error) {
		return workflows.TokenVersion{Parameter: "/token", Version: 5, At: env.Now().Add(-5 * time.Minute)}, nil
	}, activity.RegisterOptions{Name: workflows.RefreshTokenName})
	trouble := &workflows.TokenTrouble{Type: workflows.ErrorTokenEndpoint, Message: "no answer", Attempts: 3}
	env.ExecuteWorkflow(workflows.TokenKeeper, workflows.TokenKeeperInput{Pipeline: "p", Trouble: trouble})
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next)
	in := continuedInput[workflows.TokenKeeperInput](t, next)
	require.Nil(t, in.Trouble)
	require.Equal(t, trouble, in.LastTrouble)
	require.InDelta(t, -5*time.Minute.Milliseconds(), in.WorkerAheadMillis, 1000)
	require.Zero(t, in.Current.At)
}
