package localaws

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/fault"
	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/sts"
	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

// maxBody is larger than any request a service here accepts (10 MiB of records in base64), so that the service
// itself can say what is too large.
const maxBody = 32 << 20

const formType = "application/x-www-form-urlencoded"

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, adminPath) {
		s.admin.ServeHTTP(w, r)
		return
	}
	id := requestID()
	w.Header().Set("x-amzn-RequestId", id)
	// Clients learn the service's time from it.
	w.Header().Set("Date", s.cfg.Now().UTC().Format(http.TimeFormat))
	body, refused := readBody(w, r)
	if refused == nil && strings.HasPrefix(r.Header.Get("Content-Type"), formType) {
		s.serveQuery(w, r, body, id)
		return
	}
	codec, known := wire.CodecFor(r.Header.Get("Content-Type"))
	if !known && refused == nil {
		refused = wire.Errorf("UnknownOperationException", "Content-Type %q is not spoken here: use AWS JSON 1.0 or 1.1, its CBOR form, or the query protocol for STS.", r.Header.Get("Content-Type"))
	}
	if refused == nil {
		refused = s.serveTarget(w, r, codec, body)
	}
	if refused != nil {
		w.Header().Set("Content-Type", codec.ContentType)
		w.Header().Set("x-amzn-ErrorType", refused.Code)
		var answer bytes.Buffer
		codec.EncodeError(&answer, refused)
		respond(r.Context(), w, refused.HTTPStatus(), answer.Bytes())
	}
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *wire.Error) {
	if r.ContentLength > maxBody {
		return nil, wire.Errorf("RequestEntityTooLargeException", "Request body of %d bytes exceeds %d.", r.ContentLength, maxBody)
	}
	in := http.MaxBytesReader(w, r.Body, maxBody)
	if r.ContentLength >= 0 {
		body := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(in, body); err != nil {
			return nil, wire.Errorf("SerializationException", "Request body could not be read: %v", err)
		}
		return body, nil
	}
	body, err := io.ReadAll(in)
	if err != nil {
		return nil, wire.Errorf("SerializationException", "Request body could not be read: %v", err)
	}
	return body, nil
}

// operation finds what X-Amz-Target names.
func (s *Server) operation(target string) (service string, op wire.Operation, refused *wire.Error) {
	prefix, name, _ := strings.Cut(target, ".")
	e, ok := s.targets[prefix]
	if !ok {
		return "", op, wire.Errorf("UnknownOperationException", "X-Amz-Target %q names no service here. Served: %s, and STS by the query protocol.",
			target, strings.Join(slices.Sorted(maps.Keys(s.targets)), ", "))
	}
	if op, ok = e.ops[name]; !ok {
		return "", op, wire.Errorf("UnknownOperationException", "Operation %s of %s is not supported by this local endpoint. Supported: %s.", name, prefix, e.ops.Names())
	}
	return e.service, op, nil
}

func (s *Server) serveTarget(w http.ResponseWriter, r *http.Request, codec wire.Codec, body []byte) *wire.Error {
	service, op, refused := s.operation(r.Header.Get("X-Amz-Target"))
	if refused != nil {
		return refused
	}
	in := op.New()
	if err := codec.Decode(body, in); err != nil {
		return asWireError(err)
	}
	var target wire.Target
	if op.Target != nil {
		target = op.Target(in)
	}
	if s.cfg.OnRequest != nil {
		s.cfg.OnRequest(Request{
			Time: s.cfg.Now(), Service: service, Operation: op.Name,
			Stream: target.Stream, Shard: target.Shard, Agent: r.UserAgent(),
		})
	}
	verdict := s.faults.Judge(service, op.Name, target)
	ctx := r.Context()
	if err := pause(ctx, verdict.Latency); err != nil {
		return asWireError(fmt.Errorf("injected latency: %w", err))
	}
	if verdict.Before != nil {
		return verdict.Before
	}
	if verdict.EmptyPage {
		ctx = fault.WithEmptyPage(ctx)
	}
	out, err := op.Do(ctx, in)
	switch {
	case err != nil:
		return asWireError(err)
	case verdict.After != nil:
		return verdict.After
	}
	if stream, ok := out.(wire.Streamer); ok {
		awaitNetwork(ctx)
		stream.Stream(w, r, codec)
		return nil
	}
	return s.answer(ctx, w, codec, out)
}

// buffers are reused for answers: those of GetRecords take megabytes.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func (s *Server) answer(ctx context.Context, w http.ResponseWriter, codec wire.Codec, out any) *wire.Error {
	buf := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(buf)
	buf.Reset()
	if err := codec.Encode(buf, out); err != nil {
		return asWireError(err)
	}
	w.Header().Set("Content-Type", codec.ContentType)
	respond(ctx, w, http.StatusOK, buf.Bytes())
	return nil
}

// An answer of more than readAtOnce bytes, which clients do not have in their buffer
// with its first read, is begun after networkDelay, as if it came over a network. The
// Go SDK closes a request's body when the answer begins; if that is sooner than its
// transport has seen the body's end, it loses the connection under the answer.
// [Transport] cures that for clients that can be changed; this makes it rare for
// those that cannot.
const (
	readAtOnce   = 2 << 10
	networkDelay = 2 * time.Millisecond
)

// awaitNetwork returns at once for a client that went away.
func awaitNetwork(ctx context.Context) { _ = pause(ctx, networkDelay) }

func respond(ctx context.Context, w http.ResponseWriter, status int, body []byte) {
	if len(body) > readAtOnce {
		awaitNetwork(ctx)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away cannot be told
}

// serveQuery answers a request of the query protocol, which only STS uses here.
func (s *Server) serveQuery(w http.ResponseWriter, r *http.Request, body []byte, id string) {
	answer := func(status int, v any) {
		b, err := xml.Marshal(v)
		if err != nil {
			panic(err) // only structs of strings are answered
		}
		w.Header().Set("Content-Type", "text/xml")
		respond(r.Context(), w, status, b)
	}
	fail := func(e *wire.Error) { answer(e.HTTPStatus(), sts.ErrorBody(e, id)) }
	form, err := url.ParseQuery(string(body))
	if err != nil {
		fail(wire.Errorf("MalformedQueryString", "The form cannot be parsed: %v", err))
		return
	}
	verdict := s.faults.Judge("sts", form.Get("Action"), wire.Target{})
	if err := pause(r.Context(), verdict.Latency); err != nil {
		fail(asWireError(fmt.Errorf("injected latency: %w", err)))
		return
	}
	if verdict.Before != nil {
		fail(verdict.Before)
		return
	}
	out, refused := s.sts.Handle(form, id)
	switch {
	case refused != nil:
		fail(refused)
	case verdict.After != nil:
		fail(verdict.After)
	default:
		answer(http.StatusOK, out)
	}
}

// asWireError shapes any error for the client.
func asWireError(err error) *wire.Error {
	if refused, ok := errors.AsType[*wire.Error](err); ok {
		return refused
	}
	return &wire.Error{Code: "InternalFailure", Message: err.Error(), Status: http.StatusInternalServerError}
}

// pause waits, unless the context ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// requestID makes an id of the form that AWS answers carry, a random UUID.
func requestID() string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // crypto/rand does not fail
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
