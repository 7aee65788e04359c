package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/token"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// keeper answers with the next version, and remembers what was known.
type keeper struct {
	known  []int64
	answer func(known int64) (workflows.TokenVersion, error)
}

func (k *keeper) Refresh(_ context.Context, pipeline string, known int64) (workflows.TokenVersion, error) {
	k.known = append(k.known, known)
	if pipeline != "p" {
		return workflows.TokenVersion{}, fmt.Errorf("pipeline %q", pipeline)
	}
	if k.answer != nil {
		return k.answer(known)
	}
	return workflows.TokenVersion{Parameter: parameter, Version: known + 1, ExpiresAt: now.Add(time.Hour)}, nil
}

// tokenEndpoint issues tokens of an hour.
type tokenEndpoint struct {
	issued int
	broken error
}

func (e *tokenEndpoint) Fetch(context.Context) (token.Token, error) {
	if e.broken != nil {
		return token.Token{}, e.broken
	}
	e.issued++
	return aToken(100+e.issued, time.Hour), nil
}

type tokens struct {
	activities.Tokens
	keeper     *keeper
	endpoint   *tokenEndpoint
	parameters *parameterStore
}

// newTokens has a token in the store for each of the lives.
func newTokens(t *testing.T, lives ...time.Duration) *tokens {
	t.Helper()
	store, parameters := newStore(t, lives...)
	out := &tokens{keeper: &keeper{}, endpoint: &tokenEndpoint{}, parameters: parameters}
	out.Tokens = activities.Tokens{
		Store: store, Cache: token.NewCache(store, clock), Endpoint: out.endpoint, Keeper: out.keeper,
		RefreshAhead: time.Minute, Now: clock,
	}
	return out
}

func (s *tokens) acquire(t *testing.T, refused int64) (workflows.TokenVersion, error) {
	t.Helper()
	return execute(t, s.AcquireToken, workflows.AcquireTokenInput{Pipeline: "p", RefusedVersion: refused})
}

func (s *tokens) refresh(t *testing.T, known int64) (workflows.TokenVersion, error) {
	t.Helper()
	return execute(t, s.RefreshToken, workflows.RefreshTokenInput{KnownVersion: known})
}

func TestAcquireToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lives   []time.Duration
		refused int64
		version int64
		asked   []int64 // what the keeper was told is known
	}{
		"from the store":                       {[]time.Duration{time.Hour}, 0, 1, nil},
		"no token yet":                         {nil, 0, 1, []int64{0}},
		"expired":                              {[]time.Duration{time.Hour, -time.Second}, 0, 3, []int64{2}},
		"refused":                              {[]time.Duration{time.Hour}, 1, 2, []int64{1}},
		"refused, and somebody has a new one":  {[]time.Duration{time.Hour, time.Hour}, 1, 2, nil},
		"refused, and the new one has expired": {[]time.Duration{time.Hour, -time.Second}, 1, 3, []int64{2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTokens(t, c.lives...)
			got, err := s.acquire(t, c.refused)
			require.NoError(t, err)
			require.Equal(t, c.version, got.Version)
			require.Equal(t, parameter, got.Parameter)
			require.Equal(t, now.Add(time.Hour), got.ExpiresAt)
			require.Equal(t, c.asked, s.keeper.known)
			require.Zero(t, s.endpoint.issued, "only RefreshToken asks the token endpoint")
			requireNoSecret(t, got)
		})
	}
}

func TestAcquireTokenFromMemory(t *testing.T) {
	t.Parallel()
	s := newTokens(t, time.Hour)
	_, err := s.acquire(t, 0)
	require.NoError(t, err)
	s.parameters.brokenGet = errors.New("throttled")
	got, err := s.acquire(t, 0)
	require.NoError(t, err, "a token in memory needs no Parameter Store")
	require.Equal(t, int64(1), got.Version)
	require.Equal(t, 59*time.Minute, got.RefreshAfter)
}

func TestAcquireTokenFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(*tokens)
		says    string
	}{
		"Parameter Store down": {func(s *tokens) { s.parameters.brokenGet = errors.New("throttled") }, "throttled"},
		"parameter holds something else": {func(s *tokens) {
			s.parameters.versions[parameter] = []string{`{"password":"` + secretCanary + `"}`}
		}, token.ErrForeign.Error()},
		"keeper does not answer": {func(s *tokens) {
			s.keeper.answer = func(int64) (workflows.TokenVersion, error) {
				return workflows.TokenVersion{}, errors.New("no worker runs it")
			}
		}, "wait for the TokenKeeper: no worker runs it"},
		"keeper still has the refused one": {func(s *tokens) {
			s.keeper.answer = func(known int64) (workflows.TokenVersion, error) {
				return workflows.TokenVersion{Parameter: parameter, Version: known}, nil
			}
		}, "version 1, which the destination refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTokens(t, time.Hour)
			c.prepare(s)
			_, err := s.acquire(t, 1)
			requireFailure(t, err, activities.ErrorTokenUnavailable, true)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestRefreshToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lives   []time.Duration
		known   int64
		version int64
		issued  int
	}{
		"no token yet":                           {nil, 0, 1, 1},
		"the known one is replaced":              {[]time.Duration{time.Hour}, 1, 2, 1},
		"an answer was lost":                     {[]time.Duration{time.Hour, time.Hour}, 1, 2, 0},
		"a token that nobody told of":            {[]time.Duration{time.Hour}, 0, 1, 0},
		"a token that nobody told of is expired": {[]time.Duration{-time.Second}, 0, 2, 1},
		"the parameter was made anew":            {[]time.Duration{time.Hour}, 9, 1, 0},
		"the parameter was deleted":              {nil, 9, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTokens(t, c.lives...)
			got, err := s.refresh(t, c.known)
			require.NoError(t, err)
			require.Equal(t, workflows.TokenVersion{
				Parameter: parameter, Version: c.version, ExpiresAt: now.Add(time.Hour), RefreshAfter: 59 * time.Minute,
			}, got)
			require.Equal(t, c.issued, s.endpoint.issued)
			require.Len(t, s.parameters.versions[parameter], len(c.lives)+c.issued)
			require.Empty(t, s.keeper.known, "the keeper is who called")
			requireNoSecret(t, got)
		})
	}
}

// TestRefreshTokenAfterALostAnswer: the activity is retried when its answer did not
// reach Temporal, and must not ask for a second token.
func TestRefreshTokenAfterALostAnswer(t *testing.T) {
	t.Parallel()
	s := newTokens(t, time.Hour)
	first, err := s.refresh(t, 1)
	require.NoError(t, err)
	again, err := s.refresh(t, 1)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, 1, s.endpoint.issued)
}

func TestRefreshTokenFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(*tokens)
		kind    string
		says    string
		issued  int
	}{
		"Parameter Store not to be read": {func(s *tokens) { s.parameters.brokenGet = errors.New("throttled") },
			activities.ErrorTokenUnavailable, "throttled", 0},
		"Parameter Store not to be written": {func(s *tokens) { s.parameters.brokenPut = errors.New("read only") },
			activities.ErrorTokenUnavailable, "read only", 1},
		"parameter holds something else": {func(s *tokens) { s.parameters.versions[parameter] = []string{secretCanary} },
			activities.ErrorTokenUnavailable, token.ErrForeign.Error(), 0},
		"token endpoint down": {func(s *tokens) { s.endpoint.broken = errors.New("HTTP status 503") },
			activities.ErrorTokenEndpoint, "HTTP status 503", 0},
		// Retried, too: a rotated secret then needs no restart and no new window.
		"client refused": {func(s *tokens) { s.endpoint.broken = fmt.Errorf("HTTP status 401: %w", token.ErrRejected) },
			activities.ErrorTokenEndpoint, token.ErrRejected.Error(), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTokens(t, time.Hour)
			c.prepare(s)
			before := len(s.parameters.versions[parameter])
			_, err := s.refresh(t, 1)
			requireFailure(t, err, c.kind, true)
			require.ErrorContains(t, err, c.says)
			require.Equal(t, c.issued, s.endpoint.issued)
			require.Len(t, s.parameters.versions[parameter], before, "nothing is overwritten")
		})
	}
}

func requireNoSecret(t *testing.T, v workflows.TokenVersion) {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	require.NotContains(t, string(text), secretCanary)
}
