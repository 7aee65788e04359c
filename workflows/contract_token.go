package workflows

import "time"

// AcquireTokenInput asks for a token to deliver with.
type AcquireTokenInput struct {
	Pipeline string `json:"pipeline"`
	// RefusedVersion is the version that the destination refused, 0 for none.
	RefusedVersion int64 `json:"refusedVersion,omitempty"`
}

// TokenVersion names a token without holding it: a version of the parameter in
// SSM Parameter Store.
type TokenVersion struct {
	Parameter string    `json:"parameter"`
	Version   int64     `json:"version"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"`
	// RefreshAfter is how long it may be used before the TokenKeeper replaces it, 0
	// where it does not expire. It is a duration, so that a worker whose clock is off
	// by minutes does not shift it.
	RefreshAfter time.Duration `json:"refreshAfter,omitempty"`
}

// RefreshTokenInput asks for a token other than the known version.
type RefreshTokenInput struct {
	// KnownVersion has expired, is about to, or was refused; 0 where the caller
	// found no token at all.
	KnownVersion int64 `json:"knownVersion,omitempty"`
}

// TokenKeeperInput is what one run of the TokenKeeper hands to the next.
type TokenKeeperInput struct {
	Pipeline string `json:"pipeline"`
	// Current is the token as the last run left it; its version is 0 at first.
	Current TokenVersion `json:"current"`
	// RefreshAt is when it is replaced, by Temporal's clock; zero for never.
	RefreshAt time.Time `json:"refreshAt,omitzero"`
	// Refreshes counts tokens over all runs.
	Refreshes int `json:"refreshes,omitempty"`
}
