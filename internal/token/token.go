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
	// ExpiresAt is zero where nobody said.
	ExpiresAt time.Time
	// ObtainedAt is when the token endpoint issued it, by our clock.
	ObtainedAt time.Time
}

// Expired reports whether the token is past its life at now.
func (t Token) Expired(now time.Time) bool {
	return !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt)
}

// Shares of a token's life that bound what is given up of it, so that a token with a
// short life is not replaced in a circle.
const (
	mostAhead  = 5  // a fifth
	mostJitter = 10 // and a tenth
)

// RefreshAt is when the token should be replaced: ahead of its expiry, and earlier by
// the jitter. No more than a fifth of its life is given up for the one, and a tenth for
// the other. It is zero for a token that does not expire.
func (t Token) RefreshAt(ahead, jitter time.Duration) time.Time {
	if t.ExpiresAt.IsZero() {
		return time.Time{}
	}
	life := max(0, t.ExpiresAt.Sub(t.ObtainedAt))
	return t.ExpiresAt.Add(-min(ahead, life/mostAhead) - min(jitter, life/mostJitter))
}

// longestFading bounds the time before its expiry in which a token is fading.
const longestFading = 30 * time.Second

// fading reports whether the token is so near its end that there should be another one.
func (t Token) fading(now time.Time) bool {
	if t.ExpiresAt.IsZero() {
		return false
	}
	life := max(0, t.ExpiresAt.Sub(t.ObtainedAt))
	return !now.Before(t.ExpiresAt.Add(-min(longestFading, life/10)))
}
