package delivery_test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/delivery"
)

// TestHostileAnswers: whatever becomes of an answer's body, the attempt ends, and the
// status decides where it says all that is needed. Each of these servers would go on for
// longer than a test may run.
func TestHostileAnswers(t *testing.T) {
	t.Parallel()
	const gigabyte = 1 << 30
	stall := func(e exchange) { _, _ = e.Read(make([]byte, 1)) } // until the client has gone
	drip := func(text string) func(e exchange) {
		return func(e exchange) {
			tick := time.NewTicker(2 * time.Millisecond)
			defer tick.Stop()
			for range tick.C {
				if _, err := io.WriteString(e, text); err != nil {
					return
				}
			}
		}
	}
	for name, c := range map[string]struct {
		headers string
		// body writes after the headers.
		body func(e exchange)
		// read tells that the destination lists failed events in its answers.
		read delivery.Verdict
	}{
		"drips":        {"Content-Length: 100000\r\n", drip(" "), delivery.Unavailable},
		"chunks drip":  {"Transfer-Encoding: chunked\r\n", drip("1\r\n{\r\n"), delivery.Unavailable},
		"never begins": {"Content-Length: 1000\r\n", stall, delivery.Unavailable},
		"a gigabyte": {fmt.Sprintf("Content-Length: %d\r\n", gigabyte), func(e exchange) {
			n, err := io.Copy(e, io.LimitReader(endless{}, gigabyte))
			if err == nil || n == gigabyte {
				t.Errorf("all of it was read")
			}
		}, delivery.Refused},
		"endless chunks": {"Transfer-Encoding: chunked\r\n", func(e exchange) {
			chunk := "10000\r\n" + strings.Repeat("x", 0x10000) + "\r\n"
			for {
				if _, err := io.WriteString(e, chunk); err != nil {
					return
				}
			}
		}, delivery.Refused},
		"closes":          {"Content-Length: 1000\r\n", func(e exchange) { _, _ = io.WriteString(e, `{"errors":[`) }, delivery.Unavailable},
		"closes at once":  {"Content-Length: 1000\r\n", func(exchange) {}, delivery.Unavailable},
		"breaks a chunk":  {"Transfer-Encoding: chunked\r\n", func(e exchange) { _, _ = io.WriteString(e, "zz\r\n") }, delivery.Unavailable},
		"without a frame": {"Connection: close\r\n", func(exchange) {}, delivery.Accepted},
	} {
		for status, want := range map[int]delivery.Verdict{
			200: delivery.Accepted, 400: delivery.Refused, 401: delivery.TokenRefused, 413: delivery.TooLarge, 503: delivery.Unavailable,
		} {
			for _, items := range []*delivery.FailedItems{nil, {List: "/errors"}} {
				want, timeout := want, 20*time.Second
				if items != nil && status == 200 {
					want, timeout = c.read, 2*time.Second
				}
				t.Run(fmt.Sprintf("%s/%d/%t", name, status, items != nil), func(t *testing.T) {
					t.Parallel()
					url := listen(t, func(e exchange) bool {
						_, err := fmt.Fprintf(e, "HTTP/1.1 %d X\r\n%s\r\n", status, c.headers)
						if err == nil {
							c.body(e)
						}
						return false
					})
					client := newClient(t, delivery.Options{
						URL: url, FailedItems: items, Transport: delivery.Transport{Timeout: timeout},
					})
					client.SetPatience(20 * time.Millisecond)
					a := attempt(t, client, request())
					require.Equal(t, want, a.Verdict, a.Reason)
					require.Equal(t, status, a.Status)
					require.NoError(t, a.Err)
				})
			}
		}
	}
}
