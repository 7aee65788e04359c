package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/workflows"
)

// attempts is a RefreshToken that fails as it is told, then gives a token, and knows
// when it was tried.
type attempts struct {
	env      *testsuite.TestWorkflowEnvironment
	failures []error
	at       []time.Duration // since the start
	known    []int64
}

func newAttempts(t *testing.T, failures ...error) *attempts {
	t.Helper()
	a := &attempts{env: environment(t), failures: failures}
	start := a.env.Now()
	a.env.RegisterActivityWithOptions(func(_ context.Context, in workflows.RefreshTokenInput) (workflows.TokenVersion, error) {
		a.at = append(a.at, a.env.Now().Sub(start).Round(time.Second))
		a.known = append(a.known, in.KnownVersion)
		if n := len(a.at); n <= len(a.failures) {
			return workflows.TokenVersion{}, a.failures[n-1]
		}
		return workflows.TokenVersion{Parameter: "/token", Version: 9, ExpiresAt: a.env.Now().Add(time.Hour), RefreshAfter: 59 * time.Minute}, nil
	}, activity.RegisterOptions{Name: workflows.RefreshTokenName})
	return a
}

// watchSecret lets the client secret change after a while.
func (a *attempts) watchSecret(after time.Duration) {
	begin := a.env.Now()
	a.env.RegisterActivityWithOptions(func(context.Context, workflows.WatchClientSecretInput) error {
		if a.env.Now().Sub(begin) >= after {
			return nil
		}
		return temporal.NewApplicationError("unchanged", "ClientSecretUnchanged")
	}, activity.RegisterOptions{Name: workflows.WatchClientSecretName})
}

func (a *attempts) state(t *testing.T) workflows.TokenKeeperState {
	t.Helper()
	value, err := a.env.QueryWorkflow(workflows.QueryState)
	require.NoError(t, err)
	var state workflows.TokenKeeperState
	require.NoError(t, value.Get(&state))
	return state
}

// run runs the keeper until it goes on as a new run.
func (a *attempts) run(t *testing.T, in workflows.TokenKeeperInput) workflows.TokenKeeperInput {
	t.Helper()
	a.env.ExecuteWorkflow(workflows.TokenKeeper, in)
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, a.env.GetWorkflowError(), &next)
	return continuedInput[workflows.TokenKeeperInput](t, next)
}

func failure(kind string) error { return temporal.NewApplicationError("of "+kind, kind) }

func times[T any](n int, v T) []T {
	var all []T
	for range n {
		all = append(all, v)
	}
	return all
}

func TestTokenKeeperTriesAgain(t *testing.T) {
	t.Parallel()
	seconds := func(values ...int) (all []time.Duration) {
		for _, v := range values {
			all = append(all, time.Duration(v)*time.Second)
		}
		return all
	}
	retryAfter := temporal.NewApplicationErrorWithOptions("429", workflows.ErrorTokenEndpoint, temporal.ApplicationErrorOptions{NextRetryDelay: 10 * time.Minute})
	spent := temporal.NewApplicationErrorWithOptions("not stored", workflows.ErrorTokenUnavailable, temporal.ApplicationErrorOptions{Details: []any{workflows.TokenFailure{TokenSpent: true}}})
	for name, c := range map[string]struct {
		failures []error
		at       []time.Duration
	}{
		"endpoint down":                     {times(8, failure(workflows.ErrorTokenEndpoint)), seconds(0, 1, 3, 7, 15, 31, 63, 123, 183)},
		"endpoint asks to wait":             {[]error{retryAfter}, seconds(0, 600)},
		"Parameter Store down":              {times(7, failure(workflows.ErrorTokenUnavailable)), seconds(0, 1, 3, 7, 15, 31, 61, 91)},
		"a fault that nobody has seen":      {[]error{failure("Surprise")}, seconds(0, 1)},
		"the client is refused":             {times(5, failure(workflows.ErrorTokenClientRefused)), seconds(0, 60, 180, 420, 720, 1020)},
		"each attempt costs a token":        {times(2, spent), seconds(0, 60, 180)},
		"all is well":                       {nil, seconds(0)},
		"panics and timeouts are no types ": {[]error{context.DeadlineExceeded}, seconds(0, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAttempts(t, c.failures...)
			next := a.run(t, workflows.TokenKeeperInput{Pipeline: "p"})
			require.Equal(t, c.at, a.at)
			require.Nil(t, next.Trouble, "it is over")
			require.Equal(t, int64(9), next.Current.Version)
		})
	}
}

func TestTokenKeeperSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	a := newAttempts(t, times(3, failure(workflows.ErrorTokenEndpoint))...)
	start := a.env.Now()
	a.env.RegisterDelayedCallback(func() {
		trouble := a.state(t).Trouble
		require.NotNil(t, trouble)
		require.Equal(t, workflows.ErrorTokenEndpoint, trouble.Type)
		require.Equal(t, "of TokenEndpoint", trouble.Message)
		require.Equal(t, 3, trouble.Attempts)
		require.Equal(t, time.Duration(0), trouble.Since.Sub(start).Round(time.Second))
		require.Equal(t, 7*time.Second, trouble.NextAt.Sub(start).Round(time.Second))
	}, 5*time.Second)
	a.run(t, workflows.TokenKeeperInput{Pipeline: "p"})
	require.Len(t, a.at, 4)
}

func refusedClient() error {
	return temporal.NewApplicationErrorWithOptions("HTTP status 401, invalid_client", workflows.ErrorTokenClientRefused,
		temporal.ApplicationErrorOptions{Details: []any{workflows.TokenFailure{SecretVersion: 3}}})
}

func TestTokenKeeperTriesAnotherSecretAtOnce(t *testing.T) {
	t.Parallel()
	a := newAttempts(t, times(3, refusedClient())...)
	a.watchSecret(200 * time.Second) // within the pause of four minutes
	a.run(t, workflows.TokenKeeperInput{Pipeline: "p"})
	require.Len(t, a.at, 4)
	require.Equal(t, []time.Duration{0, time.Minute, 3 * time.Minute}, a.at[:3])
	require.GreaterOrEqual(t, a.at[3], 200*time.Second)
	require.LessOrEqual(t, a.at[3], 216*time.Second, "it is looked at every 15 seconds")
}

func TestTokenKeeperTriesAtOnceOnASignal(t *testing.T) {
	t.Parallel()
	a := newAttempts(t, times(2, failure(workflows.ErrorTokenClientRefused))...)
	a.env.RegisterDelayedCallback(func() { a.env.SignalWorkflow(workflows.SignalRetry, nil) }, 100*time.Second)
	a.run(t, workflows.TokenKeeperInput{Pipeline: "p"})
	require.Equal(t, []time.Duration{0, 60 * time.Second, 100 * time.Second}, a.at)
}

func TestTokenKeeperAnswersFromTheCurrentTokenInTrouble(t *testing.T) {
	t.Parallel()
	a := newAttempts(t, times(4, failure(workflows.ErrorTokenEndpoint))...)
	start := a.env.Now()
	behind, err1 := asked(a.env, "behind", 3, 2*time.Second)
	waits, err2 := asked(a.env, "waits", 4, 2*time.Second)
	a.env.RegisterDelayedCallback(func() {
		require.Equal(t, int64(4), behind.Version, "a token that works needs no keeper without trouble")
		require.Zero(t, waits.Version)
	}, 3*time.Second)
	a.run(t, workflows.TokenKeeperInput{Pipeline: "p", Current: workflows.TokenVersion{Version: 4, ExpiresAt: start.Add(time.Hour)}, RefreshAt: start})
	require.NoError(t, *err1)
	require.NoError(t, *err2)
	require.Equal(t, int64(9), waits.Version)
}

// TestTokenKeeperGoesOnInTrouble: an outage of days must not fill a history.
func TestTokenKeeperGoesOnInTrouble(t *testing.T) {
	t.Parallel()
	a := newAttempts(t, times(3, failure(workflows.ErrorTokenEndpoint))...)
	waits, err := asked(a.env, "waits", 4, time.Second/2)
	a.env.RegisterDelayedCallback(func() { a.env.SetContinueAsNewSuggested(true) }, 2*time.Second)
	start := a.env.Now()
	current := workflows.TokenVersion{Version: 4, ExpiresAt: start.Add(time.Hour)}
	next := a.run(t, workflows.TokenKeeperInput{Pipeline: "p", Current: current, RefreshAt: start})
	require.Error(t, *err, "who waits has to ask the next run")
	require.Zero(t, waits.Version)
	require.Equal(t, []time.Duration{0, time.Second, 3 * time.Second}, a.at)
	require.Equal(t, 3, next.Trouble.Attempts)
	require.True(t, current.ExpiresAt.Equal(next.Current.ExpiresAt))
	require.Equal(t, int64(4), next.KnownVersion)

	b := newAttempts(t, failure(workflows.ErrorTokenEndpoint))
	b.env.SetStartTime(next.Trouble.NextAt.Add(-2 * time.Second))
	last := b.run(t, next)
	require.Equal(t, []int64{4, 4}, b.known)
	require.Equal(t, int64(9), last.Current.Version)
	require.Nil(t, last.Trouble)
}

// replaced runs one life of a token that somebody asks to have replaced after a while,
// and returns the next life's input and when it begins.
func replaced(t *testing.T, in workflows.TokenKeeperInput, at time.Time, after time.Duration) (workflows.TokenKeeperInput, time.Time) {
	t.Helper()
	env := environment(t)
	env.SetStartTime(at)
	env.RegisterActivityWithOptions(func(_ context.Context, in workflows.RefreshTokenInput) (workflows.TokenVersion, error) {
		return workflows.TokenVersion{Version: in.KnownVersion + 1, ExpiresAt: env.Now().Add(time.Hour), RefreshAfter: 59 * time.Minute}, nil
	}, activity.RegisterOptions{Name: workflows.RefreshTokenName})
	_, failed := asked(env, "refused", in.Current.Version, after)
	env.ExecuteWorkflow(workflows.TokenKeeper, in)
	require.NoError(t, *failed)
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next)
	return continuedInput[workflows.TokenKeeperInput](t, next), env.Now()
}

// TestTokenKeeperPacesTokensThatAreRefused: a destination that refuses every token must
// not cost one for each window, and one that revokes them now and then must get another
// at once.
func TestTokenKeeperPacesTokensThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refusedAfter time.Duration
		tokens       int // in the two hours after the first one
		early        int
	}{
		// 1 s, 2 s … 256 s, and then one every five minutes.
		"every token at once":     {100 * time.Millisecond, 31, 33},
		"after a slow answer":     {20 * time.Second, 360, 5},
		"revoked every minute":    {time.Minute, 120, 0},
		"revoked every half hour": {30 * time.Minute, 4, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
			in := workflows.TokenKeeperInput{
				Pipeline: "p", ObtainedAt: begin, RefreshAt: begin.Add(59 * time.Minute), Refreshes: 1,
				Current: workflows.TokenVersion{Version: 1, ExpiresAt: begin.Add(time.Hour)},
			}
			now, tokens, longest := begin, 0, 0
			for now.Sub(begin) < 2*time.Hour {
				in, now = replaced(t, in, now, c.refusedAfter)
				tokens++
				longest = max(longest, in.Early)
			}
			require.InDelta(t, c.tokens, tokens, 3)
			require.LessOrEqual(t, longest, c.early)
		})
	}
}

func TestTokenKeeperSaysThatTokensAreRefused(t *testing.T) {
	t.Parallel()
	a := newAttempts(t)
	start := a.env.Now()
	_, failed := asked(a.env, "refused", 4, time.Second)
	a.env.RegisterDelayedCallback(func() {
		trouble := a.state(t).Trouble
		require.Equal(t, workflows.ErrorTokenRefused, trouble.Type)
		require.Contains(t, trouble.Message, "5 tokens in a row")
		require.Equal(t, 16*time.Second, trouble.NextAt.Sub(start).Round(time.Second))
	}, 2*time.Second)
	next := a.run(t, workflows.TokenKeeperInput{
		Pipeline: "p", ObtainedAt: start, RefreshAt: start.Add(59 * time.Minute), Early: 4,
		Current: workflows.TokenVersion{Version: 4, ExpiresAt: start.Add(time.Hour)},
	})
	require.NoError(t, *failed)
	require.Equal(t, []time.Duration{16 * time.Second}, a.at)
	require.Equal(t, 5, next.Early)
}

// TestTokenKeeperForgetsRefusals: a token that came to its end was none of those.
func TestTokenKeeperForgetsRefusals(t *testing.T) {
	t.Parallel()
	a := newAttempts(t)
	start := a.env.Now()
	next := a.run(t, workflows.TokenKeeperInput{
		Pipeline: "p", ObtainedAt: start, RefreshAt: start.Add(time.Minute), Early: 4,
		Current: workflows.TokenVersion{Version: 4, ExpiresAt: start.Add(time.Hour)},
	})
	require.Equal(t, []time.Duration{time.Minute}, a.at)
	require.Zero(t, next.Early)
}

func TestTokenKeeperEndsWhenItIsCancelled(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]time.Duration{"in trouble": 90 * time.Second, "before": time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAttempts(t, times(50, refusedClient())...)
			a.watchSecret(time.Hour)
			a.env.RegisterDelayedCallback(a.env.CancelWorkflow, after)
			a.env.ExecuteWorkflow(workflows.TokenKeeper, workflows.TokenKeeperInput{Pipeline: "p"})
			require.True(t, temporal.IsCanceledError(a.env.GetWorkflowError()), a.env.GetWorkflowError())
		})
	}
}
