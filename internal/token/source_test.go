package token_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/token"
)

const secretCanary = "s3cret-1618033988"

// request is what an endpoint was sent.
type request struct {
	*http.Request
	body string
}

// serve answers every request and keeps it.
func serve(t *testing.T, status int, header map[string]string, answer string) (token.Client, *[]request) {
	t.Helper()
	var asked []request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, request{r, string(body)})
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Date", now.Format(http.TimeFormat))
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(server.Close)
	return token.Client{
		URL: server.URL + "/token?tenant=" + canary, ID: "client", HTTP: server.Client(), Now: clock,
		Secret: func(context.Context) (token.Secret, error) {
			return token.Secret{Value: config.NewSecret(secretCanary), Version: 3}, nil
		},
	}, &asked
}

func TestEndpoint(t *testing.T) {
	t.Parallel()
	client, asked := serve(t, 200, nil, `{"access_token":"`+canary+`","token_type":"bearer","expires_in":300}`)
	basic := &token.Endpoint{Client: client, Scope: "events:write"}
	got, err := basic.Fetch(t.Context())
	require.NoError(t, err)
	require.Equal(t, canary, got.AccessToken.Reveal())
	require.Equal(t, "Bearer", got.Type)
	require.Equal(t, now, got.ObtainedAt)
	require.Equal(t, now.Add(5*time.Minute), got.ExpiresAt)
	require.Len(t, *asked, 1, "one request, no probing")
	r := (*asked)[0]
	id, secret, ok := r.BasicAuth()
	require.True(t, ok)
	require.Equal(t, [2]string{"client", secretCanary}, [2]string{id, secret})
	require.Equal(t, "grant_type=client_credentials&scope=events%3Awrite", r.body)

	post := &token.Endpoint{Client: client, Post: true, Audience: "https://api", Parameters: map[string]string{"resource": "urn:a b"}}
	_, err = post.Fetch(t.Context())
	require.NoError(t, err)
	r = (*asked)[1]
	require.Empty(t, r.Header.Get("Authorization"))
	form, err := url.ParseQuery(r.body)
	require.NoError(t, err)
	require.Equal(t, url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"client"}, "client_secret": {secretCanary},
		"audience": {"https://api"}, "resource": {"urn:a b"},
	}, form)
}

// jwt is a JSON Web Token with claims, whose signature nobody looks at.
func jwt(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + ".c2ln"
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	unix := now.Unix()
	ahead := now.Add(time.Hour) // their clock
	for name, c := range map[string]struct {
		members string
		token   string
		date    time.Time
		want    time.Duration // 0 for never
	}{
		"life":                       {`"expires_in":300`, "", now, 5 * time.Minute},
		"life as text":               {`"expires_in":"300"`, "", now, 5 * time.Minute},
		"no life":                    {`"expires_in":0`, "", now, 0},
		"life before time":           {fmt.Sprintf(`"expires_in":300,"expires_at":%d`, unix+900), "", now, 5 * time.Minute},
		"seconds":                    {fmt.Sprintf(`"expires_at":%d`, unix+300), "", now, 5 * time.Minute},
		"seconds as text":            {fmt.Sprintf(`"expires_at":"%d"`, unix+300), "", now, 5 * time.Minute},
		"milliseconds":               {fmt.Sprintf(`"expires_at":%d`, unix*1000+300500), "", now, 5*time.Minute + 500*time.Millisecond},
		"RFC 3339":                   {`"expires_at":"` + now.Add(300*time.Second).Format(time.RFC3339) + `"`, "", now, 5 * time.Minute},
		"JWT":                        {`"x":1`, jwt(fmt.Sprintf(`{"exp":%d}`, unix+300)), now, 5 * time.Minute},
		"JWT with a fraction":        {`"x":1`, jwt(fmt.Sprintf(`{"exp":%d.5}`, unix+300)), now, 5*time.Minute + 500*time.Millisecond},
		"JWT without end":            {`"x":1`, jwt(`{"sub":"x"}`), now, 0},
		"JWT that is none":           {`"x":1`, "a.b.c", now, 0},
		"nothing":                    {`"x":1`, "", now, 0},
		"their clock is ahead":       {fmt.Sprintf(`"expires_at":%d`, ahead.Unix()+300), "", ahead, 299 * time.Second},
		"their clock is behind, JWT": {`"x":1`, jwt(fmt.Sprintf(`{"exp":%d}`, unix-7200+300)), now.Add(-2 * time.Hour), 299 * time.Second},
		"life and their clock":       {`"expires_in":300`, "", ahead, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := c.token
			if text == "" {
				text = canary
			}
			client, _ := serve(t, 200, map[string]string{"Date": c.date.Format(http.TimeFormat)},
				`{"access_token":"`+text+`","token_type":"Bearer",`+c.members+`}`)
			oauth, err := (&token.Endpoint{Client: client}).Fetch(t.Context())
			require.NoError(t, err)
			login, err := (&token.Login{Client: client, Body: `"{client_secret}"`, Layout: token.Layout{Token: "/access_token"}}).Fetch(t.Context())
			require.NoError(t, err)
			for _, got := range []token.Token{oauth, login} {
				if c.want == 0 {
					require.True(t, got.ExpiresAt.IsZero(), got.ExpiresAt)
					continue
				}
				require.Equal(t, c.want, got.ExpiresAt.Sub(now))
			}
		})
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	client, asked := serve(t, 201, nil, `{"data":[{"jwt":"`+canary+`","until":"2026-03-04T06:06:07Z"}]}`)
	login := &token.Login{
		Client: client, Body: `{"user":"{client_id}","auth":{"{client_id}":["pw:{client_secret}",1,true,null]}}`,
		Layout: token.Layout{Token: "/data/0/jwt", Expiry: "/data/0/until"},
	}
	got, err := login.Fetch(t.Context())
	require.NoError(t, err)
	require.Equal(t, canary, got.AccessToken.Reveal())
	require.Equal(t, "Bearer", got.Type)
	require.True(t, now.Add(time.Hour).Equal(got.ExpiresAt))
	r := (*asked)[0]
	require.Equal(t, http.MethodPost, r.Method)
	require.Equal(t, "application/json", r.Header.Get("Content-Type"))
	require.JSONEq(t, `{"user":"client","auth":{"{client_id}":["pw:`+secretCanary+`",1,true,null]}}`, r.body, "names stay what they are")
}

func TestFetchFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status   int
		header   map[string]string
		answer   string
		rejected bool
		says     string
	}{
		"wrong client":       {401, nil, `{"error":"invalid_client","error_description":"secret ` + secretCanary + ` of ` + canary + `"}`, true, "401"},
		"wrong scope":        {400, nil, `{"error":"invalid_scope"}`, true, "400"},
		"wrong place":        {404, nil, canary, true, "LOGPIPE_TOKEN_URL"},
		"leaky error code":   {400, nil, `{"error":"` + canary + `"}`, true, "400"},
		"redirect":           {307, map[string]string{"Location": "https://elsewhere.invalid/?" + canary}, canary, true, "it redirects"},
		"throttled":          {429, map[string]string{"Retry-After": "30"}, canary, false, "429"},
		"down":               {503, map[string]string{"Retry-After": "30"}, `<html>` + canary, false, "503"},
		"no token in answer": {200, nil, `{"token":"` + canary + `"}`, false, "token"},
		"no JSON":            {200, nil, canary, false, "token"},
		"token is a list":    {200, nil, `{"access_token":["` + canary + `"]}`, false, "token"},
		"token with a break": {200, nil, `{"access_token":"` + canary + `\r\nX: y"}`, false, "no Authorization header can carry"},
		"expired at once":    {200, nil, `{"access_token":"` + canary + `","expires_at":` + fmt.Sprint(now.Unix()-1) + `}`, false, "had expired"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, asked := serve(t, c.status, c.header, c.answer)
			for kind, fetch := range map[string]func(context.Context) (token.Token, error){
				"OAuth": (&token.Endpoint{Client: client, Post: true}).Fetch,
				"login": (&token.Login{Client: client, Body: `["{client_secret}"]`, Layout: token.Layout{Token: "/access_token"}}).Fetch,
			} {
				got, err := fetch(t.Context())
				require.Error(t, err, kind)
				require.Zero(t, got)
				require.Equal(t, c.rejected, errors.Is(err, token.ErrRejected), err)
				require.ErrorContains(t, err, c.says)
				requireClean(t, err)
				failure, ok := errors.AsType[*token.EndpointError](err)
				require.True(t, ok)
				require.Equal(t, int64(3), failure.SecretVersion)
				require.Equal(t, c.header["Retry-After"] != "", failure.RetryAfter == 30*time.Second)
			}
			require.Len(t, *asked, 2, "one request each, and no redirect is followed")
		})
	}
}

// requireClean: no secret, nothing of an answer, one line.
func requireClean(t *testing.T, err error) {
	t.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		text := fmt.Sprintf("%v %+v", err, err)
		require.NotContains(t, text, canary)
		require.NotContains(t, text, secretCanary)
		require.NotContains(t, text, base64.StdEncoding.EncodeToString([]byte("client:"+secretCanary)))
		require.NotContains(t, text, "\n")
	}
}

func TestErrorCodeIsShown(t *testing.T) {
	t.Parallel()
	client, _ := serve(t, 401, nil, `{"error":"invalid_client"}`)
	_, err := (&token.Endpoint{Client: client}).Fetch(t.Context())
	require.ErrorContains(t, err, "HTTP status 401, invalid_client")
	client.Secret = func(context.Context) (token.Secret, error) {
		return token.Secret{Value: config.NewSecret("client")}, nil
	}
	_, err = (&token.Endpoint{Client: client}).Fetch(t.Context())
	require.NotContains(t, err.Error(), "invalid_client", "it holds the secret")
}

func TestFetchWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	client, _ := serve(t, 200, nil, "{}")
	down := client
	down.URL = "http://127.0.0.1:1/token?tenant=" + canary
	slow := client
	hang := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(hang.Close)
	slow.URL = hang.URL
	slow.HTTP = &http.Client{Timeout: 50 * time.Millisecond}
	for name, c := range map[string]struct {
		client token.Client
		says   string
	}{"down": {down, "refused"}, "one that does not end": {slow, "read the answer: "}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, fetch := range []func(context.Context) (token.Token, error){
				(&token.Endpoint{Client: c.client}).Fetch,
				(&token.Login{Client: c.client, Body: `["{client_secret}"]`, Layout: token.Layout{Token: "/access_token"}}).Fetch,
			} {
				_, err := fetch(t.Context())
				require.ErrorContains(t, err, c.says)
				require.NotErrorIs(t, err, token.ErrRejected)
				requireClean(t, err)
			}
		})
	}
}

func TestFetchWithoutASecretAsksNobody(t *testing.T) {
	t.Parallel()
	client, asked := serve(t, 200, nil, `{}`)
	client.Secret = func(context.Context) (token.Secret, error) { return token.Secret{}, token.ErrNotFound }
	for _, fetch := range []func(context.Context) (token.Token, error){
		(&token.Endpoint{Client: client}).Fetch, (&token.Login{Client: client}).Fetch,
	} {
		_, err := fetch(t.Context())
		require.ErrorIs(t, err, token.ErrNotFound)
	}
	require.Empty(t, *asked)
}

func TestExternal(t *testing.T) {
	t.Parallel()
	written := now.Add(-time.Minute)
	layout := token.Layout{Token: "/access_token"}
	deep := token.Layout{Token: "/a/b", Expiry: "/a/until"}
	for name, c := range map[string]struct {
		layout  token.Layout
		content string
		kind    string
		life    time.Duration // since it was written, 0 for ever
		says    string        // what is wrong
	}{
		"plain":               {layout, canary, "Bearer", 0, ""},
		"plain of a file":     {layout, canary + "\n", "Bearer", 0, ""},
		"plain with pointers": {deep, canary, "Bearer", 0, ""},
		"JWT":                 {layout, jwt(fmt.Sprintf(`{"exp":%d}`, written.Unix()+300)), "Bearer", 5 * time.Minute, ""},
		"JSON":                {layout, `{"access_token":"` + canary + `","token_type":"DPoP","expires_in":300}`, "DPoP", 5 * time.Minute, ""},
		"our own form":        {layout, `{"access_token":"` + canary + `","token_type":"Bearer","expires_at":"` + written.Add(time.Hour).Format(time.RFC3339) + `","obtained_at":"2026-03-04T05:06:07Z"}`, "Bearer", time.Hour, ""},
		"JSON elsewhere":      {deep, fmt.Sprintf(`{"a":{"b":%q,"until":%d}}`, canary, written.Unix()+60), "Bearer", time.Minute, ""},
		"nothing there":       {deep, `{"b":"` + canary + `"}`, "", 0, `no text is at "/a/b"`},
		"no expiry there":     {deep, `{"a":{"b":"` + canary + `"}}`, "", 0, "nothing is at /a/until"},
		"odd expiry":          {deep, `{"a":{"b":"` + canary + `","until":"` + canary + `"}}`, "", 0, "is no expiry"},
		"JSON cut short":      {layout, `{"access_token":"` + canary, "", 0, "is none"},
		"two words":           {layout, canary + " " + canary, "", 0, "no Authorization header can carry"},
		"empty":               {layout, " ", "", 0, "empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ssm := newParameterStore()
			ssm.written = written
			ssm.versions[name] = []string{"old", c.content}
			store := token.NewStore(ssm, token.StoreOptions{Name: name, External: &c.layout})
			got, err := store.Get(t.Context())
			if c.says != "" {
				require.ErrorIs(t, err, token.ErrForeign)
				require.ErrorContains(t, err, c.says)
				requireClean(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, int64(2), got.Version)
			require.Equal(t, c.kind, got.Type)
			if !strings.HasPrefix(name, "JWT") {
				require.Equal(t, canary, got.AccessToken.Reveal())
			}
			if c.life == 0 {
				require.True(t, got.ExpiresAt.IsZero())
			} else {
				require.True(t, written.Add(c.life).Equal(got.ExpiresAt), got.ExpiresAt)
			}
		})
	}
	_, err := token.External{Name: "/p/token"}.Fetch(t.Context())
	require.ErrorIs(t, err, token.ErrNotRotated)
	require.ErrorContains(t, err, "/p/token")
}
