package token

import (
	"context"
	"errors"
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

// AtLeast returns the token of that version or, where it has been replaced, the
// newer one. ok is false where that token has expired, or where the parameter was
// deleted and its versions have begun anew.
func (c *Cache) AtLeast(ctx context.Context, version int64) (t Token, ok bool, err error) {
	usable := func(t Token) bool { return t.Version >= version && !t.Expired(c.now()) }
	if t := c.cached(); t.Version != 0 && usable(t) {
		return t, true, nil
	}
	t, err = c.store.Get(ctx)
	if err == nil && t.Version < version {
		// Either this read is behind the write, or the version is gone.
		t, err = c.store.GetVersion(ctx, version)
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return Token{}, false, nil
	case err != nil:
		return Token{}, false, err
	}
	c.keep(t)
	return t, usable(t), nil
}

func (c *Cache) cached() Token {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

// keep remembers the token that was used last.
func (c *Cache) keep(t Token) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = t
}
