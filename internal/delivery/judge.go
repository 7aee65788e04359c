package delivery

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Verdict is what an answer means for the batch.
type Verdict int

// The verdicts.
const (
	// Accepted: the destination has the batch.
	Accepted Verdict = iota
	// PartlyAccepted: it has the batch but for some events, which can be all of them.
	PartlyAccepted
	// Unavailable: try the same request again later.
	Unavailable
	// TokenRefused: get another token, then try the same body again.
	TokenRefused
	// TooLarge: send the events in smaller batches.
	TooLarge
	// Refused: no later attempt can succeed; a person must decide.
	Refused
)

func (v Verdict) String() string {
	switch v {
	case Accepted:
		return "accepted"
	case PartlyAccepted:
		return "partly accepted"
	case Unavailable:
		return "unavailable"
	case TokenRefused:
		return "token refused"
	case TooLarge:
		return "too large"
	case Refused:
		return "refused"
	}
	return "verdict " + strconv.Itoa(int(v))
}

// Judge says what a status means for the batch. Of a 2xx or 403 the answer can say more.
func Judge(status int) Verdict {
	switch {
	case status >= 200 && status < 300:
		return Accepted
	case status == http.StatusUnauthorized:
		return TokenRefused
	case status == http.StatusRequestEntityTooLarge:
		return TooLarge
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly,
		status == http.StatusTooManyRequests, status >= 500, status < 100:
		return Unavailable
	default:
		// 101 and 3xx: the destination's URL is not the right one. 4xx: the request is not.
		return Refused
	}
}

// challengedToken finds the error of a challenge that another token mends. RFC 6750
// has invalid_token; insufficient_scope is not mended by a token of the same scope.
var challengedToken = regexp.MustCompile(`(?i)\berror\s*=\s*"?(invalid_token|expired_token|token_expired)\b`)

// tokenCaused tells whether a 403 was meant to be a 401: the challenge says so, or the
// member "error" of a JSON answer does.
func tokenCaused(h http.Header, answer []byte) bool {
	if slices.ContainsFunc(h.Values("WWW-Authenticate"), challengedToken.MatchString) {
		return true
	}
	value, ok := lookup(answer, "/error")
	if !ok || value.Kind() != jsontext.KindString {
		return false
	}
	code, err := jsontext.AppendUnquote(nil, value)
	return err == nil && challengedToken.MatchString("error="+string(code))
}

// advice is the Reason of an answer. quotes tells of the name of a host whether it could
// have been made from what was sent.
func advice(a Answer, h http.Header, to *url.URL, quotes func(host string) bool) string {
	switch status := a.Status; {
	case status == http.StatusSwitchingProtocols:
		return "it speaks another protocol: check destination_url"
	case status >= 300 && status < 400:
		return redirection(h.Get("Location"), to, quotes)
	case a.Verdict == TokenRefused:
		return ""
	case status == http.StatusForbidden:
		return "the token is good, but does not allow this: check token_scope and the client's permissions at the API"
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed, status == http.StatusGone:
		return "check destination_url"
	case status == http.StatusProxyAuthRequired:
		return "the proxy asks for credentials: give them in HTTP_PROXY or HTTPS_PROXY, or check destination_proxy"
	case status == http.StatusNotAcceptable, status == http.StatusUnsupportedMediaType:
		return "check batch_format and batch_compression; what is staged already keeps its form"
	}
	return ""
}

// hostName is what may be shown of where a redirect goes to.
var hostName = regexp.MustCompile(`^[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?$`)

// redirection names the host only, and only one that is no quotation: the rest of a Location
// can hold anything.
func redirection(location string, from *url.URL, quotes func(host string) bool) string {
	const advice = ", and redirects are not followed: set destination_url to where the API is"
	to, err := from.Parse(location)
	switch {
	case location == "" || err != nil || !hostName.MatchString(to.Host), quotes(to.Host):
		return "it redirects, but not to a host that could be named" + advice
	case strings.EqualFold(to.Host, from.Host) && to.Scheme == from.Scheme:
		return fmt.Sprintf("it redirects to another path of the same host, %s%s", to.Host, advice)
	}
	return fmt.Sprintf("it redirects to %s://%s%s", to.Scheme, to.Host, advice)
}

// longestRetryAfter bounds what a destination can ask for, so that a typing
// mistake over there does not stop a batch for a year.
const longestRetryAfter = time.Hour

// retryAfter reads both forms of the header (RFC 9110, section 10.2.3).
func retryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	var wait time.Duration
	if header != "" && strings.Trim(header, "0123456789") == "" {
		seconds, err := strconv.ParseInt(header, 10, 64)
		if err != nil || seconds > int64(longestRetryAfter/time.Second) {
			return longestRetryAfter
		}
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), longestRetryAfter)
}
