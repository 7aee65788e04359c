package analytics

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// tokens are the opaque bearer tokens granted so far.
type tokens struct {
	mu      sync.Mutex
	granted map[string]grant
	revoked uint64
	period  int64 // revocation periods since epoch that have been acted on
	epoch   time.Time
}

type grant struct {
	expires time.Time
	revoked bool
}

// maxRemembered is the number of tokens above which those that no longer work are
// forgotten. Until then they are kept to tell the caller why they do not work.
const maxRemembered = 1000

func newTokens(now time.Time) *tokens {
	return &tokens{granted: map[string]grant{}, epoch: now}
}

func (t *tokens) issue(life, revokeEvery time.Duration, now time.Time) string {
	token := rand.Text()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.revokeDue(revokeEvery, now)
	if len(t.granted) >= maxRemembered {
		for old, g := range t.granted {
			if g.revoked || !now.Before(g.expires) {
				delete(t.granted, old)
			}
		}
	}
	t.granted[token] = grant{expires: now.Add(life)}
	return token
}

var (
	errNoToken      = errors.New("no bearer token: send Authorization: Bearer <token>")
	errTokenUnknown = errors.New("the token is not known")
	errTokenExpired = errors.New("the token has expired")
	errTokenRevoked = errors.New("the token was revoked")
)

func (t *tokens) check(token string, revokeEvery time.Duration, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.revokeDue(revokeEvery, now)
	g, ok := t.granted[token]
	switch {
	case !ok:
		return errTokenUnknown
	case g.revoked:
		return errTokenRevoked
	case !now.Before(g.expires):
		return errTokenExpired
	}
	return nil
}

func (t *tokens) revokeAll(now time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.revokeAllLocked(now)
}

func (t *tokens) revokeAllLocked(now time.Time) int {
	n := 0
	for token, g := range t.granted {
		if !g.revoked && now.Before(g.expires) {
			g.revoked = true
			t.granted[token] = g
			n++
		}
	}
	t.revoked += uint64(n)
	return n
}

// rearm makes periodic revocation count from now.
func (t *tokens) rearm(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.epoch, t.period = now, 0
}

// revokeDue revokes when a period has ended since the last call. Nobody can tell
// that from a timer, and there is none to stop.
func (t *tokens) revokeDue(every time.Duration, now time.Time) {
	if every <= 0 {
		return
	}
	if period := int64(now.Sub(t.epoch) / every); period > t.period {
		t.period = period
		t.revokeAllLocked(now)
	}
}

func (t *tokens) counts(now time.Time) (active int, revoked uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, g := range t.granted {
		if !g.revoked && now.Before(g.expires) {
			active++
		}
	}
	return active, t.revoked
}

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

func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	s.ledger.count(func(t *Stats) { t.TokenRequests++ })
	if !s.misbehaveToken(w, r) {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxTokenRequest)
	w.Header().Set("Cache-Control", "no-store")
	if err := s.grantable(r); err != nil {
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
	token := s.tokens.issue(life, f.RevokeEvery, now)
	s.ledger.count(func(t *Stats) { t.TokenGrants++ })
	s.answerToken(w, http.StatusOK, map[string]any{
		"access_token": token,
		"token_type":   "Bearer",
		// Whole seconds, rounded down: a client must not believe a token longer
		// than it lives.
		"expires_in": int64(life / time.Second),
	})
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
	if !equal(id, s.config.ClientID) || !equal(secret, s.config.ClientSecret) {
		return &oauthError{"invalid_client", "the client is not known or its secret is wrong", http.StatusUnauthorized}
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

// bearerToken returns the token of an Authorization header.
func bearerToken(r *http.Request) (string, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", errNoToken
	}
	return token, nil
}

func (s *Server) answerToken(w http.ResponseWriter, status int, body any) {
	s.ledger.answered(s.ledger.tokens, status)
	writeJSON(w, status, body)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// A failure to write means that the client is gone; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(body)
}
