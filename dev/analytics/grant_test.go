package analytics

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func byPost() *http.Request {
	return tokenRequest(url.Values{"grant_type": {"client_credentials"}, "client_id": {testClient}, "client_secret": {testSecret}})
}

func byBasic() *http.Request {
	r := tokenRequest(url.Values{"grant_type": {"client_credentials"}})
	r.SetBasicAuth(url.QueryEscape(testClient), url.QueryEscape(testSecret))
	return r
}

func login(body string) *http.Request {
	return httptest.NewRequest(http.MethodPost, "/v1/login", strings.NewReader(body))
}

// answered serves a request and reads the answer.
func granted(t *testing.T, s *Server, r *http.Request, status int) map[string]any {
	t.Helper()
	w := serve(s, r)
	require.Equal(t, status, w.Code, w.Body)
	var answer map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
	return answer
}

func TestLogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, "")
		data, ok := granted(t, s, login(`{"username":"pipeline","password":"s3cret/+ %"}`), 200)["data"].(map[string]any)
		require.True(t, ok)
		require.Equal(t, time.Now().Add(5*time.Minute).UTC().Format(time.RFC3339), data["until"])
		token, _ := data["token"].(string)
		require.Equal(t, 200, serve(s, eventsRequest(token, "", events(0, 1))).Code)
		require.Equal(t, "invalid_client", granted(t, s, login(`{"username":"pipeline","password":"x"}`), 401)["error"])
		require.Equal(t, "invalid_request", granted(t, s, login(`pipeline`), 400)["error"])
		require.EqualValues(t, 3, s.Stats().TokenRequests)
		require.EqualValues(t, 1, s.Stats().TokenGrants)
	})
}

func TestTokenForms(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		end := time.Now().Add(5 * time.Minute)
		for form, want := range map[string]map[string]any{
			"":           {"expires_in": 300.0},
			"expires_at": {"expires_at": end.UTC().Format(time.RFC3339)},
			"epoch":      {"expires_at": float64(end.Unix())},
			"none":       {},
			"jwt":        {},
		} {
			s := newServer(t, "")
			s.SetFaults(Faults{TokenForm: form})
			answer := granted(t, s, byBasic(), 200)
			token, _ := answer["access_token"].(string)
			require.Equal(t, 200, serve(s, eventsRequest(token, "", events(0, 1))).Code, form)
			delete(answer, "access_token")
			delete(answer, "token_type")
			require.Equal(t, want, answer, form)
			require.Equal(t, form == "jwt", strings.Count(token, ".") == 2)
			if form == "jwt" {
				claims, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
				require.NoError(t, err)
				var read struct{ Iat, Exp int64 }
				require.NoError(t, json.Unmarshal(claims, &read))
				require.WithinDuration(t, end, time.Unix(read.Exp, 0), time.Second)
				require.EqualValues(t, 300, read.Exp-read.Iat)
			}
		}
	})
}

func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	s := newServer(t, "token-refuse=invalid_client")
	answer := granted(t, s, byBasic(), 401)
	require.Equal(t, "invalid_client", answer["error"])
	require.Contains(t, answer["error_description"], testSecret, "as some servers do")
	s = newServer(t, "token-refuse=invalid_scope")
	granted(t, s, byBasic(), 400)

	s = newServer(t, "token-auth=post")
	granted(t, s, byBasic(), 401)
	granted(t, s, byPost(), 200)
	s = newServer(t, "token-auth=basic")
	granted(t, s, byPost(), 401)
	granted(t, s, byBasic(), 200)
	_, err := ParseFaults("token-auth=digest,token-form=xml")
	require.ErrorContains(t, err, `"digest" is none of basic, post`)
	require.ErrorContains(t, err, `"xml" is none of expires_at, epoch, jwt, none`)
}

func TestTheSecretIsRotated(t *testing.T) {
	t.Parallel()
	s := newServer(t, "")
	s.SetClientSecret("other")
	granted(t, s, byBasic(), 401)
	s.SetClientSecret(testSecret)
	granted(t, s, byBasic(), 200)
}

func TestTokenLatency(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, "token-latency=5s,latency=1s")
		begin := time.Now()
		token := getToken(t, s)
		require.Equal(t, 6*time.Second, time.Since(begin))
		serve(s, eventsRequest(token, "", events(0, 1)))
		require.Equal(t, 7*time.Second, time.Since(begin), "of token requests only")
	})
}
