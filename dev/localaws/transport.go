package localaws

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// Transport returns a transport for AWS SDK clients of a server that is near, around base or, if that is nil,
// http.DefaultTransport: with it in a client's HTTPClient, requests have a body of their own.
//
// The SDK closes the request body it made as soon as the answer begins. A server in the same process may answer before
// the transport has seen that body's end; the transport then takes the close for a failed request and cuts the
// connection under the answer, which ends in "use of closed network connection". Retries hide that, but what was put
// is then put twice.
func Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	return ownBody{base}
}

type ownBody struct{ base http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t ownBody) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return t.base.RoundTrip(req)
	}
	body := bytes.NewBuffer(make([]byte, 0, max(req.ContentLength+bytes.MinRead, 0)))
	if _, err := body.ReadFrom(req.Body); err != nil {
		return nil, fmt.Errorf("read request body: %w", err)
	}
	req = req.Clone(req.Context())
	req.Body = io.NopCloser(bytes.NewReader(body.Bytes()))
	return t.base.RoundTrip(req)
}
