package token

import (
	"time"

	"github.com/log-event-pipeline/logpipe/internal/config"
)

// Token is a bearer token and what is known about it.
type Token struct {
	// Version is the version of the parameter that holds it.
	Version int64
	// AccessToken is the secret itself.
	AccessToken config.Secret
	// Type is the token's type as the token endpoint named it, usually "Bearer".
	Type string
	// ExpiresAt is zero where the token endpoint did not say.
	ExpiresAt time.Time
	// ObtainedAt is when the token endpoint issued it, by our clock.
	ObtainedAt time.Time
}

// Expired reports whether the token is past its life at now.
func (t Token) Expired(now time.Time) bool {
	return !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt)
}

// RefreshAt is when the token should be replaced: ahead of its expiry, but never
// before half of its life, so that a short-lived token is not replaced in a
// circle. It is zero for a token that does not expire.
func (t Token) RefreshAt(ahead time.Duration) time.Time {
	if t.ExpiresAt.IsZero() {
		return time.Time{}
	}
	life := t.ExpiresAt.Sub(t.ObtainedAt)
	return t.ExpiresAt.Add(-max(0, min(ahead, life/2)))
}
