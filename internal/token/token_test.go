package token_test

import (
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/token"
)

const (
	name   = "/p/token"
	canary = "canary-2718281828"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func clock() time.Time { return now }

func aToken(life time.Duration) token.Token {
	return token.Token{AccessToken: config.NewSecret(canary), Type: "Bearer", ObtainedAt: now, ExpiresAt: now.Add(life)}
}

func TestStoreRoundTrip(t *testing.T) {
	t.Parallel()
	ssm := newParameterStore()
	store := token.NewStore(ssm, token.StoreOptions{Name: name})
	_, err := store.Get(t.Context())
	require.ErrorIs(t, err, token.ErrNotFound)

	put, err := store.Put(t.Context(), aToken(time.Hour))
	require.NoError(t, err)
	require.Equal(t, int64(1), put.Version)
	require.Equal(t, types.ParameterTypeSecureString, ssm.last.Type)
	var value map[string]string
	require.NoError(t, json.Unmarshal([]byte(*ssm.last.Value), &value))
	require.Equal(t, map[string]string{
		"access_token": canary, "token_type": "Bearer",
		"expires_at": "2026-03-04T06:06:07Z", "obtained_at": "2026-03-04T05:06:07Z",
	}, value)

	got, err := store.Get(t.Context())
	require.NoError(t, err)
	require.Equal(t, put.Version, got.Version)
	require.Equal(t, canary, got.AccessToken.Reveal())
	require.True(t, got.ExpiresAt.Equal(put.ExpiresAt))

	_, err = store.Put(t.Context(), aToken(2*time.Hour))
	require.NoError(t, err)
	first, err := store.GetVersion(t.Context(), 1)
	require.NoError(t, err)
	require.True(t, first.ExpiresAt.Equal(put.ExpiresAt))
	_, err = store.GetVersion(t.Context(), 99)
	require.ErrorIs(t, err, token.ErrNotFound)
}

func TestStoreDoesNotTakeForeignContentForAToken(t *testing.T) {
	t.Parallel()
	for _, content := range []string{canary, `{"password":"` + canary + `"}`, `["` + canary + `"]`, `{"access_token":42,"x":"` + canary + `"}`, "{}"} {
		ssm := newParameterStore()
		ssm.versions[name] = []string{content}
		_, err := token.NewStore(ssm, token.StoreOptions{Name: name}).Get(t.Context())
		require.ErrorIs(t, err, token.ErrForeign, content)
		require.NotContains(t, err.Error(), canary)
		require.Contains(t, err.Error(), name)
	}
}

func TestReadSecret(t *testing.T) {
	t.Parallel()
	ssm := newParameterStore()
	_, err := token.ReadSecret(t.Context(), ssm, "/p/secret")
	require.ErrorIs(t, err, token.ErrNotFound)
	require.ErrorContains(t, err, "/p/secret")
	ssm.versions["/p/secret"] = []string{"old", "rotated"}
	secret, err := token.ReadSecret(t.Context(), ssm, "/p/secret")
	require.NoError(t, err)
	require.Equal(t, "rotated", secret.Value.Reveal())
	require.Equal(t, int64(2), secret.Version)
	ssm.versions["/p/secret"] = []string{"of a file\r\n"}
	secret, err = token.ReadSecret(t.Context(), ssm, "/p/secret")
	require.NoError(t, err)
	require.Equal(t, "of a file", secret.Value.Reveal())
}

func TestRefreshAt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ life, ahead, jitter, want time.Duration }{
		{time.Hour, time.Minute, 0, 59 * time.Minute},
		{time.Hour, time.Minute, 10 * time.Second, 59*time.Minute - 10*time.Second},
		{10 * time.Second, time.Minute, 0, 8 * time.Second},
		{10 * time.Second, time.Minute, time.Minute, 7 * time.Second},
		{time.Hour, 0, 0, time.Hour},
		{-time.Hour, time.Minute, time.Minute, -time.Hour},
	} {
		if got := aToken(c.life).RefreshAt(c.ahead, c.jitter).Sub(now); got != c.want {
			t.Errorf("life %s, ahead %s, jitter %s: refreshed after %s, want %s", c.life, c.ahead, c.jitter, got, c.want)
		}
	}
	require.True(t, token.Token{ObtainedAt: now}.RefreshAt(time.Minute, 0).IsZero(), "a token without an end")
	require.False(t, token.Token{ObtainedAt: now}.Expired(now.AddDate(10, 0, 0)))
	require.True(t, aToken(time.Hour).Expired(now.Add(time.Hour)))
}

func TestCache(t *testing.T) {
	t.Parallel()
	ssm := newParameterStore()
	store := token.NewStore(ssm, token.StoreOptions{Name: name})
	cache := token.NewCache(store, clock)
	usable := func(refused int64) (version, known int64, ok bool) {
		t.Helper()
		got, known, ok, err := cache.Usable(t.Context(), refused)
		require.NoError(t, err)
		return got.Version, known, ok
	}

	_, known, ok := usable(0)
	require.False(t, ok)
	require.Zero(t, known, "the store is empty")

	_, err := store.Put(t.Context(), aToken(time.Hour))
	require.NoError(t, err)
	version, _, ok := usable(0)
	require.True(t, ok)
	require.Equal(t, int64(1), version)
	reads := ssm.reads
	_, _, ok = usable(0)
	require.True(t, ok)
	require.Equal(t, reads, ssm.reads, "answered from memory")

	_, known, ok = usable(1)
	require.False(t, ok, "the only token was refused")
	require.Equal(t, int64(1), known)

	_, err = store.Put(t.Context(), aToken(time.Hour))
	require.NoError(t, err)
	version, _, ok = usable(1)
	require.True(t, ok)
	require.Equal(t, int64(2), version, "somebody else has replaced it")

	_, err = store.Put(t.Context(), aToken(-time.Second))
	require.NoError(t, err)
	_, known, ok = usable(2)
	require.False(t, ok, "expired")
	require.Equal(t, int64(3), known)

	ssm.broken = errors.New("throttled")
	_, _, _, err = cache.Usable(t.Context(), 2)
	require.ErrorIs(t, err, ssm.broken)
}

func TestCacheAtLeast(t *testing.T) {
	t.Parallel()
	ssm := newParameterStore()
	store := token.NewStore(ssm, token.StoreOptions{Name: name})
	cache := token.NewCache(store, clock)
	atLeast := func(version int64) (got int64, ok bool) {
		t.Helper()
		found, ok, err := cache.AtLeast(t.Context(), version)
		require.NoError(t, err)
		return found.Version, ok
	}
	put := func(life time.Duration) {
		t.Helper()
		_, err := store.Put(t.Context(), aToken(life))
		require.NoError(t, err)
	}

	_, ok := atLeast(1)
	require.False(t, ok, "there is none")
	put(time.Hour)
	got, ok := atLeast(1)
	require.True(t, ok)
	require.Equal(t, int64(1), got)
	put(time.Hour)
	got, ok = atLeast(1)
	require.True(t, ok)
	require.Equal(t, int64(1), got, "the one in memory still works")
	got, ok = atLeast(2)
	require.True(t, ok)
	require.Equal(t, int64(2), got)
	reads := ssm.reads
	got, ok = atLeast(1)
	require.True(t, ok)
	require.Equal(t, int64(2), got, "the newer one is taken")
	require.Equal(t, reads, ssm.reads, "from memory")

	put(-time.Second)
	_, ok = atLeast(3)
	require.False(t, ok, "expired")
	_, ok = atLeast(9)
	require.False(t, ok, "a version of a parameter that was deleted and made anew")
	ssm.broken = errors.New("throttled")
	_, _, err := cache.AtLeast(t.Context(), 9)
	require.ErrorIs(t, err, ssm.broken)
}

// TestCacheTakesTheSuccessorOfATokenNearItsEnd: requests under way must not meet the end
// of their token where there is another one already.
func TestCacheTakesTheSuccessorOfATokenNearItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ssm := newParameterStore()
		store := token.NewStore(ssm, token.StoreOptions{Name: name})
		cache := token.NewCache(store, time.Now)
		put := func() {
			_, err := store.Put(t.Context(), token.Token{AccessToken: config.NewSecret(canary), ObtainedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)})
			require.NoError(t, err)
		}
		version := func() int64 {
			got, ok, err := cache.AtLeast(t.Context(), 1)
			require.NoError(t, err)
			require.True(t, ok)
			return got.Version
		}
		put()
		require.Equal(t, int64(1), version())
		reads := ssm.reads
		time.Sleep(59*time.Minute + 29*time.Second)
		require.Equal(t, int64(1), version())
		require.Equal(t, reads, ssm.reads)
		time.Sleep(2 * time.Second)
		for range 10 {
			require.Equal(t, int64(1), version(), "it still works, and there is no other")
		}
		require.Equal(t, reads+1, ssm.reads, "looked for once a second at most")
		ssm.broken = errors.New("throttled")
		time.Sleep(2 * time.Second)
		require.Equal(t, int64(1), version(), "it still works")
		ssm.broken = nil
		put()
		time.Sleep(2 * time.Second)
		require.Equal(t, int64(2), version())
	})
}

// TestCacheReadsOnceForAll: the rate of Parameter Store is limited for the whole account.
func TestCacheReadsOnceForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ssm := newParameterStore()
		ssm.slow = time.Second
		cache := token.NewCache(token.NewStore(ssm, token.StoreOptions{Name: name}), time.Now)
		var waiting sync.WaitGroup
		for range 100 {
			waiting.Go(func() {
				_, known, ok, err := cache.Usable(t.Context(), 0)
				require.NoError(t, err)
				require.False(t, ok)
				require.Zero(t, known)
			})
		}
		waiting.Wait()
		require.Equal(t, 1, ssm.reads)
	})
}
