package stage_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/stage"
)

// counted is a stage that counts, and can be broken.
type counted struct {
	*stage.Stage
	gets   int
	broken error
}

func (c *counted) Put(ctx context.Context, key string, body []byte) error {
	if c.broken != nil {
		return c.broken
	}
	return c.Stage.Put(ctx, key, body)
}

func (c *counted) Get(ctx context.Context, key string) ([]byte, error) {
	c.gets++
	return c.Stage.Get(ctx, key)
}

func newCounted(t *testing.T) *counted {
	t.Helper()
	s, err := stage.Open(t.Context(), "mem://")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return &counted{Stage: s}
}

func TestRecent(t *testing.T) {
	t.Parallel()
	of := newCounted(t)
	now := time.Unix(0, 0)
	r := stage.NewRecent(of, stage.RecentOptions{Prefix: "p/batch/", Bytes: 10, Now: func() time.Time { return now }})
	put := func(key, body string) {
		t.Helper()
		buffer := []byte(body)
		require.NoError(t, r.Put(t.Context(), key, buffer))
		clear(buffer) // it is the caller's again
	}
	// get reads an object, from the stage so many times.
	get := func(key, body string, gets int) {
		t.Helper()
		before := of.gets
		got, err := r.Get(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, body, string(got))
		require.Equal(t, gets, of.gets-before, key)
	}

	put("p/batch/1", "aaaa")
	get("p/batch/1", "aaaa", 0)
	get("p/batch/1", "aaaa", 1) // who reads it again has failed with it
	put("p/raw/1", "bbbb")
	get("p/raw/1", "bbbb", 1)

	put("p/batch/2", "cccc")
	put("p/batch/3", "dddd")
	put("p/batch/4", "eeee") // no room
	get("p/batch/4", "eeee", 1)
	get("p/batch/2", "cccc", 0)
	put("p/batch/4", "ffff")
	get("p/batch/4", "ffff", 0)
	put("p/batch/3", "gggg")
	get("p/batch/3", "gggg", 0)

	put("p/batch/5", "hhhh")
	require.NoError(t, r.Delete(t.Context(), "p/batch/5"))
	_, err := r.Get(t.Context(), "p/batch/5")
	require.ErrorIs(t, err, stage.ErrNotFound)

	put("p/batch/6", "iiiiiiii") // and nobody reads it here
	now = now.Add(59 * time.Second)
	put("p/batch/7", "jjjj")
	get("p/batch/7", "jjjj", 1)
	now = now.Add(2 * time.Second)
	put("p/batch/7", "kkkk")
	get("p/batch/7", "kkkk", 0)
	get("p/batch/6", "iiiiiiii", 1)

	put("p/batch/8", "llll")
	of.broken = errors.New("broken")
	require.ErrorIs(t, r.Put(t.Context(), "p/batch/8", []byte("mmmm")), of.broken)
	get("p/batch/8", "llll", 1)
	require.ErrorIs(t, r.Put(t.Context(), "p/batch/9", []byte("nnnn")), of.broken)
	_, err = r.Get(t.Context(), "p/batch/9")
	require.ErrorIs(t, err, stage.ErrNotFound, "what was not written is not there")
}

// TestRecentInParallel: whoever reads gets what was written last, all of it.
func TestRecentInParallel(t *testing.T) {
	t.Parallel()
	s, err := stage.Open(t.Context(), "mem://")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	r := stage.NewRecent(s, stage.RecentOptions{Bytes: 100})
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			buffer := make([]byte, 0, 64)
			for i := range 500 {
				key := fmt.Sprintf("%d/%d", n, rand.N(3))
				buffer = fmt.Appendf(buffer[:0], "%d of %s", i, key)
				if err := r.Put(t.Context(), key, buffer); err != nil {
					t.Error(err)
				}
				for range rand.N(3) {
					if got, err := r.Get(t.Context(), key); err != nil || string(got) != string(buffer) {
						t.Errorf("%q instead of %q, %v", got, buffer, err)
					}
				}
				if rand.N(4) == 0 {
					if err := r.Delete(t.Context(), key); err != nil {
						t.Error(err)
					}
					if _, err := r.Get(t.Context(), key); !errors.Is(err, stage.ErrNotFound) {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
}
