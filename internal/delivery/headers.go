package delivery

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/config"
)

// Header is sent with every request.
type Header struct {
	Name string
	// Value is its value, unless Parameter names the SSM parameter that holds it.
	Value     string
	Parameter string
}

const (
	// parameterLife is how long the value of a parameter is used before it is read again.
	parameterLife = 5 * time.Minute

	// parameterTimeout bounds the reading of all of them, for which others wait.
	parameterTimeout = 10 * time.Second
)

// headers are the values of headers. Those that are parameters are read when they are
// needed, so that one that was changed is picked up without a restart.
type headers struct {
	list []Header
	read func(ctx context.Context, name string) (config.Secret, error)
	now  func() time.Time

	mu      sync.Mutex
	current map[string]config.Secret // by name; never changed, only replaced
	readAt  time.Time
}

// values returns all headers by name. While parameters cannot be read, what was read
// last is good enough.
func (h *headers) values(ctx context.Context) (map[string]config.Secret, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.current != nil && h.now().Sub(h.readAt) < parameterLife {
		return h.current, nil
	}
	ctx, cancel := context.WithTimeout(ctx, parameterTimeout)
	defer cancel()
	fresh := make(map[string]config.Secret, len(h.list))
	for _, header := range h.list {
		fresh[header.Name] = config.NewSecret(header.Value)
		if header.Parameter == "" {
			continue
		}
		value, err := h.read(ctx, header.Parameter)
		switch {
		case err == nil:
			fresh[header.Name] = value
		case h.current != nil:
			fresh[header.Name] = h.current[header.Name]
		default:
			return nil, fmt.Errorf("header %s of destination_headers: %w", header.Name, err)
		}
	}
	h.current, h.readAt = fresh, h.now()
	return fresh, nil
}
