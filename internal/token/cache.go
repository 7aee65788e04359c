package token

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// Cache answers for tokens from memory where it can and from the store where it
// must. One Cache serves a whole worker process.
type Cache struct {
	store *Store
	now   func() time.Time
	reads singleflight.Group

	mu      sync.Mutex
	current Token
	looked  time.Time // when the store was last asked whether there is a newer one
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
	if t := c.remembered(ctx); usable(t) {
		return t, t.Version, true, nil
	}
	t, err = c.read(ctx, 0)
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
	if t := c.remembered(ctx); t.Version != 0 && usable(t) {
		return t, true, nil
	}
	t, err = c.read(ctx, 0)
	if err == nil && t.Version < version {
		// Either this read is behind the write, or the version is gone.
		t, err = c.read(ctx, version)
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

// Current is the token in memory, the zero Token where there is none yet. Nothing is read.
func (c *Cache) Current() Token {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

// readTimeout bounds one read of the store, for all who wait for it.
const readTimeout = 15 * time.Second

// read reads a version from the store, 0 for the current one. However many ask at
// once, as all windows do when their token has expired, the store is asked once: its
// rate is limited for the whole account.
func (c *Cache) read(ctx context.Context, version int64) (Token, error) {
	answer := c.reads.DoChan(strconv.FormatInt(version, 10), func() (any, error) {
		// The one who asked first may give up, and the others still want an answer.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		if version == 0 {
			return c.store.Get(ctx)
		}
		return c.store.GetVersion(ctx, version)
	})
	select {
	case got := <-answer:
		t, _ := got.Val.(Token)
		return t, got.Err
	case <-ctx.Done():
		return Token{}, ctx.Err()
	}
}

// lookInterval is how often the store is asked for the successor of a token whose end
// is near.
const lookInterval = time.Second

// remembered returns the token in memory. Near its end it is replaced by its successor,
// which is in the store by then, so that no request is under way with a token that
// expires.
func (c *Cache) remembered(ctx context.Context) Token {
	now := c.now()
	c.mu.Lock()
	current := c.current
	look := current.Version != 0 && current.fading(now) && !current.Expired(now) && now.Sub(c.looked).Abs() >= lookInterval
	if look {
		c.looked = now
	}
	c.mu.Unlock()
	if !look {
		return current
	}
	next, err := c.read(ctx, 0)
	if err != nil || next.Version <= current.Version || next.Expired(now) {
		return current // which still works
	}
	c.keep(next)
	return next
}

// keep remembers the token that was used last.
func (c *Cache) keep(t Token) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = t
}
