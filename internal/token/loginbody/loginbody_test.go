package loginbody_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/token/loginbody"
)

func TestFill(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"user":"{client_id}","password":"{client_secret}"}`: `{"user":"me","password":"s\"},{client_id}"}`,
		` [ "{client_id}:{client_secret}" , 1.50, null ] `:    `["me:s\"},{client_id}",1.50,null]`,
		`{"{client_id}":{"a":["{client_secret}"]}}`:           `{"{client_id}":{"a":["s\"},{client_id}"]}}`,
		`"{client_secret}"`: `"s\"},{client_id}"`,
	} {
		require.NoError(t, loginbody.Check(body))
		got, err := loginbody.Fill(body, "me", `s"},{client_id}`)
		require.NoError(t, err)
		require.Equal(t, want, string(got), "no character of the secret ends its string")
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for body, says := range map[string]string{
		``:                               "is no JSON",
		`{"a":"{client_secret}"`:         "is no JSON that can be read, see byte 22",
		`{"a":{client_secret}}`:          "is no JSON",
		`{"a":"{client_secret}"} 1`:      "is followed by something else",
		`{"a":"{client_id}"}`:            "does not say where the secret goes",
		`{"{client_secret}":1}`:          "does not say where the secret goes",
		`{"a":"{client_secrect}"}`:       "has the unknown placeholder {client_secrect}",
		`{"a":"hunter2","a":"{secret}"}`: "is no JSON",
	} {
		err := loginbody.Check(body)
		require.ErrorContains(t, err, says, body)
		require.NotContains(t, err.Error(), "hunter2")
	}
	_, err := loginbody.Fill(`["{client_secret}"]`, "me", "hunter2\xff")
	require.ErrorContains(t, err, "no UTF-8")
	require.NotContains(t, err.Error(), "hunter2")
}

// FuzzFill: whatever the secret is, the body is JSON and holds it where it was put.
func FuzzFill(f *testing.F) {
	f.Add(`{"a":"{client_id}","b":["{client_secret}"]}`, "id", `"]}`)
	f.Add(`"{client_secret}{client_secret}"`, "{client_secret}", "\u2028\x00")
	f.Fuzz(func(t *testing.T, body, id, secret string) {
		if loginbody.Check(body) != nil {
			return
		}
		filled, err := loginbody.Fill(body, id, secret)
		if err != nil {
			return
		}
		require.True(t, json.Valid(filled), "%q", filled)
		same, err := loginbody.Fill(body, loginbody.ClientID, loginbody.ClientSecret)
		require.NoError(t, err)
		require.NoError(t, loginbody.Check(string(same)), "filled with its placeholders it is itself")
	})
}
