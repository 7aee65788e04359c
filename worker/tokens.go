package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/token"
)

// newTokenStore returns the store of the token in the form that its source gives it.
func newTokenStore(cfg config.Config, parameters token.Parameters) *token.Store {
	options := token.StoreOptions{Name: cfg.TokenParameter, KMSKey: cfg.TokenKMSKey}
	if cfg.TokenSource == config.TokenFromOthers {
		layout := tokenLayout(cfg)
		options.External = &layout
	}
	return token.NewStore(parameters, options)
}

// newTokenSource returns what is asked for tokens.
func newTokenSource(cfg config.Config, secret func(context.Context) (token.Secret, error)) activities.TokenSource {
	client := token.Client{
		URL: cfg.TokenURL, ID: cfg.ClientID, Secret: secret,
		HTTP: newTokenHTTPClient(cfg.TokenTimeout), Now: time.Now,
	}
	switch cfg.TokenSource {
	case config.TokenFromOthers:
		return token.External{Name: cfg.TokenParameter}
	case config.TokenFromLogin:
		return &token.Login{Client: client, Body: cfg.TokenLoginBody, Layout: tokenLayout(cfg)}
	}
	return &token.Endpoint{
		Client: client,
		Post:   cfg.TokenAuth == config.TokenAuthPost,
		Scope:  cfg.TokenScope, Audience: cfg.TokenAudience, Parameters: cfg.TokenParams,
	}
}

func tokenLayout(cfg config.Config) token.Layout {
	return token.Layout{Token: jsontext.Pointer(cfg.TokenPointer), Expiry: jsontext.Pointer(cfg.TokenExpiryPointer)}
}

// newTokenHTTPClient returns the client for the token endpoint. It is asked once in a
// token's life, so no connection is kept until then: it would be dead.
func newTokenHTTPClient(timeout time.Duration) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: timeout}).DialContext
	transport.DisableKeepAlives = true
	transport.MaxResponseHeaderBytes = 64 << 10
	return &http.Client{Transport: transport, Timeout: timeout}
}

// clientSecret reads the client secret, each time anew.
func (w *Worker) clientSecret(ctx context.Context) (token.Secret, error) {
	return token.ReadSecret(ctx, w.parameters, w.config.ClientSecretParameter)
}

// checkParameters reads the parameters once. A token that is not there yet is fine.
func (w *Worker) checkParameters(ctx context.Context) error {
	if w.config.TokenSource != config.TokenFromOthers {
		if _, err := w.clientSecret(ctx); err != nil {
			return fmt.Errorf("client secret: %w; LOGPIPE_CLIENT_SECRET_PARAMETER names the parameter, AWS_REGION and AWS_ENDPOINT_URL where it is", err)
		}
	}
	if _, err := w.store.Get(ctx); err != nil && !errors.Is(err, token.ErrNotFound) {
		return fmt.Errorf("token: %w; LOGPIPE_TOKEN_PARAMETER names the parameter, AWS_REGION and AWS_ENDPOINT_URL where it is", err)
	}
	return nil
}
