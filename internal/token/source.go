package token

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/config"
)

// ErrRejected is wrapped where the token endpoint understood the request and
// refused it: asking again without a change of settings or secret is useless.
var ErrRejected = errors.New("the token endpoint refused the client")

// ErrNotRotated is wrapped where the token is written by others and they have not
// written another one.
var ErrNotRotated = errors.New("no newer token was written")

// Secret is the client secret and the version of the parameter that it was read from.
type Secret struct {
	Value   config.Secret
	Version int64
}

// Client is who asks an endpoint for a token, and how it is reached.
type Client struct {
	// URL of the endpoint. Its query is left out of errors.
	URL string
	// ID of the client.
	ID string
	// Secret returns the client secret. It is asked for each request, so that a rotated
	// one needs no restart.
	Secret func(context.Context) (Secret, error)
	// HTTP makes the request; it sets the timeout. Redirects are not followed: they
	// would take the secret to another place.
	HTTP *http.Client
	// Now is the clock, time.Now where nil.
	Now func() time.Time
}

// EndpointError is a request to the token endpoint that brought no token. Its text
// holds no secret and nothing of the answer but its status and an error code.
type EndpointError struct {
	// SecretVersion is the version of the client secret that was sent.
	SecretVersion int64
	// RetryAfter is how long the endpoint asked to be left alone, 0 where it did not.
	RetryAfter time.Duration
	// Reason says what was asked and what came instead.
	Reason error
}

func (e *EndpointError) Error() string { return e.Reason.Error() }
func (e *EndpointError) Unwrap() error { return e.Reason }

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

// secret reads the client secret.
func (c *Client) secret(ctx context.Context) (Secret, error) {
	secret, err := c.Secret(ctx)
	if err != nil {
		return Secret{}, fmt.Errorf("get the client secret: %w", err)
	}
	return secret, nil
}

// exchange is one request to the endpoint.
type exchange struct {
	*Client
	secretVersion int64
	// asked is our time before the request, so that a token's life is never
	// overestimated.
	asked  time.Time
	answer *http.Response // as the transport saw it, its body is read by others
}

// httpClient returns a client that notes the answer and follows no redirect.
func (e *exchange) httpClient() *http.Client {
	own := *e.HTTP
	next := own.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	own.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		answer, err := next.RoundTrip(r)
		e.answer = answer
		return answer, err
	})
	return &own
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// clockTolerance is how far the clocks of the endpoint and of this machine may be
// apart before a time that the endpoint names is taken by its clock. The Date of an
// answer has whole seconds and the answer was on its way.
const clockTolerance = 3 * time.Second

// ours turns a time that the endpoint has named into one by our clock.
func (e *exchange) ours(theirs time.Time) time.Time {
	if e.answer == nil {
		return theirs
	}
	date, err := http.ParseTime(e.answer.Header.Get("Date"))
	if err != nil || date.Sub(e.asked).Abs() <= clockTolerance {
		return theirs
	}
	// Their clock has shown up to a second more than the header tells.
	return e.asked.Add(theirs.Sub(date.Add(time.Second)))
}

// failed is the error of the exchange.
func (e *exchange) failed(err error) error {
	failure := &EndpointError{SecretVersion: e.secretVersion, Reason: fmt.Errorf("ask %s for a token: %w", withoutQuery(e.URL), err)}
	if e.answer != nil {
		failure.RetryAfter = retryAfter(e.answer.Header.Get("Retry-After"), e.now())
	}
	return failure
}

// statusError says what a status that brings no token means. The code is the
// endpoint's own, empty for none.
func statusError(status int, code string) error {
	text := fmt.Sprintf("HTTP status %d", status)
	if code != "" {
		text += ", " + code
	}
	switch {
	case status >= 300 && status < 400:
		return fmt.Errorf("%s: %w: it redirects; set LOGPIPE_TOKEN_URL to where it leads", text, ErrRejected)
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests:
		return errors.New(text)
	case status < 500:
		return fmt.Errorf("%s: %w; check LOGPIPE_TOKEN_URL, LOGPIPE_CLIENT_ID, the client secret in its parameter, and the settings of the request such as scope and audience", text, ErrRejected)
	}
	return errors.New(text)
}

// transportCause strips what is around the cause of a fault of transport: it names the
// URL a second time, with its query.
func transportCause(err error) error {
	if transport, ok := errors.AsType[*url.Error](err); ok {
		return transport.Err
	}
	return nil
}

func withoutQuery(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "the token endpoint"
	}
	u.RawQuery, u.User, u.Fragment = "", nil, ""
	return u.String()
}

// longestRetryAfter bounds what an endpoint can ask for.
const longestRetryAfter = 15 * time.Minute

// retryAfter reads both forms of the header (RFC 9110, section 10.2.3).
func retryAfter(header string, now time.Time) time.Duration {
	var wait time.Duration
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), longestRetryAfter)
}
