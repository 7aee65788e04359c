package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/config"
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
		Store: store, Cache: token.NewCache(store, clock), Source: out.endpoint, Keeper: out.keeper,
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
		kind    string
		says    string
	}{
		"Parameter Store down": {func(s *tokens) { s.parameters.brokenGet = errors.New("no connection") },
			activities.ErrorTokenUnavailable, "no connection"},
		"Parameter Store throttled": {func(s *tokens) { s.parameters.brokenGet = awsFault("ThrottlingException", "Rate exceeded") },
			activities.ErrorTokenUnavailable, "throttled: ThrottlingException: Rate exceeded"},
		"access denied": {func(s *tokens) { s.parameters.brokenGet = awsFault("AccessDeniedException", "User is not authorized") },
			activities.ErrorParameterDenied, "ssm:GetParameter"},
		"parameter holds something else": {func(s *tokens) {
			s.parameters.versions[parameter] = []string{`{"password":"` + secretCanary + `"}`}
		}, activities.ErrorParameterForeign, token.ErrForeign.Error()},
		"keeper does not answer": {func(s *tokens) {
			s.keeper.answer = func(int64) (workflows.TokenVersion, error) {
				return workflows.TokenVersion{}, errors.New("no worker runs it")
			}
		}, activities.ErrorTokenUnavailable, "wait for the TokenKeeper: no worker runs it"},
		"keeper still has the refused one": {func(s *tokens) {
			s.keeper.answer = func(known int64) (workflows.TokenVersion, error) {
				return workflows.TokenVersion{Parameter: parameter, Version: known}, nil
			}
		}, activities.ErrorTokenUnavailable, "version 1, which the destination refused"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTokens(t, time.Hour)
			c.prepare(s)
			_, err := s.acquire(t, 1)
			failure := requireFailure(t, err, c.kind, true)
			require.ErrorContains(t, err, c.says)
			require.GreaterOrEqual(t, failure.NextRetryDelay(), 500*time.Millisecond, "so that a lasting outage costs little")
			require.Less(t, failure.NextRetryDelay(), time.Second)
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
				Parameter: parameter, Version: c.version, ExpiresAt: now.Add(time.Hour), RefreshAfter: 59 * time.Minute, At: now.UTC(),
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
	endpoint := func(err error) error {
		return &token.EndpointError{SecretVersion: 3, RetryAfter: time.Minute, Reason: err}
	}
	for name, c := range map[string]struct {
		prepare func(*tokens)
		kind    string
		says    string
		issued  int
		detail  workflows.TokenFailure
		delay   time.Duration
	}{
		"Parameter Store not to be read": {prepare: func(s *tokens) { s.parameters.brokenGet = awsFault("ThrottlingException", "Rate exceeded") },
			kind: activities.ErrorTokenUnavailable, says: "throttled"},
		"Parameter Store not to be written": {prepare: func(s *tokens) { s.parameters.brokenPut = awsFault("InternalServerError", secretCanary) },
			kind: activities.ErrorTokenUnavailable, says: "InternalServerError", issued: 1, detail: workflows.TokenFailure{TokenSpent: true}},
		"writing denied": {prepare: func(s *tokens) { s.parameters.brokenPut = awsFault("AccessDeniedException", "no") },
			kind: activities.ErrorParameterDenied, says: "ssm:PutParameter", issued: 1, detail: workflows.TokenFailure{TokenSpent: true}},
		"parameter holds something else": {prepare: func(s *tokens) { s.parameters.versions[parameter] = []string{secretCanary} },
			kind: activities.ErrorParameterForeign, says: token.ErrForeign.Error()},
		"token endpoint down": {prepare: func(s *tokens) { s.endpoint.broken = endpoint(errors.New("HTTP status 503")) },
			kind: workflows.ErrorTokenEndpoint, says: "HTTP status 503", delay: time.Minute},
		// Tried again, too: a rotated secret then needs no restart and no new window.
		"client refused": {prepare: func(s *tokens) {
			s.endpoint.broken = endpoint(fmt.Errorf("HTTP status 401: %w", token.ErrRejected))
		}, kind: workflows.ErrorTokenClientRefused, says: token.ErrRejected.Error(), detail: workflows.TokenFailure{SecretVersion: 3}, delay: time.Minute},
		"no client secret": {prepare: func(s *tokens) { s.endpoint.broken = fmt.Errorf("get the client secret: %w", token.ErrNotFound) },
			kind: activities.ErrorParameterMissing, says: "client secret"},
		"others have not rotated it": {prepare: func(s *tokens) { s.Source = token.External{Name: parameter} },
			kind: activities.ErrorTokenNotRotated, says: "whoever rotates"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTokens(t, time.Hour)
			c.prepare(s)
			before := len(s.parameters.versions[parameter])
			_, err := s.refresh(t, 1)
			failure := requireFailure(t, err, c.kind, true)
			require.ErrorContains(t, err, c.says)
			require.Equal(t, c.issued, s.endpoint.issued)
			require.Len(t, s.parameters.versions[parameter], before, "nothing is overwritten")
			require.Equal(t, c.delay, failure.NextRetryDelay())
			var detail workflows.TokenFailure
			if failure.HasDetails() {
				require.NoError(t, failure.Details(&detail))
			}
			require.Equal(t, c.detail, detail)
		})
	}
}

// TestATokenThatCouldNotBeStoredIsNotAskedForAgain: while Parameter Store takes no
// writes, attempts must not cost a token each.
func TestATokenThatCouldNotBeStoredIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	s := newTokens(t)
	s.parameters.brokenPut = awsFault("ThrottlingException", "Rate exceeded")
	for range 3 {
		_, err := s.refresh(t, 0)
		requireFailure(t, err, activities.ErrorTokenUnavailable, true)
	}
	s.parameters.brokenPut = nil
	got, err := s.refresh(t, 0)
	require.NoError(t, err)
	require.Equal(t, int64(1), got.Version)
	require.Equal(t, 1, s.endpoint.issued)

	_, err = s.refresh(t, 1)
	require.NoError(t, err)
	require.Equal(t, 2, s.endpoint.issued, "it is used once")
}

func TestRefreshJitter(t *testing.T) {
	t.Parallel()
	s := newTokens(t)
	s.RefreshJitter = 30 * time.Second
	got, err := s.refresh(t, 0)
	require.NoError(t, err)
	require.LessOrEqual(t, got.RefreshAfter, 59*time.Minute)
	require.GreaterOrEqual(t, got.RefreshAfter, 59*time.Minute-30*time.Second)
}

func TestWatchClientSecret(t *testing.T) {
	t.Parallel()
	s := newTokens(t)
	watch := func() error {
		env := environment(t)
		env.RegisterActivity(s.WatchClientSecret)
		_, err := env.ExecuteActivity(s.WatchClientSecret, workflows.WatchClientSecretInput{KnownVersion: 3})
		return err
	}
	version, broken := int64(3), error(nil)
	s.Secret = func(context.Context) (token.Secret, error) {
		return token.Secret{Version: version, Value: config.NewSecret(secretCanary)}, broken
	}
	requireFailure(t, watch(), activities.ErrorClientSecretUnchanged, true)
	version = 4
	require.NoError(t, watch())
	broken = token.ErrDenied
	requireFailure(t, watch(), activities.ErrorParameterDenied, true)
}

// panickingSource panics with all that it knows.
type panickingSource struct{}

func (panickingSource) Fetch(context.Context) (token.Token, error) {
	panic(fmt.Sprintf("%+v %#v", aToken(1, time.Hour), token.Secret{Value: config.NewSecret(secretCanary)}))
}

func TestAPanicHoldsNoSecret(t *testing.T) {
	t.Parallel()
	s := newTokens(t)
	s.Source = panickingSource{}
	_, err := s.refresh(t, 0)
	require.ErrorContains(t, err, "redacted")
	failure, ok := errors.AsType[*temporal.PanicError](err)
	require.True(t, ok)
	for _, text := range []string{err.Error(), failure.Error(), failure.StackTrace()} {
		require.NotContains(t, text, secretCanary)
	}
}

// awsFault is an answer of AWS.
func awsFault(code, message string) error {
	return &smithy.OperationError{ServiceID: "SSM", OperationName: "GetParameter", Err: &smithy.GenericAPIError{Code: code, Message: message}}
}

func requireNoSecret(t *testing.T, v workflows.TokenVersion) {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	require.NotContains(t, string(text), secretCanary)
}
