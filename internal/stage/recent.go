package stage

import (
	"bytes"
	"context"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"
)

// Objects are written, read, deleted and listed; *Stage does all of it.
type Objects interface {
	Put(ctx context.Context, key string, body []byte) error
	Get(ctx context.Context, key string) ([]byte, error)
	Reader(ctx context.Context, key string) (io.ReadCloser, error)
	Delete(ctx context.Context, key string) error
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
}

var _ Objects = (*Stage)(nil)

// recentFor is how long an object is remembered that nobody reads: somebody else has read
// it then.
const recentFor = time.Minute

// Recent is a stage that remembers what this process has written last, so that who goes
// on with it need not read it. An object is written to the stage first, and remembered
// until it is read for the first time: who reads it again has failed with it, and may have
// to wait long.
//
// Where there is no room, what is remembered stays and what is new is not remembered:
// it will be read later than the others.
type Recent struct {
	Objects
	options RecentOptions

	mu     sync.Mutex
	bodies map[string][]byte
	order  []written // oldest first; some are no longer in bodies
	bytes  int64
}

type written struct {
	key string
	at  time.Time
}

// RecentOptions say what is remembered.
type RecentOptions struct {
	// Prefix of the keys that are remembered.
	Prefix string
	// Bytes is the most that is held.
	Bytes int64
	// Now is the clock, time.Now if nil.
	Now func() time.Time
}

// NewRecent returns a stage that remembers.
func NewRecent(of Objects, o RecentOptions) *Recent {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Recent{Objects: of, options: o, bodies: map[string][]byte{}}
}

// Put writes an object. The body is the caller's again when it returns.
func (r *Recent) Put(ctx context.Context, key string, body []byte) error {
	// Whatever becomes of the write, what was there before is not to be relied upon.
	r.take(key)
	if err := r.Objects.Put(ctx, key, body); err != nil {
		return err
	}
	if strings.HasPrefix(key, r.options.Prefix) {
		r.remember(key, body)
	}
	return nil
}

// Get reads a whole object, which is the caller's. Errors wrap ErrNotFound where there is
// none.
func (r *Recent) Get(ctx context.Context, key string) ([]byte, error) {
	if body, ok := r.take(key); ok {
		return body, nil
	}
	return r.Objects.Get(ctx, key)
}

// Delete deletes an object. An object that is not there is deleted.
func (r *Recent) Delete(ctx context.Context, key string) error {
	r.take(key)
	return r.Objects.Delete(ctx, key)
}

func (r *Recent) remember(key string, body []byte) {
	size := int64(len(body))
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.options.Now()
	r.forget(now.Add(-recentFor))
	if r.bytes+size > r.options.Bytes {
		return
	}
	r.drop(key)
	r.bodies[key] = bytes.Clone(body)
	r.bytes += size
	r.order = append(r.order, written{key, now})
}

// take is what is remembered of an object, which then is no longer.
func (r *Recent) take(key string) ([]byte, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.drop(key)
}

// drop is take for who holds the lock.
func (r *Recent) drop(key string) ([]byte, bool) {
	body, ok := r.bodies[key]
	if ok {
		delete(r.bodies, key)
		r.bytes -= int64(len(body))
	}
	return body, ok
}

// forget drops what was written before, and what stands in the order and is gone.
func (r *Recent) forget(before time.Time) {
	n := 0
	for _, w := range r.order {
		_, there := r.bodies[w.key]
		if there && !w.at.Before(before) {
			break
		}
		r.drop(w.key)
		n++
	}
	r.order = slices.Delete(r.order, 0, n)
}
