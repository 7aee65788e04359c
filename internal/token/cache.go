package token

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Cache answers for tokens from memory where it can and from the store where it
// must. One Cache serves a whole worker process.
type Cache struct {
	store *Store
	now   func() time.Time

	mu      sync.Mutex
	current Token
}

// NewCache returns an empty cache above the store. A nil clock is time.Now.
func NewCache(store *Store, now func() time.Time) *Cache {
	if now == nil {
		now = time.Now
	}
	return &Cache{store: store, now: now}
}

// Usable returns a token that has not expired and is not the refused version. ok
// is false where neither memory nor the store has one; known is then the version
// the store holds, 0 where it holds none.
func (c *Cache) Usable(ctx context.Context, refused int64) (t Token, known int64, ok bool, err error) {
	usable := func(t Token) bool {
		return t.Version != 0 && t.Version != refused && !t.Expired(c.now())
	}
	if t := c.cached(); usable(t) {
		return t, t.Version, true, nil
	}
	t, err = c.store.Get(ctx)
	switch {
	case errors.Is(err, ErrNotFound):
		return Token{}, 0, false, nil
	case err != nil:
		return Token{}, 0, false, err
	case usable(t):
		c.keep(t)
		return t, t.Version, true, nil
	}
	return Token{}, t.Version, false, nil
}

// Version returns the token of exactly that version, expired or not.
func (c *Cache) Version(ctx context.Context, version int64) (Token, error) {
	if t := c.cached(); t.Version == version {
		return t, nil
	}
	t, err := c.store.GetVersion(ctx, version)
	if err != nil {
		return Token{}, err
	}
	if t.Version != version {
		return Token{}, fmt.Errorf("SSM parameter %q: asked for version %d, got version %d", c.store.Name(), version, t.Version)
	}
	c.keep(t)
	return t, nil
}

func (c *Cache) cached() Token {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

// keep remembers the token that was obtained last. Versions start again at 1 when
// the parameter is deleted and made anew, so the version decides only between
// tokens of the same time.
func (c *Cache) keep(t Token) {
	c.mu.Lock()
	defer c.mu.Unlock()
	order := t.ObtainedAt.Compare(c.current.ObtainedAt)
	if order > 0 || order == 0 && t.Version > c.current.Version {
		c.current = t
	}
}
