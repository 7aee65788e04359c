package redact

import (
	"bytes"
	"slices"
	"strings"
)

// Class is what a name says about its value. The zero value says nothing.
type Class uint8

const (
	// ordinary is a name that says nothing.
	ordinary Class = iota
	// secret is the name of a secret.
	secret
	// credentials is the name of a header that takes the whole line, of several
	// words and parameters.
	credentials
	// cookies is the name of a header of cookies.
	cookies
	// counted is the name of several secrets or of how many there are: a number
	// is no secret.
	counted
	// random is a name whose value is a secret if it looks random.
	random
	// digits is a name whose value is a secret if it is a short number.
	digits
)

// always tells whether every value under such a name is secret.
func (c Class) always() bool {
	return c == secret || c == credentials || c == cookies || c == counted
}

// Covers tells whether a value under such a name is secret.
func (c Class) Covers(value []byte) bool {
	switch c {
	case ordinary:
		return false
	case random:
		return looksRandom(value)
	case digits:
		return isShortNumber(value)
	case counted:
		if isNumeric(value) {
			return false
		}
	}
	return !isAbsent(value)
}

// nameRule is a name of secrets. "*" stands for anything at the beginning or the
// end; case, "-" and "_" do not count, and neither does any other character that is
// no letter or digit.
type nameRule struct {
	name  string
	class Class
	of    string // for the documentation
}

// nameRules are the built-in names.
var nameRules = []nameRule{
	{"*authorization*", credentials, "credentials of HTTP, however the header is forwarded"},
	{"authentication-info", secret, "session data of HTTP authentication"},
	{"proxy-authentication-info", secret, "session data of HTTP authentication"},
	{"*cookie*", cookies, "`Cookie`, `Set-Cookie`, `cookies` of HTTP API events"},
	{"*token*", secret, "access, refresh, id, session and anti-forgery tokens, `X-Amz-Security-Token`, `authorizationToken`"},
	{"*tokens", counted, "the same, unless it is a number: `maxTokens` counts them"},
	{"*secret*", secret, "client secrets, AWS secret access keys"},
	{"*password*", secret, ""},
	{"*passwd*", secret, ""},
	{"*passphrase*", secret, ""},
	{"*passcode*", secret, ""},
	{"*pwd", secret, ""},
	{"*credential*", secret, "`X-Amz-Credential` among others"},
	{"*api-key*", secret, "`x-api-key`"},
	{"*private-key*", secret, ""},
	{"*access-key*", secret, ""},
	{"*secret-key", secret, ""},
	{"*auth-key", secret, ""},
	{"*signing-key", secret, ""},
	{"*encryption-key", secret, ""},
	{"*master-key", secret, ""},
	{"*shared-key", secret, ""},
	{"*session-key", secret, ""},
	{"*account-key", secret, "Azure"},
	{"*subscription-key", secret, "Azure"},
	{"*functions-key", secret, "Azure"},
	{"*ssh-key", secret, ""},
	{"*signature", secret, "`X-Amz-Signature`, signed URLs, webhooks"},
	{"sig", secret, "signed URLs of Azure"},
	{"x-amz-cognito-*", secret, ""},
	{"x-amzn-oidc-data", secret, "claims from a load balancer, a JSON web token"},
	{"x-auth", secret, ""},
	{"*jwt", secret, ""},
	{"*assertion", secret, "`client_assertion` and `assertion` of OAuth, SAML"},
	{"saml-response", secret, ""},
	{"*session-id", secret, "`JSESSIONID`, `ASP.NET_SessionId`"},
	{"phpsessid", secret, ""},
	{"connect.sid", secret, "Express"},
	{"sid", secret, ""},
	{"csrf", secret, ""},
	{"xsrf", secret, ""},
	{"code-verifier", secret, "OAuth"},
	{"device-code", secret, "OAuth"},
	{"code", random, "OAuth: if it looks random, not the code of an error"},
	{"refresh", random, "OAuth: if it looks random"},
	{"auth", random, "if it looks random"},
	{"session", random, "if it looks random"},
	{"otp", secret, ""},
	{"one-time-code", secret, ""},
	{"mfa-code", secret, ""},
	{"verification-code", secret, ""},
	{"pin", digits, "if it is a number of 3 to 12 digits"},
	{"cvv", secret, ""},
	{"cvv2", secret, ""},
	{"cvc", secret, ""},
	{"security-code", secret, ""},
	{"*card-number", secret, ""},
	{"cc-number", secret, ""},
}

// about are the words that follow a word such as token in names of what is known
// about it rather than of itself.
var about = []string{
	"algorithm", "alg", "arn", "banner", "changedat", "consent", "count", "createdat", "decision", "details", "domain", "enabled",
	"endpoint", "endpointauthmethod", "exp", "expiration", "expires", "expiresat", "expiresin", "expiry", "format", "issuedat",
	"issuer", "kind", "lastchanged", "lastused", "lastusedat", "length", "lifetime", "limit", "maxage", "mode", "name", "path",
	"policy", "provider", "quota", "required", "rotatedat", "scope", "scopes", "server", "size", "source", "stage", "status",
	"ttl", "type", "types", "typehint", "updatedat", "uri", "url", "usage", "use", "valid", "validity", "version",
}

// exceptions are further endings for one word, "*" standing for more.
var exceptions = map[string][]string{
	"token":      {"iz*", "is*"},                  // tokenize, tokenIsValid
	"secret":     {"ary*", "ariat*", "smanager*"}, // secretary, secretsManager
	"password":   {"less*"},
	"apikey":     {"id", "ids"},
	"accesskey":  {"id", "ids"}, // recognised by its form if it is one of AWS
	"privatekey": {"id"},
}

// positions are what a token is called that says where a list goes on.
var positions = []string{
	"next", "nextpage", "page", "prevpage", "previouspage", "pagination", "continuation", "nextcontinuation", "nextsync", "sync",
	"cancellation", "clientrequest",
}

// names finds the class of a name. It knows names as [appendNormal] writes them.
type names struct {
	exact    map[string]Class
	prefixes []word
	suffixes []word
	parts    []word
}

type word struct {
	text  string
	class Class
	own   bool // without exceptions
}

func newNames(own []string) *names {
	n := &names{exact: make(map[string]Class)}
	for _, r := range nameRules {
		n.add(r.name, r.class, false)
	}
	for _, name := range own {
		n.add(name, secret, true)
	}
	return n
}

func (n *names) add(name string, class Class, own bool) {
	w := word{normal(name), class, own}
	switch open, end := strings.HasPrefix(name, "*"), strings.HasSuffix(name, "*"); {
	case open && end:
		n.parts = append(n.parts, w)
	case open:
		n.suffixes = append(n.suffixes, w)
	case end:
		n.prefixes = append(n.prefixes, w)
	default:
		n.exact[w.text] = class
	}
}

// stems are the words of which a name or a pattern of this redactor has one.
func (n *names) stems() map[string]hint {
	stems := map[string]hint{`\u000`: hintEscape, "//": hintURL}
	add := func(stem string, h hint) { stems[stem] |= h }
	for name := range n.exact {
		add(stem(name), hintName)
	}
	for _, list := range [][]word{n.prefixes, n.suffixes, n.parts} {
		for _, w := range list {
			add(stem(w.text), hintName)
		}
	}
	addForms(add)
	return stems
}

// stem is what a finder finds a name by. It needs the first two letters together,
// which they are not in x-auth.
func stem(name string) string {
	if rest := strings.TrimPrefix(name, "x"); len(rest) > minName {
		return rest
	}
	return name
}

// class finds the class of a name as somebody wrote it.
func (n *names) class(name []byte) Class {
	var buf [128]byte
	norm := appendNormal(buf[:0], name)
	last := len(norm) // of request.headers.sid
	if i := bytes.LastIndexByte(name, '.'); i >= 0 {
		var rest [128]byte
		last = len(appendNormal(rest[:0], name[i+1:]))
	}
	if c := n.normalClass(norm, last); c != ordinary {
		return c
	}
	return n.exact[string(norm[len(norm)-last:])]
}

// normalClass finds the class of a name of which the last part has last characters.
func (n *names) normalClass(norm []byte, last int) Class {
	if c, found := n.exact[string(norm)]; found {
		return c
	}
	for _, w := range n.suffixes {
		if bytes.HasSuffix(norm, []byte(w.text)) && !isPosition(norm[len(norm)-last:], w) {
			return w.class
		}
	}
	for _, w := range n.prefixes {
		if bytes.HasPrefix(norm, []byte(w.text)) {
			return w.class
		}
	}
	for _, w := range n.parts {
		i := bytes.LastIndex(norm, []byte(w.text))
		if i >= 0 && (w.own || !isAbout(w.text, norm[i+len(w.text):]) && !isPosition(norm[len(norm)-last:], w)) {
			return w.class
		}
	}
	return ordinary
}

// isAbout tells whether a name that goes on with rest behind a word is of what is
// known about it.
func isAbout(word string, rest []byte) bool {
	if slices.Contains(about, string(rest)) {
		return true
	}
	for _, ending := range exceptions[word] {
		beginning, open := strings.CutSuffix(ending, "*")
		if string(rest) == ending || open && bytes.HasPrefix(rest, []byte(beginning)) {
			return true
		}
	}
	return false
}

// isPosition tells whether a name is of a place in a list.
func isPosition(name []byte, w word) bool {
	if w.own || w.text != "token" && w.text != "tokens" {
		return false
	}
	for _, position := range positions {
		if bytes.HasPrefix(name, []byte(position)) && string(name[len(position):]) == w.text {
			return true
		}
	}
	return false
}

func normal(name string) string { return string(appendNormal(nil, []byte(name))) }

// appendNormal appends a name in lower case with nothing but its letters and
// digits, so that all its spellings are the same.
func appendNormal(dst, name []byte) []byte {
	for _, c := range name {
		switch {
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9':
			dst = append(dst, c)
		case 'A' <= c && c <= 'Z':
			dst = append(dst, c+'a'-'A')
		}
	}
	return dst
}

// isAbsent tells whether a value is how programs write that there is none, or a
// placeholder. Nobody is let in by yes or no, either.
func isAbsent(value []byte) bool {
	switch string(value) {
	case "", "-", "null", "true", "false", "None", "nil", "undefined", "[]", "{}":
		return true
	}
	return placeholderAt(value) == len(value)
}

const (
	minRandom = 16
	maxRandom = 512
)

// looksRandom tells whether a value could be a credential and no word: a long
// string of small letters and digits with others, without blanks.
func looksRandom(value []byte) bool {
	if len(value) < minRandom || len(value) > maxRandom {
		return false
	}
	letters, figures := 0, 0
	for _, c := range value {
		switch {
		case 'a' <= c && c <= 'z':
			letters++
		case '0' <= c && c <= '9':
			figures++
		case 'A' <= c && c <= 'Z' || strings.IndexByte("-._~+/=%", c) >= 0:
		default:
			return false
		}
	}
	return letters > 0 && figures > 1
}

func isShortNumber(value []byte) bool {
	return len(value) >= 3 && len(value) <= 12 && isNumeric(value)
}

func isNumeric(value []byte) bool {
	for _, c := range value {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(value) > 0
}
