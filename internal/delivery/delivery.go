package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/redact"
	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/framing"
)

const (
	// answerLimit is how much of an answer is read that may list events that failed.
	answerLimit = 1 << 20

	// drainLimit is how much is read of any other, so that the connection can be used
	// again; a longer answer costs the connection instead.
	drainLimit = 64 << 10

	// patience is how long an answer is read whose status says it all.
	patience = 2 * time.Second
)

// Options of a [Client].
type Options struct {
	// URL that batches are posted to.
	URL string
	// TokenHeader carries the token, Authorization if empty.
	TokenHeader string
	// TokenScheme stands before the token. Empty, it is the token's own type, and
	// [SchemeNone] is none.
	TokenScheme string
	// IdempotencyHeader carries the key that is the same on every attempt to deliver a
	// batch, and different for every other batch; Idempotency-Key if empty.
	IdempotencyHeader string
	// Headers are sent with every request.
	Headers []Header
	// ReadParameter returns the values of Headers that are parameters.
	ReadParameter func(ctx context.Context, name string) (config.Secret, error)
	// FailedItems say where an answer lists events that failed; nil if it does not.
	FailedItems *FailedItems
	// Transport says how the destination is reached.
	Transport Transport
	// Redactor takes secrets out of excerpts of answers. It may be nil.
	Redactor *redact.Redactor
	// Now is the clock, time.Now if nil.
	Now func() time.Time
}

// SchemeNone as a scheme sends the token alone.
const SchemeNone = "none"

// Request is one attempt to deliver one batch.
type Request struct {
	Body []byte
	// ContentType and ContentEncoding of the body. Empty, they are application/json and
	// none.
	ContentType     string
	ContentEncoding string
	// Events in the body.
	Events         int
	IdempotencyKey string
	Token          config.Secret
	TokenType      string
}

// Answer is what became of an attempt.
type Answer struct {
	Verdict Verdict
	// Status is the HTTP status, 0 where no answer came.
	Status int
	// RetryAfter is how long the destination asked to be left alone, 0 where it
	// did not ask.
	RetryAfter time.Duration
	// Reason continues a sentence about the status with what else there is to know, and
	// what to do. It may be empty.
	Reason string
	// Excerpt of the answer to an attempt that has failed, without anything that was
	// sent.
	Excerpt string
	// Failed are the events that failed, in their order. Only [PartlyAccepted] has any.
	Failed []FailedItem
	// Err says why no answer came, and what to do.
	Err error
}

// Client delivers to one destination.
type Client struct {
	options   Options
	url       *url.URL
	transport http.RoundTripper
	headers   *headers
	patience  time.Duration
}

// NewClient returns a client for the destination. It reads the files of certificates
// that the options name.
func NewClient(o Options) (*Client, error) {
	to, err := url.Parse(o.URL)
	if err != nil || to.Host == "" {
		return nil, errors.New("the destination's URL cannot be read")
	}
	transport, err := o.Transport.roundTripper()
	if err != nil {
		return nil, err
	}
	if o.TokenHeader == "" {
		o.TokenHeader = "Authorization"
	}
	if o.IdempotencyHeader == "" {
		o.IdempotencyHeader = "Idempotency-Key"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Client{
		options: o, url: to, transport: transport, patience: patience,
		headers: &headers{list: o.Headers, read: o.ReadParameter, now: o.Now},
	}, nil
}

// Close ends the connections that wait for a next request.
func (c *Client) Close() {
	if t, ok := c.transport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
}

// errTotalTimeout ends an attempt that has taken all the time that it has.
var errTotalTimeout = errors.New("destination_timeout is over")

// Deliver makes one attempt.
func (c *Client) Deliver(ctx context.Context, r Request) Answer {
	values, err := c.headers.values(ctx)
	if err != nil {
		return Answer{Verdict: Unavailable, Err: err}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.options.Transport.Timeout, errTotalTimeout)
	defer cancel()
	req, err := c.request(ctx, r, values)
	if err != nil {
		return Answer{Verdict: Unavailable, Err: err}
	}
	// Not by an http.Client, which follows redirects, or at least reads where they go.
	res, err := c.transport.RoundTrip(req)
	if err != nil {
		return Answer{Verdict: Unavailable, Err: c.fault(ctx, req, err)}
	}
	defer res.Body.Close()

	e := exchange{client: c, request: r, response: res, cancel: cancel}
	e.secrets = append(e.secrets, r.Token)
	for _, secret := range values {
		e.secrets = append(e.secrets, secret)
	}
	return e.judge()
}

func (c *Client) request(ctx context.Context, r Request, values map[string]config.Secret) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.options.URL, bytes.NewReader(r.Body))
	if err != nil {
		return nil, errors.New("no request can be made of destination_url: correct it")
	}
	// Without it the transport cannot send a second time by itself when a connection
	// dies: each attempt is to be seen, and counted, as one.
	req.GetBody = nil
	for name, value := range values {
		req.Header.Set(name, value.Reveal())
	}
	if r.ContentType == "" {
		r.ContentType = framing.TypeJSON
	}
	req.Header.Set("Content-Type", r.ContentType)
	if r.ContentEncoding != "" {
		req.Header.Set("Content-Encoding", r.ContentEncoding)
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "logpipe")
	}
	req.Header.Set(c.options.TokenHeader, c.credential(r))
	req.Header.Set(c.options.IdempotencyHeader, r.IdempotencyKey)
	return req, nil
}

// credential is the value of the token's header.
func (c *Client) credential(r Request) string {
	scheme := c.options.TokenScheme
	switch scheme {
	case SchemeNone:
		return r.Token.Reveal()
	case "":
		scheme = r.TokenType
		if scheme == "" {
			scheme = "Bearer"
		}
	}
	return scheme + " " + r.Token.Reveal()
}

// exchange is a request and the answer to it.
type exchange struct {
	client   *Client
	request  Request
	response *http.Response
	secrets  []config.Secret
	cancel   context.CancelFunc // ends the reading
}

func (e *exchange) judge() Answer {
	status := e.response.StatusCode
	a := Answer{Verdict: Judge(status), Status: status}
	if a.Verdict == Accepted {
		return e.judgeItems(a)
	}
	text := e.glance()
	if status == http.StatusForbidden && tokenCaused(e.response.Header, text) {
		a.Verdict = TokenRefused
	}
	if a.Verdict == Unavailable {
		a.RetryAfter = retryAfter(e.response.Header.Get("Retry-After"), e.client.options.Now())
	}
	a.Reason = advice(a, e.response.Header, e.client.url, e.quotes)
	a.Excerpt = e.excerpt(text)
	return a
}

// judgeItems looks for events that failed though the request as a whole did not.
func (e *exchange) judgeItems(a Answer) Answer {
	items := e.client.options.FailedItems
	switch {
	case items == nil && a.Status == http.StatusMultiStatus:
		// Which events failed cannot be told; taking all for delivered could lose some.
		a.Verdict = Refused
		a.Reason = "some of the events may have failed: set destination_failed_items to where the answer lists them"
		a.Excerpt = e.excerpt(e.glance())
		return a
	case items == nil:
		e.glance()
		return a
	}
	text, err := io.ReadAll(io.LimitReader(e.response.Body, answerLimit+1))
	if err != nil {
		// The same bytes again: an API that honours the key answers the same again.
		return Answer{Verdict: Unavailable, Status: a.Status, Reason: "the answer, which may list events that failed, broke off"}
	}
	failed, err := items.find(text, e.request.Events)
	if len(text) > answerLimit {
		err = fmt.Errorf("the answer is longer than %d bytes: lower batch_max_events, or have the API list only what failed", answerLimit)
	}
	if err == nil && failed == nil && a.Status == http.StatusMultiStatus {
		err = errors.New("the answer lists no events where destination_failed_items says")
	}
	if err != nil {
		a.Verdict = Refused
		a.Reason = "which events failed cannot be told: " + err.Error()
		a.Excerpt = e.excerpt(text)
		return a
	}
	a.judgeFailed(failed)
	if a.Verdict == Accepted {
		return a
	}
	a.RetryAfter = retryAfter(e.response.Header.Get("Retry-After"), e.client.options.Now())
	a.Excerpt = e.excerpt(text)
	return a
}

// glance reads an answer whose status has already said what it means: the beginning is
// for an excerpt, and the rest for the sake of the connection. Neither is waited for
// long.
func (e *exchange) glance() []byte {
	timer := time.AfterFunc(e.client.patience, e.cancel)
	defer timer.Stop()
	// What has come before a fault is good enough.
	text, _ := io.ReadAll(io.LimitReader(e.response.Body, drainLimit))
	return text
}
