// Package delivery sends one batch to the destination in one HTTP request and
// says what the answer means for the batch. It never retries: Temporal does, so
// that every attempt is visible.
package delivery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/config"
)

// IdempotencyHeader carries the key that is the same on every attempt to deliver
// a batch, and different for every other batch.
const IdempotencyHeader = "Idempotency-Key"

// drainLimit is how much of an answer is read so that the connection can be used
// again; a longer answer costs the connection instead.
const drainLimit = 64 << 10

// Verdict is what an answer means for the batch.
type Verdict int

// The verdicts.
const (
	// Accepted: the destination has the batch.
	Accepted Verdict = iota
	// Unavailable: try the same request again later.
	Unavailable
	// TokenRefused: get another token, then try the same body again.
	TokenRefused
	// Refused: no later attempt can succeed; a person must decide.
	Refused
)

func (v Verdict) String() string {
	switch v {
	case Accepted:
		return "accepted"
	case Unavailable:
		return "unavailable"
	case TokenRefused:
		return "token refused"
	case Refused:
		return "refused"
	}
	return "verdict " + strconv.Itoa(int(v))
}

// Request is one attempt to deliver one batch.
type Request struct {
	Body           []byte
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
	// Err says why no answer came. It holds neither the token nor the body.
	Err error
}

// Client delivers to one destination.
type Client struct {
	url  string
	http *http.Client
	now  func() time.Time
}

// NewClient returns a client for the destination. The HTTP client sets the
// timeouts; its CheckRedirect is replaced, because a redirect could carry the
// token to another host. A nil clock is time.Now.
func NewClient(url string, httpClient *http.Client, now func() time.Time) *Client {
	own := *httpClient
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if now == nil {
		now = time.Now
	}
	return &Client{url: url, http: &own, now: now}
}

// Deliver makes one attempt. An error of ctx itself is returned as the Answer's
// Err like any other fault of transport.
func (c *Client) Deliver(ctx context.Context, r Request) Answer {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(r.Body))
	if err != nil {
		return Answer{Verdict: Refused, Err: fmt.Errorf("make the request: %w", err)}
	}
	// Without it the transport cannot send a second time by itself when a connection
	// dies: each attempt is to be seen, and counted, as one.
	req.GetBody = nil
	tokenType := r.TokenType
	if tokenType == "" {
		tokenType = "Bearer"
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "logpipe")
	req.Header.Set("Authorization", tokenType+" "+r.Token.Reveal())
	req.Header.Set(IdempotencyHeader, r.IdempotencyKey)

	res, err := c.http.Do(req)
	if err != nil {
		// url.Error repeats method and URL; its cause is what matters.
		if transport, ok := errors.AsType[*url.Error](err); ok {
			err = transport.Err
		}
		return Answer{Verdict: Unavailable, Err: fmt.Errorf("send to %s: %w", c.url, err)}
	}
	defer res.Body.Close()
	// The answer's text is not used: it may quote what was sent.
	_, _ = io.CopyN(io.Discard, res.Body, drainLimit)
	return Answer{
		Verdict:    Judge(res.StatusCode),
		Status:     res.StatusCode,
		RetryAfter: retryAfter(res.Header.Get("Retry-After"), c.now()),
	}
}

// Judge says what a status means for the batch.
func Judge(status int) Verdict {
	switch {
	case status >= 200 && status < 300:
		return Accepted
	case status == http.StatusUnauthorized:
		return TokenRefused
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly,
		status == http.StatusTooManyRequests, status >= 500:
		return Unavailable
	default:
		// 3xx: the destination's URL is not the right one. 4xx: the request is not.
		return Refused
	}
}

// longestRetryAfter bounds what a destination can ask for, so that a typing
// mistake over there does not stop a batch for a year.
const longestRetryAfter = time.Hour

// retryAfter reads both forms of the header (RFC 9110, section 10.2.3).
func retryAfter(header string, now time.Time) time.Duration {
	if header == "" {
		return 0
	}
	var wait time.Duration
	if seconds, err := strconv.ParseInt(header, 10, 64); err == nil {
		if seconds > int64(longestRetryAfter/time.Second) {
			return longestRetryAfter
		}
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), longestRetryAfter)
}
