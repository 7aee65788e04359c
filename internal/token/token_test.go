package token_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
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
	store := token.NewStore(ssm, name)
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
		_, err := token.NewStore(ssm, name).Get(t.Context())
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
	require.Equal(t, "rotated", secret.Reveal())
}

func TestRefreshAt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ life, ahead, want time.Duration }{
		{time.Hour, time.Minute, 59 * time.Minute},
		{10 * time.Second, time.Minute, 5 * time.Second},
		{time.Hour, 0, time.Hour},
		{-time.Hour, time.Minute, -time.Hour},
	} {
		if got := aToken(c.life).RefreshAt(c.ahead).Sub(now); got != c.want {
			t.Errorf("life %s, ahead %s: refreshed after %s, want %s", c.life, c.ahead, got, c.want)
		}
	}
	require.True(t, token.Token{ObtainedAt: now}.RefreshAt(time.Minute).IsZero(), "a token without an end")
	require.False(t, token.Token{ObtainedAt: now}.Expired(now.AddDate(10, 0, 0)))
	require.True(t, aToken(time.Hour).Expired(now.Add(time.Hour)))
}

func TestCache(t *testing.T) {
	t.Parallel()
	ssm := newParameterStore()
	store := token.NewStore(ssm, name)
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
	store := token.NewStore(ssm, name)
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

// endpoint serves one answer and returns what it was asked.
func endpoint(t *testing.T, status int, answer string) (*token.Endpoint, *[]*http.Request) {
	t.Helper()
	var asked []*http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		asked = append(asked, r)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(server.Close)
	return &token.Endpoint{
		URL: server.URL, ClientID: "client", Scope: "events:write", HTTP: server.Client(), Now: clock,
		Secret: func(context.Context) (config.Secret, error) { return config.NewSecret("s3cret"), nil },
	}, &asked
}

func TestFetch(t *testing.T) {
	t.Parallel()
	e, asked := endpoint(t, 200, `{"access_token":"`+canary+`","token_type":"bearer","expires_in":300}`)
	got, err := e.Fetch(t.Context())
	require.NoError(t, err)
	require.Equal(t, canary, got.AccessToken.Reveal())
	require.Equal(t, "Bearer", got.Type)
	require.Equal(t, now, got.ObtainedAt)
	require.Equal(t, now.Add(5*time.Minute), got.ExpiresAt)
	require.Len(t, *asked, 1, "one request, no probing")
	r := (*asked)[0]
	id, secret, ok := r.BasicAuth()
	require.True(t, ok)
	require.Equal(t, [2]string{"client", "s3cret"}, [2]string{id, secret})
	require.Equal(t, "client_credentials", r.PostForm.Get("grant_type"))
	require.Equal(t, "events:write", r.PostForm.Get("scope"))
}

func TestFetchWithoutExpiry(t *testing.T) {
	t.Parallel()
	e, _ := endpoint(t, 200, `{"access_token":"x","token_type":"Bearer"}`)
	got, err := e.Fetch(t.Context())
	require.NoError(t, err)
	require.True(t, got.ExpiresAt.IsZero())
}

func TestFetchFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status   int
		answer   string
		rejected bool
		says     string
	}{
		"wrong client":        {401, `{"error":"invalid_client","error_description":"secret s3cret of ` + canary + `"}`, true, "invalid_client"},
		"wrong scope":         {400, `{"error":"invalid_scope"}`, true, "invalid_scope"},
		"leaky error code":    {400, `{"error":"` + canary + ` is wrong"}`, true, "no error code"},
		"throttled":           {429, canary, false, "429"},
		"down":                {503, `<html>` + canary, false, "503"},
		"no token in answer":  {200, `{"token":"` + canary + `"}`, false, "no token"},
		"no JSON":             {200, canary, false, "no token"},
		"token of wrong type": {200, `{"access_token":["` + canary + `"]}`, false, "no token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, asked := endpoint(t, c.status, c.answer)
			_, err := e.Fetch(t.Context())
			require.Error(t, err)
			require.Equal(t, c.rejected, errors.Is(err, token.ErrRejected), err)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), canary)
			require.NotContains(t, err.Error(), "s3cret")
			require.NotContains(t, err.Error(), "\n")
			require.Len(t, *asked, 1)
		})
	}
}

func TestFetchWithoutASecretAsksNobody(t *testing.T) {
	t.Parallel()
	e, asked := endpoint(t, 200, `{}`)
	e.Secret = func(context.Context) (config.Secret, error) { return config.Secret{}, token.ErrNotFound }
	_, err := e.Fetch(t.Context())
	require.ErrorIs(t, err, token.ErrNotFound)
	require.Empty(t, *asked)
}
