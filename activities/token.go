package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/log-event-pipeline/logpipe/internal/token"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// AcquireToken returns the version of a token to deliver with: from memory, from
// the Parameter Store, or, where both have none that is usable, from the
// TokenKeeper.
func (t *Tokens) AcquireToken(ctx context.Context, in workflows.AcquireTokenInput) (workflows.TokenVersion, error) {
	usable, known, ok, err := t.Cache.Usable(ctx, in.RefusedVersion)
	if err != nil {
		return workflows.TokenVersion{}, newTokenUnavailable(err)
	}
	if ok {
		return t.version(usable), nil
	}
	fresh, err := t.Keeper.Refresh(ctx, in.Pipeline, known)
	if err != nil {
		return workflows.TokenVersion{}, newTokenUnavailable(fmt.Errorf("wait for the TokenKeeper: %w", err))
	}
	if fresh.Version == in.RefusedVersion {
		// The keeper was just about to replace it; the next attempt finds the new one.
		return workflows.TokenVersion{}, newTokenUnavailable(fmt.Errorf("the TokenKeeper still has version %d, which the destination refused", fresh.Version))
	}
	return fresh, nil
}

// RefreshToken replaces the token in the Parameter Store by a new one from the
// token endpoint, unless somebody has done so since the known version. Only the
// TokenKeeper runs it.
func (t *Tokens) RefreshToken(ctx context.Context, in workflows.RefreshTokenInput) (workflows.TokenVersion, error) {
	// Another version than the caller knew is the work of an attempt whose answer
	// was lost: it is used, so that the token endpoint is asked once.
	current, err := t.Store.Get(ctx)
	switch {
	case errors.Is(err, token.ErrNotFound):
	case err != nil:
		return workflows.TokenVersion{}, newTokenUnavailable(err)
	case current.Version != in.KnownVersion && !current.Expired(t.Now()):
		return t.version(current), nil
	}
	fresh, err := t.Endpoint.Fetch(ctx)
	if err != nil {
		return workflows.TokenVersion{}, newTokenEndpoint(err)
	}
	fresh, err = t.Store.Put(ctx, fresh)
	if err != nil {
		return workflows.TokenVersion{}, newTokenUnavailable(err)
	}
	activity.GetLogger(ctx).Info("token refreshed", "parameter", t.Store.Name(), "version", fresh.Version, "expires", fresh.ExpiresAt.Format(time.RFC3339))
	return t.version(fresh), nil
}

func (t *Tokens) version(of token.Token) workflows.TokenVersion {
	v := workflows.TokenVersion{Parameter: t.Store.Name(), Version: of.Version, ExpiresAt: of.ExpiresAt}
	if at := of.RefreshAt(t.RefreshAhead); !at.IsZero() {
		v.RefreshAfter = at.Sub(t.Now())
	}
	return v
}
