package delivery

import (
	"context"
	"net"
	"net/http"
	"time"
)

// SetPatience changes how long an answer is read whose status says it all.
func (c *Client) SetPatience(d time.Duration) { c.patience = d }

// SetDial replaces what connects.
func (c *Client) SetDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	c.transport.(*http.Transport).DialContext = dial
}

// Excerpt is what is shown of an answer to what was sent.
func Excerpt(answer, sent []byte) string { return filter{sent: []string{plain(sent)}}.apply(answer) }

// Known tells whether a word is shown although it was sent.
func Known(word string) bool { return vocabulary()[word] }

// Find is FailedItems.find.
func (f FailedItems) Find(answer []byte, events int) ([]FailedItem, error) {
	return f.find(answer, events)
}
