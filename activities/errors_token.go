package activities

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/token"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Error types of what has to do with tokens, beside those that workflows act on. All of
// them are tried again; docs/operations.md says what to do about each.
const (
	// ErrorTokenUnavailable: neither the Parameter Store nor the TokenKeeper could
	// give a token now.
	ErrorTokenUnavailable = workflows.ErrorTokenUnavailable
	// ErrorTokenNotRotated: others write the token, and what they have written is of no
	// use any more.
	ErrorTokenNotRotated = "TokenNotRotated"
	// ErrorParameterMissing: a parameter does not exist that others have to make.
	ErrorParameterMissing = "ParameterMissing"
	// ErrorParameterDenied: AWS does not let this process read or write a parameter.
	ErrorParameterDenied = "ParameterDenied"
	// ErrorParameterForeign: the parameter of the token holds something else.
	ErrorParameterForeign = "ParameterForeign"
	// ErrorClientSecretUnchanged: the client secret is still the one that the token
	// endpoint has refused.
	ErrorClientSecretUnchanged = "ClientSecretUnchanged"
)

// newTokenUnavailable names what is wrong with a parameter, or with whatever else had to
// give the token.
func newTokenUnavailable(err error) error { return newTokenFailure(err, workflows.TokenFailure{}, 0) }

func newTokenFailure(err error, detail workflows.TokenFailure, delay time.Duration) error {
	kind := ErrorTokenUnavailable
	for _, known := range []struct {
		is   error
		kind string
	}{
		{token.ErrRejected, workflows.ErrorTokenClientRefused},
		{token.ErrNotRotated, ErrorTokenNotRotated},
		{token.ErrNotFound, ErrorParameterMissing},
		{token.ErrDenied, ErrorParameterDenied},
		{token.ErrForeign, ErrorParameterForeign},
	} {
		if errors.Is(err, known.is) {
			kind = known.kind
			break
		}
	}
	if _, endpoint := errors.AsType[*token.EndpointError](err); endpoint && kind == ErrorTokenUnavailable {
		kind = workflows.ErrorTokenEndpoint
	}
	options := temporal.ApplicationErrorOptions{NextRetryDelay: delay}
	if detail != (workflows.TokenFailure{}) {
		options.Details = []any{detail}
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), kind, options)
}

// newTokenNotFetched: the source did not give a token.
func newTokenNotFetched(err error) error {
	detail, delay := workflows.TokenFailure{}, time.Duration(0)
	if answered, ok := errors.AsType[*token.EndpointError](err); ok {
		delay = answered.RetryAfter
		if errors.Is(err, token.ErrRejected) {
			detail.SecretVersion = answered.SecretVersion
		}
	}
	return newTokenFailure(err, detail, delay)
}

// newTokenNotStored: the token that was just given is in the memory of this process only.
func newTokenNotStored(err error) error {
	return newTokenFailure(err, workflows.TokenFailure{TokenSpent: true}, 0)
}

func newClientSecretUnchanged(version int64) error {
	return temporal.NewApplicationError(fmt.Sprintf("the client secret is still version %d, which the token endpoint has refused", version), ErrorClientSecretUnchanged)
}
