package worker

import (
	"context"
	"fmt"
	"net/url"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/reach"
	"github.com/log-event-pipeline/logpipe/internal/token"
)

// NewTokens returns the token's parameter, and what is asked for tokens, by the settings.
func NewTokens(cfg config.Config, parameters token.Parameters) (*token.Store, activities.TokenSource) {
	w := &Worker{config: cfg, parameters: parameters}
	return newTokenStore(cfg, parameters), newTokenSource(cfg, w.clientSecret)
}

// ProbeTokenEndpoint finds out whether the token endpoint can be reached, as it is asked
// for tokens. It sends no credentials.
func ProbeTokenEndpoint(ctx context.Context, cfg config.Config) (reach.Answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.TokenTimeout, fmt.Errorf("no answer within %s, which is token_timeout", cfg.TokenTimeout))
	defer cancel()
	answer, err := reach.Ask(ctx, newTokenHTTPClient(cfg.TokenTimeout).Transport, cfg.TokenURL)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return reach.Answer{}, fmt.Errorf("ask %s: %w", host(cfg.TokenURL), err)
	}
	return answer, nil
}

// host is what may be shown of a URL: a path or a query can hold a key.
func host(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "the token endpoint"
	}
	return u.Scheme + "://" + u.Host
}
