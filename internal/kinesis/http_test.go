package kinesis

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// doer answers at once, and reads the request's body only when it is told to.
type doer struct{ request *http.Request }

func (d *doer) Do(req *http.Request) (*http.Response, error) {
	d.request = req
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// closable is a body that can no longer be read once it is closed, as the SDK's.
type closable struct {
	io.Reader
	closed bool
}

func (c *closable) Read(p []byte) (int, error) {
	if c.closed {
		return 0, errors.New("closed")
	}
	return c.Reader.Read(p)
}

func (c *closable) Close() error { c.closed = true; return nil }

func TestTheBodyOutlivesItsClose(t *testing.T) {
	t.Parallel()
	next := &doer{}
	body := &closable{Reader: strings.NewReader("get records")}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1/", body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := ownBody{next}.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	_ = body.Close()
	sent, err := io.ReadAll(next.request.Body)
	if err != nil || string(sent) != "get records" {
		t.Errorf("after the close the transport reads %q, %v", sent, err)
	}
}
