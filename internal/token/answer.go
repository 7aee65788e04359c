package token

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/internal/config"
)

// Layout says where a JSON value holds a token.
type Layout struct {
	// Token points to the token.
	Token jsontext.Pointer
	// Expiry points to when it expires: the seconds that it lives, seconds or
	// milliseconds since 1970, or an RFC 3339 time. Where it is empty, members
	// expires_in and expires_at are looked for, and a JSON Web Token tells by itself.
	Expiry jsontext.Pointer
}

// Members that tell about a token by convention.
const (
	memberExpiresIn = "expires_in" // RFC 6749, section 5.1
	memberExpiresAt = "expires_at"
	memberTokenType = "token_type"
)

// token makes a Token of an answer.
func (e *exchange) token(answer any, text, kind string, expiry jsontext.Pointer) (Token, error) {
	if err := sendable(text, kind); err != nil {
		return Token{}, err
	}
	until, err := expiryOf(answer, text, expiry, e.asked, e.ours)
	if err != nil {
		return Token{}, err
	}
	fresh := Token{AccessToken: config.NewSecret(text), Type: kind, ObtainedAt: e.asked, ExpiresAt: until}
	if fresh.Expired(e.asked) {
		return Token{}, errors.New("the token had expired before it came; compare the clock of this machine with the endpoint's")
	}
	return fresh, nil
}

// sendable reports whether a header can carry the token, without quoting it.
func sendable(text, kind string) error {
	switch {
	case text == "":
		return errors.New("the token is empty")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("the token has characters that no Authorization header can carry: spaces, controls, or others than ASCII")
	case !scheme.MatchString(kind):
		return errors.New("the token's type is none that an Authorization header can carry")
	}
	return nil
}

// scheme matches an authentication scheme (RFC 9110, section 11.1), or none.
var scheme = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]*$")

// expiryOf finds out when a token expires; zero where nothing tells. The times of
// others go through ours.
func expiryOf(answer any, text string, at jsontext.Pointer, asked time.Time, ours func(time.Time) time.Time) (time.Time, error) {
	if at != "" {
		value, ok := find(answer, at)
		if !ok {
			return time.Time{}, fmt.Errorf("nothing is at %s, where LOGPIPE_TOKEN_EXPIRY_POINTER looks for the expiry", at)
		}
		until, ok := moment(value, asked, ours)
		if !ok {
			return time.Time{}, fmt.Errorf("what is at %s is no expiry: want seconds, seconds or milliseconds since 1970, or an RFC 3339 time", at)
		}
		return until, nil
	}
	members, _ := answer.(map[string]any)
	// The life comes first: it needs no clock but ours.
	if seconds, ok := number(members[memberExpiresIn]); ok && seconds > 0 && seconds <= math.MaxInt32 {
		return asked.Add(time.Duration(seconds * float64(time.Second))), nil
	}
	if until, ok := moment(members[memberExpiresAt], asked, ours); ok {
		return until, nil
	}
	if until, ok := jwtExpiry(text); ok {
		return ours(until), nil
	}
	return time.Time{}, nil
}

// Numbers from these on are a time since 1970 and no life: as a life they were longer
// than 30 years.
const (
	leastEpoch       = 1e9  // seconds: September 2001
	leastEpochMillis = 1e11 // seconds would be the year 5138
	mostEpochMillis  = 1e14
)

// moment reads a life or a time.
func moment(value any, asked time.Time, ours func(time.Time) time.Time) (time.Time, bool) {
	if n, ok := number(value); ok {
		switch {
		case n <= 0, n >= mostEpochMillis:
			return time.Time{}, false
		case n < leastEpoch:
			return asked.Add(time.Duration(n * float64(time.Second))), true
		case n < leastEpochMillis:
			return ours(time.UnixMilli(int64(n * 1000))), true
		}
		return ours(time.UnixMilli(int64(n))), true
	}
	text, ok := value.(string)
	if !ok {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, false
	}
	return ours(at), true
}

// number reads a JSON number, or one that is written as text.
func number(value any) (float64, bool) {
	var text string
	switch v := value.(type) {
	case float64:
		return v, true
	case json.Number:
		text = v.String()
	case string:
		text = v
	default:
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
}

// jwtExpiry reads the claim exp of a JSON Web Token (RFC 7519). Its signature is not
// looked at: whoever takes the token does that.
func jwtExpiry(text string) (time.Time, bool) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}, false
	}
	var claims struct {
		Exp float64 `json:"exp"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Exp < leastEpoch || claims.Exp >= leastEpochMillis {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(claims.Exp * 1000)), true
}

// find returns the part of a JSON value that the pointer (RFC 6901) names.
func find(value any, at jsontext.Pointer) (any, bool) {
	for name := range at.Tokens() {
		switch v := value.(type) {
		case map[string]any:
			member, ok := v[name]
			if !ok {
				return nil, false
			}
			value = member
		case []any:
			index, err := strconv.ParseUint(name, 10, 31)
			if err != nil || index >= uint64(len(v)) {
				return nil, false
			}
			value = v[index]
		default:
			return nil, false
		}
	}
	return value, true
}
