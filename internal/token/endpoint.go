package token

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/log-event-pipeline/logpipe/internal/config"
)

// ErrRejected is wrapped where the token endpoint understood the request and
// refused it: asking again without a change of settings or secret is useless.
var ErrRejected = errors.New("the token endpoint refused the client")

// Endpoint asks an OAuth 2.0 token endpoint for tokens by client credentials
// (RFC 6749, section 4.4). The client authenticates by HTTP Basic.
type Endpoint struct {
	// URL of the token endpoint.
	URL string
	// ClientID at the token endpoint.
	ClientID string
	// Secret returns the client secret; it is asked for each request.
	Secret func(context.Context) (config.Secret, error)
	// Scope is sent where it is not empty; several are separated by spaces.
	Scope string
	// HTTP makes the request; it sets the timeout.
	HTTP *http.Client
	// Now is the clock, time.Now where nil.
	Now func() time.Time
}

// Fetch makes one request for a token. It does not retry. Errors wrap
// ErrRejected where the client was refused; none of them holds a secret or the
// body of the answer.
func (e *Endpoint) Fetch(ctx context.Context) (Token, error) {
	now := time.Now
	if e.Now != nil {
		now = e.Now
	}
	secret, err := e.Secret(ctx)
	if err != nil {
		return Token{}, fmt.Errorf("get the client secret: %w", err)
	}
	settings := clientcredentials.Config{
		ClientID:     e.ClientID,
		ClientSecret: secret.Reveal(),
		TokenURL:     e.URL,
		// Named, because probing for the style costs a second request.
		AuthStyle: oauth2.AuthStyleInHeader,
	}
	if e.Scope != "" {
		settings.Scopes = []string{e.Scope}
	}
	// Before the request, so that the token's life is never overestimated.
	asked := now()
	got, err := settings.Token(context.WithValue(ctx, oauth2.HTTPClient, e.HTTP))
	if err != nil {
		return Token{}, fmt.Errorf("ask %s for a token: %w", e.URL, sanitised(err))
	}
	fresh := Token{AccessToken: config.NewSecret(got.AccessToken), Type: got.Type(), ObtainedAt: asked}
	if life := lifetime(got); life > 0 {
		fresh.ExpiresAt = asked.Add(life)
	}
	return fresh, nil
}

// lifetime reads expires_in as the endpoint sent it, a number or, against RFC
// 6749, a string; 0 where it is missing. The oauth2 package has added it to the
// time after the request, which is too late.
func lifetime(t *oauth2.Token) time.Duration {
	seconds, err := strconv.ParseFloat(fmt.Sprint(t.Extra("expires_in")), 64)
	if err != nil || seconds <= 0 || seconds > math.MaxInt32 {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}

// sanitised strips what an error of the oauth2 package may quote: the body of
// the answer can hold whatever the endpoint was sent.
func sanitised(err error) error {
	if answered, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		status := 0
		if answered.Response != nil {
			status = answered.Response.StatusCode
		}
		code := answered.ErrorCode
		if code == "" || len(code) > 40 || strings.ContainsFunc(code, notErrorCode) {
			code = "no error code"
		}
		if status >= 400 && status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests {
			return fmt.Errorf("HTTP status %d, %s: %w; check the client id, the client secret's parameter and the scope", status, code, ErrRejected)
		}
		return fmt.Errorf("HTTP status %d, %s", status, code)
	}
	// A transport error names the URL a second time; what it wraps is enough.
	if transport, ok := errors.AsType[*url.Error](err); ok {
		return transport.Err
	}
	return errors.New("the answer is no token (RFC 6749, section 5.1)")
}

// notErrorCode tells runes that the error codes of RFC 6749 do not use.
func notErrorCode(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.'
}
