package token_test

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/token"
)

// FuzzExternal reads what anybody may have written: it is a token that a header can
// carry, or an error that does not quote it.
func FuzzExternal(f *testing.F) {
	for _, content := range []string{
		"abc", jwt(`{"exp":1772604367}`), jwt(`{"exp":1e99}`), jwt(`{"exp":-1}`), "a.b.c", "..", `{`, `{}`, `{"access_token":7}`,
		`{"access_token":"abc","expires_in":1e400}`, `{"access_token":"abc","expires_at":"2026-03-04T05:06:07Z"}`,
		`{"access_token":"abc","expires_at":99999999999999999999}`, `{"access_token":"abc","token_type":"a\nb"}`, `{"access_token":"a\u0000"}`,
	} {
		f.Add(content, "/access_token", "")
	}
	f.Add(`{"a":[{"b~/c":"abc","t":1}]}`, "/a/0/b~0~1c", "/a/0/t")
	f.Fuzz(func(t *testing.T, content, at, expiry string) {
		ssm := newParameterStore()
		ssm.written = now
		ssm.versions[name] = []string{content}
		store := token.NewStore(ssm, token.StoreOptions{Name: name, External: &token.Layout{Token: jsontext.Pointer(at), Expiry: jsontext.Pointer(expiry)}})
		got, err := store.Get(t.Context())
		if err != nil {
			require.ErrorIs(t, err, token.ErrForeign)
			return
		}
		require.Regexp(t, `^[!-~]+$`, got.AccessToken.Reveal())
		require.NotEmpty(t, got.Type)
		if !got.ExpiresAt.IsZero() {
			require.Less(t, got.ExpiresAt.Year(), 10_000, "JSON can hold it")
		}
	})
}
