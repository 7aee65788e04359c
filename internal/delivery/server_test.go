package delivery_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/delivery"
)

// What no text about an attempt may have in it.
const (
	tokenCanary  = "parakeettoken3141592653"
	headerCanary = "parakeetheader-2718281828"
	lineCanary   = "parakeetline wanders through the log"
)

// exchange is what a server got, and where it answers.
type exchange struct {
	net.Conn
	request *http.Request
	body    []byte
}

// listen serves every request on a listener of its own, byte by byte as answer writes.
// The connection is closed when answer returns false.
func listen(t *testing.T, answer func(e exchange) bool) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var conns sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	conns.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			conns.Go(func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					body, err := io.ReadAll(r.Body)
					if err != nil || !answer(exchange{conn, r, body}) {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		conns.Wait()
	})
	return "http://" + listener.Addr().String()
}

// answering writes the same text to every request and keeps the connection.
func answering(t *testing.T, text string) string {
	t.Helper()
	return listen(t, func(e exchange) bool {
		_, err := io.WriteString(e, text)
		return err == nil
	})
}

// response is a whole answer.
func response(status int, headers, body string) string {
	return fmt.Sprintf("HTTP/1.1 %03d X\r\n%sContent-Length: %d\r\n\r\n%s", status, headers, len(body), body)
}

var sentBody = []byte(`[{"log.record.uid":"abc","body":"` + lineCanary + `"},{"n":2},{"n":3}]`)

func request() delivery.Request {
	return delivery.Request{
		Body: sentBody, Events: 3, IdempotencyKey: "p/1/2-3", Token: config.NewSecret(tokenCanary), TokenType: "Bearer",
	}
}

func newClient(t *testing.T, o delivery.Options) *delivery.Client {
	t.Helper()
	if o.Transport.Timeout == 0 {
		o.Transport.Timeout = 20 * time.Second
	}
	o.Headers = append(o.Headers, delivery.Header{Name: "X-Key", Value: headerCanary})
	c, err := delivery.NewClient(o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// deliver makes one attempt, and looks at every text that comes of it.
func deliver(t *testing.T, o delivery.Options) delivery.Answer {
	t.Helper()
	return attempt(t, newClient(t, o), request())
}

func attempt(t *testing.T, c *delivery.Client, r delivery.Request) delivery.Answer {
	t.Helper()
	a := c.Deliver(t.Context(), r)
	requireClean(t, a)
	return a
}

// requireClean: neither what is secret, nor what was sent, nor a control character.
func requireClean(t *testing.T, a delivery.Answer) {
	t.Helper()
	text := a.Reason + "|" + a.Excerpt
	if a.Err != nil {
		text += "|" + a.Err.Error()
	}
	for _, canary := range []string{tokenCanary, headerCanary, "parakeet", "wanders", "Wanders", "WANDERS"} {
		require.NotContains(t, text, canary)
	}
	require.Equal(t, -1, strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }), "%q", text)
	require.Less(t, len(text), 1000)
}

// endless reads as zeros for ever.
type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }
