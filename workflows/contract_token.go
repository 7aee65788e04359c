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
	// At is the clock of the worker when it answered, by which the TokenKeeper knows how
	// far that clock is off; only the answer of RefreshToken has it.
	At time.Time `json:"at,omitzero"`
}

// RefreshTokenInput asks for a token other than the known version.
type RefreshTokenInput struct {
	// KnownVersion has expired, is about to, or was refused; 0 where the caller
	// found no token at all.
	KnownVersion int64 `json:"knownVersion,omitempty"`
}

// TokenFailure is the detail of an error of RefreshToken.
type TokenFailure struct {
	// SecretVersion is the version of the client secret that was refused, 0 where none
	// was.
	SecretVersion int64 `json:"secretVersion,omitempty"`
	// TokenSpent: the token endpoint has given a token, which is lost now or soon. To ask
	// again costs another one.
	TokenSpent bool `json:"tokenSpent,omitempty"`
}

// WatchClientSecretInput names the version of the client secret that is of no use.
type WatchClientSecretInput struct {
	KnownVersion int64 `json:"knownVersion"`
}

// TokenTrouble is why a token is not replaced although it should be.
type TokenTrouble struct {
	// Type is that of the error of the last attempt, or ErrorTokenRefused where the
	// destination refuses what it is given.
	Type    string `json:"type"`
	Message string `json:"message"`
	// Since is when it began, by Temporal's clock.
	Since time.Time `json:"since"`
	// Attempts that have failed since.
	Attempts int `json:"attempts"`
	// NextAt is when it is tried again, by Temporal's clock.
	NextAt time.Time `json:"nextAt"`
	// SecretVersion is that of TokenFailure.
	SecretVersion int64 `json:"secretVersion,omitempty"`
}

// TokenKeeperInput is what one run of the TokenKeeper hands to the next.
type TokenKeeperInput struct {
	Pipeline string `json:"pipeline"`
	// Current is the token as the last run left it; its version is 0 at first.
	Current TokenVersion `json:"current"`
	// ObtainedAt is when it became that, by Temporal's clock.
	ObtainedAt time.Time `json:"obtainedAt,omitzero"`
	// RefreshAt is when it is replaced, by Temporal's clock; zero for never.
	RefreshAt time.Time `json:"refreshAt,omitzero"`
	// Refreshes counts tokens over all runs.
	Refreshes int `json:"refreshes,omitempty"`
	// Early counts tokens in a row that were asked to be replaced soon after they were
	// obtained. It sets the pace of what follows.
	Early int `json:"early,omitempty"`
	// Trouble is nil where all is well. A run that begins with it goes on trying.
	Trouble *TokenTrouble `json:"trouble,omitempty"`
	// KnownVersion is what is to be replaced while there is trouble.
	KnownVersion int64 `json:"knownVersion,omitempty"`
	// LastTrouble is what was over last, as it was at its end.
	LastTrouble *TokenTrouble `json:"lastTrouble,omitempty"`
	// WorkerAheadMillis is by how many milliseconds the clock of the worker that obtained
	// the token was ahead of Temporal's, negative where it was behind; 0 where that is not
	// known.
	WorkerAheadMillis int64 `json:"workerAheadMillis,omitempty"`
}

// TokenKeeperState answers the query QueryState.
type TokenKeeperState struct {
	Current TokenVersion `json:"current"`
	// These are as in the TokenKeeperInput of the run.
	ObtainedAt        time.Time     `json:"obtainedAt,omitzero"`
	RefreshAt         time.Time     `json:"refreshAt,omitzero"`
	Refreshes         int           `json:"refreshes,omitempty"`
	LastTrouble       *TokenTrouble `json:"lastTrouble,omitempty"`
	WorkerAheadMillis int64         `json:"workerAheadMillis,omitempty"`
	// Trouble is nil where all is well, or where the first attempt is under way.
	Trouble *TokenTrouble `json:"trouble,omitempty"`
}
