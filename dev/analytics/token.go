package analytics

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
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

func (t *tokens) issue(life, revokeEvery time.Duration, asJWT bool, now time.Time) string {
	token := rand.Text()
	if asJWT {
		token = jwt(now, now.Add(life), token)
	}
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

// jwt makes a JSON Web Token whose signature is the text that makes it unique.
func jwt(issued, expires time.Time, unique string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." +
		encode(fmt.Appendf(nil, `{"iat":%d,"exp":%d}`, issued.Unix(), expires.Unix())) + "." + unique
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
