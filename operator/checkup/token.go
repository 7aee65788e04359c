package checkup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/reach"
	"github.com/log-event-pipeline/logpipe/internal/token"
)

// TokenStore is the token's parameter; *token.Store has it.
type TokenStore interface {
	Name() string
	Get(ctx context.Context) (token.Token, error)
	TryPut(ctx context.Context) error
}

// TokenSource is asked for a token; the sources of package token are ones.
type TokenSource interface {
	Fetch(ctx context.Context) (token.Token, error)
}

// TokenCheck is what Token needs.
type TokenCheck struct {
	Config config.Config
	// Open returns the parameter, and what is asked for tokens.
	Open func(context.Context) (TokenStore, TokenSource, error)
	// Endpoint finds out whether the token endpoint can be reached.
	Endpoint func(context.Context) (reach.Answer, error)
	// Request has one token asked for, which is not kept.
	Request bool
	Now     func() time.Time
}

// Token looks at the token in its parameter, and whether there could be a next one.
func Token(c TokenCheck) Check {
	return Check{Name: nameToken, Run: func(ctx context.Context, r *Report) {
		external := c.Config.TokenSource == config.TokenFromOthers
		if !external {
			// Beside the rest: an endpoint that hangs takes none of its time.
			asked := c.probe(ctx)
			defer func() {
				p := <-asked
				r.endpoint("endpoint", c.Config.TokenURL, p.answer, p.err, c.Now(),
					"check LOGPIPE_TOKEN_URL and the way there; a certificate authority of your own belongs into the system's roots, or into the file that SSL_CERT_FILE names")
			}()
		}
		store, source, err := c.Open(ctx)
		if err != nil {
			r.fail("aws", "", err)
			return
		}
		c.parameter(ctx, store, r, external)
		switch {
		case external:
		case c.Request:
			c.request(ctx, source, r)
		default:
			r.note("request", "not tried: a token is only asked for with --request-token")
		}
	}}
}

// probed is what came of asking the token endpoint.
type probed struct {
	answer reach.Answer
	err    error
}

func (c TokenCheck) probe(ctx context.Context) <-chan probed {
	done := make(chan probed, 1)
	go func() {
		answer, err := c.Endpoint(ctx)
		done <- probed{answer, err}
	}()
	return done
}

func (c TokenCheck) parameter(ctx context.Context, store TokenStore, r *Report, external bool) {
	got, err := store.Get(ctx)
	switch {
	case errors.Is(err, token.ErrNotFound) && external:
		r.fail("parameter", "have whoever rotates the token put one there as a SecureString, or let LOGPIPE_TOKEN_PARAMETER name where it is", err)
		return
	case errors.Is(err, token.ErrNotFound):
		r.note("parameter", "SSM parameter %q is not there yet: the first worker makes it", store.Name())
		r.untried("it would make the parameter", "put-parameter")
		return
	case errors.Is(err, token.ErrForeign):
		r.fail("parameter", "", err) // which says what to do
		r.untried("the parameter is not one to write to", "put-parameter")
		return
	case err != nil:
		r.fail("parameter", remedyParameter(err, "LOGPIPE_TOKEN_PARAMETER"), err)
		r.untried("the parameter cannot be read", "put-parameter")
		return
	}
	now := c.Now()
	switch left := got.ExpiresAt.Sub(now).Round(time.Second); {
	case got.ExpiresAt.IsZero():
		r.ok("parameter", "SSM parameter %q, version %d, holds a token; nothing tells when it expires", store.Name(), got.Version)
	case !got.Expired(now):
		r.ok("parameter", "SSM parameter %q, version %d, holds a token that expires in %s", store.Name(), got.Version, left)
	case external:
		r.fail("parameter", "have whoever rotates the token put another one there", fmt.Errorf("the token in SSM parameter %q, version %d, has expired at %s", store.Name(), got.Version, got.ExpiresAt.UTC().Format(time.RFC3339)))
	default:
		r.note("parameter", "the token in SSM parameter %q, version %d, has expired at %s: a worker replaces it", store.Name(), got.Version, got.ExpiresAt.UTC().Format(time.RFC3339))
	}
	if external {
		return // the pipeline never writes it
	}
	if err := store.TryPut(ctx); err != nil {
		r.fail("put-parameter", "", err)
		return
	}
	r.ok("put-parameter", "writing is allowed; nothing was written, so whether the key lets the caller encrypt (kms:Encrypt, kms:GenerateDataKey) was not tried")
}

func (c TokenCheck) request(ctx context.Context, source TokenSource, r *Report) {
	got, err := source.Fetch(ctx)
	switch {
	case err != nil:
		r.fail("request", "", err) // which says what to do
	case got.ExpiresAt.IsZero():
		r.warn("request", "let LOGPIPE_TOKEN_EXPIRY_POINTER name where the answer tells it", "a token came, and nothing tells when it expires: it is used until the destination refuses it; it was not kept")
	default:
		r.ok("request", "a token came that lives for %s; it was not kept", got.ExpiresAt.Sub(got.ObtainedAt).Round(time.Second))
	}
}
