package analytics

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/gzip"
)

const (
	// DefaultBodyLimit is the largest body accepted unless a fault sets another
	// limit, in bytes after decompression.
	DefaultBodyLimit = 16 << 20

	// maxKey is the longest idempotency key accepted, in bytes.
	maxKey = 255

	// maxKeptBuffer is the largest body buffer kept for the next request, in bytes.
	maxKeptBuffer = 4 << 20
)

// apiError is an error answer of the ingest endpoint.
type apiError struct {
	Code    string `json:"error"`
	Message string `json:"message"`
	Offset  *int64 `json:"offset,omitempty"` // where a malformed body breaks, in bytes
	status  int
}

func (e *apiError) Error() string { return e.Code + ": " + e.Message }

var (
	buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}
	gunzips = sync.Pool{New: func() any { return new(gzip.Reader) }}
)

func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	s.ledger.count(func(t *Stats) { t.Attempts++ })
	// A body left unread makes net/http close the connection, which a client may
	// see as a reset in place of the answer.
	defer func() { _, _ = io.Copy(io.Discard, io.LimitReader(r.Body, DefaultBodyLimit)) }()

	d := s.injector.ingest(time.Now())
	if !pause(r.Context(), d.wait) {
		return
	}
	switch {
	case d.outage != nil:
		s.outage(w, d, s.ledger.statuses)
		return
	case d.tooMany:
		setRetryAfter(w, d.retryAfter)
		s.refuse(w, &apiError{"too_many_requests", "slow down", nil, http.StatusTooManyRequests})
		return
	case d.serverError != 0:
		s.refuse(w, &apiError{"server_error", "an injected fault", nil, d.serverError})
		return
	}
	if err := s.authorize(r, d.faults); err != nil {
		challenge := fmt.Sprintf(`Bearer realm="analytics", error="invalid_token", error_description="%s"`, err)
		w.Header().Set("WWW-Authenticate", challenge)
		s.refuse(w, &apiError{"invalid_token", err.Error(), nil, http.StatusUnauthorized})
		return
	}

	buf := buffers.Get().(*bytes.Buffer)
	defer release(buf)
	answer, refusal := s.ingest(r, buf, d.faults)
	if refusal != nil {
		s.refuse(w, refusal)
		return
	}
	if d.lostAnswer {
		s.ledger.count(func(t *Stats) { t.LostAnswers++ })
		panic(http.ErrAbortHandler) // closes the connection without an answer
	}
	s.ledger.answered(s.ledger.statuses, answer.status())
	if len(answer.Failed) > 0 {
		setRetryAfter(w, d.retryAfter)
	}
	answer.write(w, r, d.answer)
}

func (s *Server) authorize(r *http.Request, f Faults) error {
	token, err := bearerToken(r)
	if err != nil {
		return err
	}
	return s.tokens.check(token, f.RevokeEvery, time.Now())
}

// ingest reads, checks and counts a batch and returns how many of its events were
// accepted, and which were not.
func (s *Server) ingest(r *http.Request, buf *bytes.Buffer, f Faults) (partialAnswer, *apiError) {
	none := partialAnswer{}
	key := r.Header.Get("Idempotency-Key")
	if len(key) > maxKey {
		return none, &apiError{"invalid_idempotency_key", fmt.Sprintf("the key is longer than %d bytes", maxKey), nil, http.StatusBadRequest}
	}
	limit := f.BodyLimit
	if limit == 0 {
		limit = DefaultBodyLimit
	}
	if err := readBody(r, buf, limit); err != nil {
		return none, err
	}
	body := buf.Bytes()
	b, err := parseBatch(body, len(s.ledger.recent), func(event []byte) int { return f.failure(key, event) })
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		message := fmt.Sprintf("%s at offset %d", syntax.Err, syntax.ByteOffset)
		return none, &apiError{"invalid_json", message, &syntax.ByteOffset, http.StatusBadRequest}
	}
	if f.refuses(body) {
		return none, &apiError{"refused", "an injected fault refuses this body for good", nil, http.StatusBadRequest}
	}
	result, answer := s.ledger.accept(key, body, b, time.Now())
	if result == conflict {
		return none, &apiError{"idempotency_conflict", "the idempotency key was used with another body", nil, http.StatusUnprocessableEntity}
	}
	return answer, nil
}

// readBody fills buf with the decompressed body. limit is in bytes.
func readBody(r *http.Request, buf *bytes.Buffer, limit int64) *apiError {
	tooLarge := &apiError{"body_too_large", fmt.Sprintf("the body is larger than %d bytes", limit), nil, http.StatusRequestEntityTooLarge}
	src := io.Reader(r.Body)
	switch encoding := strings.ToLower(strings.TrimSpace(r.Header.Get("Content-Encoding"))); encoding {
	case "", "identity":
		if r.ContentLength > limit {
			return tooLarge
		}
		buf.Grow(int(max(r.ContentLength+bytes.MinRead, 0)))
	case "gzip":
		z := gunzips.Get().(*gzip.Reader)
		defer gunzips.Put(z)
		if err := z.Reset(r.Body); err != nil {
			return &apiError{"invalid_gzip", "the body is no gzip stream: " + err.Error(), nil, http.StatusBadRequest}
		}
		src = z
	default:
		return &apiError{"unsupported_encoding", fmt.Sprintf("Content-Encoding %q is not supported: use gzip or none", encoding), nil, http.StatusUnsupportedMediaType}
	}
	n, err := buf.ReadFrom(io.LimitReader(src, limit+1))
	switch {
	case n > limit:
		return tooLarge
	case err != nil:
		return &apiError{"unreadable_body", "the body cannot be read: " + err.Error(), nil, http.StatusBadRequest}
	}
	return nil
}

func release(buf *bytes.Buffer) {
	if buf.Cap() > maxKeptBuffer {
		return
	}
	buf.Reset()
	buffers.Put(buf)
}

func (s *Server) refuse(w http.ResponseWriter, e *apiError) {
	s.ledger.answered(s.ledger.statuses, e.status)
	writeJSON(w, e.status, e)
}

// misbehaveToken reports whether a token request is to be served.
func (s *Server) misbehaveToken(w http.ResponseWriter, r *http.Request) bool {
	d := s.injector.token(time.Now())
	if !pause(r.Context(), d.wait) {
		return false
	}
	switch {
	case d.outage != nil:
		s.outage(w, d, s.ledger.tokens)
		return false
	case d.serverError != 0:
		s.answerToken(w, d.serverError, &apiError{Code: "server_error", Message: "an injected fault"})
		return false
	}
	return true
}

func (s *Server) outage(w http.ResponseWriter, d decision, endpoint map[int]uint64) {
	if d.outage.Reset {
		s.ledger.count(func(t *Stats) { t.Resets++ })
		reset(w)
	}
	s.ledger.answered(endpoint, http.StatusServiceUnavailable)
	setRetryAfter(w, d.retryAfter)
	writeJSON(w, http.StatusServiceUnavailable, &apiError{Code: "outage", Message: "the service is down"})
}

// reset ends the connection with a TCP reset where it can, and by closing it where
// it is no plain TCP connection of HTTP/1. It does not return.
func reset(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
	panic(http.ErrAbortHandler)
}

func setRetryAfter(w http.ResponseWriter, d time.Duration) {
	w.Header().Set("Retry-After", strconv.FormatInt(int64(math.Ceil(d.Seconds())), 10))
}
