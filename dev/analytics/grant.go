package analytics

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"time"
)

// oauthError is an error answer of RFC 6749 section 5.2.
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
	status      int
}

func (e *oauthError) Error() string { return e.Code + ": " + e.Description }

func invalidRequest(format string, args ...any) *oauthError {
	return &oauthError{"invalid_request", fmt.Sprintf(format, args...), http.StatusBadRequest}
}

// maxTokenRequest is the largest token request read, in bytes.
const maxTokenRequest = 64 << 10

// Values of the fault token-form: how an answer tells when its token expires.
const (
	formExpiresAt = "expires_at" // RFC 3339
	formEpoch     = "epoch"      // expires_at in seconds since 1970
	formJWT       = "jwt"        // only the token itself
	formNone      = "none"
)

// Values of the fault token-auth: the only way that a client may authenticate.
const (
	authBasic = "basic"
	authPost  = "post"
)

// SetClientSecret changes the secret of the client, as a rotation does.
func (s *Server) SetClientSecret(secret string) { s.secret.Store(&secret) }

// serveToken is the OAuth 2.0 token endpoint.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	s.serveGrant(w, r, s.grantable, func(token string, life time.Duration, now time.Time) any {
		answer := map[string]any{"access_token": token, "token_type": "Bearer"}
		switch s.injector.current().TokenForm {
		case formExpiresAt:
			answer["expires_at"] = now.Add(life).Truncate(time.Second).UTC().Format(time.RFC3339)
		case formEpoch:
			answer["expires_at"] = now.Add(life).Unix()
		case formJWT, formNone:
		default:
			// Whole seconds, rounded down: a client must not believe a token longer
			// than it lives.
			answer["expires_in"] = int64(life / time.Second)
		}
		return answer
	})
}

// serveLogin is a login that is not OAuth 2.0: a JSON body with a user's name and
// password for a token.
func (s *Server) serveLogin(w http.ResponseWriter, r *http.Request) {
	s.serveGrant(w, r, s.loggedIn, func(token string, life time.Duration, now time.Time) any {
		return map[string]any{"data": map[string]any{
			"token": token, "until": now.Add(life).Truncate(time.Second).UTC().Format(time.RFC3339),
		}}
	})
}

// serveGrant answers a request for a token that check lets.
func (s *Server) serveGrant(w http.ResponseWriter, r *http.Request, check func(*http.Request) *oauthError, answer func(token string, life time.Duration, now time.Time) any) {
	s.ledger.count(func(t *Stats) { t.TokenRequests++ })
	if !s.misbehaveToken(w, r) {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxTokenRequest)
	w.Header().Set("Cache-Control", "no-store")
	if err := check(r); err != nil {
		if err.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="analytics"`)
		}
		s.answerToken(w, err.status, err)
		return
	}
	f, now := s.injector.current(), time.Now()
	life := s.config.TokenLife
	if f.TokenLife > 0 {
		life = f.TokenLife
	}
	token := s.tokens.issue(life, f.RevokeEvery, f.TokenForm == formJWT, now)
	s.ledger.count(func(t *Stats) { t.TokenGrants++ })
	s.answerToken(w, http.StatusOK, answer(token, life, now))
}

// knows checks the credentials of the client. A refusal by a fault quotes them, as some
// servers do: nobody may log or keep what an error answer says.
func (s *Server) knows(id, secret string) *oauthError {
	if code := s.injector.current().TokenRefuse; code != "" {
		status := http.StatusBadRequest
		if code == "invalid_client" {
			status = http.StatusUnauthorized
		}
		return &oauthError{code, fmt.Sprintf("an injected fault refuses client %q with secret %q", id, secret), status}
	}
	if !equal(id, s.config.ClientID) || !equal(secret, *s.secret.Load()) {
		return &oauthError{"invalid_client", "the client is not known or its secret is wrong", http.StatusUnauthorized}
	}
	return nil
}

// loggedIn checks a login.
func (s *Server) loggedIn(r *http.Request) *oauthError {
	var login struct{ Username, Password string }
	if err := json.NewDecoder(r.Body).Decode(&login); err != nil {
		return invalidRequest("the body must be a JSON object with username and password")
	}
	return s.knows(login.Username, login.Password)
}

// grantable checks a client-credentials request.
func (s *Server) grantable(r *http.Request) *oauthError {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return invalidRequest("the body must be application/x-www-form-urlencoded")
	}
	if err := r.ParseForm(); err != nil {
		return invalidRequest("the form cannot be read: %v", err)
	}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			return invalidRequest("parameter %q is repeated", name)
		}
	}
	id, secret, err := clientCredentials(r)
	if err != nil {
		return err
	}
	_, _, basic := r.BasicAuth()
	if only := s.injector.current().TokenAuth; only == authBasic && !basic || only == authPost && basic {
		return &oauthError{"invalid_client", "an injected fault takes credentials by " + only + " only", http.StatusUnauthorized}
	}
	if err := s.knows(id, secret); err != nil {
		return err
	}
	switch grant := r.PostForm.Get("grant_type"); grant {
	case "client_credentials":
		return nil
	case "":
		return invalidRequest("parameter \"grant_type\" is missing")
	default:
		return &oauthError{"unsupported_grant_type", "only client_credentials is supported", http.StatusBadRequest}
	}
}

// clientCredentials reads HTTP Basic or form credentials, RFC 6749 section 2.3.1.
// Credentials in the URL are not looked at, as it demands.
func clientCredentials(r *http.Request) (id, secret string, _ *oauthError) {
	basicID, basicSecret, basic := r.BasicAuth()
	inForm := r.PostForm.Has("client_secret")
	switch {
	case basic && inForm:
		return "", "", invalidRequest("credentials are given both by HTTP Basic and in the form: use one")
	case basic:
		id, errID := url.QueryUnescape(basicID)
		secret, errSecret := url.QueryUnescape(basicSecret)
		if errID != nil || errSecret != nil {
			return "", "", &oauthError{"invalid_client", "HTTP Basic credentials must be form-urlencoded", http.StatusUnauthorized}
		}
		return id, secret, nil
	case inForm:
		return r.PostForm.Get("client_id"), r.PostForm.Get("client_secret"), nil
	default:
		return "", "", &oauthError{"invalid_client", "no client credentials: use HTTP Basic or client_id and client_secret", http.StatusUnauthorized}
	}
}

// equal compares in a time that tells nothing about either text.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
