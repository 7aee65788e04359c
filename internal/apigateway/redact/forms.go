package redact

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// form is a secret that is known by how it begins.
type form struct {
	prefix string
	of     string // for the documentation
	min    int    // characters behind the prefix
	more   string // characters beside letters and digits
}

// forms are compared with regard to case.
var forms = []form{
	{"AKIA", "AWS access key id", 16, ""},
	{"ASIA", "AWS access key id of a session", 16, ""},
	{"ABIA", "AWS STS bearer token", 16, ""},
	{"ACCA", "AWS context-specific credential", 16, ""},
	{"IQoJb3JpZ2lu", "AWS session token", 16, "+/=%_-"},
	{"FwoGZXIvYXdz", "AWS session token", 16, "+/=%_-"},
	{"FQoGZXIvYXdz", "AWS session token", 16, "+/=%_-"},
	{"ghp_", "GitHub personal access token", 30, ""},
	{"gho_", "GitHub OAuth token", 30, ""},
	{"ghu_", "GitHub app user token", 30, ""},
	{"ghs_", "GitHub app installation token", 30, ""},
	{"ghr_", "GitHub refresh token", 30, ""},
	{"github_pat_", "GitHub fine-grained token", 30, "_"},
	{"glpat-", "GitLab personal access token", 20, "-_."},
	{"xoxb-", "Slack bot token", 10, "-"},
	{"xoxp-", "Slack user token", 10, "-"},
	{"xoxa-", "Slack app token", 10, "-"},
	{"xoxr-", "Slack refresh token", 10, "-"},
	{"xoxs-", "Slack session token", 10, "-"},
	{"sk_live_", "Stripe secret key", 10, ""},
	{"sk_test_", "Stripe secret key", 10, ""},
	{"rk_live_", "Stripe restricted key", 10, ""},
	{"rk_test_", "Stripe restricted key", 10, ""},
	{"whsec_", "Stripe webhook secret", 10, "+/="},
	{"AIza", "Google API key", 35, "-_"},
	{"GOCSPX-", "Google OAuth client secret", 20, "-_"},
}

// schemes of HTTP authentication whose credentials follow.
var schemes = []string{"bearer", "basic", "digest", "negotiate", "ntlm"}

// addForms adds the words that forms are found by.
func addForms(add func(string, hint)) {
	for _, f := range forms {
		add(normal(f.prefix), hintPrefix)
	}
	for _, scheme := range schemes {
		add(scheme, hintScheme)
	}
	add("eyj", hintJWT)
	add("begin", hintPEM)
}

// form finds the secret whose form begins at a word.
func (q *search) form(h hit) (part, bool) {
	if h.hint&hintJWT != 0 && h.start >= q.noJWT {
		end, found := jwtEnd(q.text, h.start)
		if found {
			return part{start: h.start, end: end}, true
		}
		q.noJWT = end
	}
	if h.hint&hintURL != 0 {
		return q.passwordInURL(h.start)
	}
	if h.start > q.done && isAlphanumeric(q.text[h.start-1]) && !endsEscape(q.text[q.done:h.start]) {
		return part{}, false
	}
	if h.hint&hintPrefix != 0 {
		for _, f := range forms {
			if end := f.end(q.text, h.start); end > 0 {
				return part{start: h.start, end: end}, true
			}
		}
	}
	if h.hint&hintScheme != 0 {
		if p, found := credentialAt(q.text, h); found {
			return p, true
		}
	}
	if h.hint&hintPEM != 0 {
		return q.privateKey(h.start)
	}
	return part{}, false
}

// end is where the secret ends that begins at start, 0 if none does.
func (f form) end(text []byte, start int) int {
	if !bytes.HasPrefix(text[start:], []byte(f.prefix)) {
		return 0
	}
	begin := start + len(f.prefix)
	end := begin
	if f.more == "" && f.min == 16 { // AWS ids have one length and capitals
		for end < len(text) && end-begin <= f.min && isCapitalOrDigit(text[end]) {
			end++
		}
		if end-begin != f.min || end < len(text) && isAlphanumeric(text[end]) {
			return 0
		}
		return end
	}
	for end < len(text) && (isAlphanumeric(text[end]) || strings.IndexByte(f.more, text[end]) >= 0) {
		end++
	}
	if end-begin < f.min {
		return 0
	}
	return end
}

// minJWT is how many characters a token's header and what follows it must have.
const minJWT = 8

// jwtEnd finds the JSON web token that begins at start: parts in base64url that are
// separated by dots, the first of which begins as {" does. It may be encrypted,
// unsigned, or cut off in the second part. If there is none, there is none either
// that begins before end.
func jwtEnd(text []byte, start int) (end int, found bool) {
	end = start
	for end < len(text) && isBase64URL(text[end]) {
		end++
	}
	header := end
	if header-start < minJWT || header == len(text) || text[header] != '.' {
		return end, false
	}
	for end < len(text) && (isBase64URL(text[end]) || text[end] == '.') {
		end++
	}
	for text[end-1] == '.' {
		end-- // of the sentence
	}
	return end, end-header >= minJWT && bytes.HasPrefix(text[start:], []byte("eyJ"))
}

// credentialAt finds the credential behind the name of a scheme.
func credentialAt(text []byte, h hit) (part, bool) {
	i := skipEncodedBlanks(text, skipBlanks(text, h.end, false))
	if i == h.end {
		return part{}, false
	}
	scheme := text[h.start:h.end]
	if bytes.EqualFold(scheme, []byte("digest")) {
		if end := parametersEnd(text, i); end > 0 {
			return part{start: i, end: end}, true
		}
		return part{}, false
	}
	end := i
	for end < len(text) && (isBase64URL(text[end]) || strings.IndexByte(".~+/%", text[end]) >= 0) {
		end++
	}
	for end < len(text) && text[end] == '=' {
		end++
	}
	for end > i && text[end-1] == '.' {
		end-- // of the sentence
	}
	if end < len(text) && (text[end] == '"' || text[end] == '\\') && text[end-1] == '=' {
		return part{}, false // a parameter: Bearer realm="api"
	}
	credential := text[i:end]
	ok := looksLikeCredential(credential)
	if bytes.EqualFold(scheme, []byte("basic")) {
		ok = isUserAndPassword(credential)
	}
	return part{start: i, end: end}, ok
}

// looksLikeCredential tells a credential from a word of a sentence about one.
func looksLikeCredential(text []byte) bool {
	const short, long = 6, 24
	figures := bytes.ContainsAny(text, "0123456789")
	return len(text) >= short && figures || len(text) >= long
}

// isUserAndPassword tells whether text is base64 with a colon in it, which it may
// be cut off behind.
func isUserAndPassword(text []byte) bool {
	const enough = 512
	text = bytes.TrimRight(text[:min(len(text), enough)], "=")
	var buf [enough]byte
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		whole := text
		if len(whole)%4 == 1 {
			whole = whole[:len(whole)-1]
		}
		n, err := encoding.Decode(buf[:], whole)
		if err == nil && bytes.IndexByte(buf[:n], ':') >= 0 {
			return true
		}
	}
	return false
}

var parameterNames = map[string]bool{
	"username": true, "userhash": true, "realm": true, "nonce": true, "uri": true, "response": true, "algorithm": true, "cnonce": true,
	"opaque": true, "qop": true, "nc": true, "rspauth": true, "nextnonce": true,
	"credential": true, "signedheaders": true, "signature": true, // of AWS4-HMAC-SHA256
}

func isParameter(name []byte) bool {
	const longest = len("signedheaders")
	var buf [longest]byte
	return len(name) <= longest && parameterNames[string(appendNormal(buf[:0], name))]
}

// parametersEnd is where a list of parameters of HTTP authentication ends that
// begins at start, 0 if none begins there: a="b", c=d.
func parametersEnd(text []byte, start int) int {
	for i, end := start, 0; ; {
		name := i
		for i < len(text) && isAlphanumeric(text[i]) {
			i++
		}
		if i == len(text) || text[i] != '=' || !isParameter(text[name:i]) {
			return end
		}
		i++
		if quote := quoteAt(text, i); quote != nil {
			i = min(closingQuote(text, i+len(quote), quote)+len(quote), len(text))
		} else {
			for i < len(text) && text[i] != ',' && !isBlank(text[i]) {
				i++
			}
		}
		end = i
		if i < len(text) && text[i] == ',' {
			i++
		}
		for i < len(text) && text[i] == ' ' {
			i++
		}
	}
}

// keyEnd is where the private key ends that begins in a value, whose lines may have
// been taken for its end; 0 if there is none.
func keyEnd(text []byte, value part) int {
	const begin = "-----BEGIN "
	i := bytes.Index(text[value.start:min(len(text), value.end+1)], []byte(begin))
	if i < 0 {
		return 0
	}
	q := search{text: text}
	key, _ := q.privateKey(value.start + i + len("-----"))
	return key.end
}

// privateKey finds a private key in PEM that may be cut off.
func (q *search) privateKey(begin int) (part, bool) {
	text := q.text
	const dashes, marker = "-----", "PRIVATE KEY"
	const longest = 64 // label
	start := begin - len(dashes)
	if start < q.done || !bytes.HasPrefix(text[start:], []byte(dashes+"BEGIN ")) {
		return part{}, false
	}
	label := text[begin:min(len(text), begin+longest)]
	if i := bytes.Index(label, []byte(dashes)); i >= 0 {
		label = label[:i]
	}
	if !bytes.Contains(label, []byte(marker)) {
		return part{}, false
	}
	rest := text[begin:]
	end := bytes.Index(rest, []byte(dashes+"END "))
	if end < 0 {
		return part{start: start, end: len(text)}, true
	}
	end += len(dashes)
	if i := bytes.Index(rest[end:], []byte(dashes)); i >= 0 {
		end += i + len(dashes)
	} else {
		end = len(rest)
	}
	return part{start: start, end: begin + end}, true
}

// passwordInURL finds the password in a URL: scheme://user:password@host.
func (q *search) passwordInURL(slashes int) (part, bool) {
	text := q.text
	const longest = 512
	if slashes == q.done || slashes == 0 || text[slashes-1] != ':' {
		return part{}, false
	}
	colon, at, i := 0, 0, slashes+2
	for ; i < min(len(text), slashes+longest); i++ {
		c := text[i]
		if c == ':' && colon == 0 {
			colon = i
		} else if c == '@' {
			at = i
		} else if length := placeholderAt(text[i:]); length > 0 {
			i += length - 1
		} else if isBlank(c) || strings.IndexByte("/?#\"'<>\\,[]", c) >= 0 {
			break
		}
	}
	if port := text[min(colon+1, i):i]; i == len(text) && colon > 0 && at == 0 && (len(port) > len("65535") || !isNumeric(port)) {
		at = i // cut off
	}
	if colon == 0 || at <= colon+1 || isAbsent(text[colon+1:at]) {
		return part{}, false
	}
	return part{start: colon + 1, end: at}, true
}

// endsEscape tells whether text ends with an escaped character, of a string or of a URL:
// what follows begins a word then, though a letter or a digit stands before it.
func endsEscape(text []byte) bool {
	n := len(text)
	switch {
	case n >= 2 && text[n-2] == '\\':
		return strings.IndexByte("nrtbf", text[n-1]) >= 0
	case n >= 3 && isHex(text[n-1]) && isHex(text[n-2]):
		if text[n-3] == '%' || n >= 5 && string(text[n-5:n-2]) == "%25" {
			return true
		}
		return n >= 6 && isHex(text[n-3]) && isHex(text[n-4]) && string(text[n-6:n-4]) == `\u`
	}
	return false
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
}

func isCapitalOrDigit(c byte) bool { return 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' }

func isBase64URL(c byte) bool { return isAlphanumeric(c) || c == '-' || c == '_' }

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
