package delivery

import (
	"context"
	"net/http"

	"github.com/log-event-pipeline/logpipe/internal/reach"
)

// Probe finds out whether the destination can be reached, by the way that deliveries
// take: through the proxy, with the certificates, within the timeouts. It sends no event,
// no token and none of the configured headers. What the destination answers to that means nothing.
// Errors are [TransportError]s.
func (c *Client) Probe(ctx context.Context) (reach.Answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.options.Transport.Timeout, errTotalTimeout)
	defer cancel()
	answer, err := reach.Ask(ctx, c.transport, c.options.URL)
	if err != nil {
		return reach.Answer{}, c.fault(ctx, &http.Request{URL: c.url}, err)
	}
	return answer, nil
}
