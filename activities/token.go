package activities

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/log-event-pipeline/logpipe/internal/token"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Keeper asks the pipeline's TokenKeeper for a token other than the known
// version, and waits some time for its answer.
type Keeper interface {
	Refresh(ctx context.Context, pipeline string, known int64) (workflows.TokenVersion, error)
}

// TokenSource makes one request for a new token. Its errors are those of
// [token.Endpoint.Fetch] or of [token.External.Fetch].
type TokenSource interface {
	Fetch(ctx context.Context) (token.Token, error)
}

// Tokens is AcquireToken, RefreshToken and WatchClientSecret, and what they need.
type Tokens struct {
	Store  *token.Store
	Cache  *token.Cache
	Source TokenSource
	// Secret reads the client secret; nil where there is none.
	Secret func(context.Context) (token.Secret, error)
	Keeper Keeper
	// RefreshAhead is how long before its expiry a token is replaced, and RefreshJitter
	// by how much that is brought forward at most, by chance.
	RefreshAhead, RefreshJitter time.Duration
	Now                         func() time.Time
	// Metrics may be nil.
	Metrics Metrics

	unstored unstored
}

// AcquireToken returns the version of a token to deliver with: from memory, from
// the Parameter Store, or, where both have none that is usable, from the
// TokenKeeper.
func (t *Tokens) AcquireToken(ctx context.Context, in workflows.AcquireTokenInput) (workflows.TokenVersion, error) {
	got, err := t.acquire(ctx, in)
	if err != nil {
		return workflows.TokenVersion{}, newTokenFailure(err, workflows.TokenFailure{}, pauseAfter(activity.GetInfo(ctx).Attempt, rand.N))
	}
	return got, nil
}

func (t *Tokens) acquire(ctx context.Context, in workflows.AcquireTokenInput) (workflows.TokenVersion, error) {
	usable, known, ok, err := t.Cache.Usable(ctx, in.RefusedVersion)
	if err != nil {
		return workflows.TokenVersion{}, err
	}
	if ok {
		return t.version(usable), nil
	}
	fresh, err := t.Keeper.Refresh(ctx, in.Pipeline, known)
	if err != nil {
		return workflows.TokenVersion{}, fmt.Errorf("wait for the TokenKeeper: %w", err)
	}
	if fresh.Version == in.RefusedVersion {
		// The keeper was just about to replace it; the next attempt finds the new one.
		return workflows.TokenVersion{}, fmt.Errorf("the TokenKeeper still has version %d, which the destination refused", fresh.Version)
	}
	return fresh, nil
}

// RefreshToken replaces the token in the Parameter Store by a new one from its source,
// unless somebody has done so since the known version. Only the TokenKeeper runs it.
func (t *Tokens) RefreshToken(ctx context.Context, in workflows.RefreshTokenInput) (workflows.TokenVersion, error) {
	version, outcome, err := t.refresh(ctx, in)
	if err == nil || ctx.Err() == nil { // one that was interrupted says nothing
		told(t.Metrics).Refreshed(ctx, outcome)
	}
	return version, err
}

func (t *Tokens) refresh(ctx context.Context, in workflows.RefreshTokenInput) (_ workflows.TokenVersion, outcome string, _ error) {
	// Another version than the caller knew is the work of an attempt whose answer
	// was lost: it is used, so that the token endpoint is asked once.
	current, err := t.Store.Get(ctx)
	switch {
	case errors.Is(err, token.ErrNotFound):
	case err != nil:
		return workflows.TokenVersion{}, RefreshFailed, newTokenUnavailable(err)
	case current.Version != in.KnownVersion && !current.Expired(t.Now()):
		return t.answer(current), RefreshFound, nil
	}
	fresh, ok := t.unstored.take(in.KnownVersion)
	if !ok || fresh.Expired(t.Now()) {
		if fresh, err = t.Source.Fetch(ctx); err != nil {
			return workflows.TokenVersion{}, RefreshFailed, newTokenNotFetched(err)
		}
	}
	stored, err := t.Store.Put(ctx, fresh)
	if err != nil {
		t.unstored.keep(in.KnownVersion, fresh)
		return workflows.TokenVersion{}, RefreshFailed, newTokenNotStored(err)
	}
	activity.GetLogger(ctx).Info("token refreshed", "parameter", t.Store.Name(), "version", stored.Version, "expires", stored.ExpiresAt.Format(time.RFC3339))
	return t.answer(stored), RefreshAsked, nil
}

// WatchClientSecret returns when the client secret has another version than the known
// one, and fails until then.
func (t *Tokens) WatchClientSecret(ctx context.Context, in workflows.WatchClientSecretInput) error {
	secret, err := t.Secret(ctx)
	if err != nil {
		return newTokenUnavailable(fmt.Errorf("get the client secret: %w", err))
	}
	if secret.Version == in.KnownVersion {
		return newClientSecretUnchanged(in.KnownVersion)
	}
	return nil
}

func (t *Tokens) version(of token.Token) workflows.TokenVersion {
	v := workflows.TokenVersion{Parameter: t.Store.Name(), Version: of.Version, ExpiresAt: of.ExpiresAt}
	if at := of.RefreshAt(t.RefreshAhead, rand.N(t.RefreshJitter+1)); !at.IsZero() {
		v.RefreshAfter = at.Sub(t.Now())
	}
	return v
}

// answer is that to the TokenKeeper.
func (t *Tokens) answer(of token.Token) workflows.TokenVersion {
	v := t.version(of)
	v.At = t.Now().UTC()
	return v
}

// unstored is a token that could not be stored. The next attempt in this process stores
// it, so that Parameter Store's troubles do not cost a token each.
type unstored struct {
	mu       sync.Mutex
	replaces int64
	token    token.Token
	ok       bool
}

func (u *unstored) keep(replaces int64, t token.Token) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.replaces, u.token, u.ok = replaces, t, true
}

// take returns the token that is to replace the version, once.
func (u *unstored) take(replaces int64) (token.Token, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	t, ok := u.token, u.ok && u.replaces == replaces
	u.token, u.ok = token.Token{}, false
	return t, ok
}
