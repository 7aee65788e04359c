package redact

import (
	"bytes"
	"strings"
)

// The limits of what is taken for a name.
const (
	maxNameLength  = 128
	maxTagLength   = 1024
	maxPartHeaders = 256
)

// name is a name in a text and what surrounds it.
type name struct {
	start, end int
	class      Class
	quote      []byte // behind it, and around it most likely
	inBrackets bool   // user[password]
}

// named finds the value of the name that a word is in, if that is the name of a
// secret.
func (q *search) named(h hit) (part, bool) {
	text := q.text
	n := name{end: h.end}
	for n.end < len(text) && isNameCharacter(text[n.end]) {
		if n.end++; n.end-h.start > maxNameLength {
			return part{}, false
		}
	}
	i := n.skipBrackets(text)
	if bytes.HasPrefix(text[i:], []byte(" header:")) {
		i += len(" header")
	}
	n.quote = quoteAt(text, i)
	i += len(n.quote)
	sep := separatorAt(text, skipBlanks(text, i, n.quote != nil))
	if sep.kind == noSeparator && n.quote == nil && !atTagEnd(text, i) {
		return part{}, false
	}

	n.start = q.nameStart(h.start)
	n.class = q.r.names.class(text[n.start:n.end])
	if n.class == ordinary {
		return part{}, false
	}
	if n.class == random || n.class == digits {
		// Do not look for the end of what is too long anyway.
		text = text[:min(len(text), i+maxRandom+maxNameLength)]
	}
	var p part
	var found bool
	switch {
	case sep.kind != noSeparator:
		p, found = q.value(text, n, sep)
	case n.quote == nil:
		p, found = q.element(text, n)
	default:
		p, found = q.pairOrPart(text, n, i)
	}
	if !found || p.start >= p.end {
		return part{}, false
	}
	p.end = max(p.end, keyEnd(text, p))
	if !n.class.Covers(text[p.start:p.end]) || placeholderAt(text[p.start:p.end]) > 0 {
		return part{}, false
	}
	return p, true
}

// nameStart is where the name begins that a word at i is in.
func (q *search) nameStart(i int) int {
	text, lowest := q.text, max(q.done, i-maxNameLength)
	start := i
	for start > lowest && isNameCharacter(text[start-1]) {
		start--
	}
	if start == 0 || start == i {
		return start
	}
	// What an escape ends with is not of the name.
	switch text[start-1] {
	case '\\':
		switch text[start] {
		case 'n', 'r', 't', 'b', 'f':
			return start + 1
		case 'u':
			return min(start+len("u0026"), i)
		}
	case '%':
		for start+2 <= i && isHex(text[start]) && isHex(text[start+1]) {
			again := text[start] == '2' && text[start+1] == '5'
			if start += 2; !again {
				break
			}
		}
	}
	return start
}

// skipBrackets is where a name ends with what may follow in brackets, as in
// user[password] and tokens[0].
func (n *name) skipBrackets(text []byte) int {
	const longest = 32
	i := n.end
	for _, b := range []struct{ open, end string }{{"[", "]"}, {"%5B", "%5D"}, {"%5b", "%5d"}} {
		if bytes.HasPrefix(text[i:], []byte(b.end)) {
			n.inBrackets = true
			return i + len(b.end)
		}
		for bytes.HasPrefix(text[i:], []byte(b.open)) {
			inner := i + len(b.open)
			end := inner
			for end < len(text) && end-inner < longest && isNameCharacter(text[end]) {
				end++
			}
			if !bytes.HasPrefix(text[end:], []byte(b.end)) {
				break
			}
			i = end + len(b.end)
		}
	}
	return i
}

// separator stands between a name and its value.
type separator struct {
	kind  separatorKind
	end   int
	level int // how often it is percent-encoded
}

type separatorKind uint8

const (
	noSeparator separatorKind = iota
	equals
	colon
)

// separators by their spelling; the longer ones come first.
var separators = []struct {
	text  string
	kind  separatorKind
	level int
}{
	{"=>", colon, 0}, {":=", equals, 0}, {"=", equals, 0}, {":", colon, 0},
	{"%253D", equals, 2}, {"%253d", equals, 2}, {"%253A", colon, 2}, {"%253a", colon, 2},
	{"%3D", equals, 1}, {"%3d", equals, 1}, {"%3A", colon, 1}, {"%3a", colon, 1},
	{`\u003d`, equals, 0}, {`\u003D`, equals, 0}, {`\u003a`, colon, 0}, {`\u003A`, colon, 0},
}

func separatorAt(text []byte, i int) separator {
	if i >= len(text) || strings.IndexByte(`=:%\`, text[i]) < 0 {
		return separator{}
	}
	for _, s := range separators {
		if !bytes.HasPrefix(text[i:], []byte(s.text)) {
			continue
		}
		end := i + len(s.text)
		if s.text == ":" && (bytes.HasPrefix(text[end:], []byte(":")) || bytes.HasPrefix(text[end:], []byte("//"))) {
			return separator{} // Token::parse, secret://
		}
		for s.text == "=" && end < len(text) && text[end] == '=' {
			end++
		}
		return separator{s.kind, end, s.level}
	}
	return separator{}
}

// element finds the text of an XML element of that name.
func (q *search) element(text []byte, n name) (part, bool) {
	i := n.start
	if i > q.done && text[i-1] == ':' { // of a name space
		for i--; i > q.done && isNameCharacter(text[i-1]); {
			i--
		}
	}
	if i <= q.done || text[i-1] != '<' {
		return part{}, false
	}
	tag := bytes.IndexByte(text[n.end:min(len(text), n.end+maxTagLength)], '>')
	if tag < 0 || text[n.end+tag-1] == '/' {
		return part{}, false
	}
	start := n.end + tag + 1
	for start < len(text) && isBlank(text[start]) {
		start++
	}
	if bytes.HasPrefix(text[start:], []byte("<![CDATA[")) {
		start += len("<![CDATA[")
		return part{start: start, end: indexFrom(text, start, "]]>")}, true
	}
	return part{start: start, end: indexFrom(text, start, "<")}, true
}

// pairOrPart finds the value where the name is a value itself, in quotes that end at
// i: {"name":"password","value":"x"}, and in the part of a form.
func (q *search) pairOrPart(text []byte, n name, i int) (part, bool) {
	open := n.start - len(n.quote)
	if open > 0 && bytes.HasSuffix(text[:open], []byte("name=")) {
		headers := text[i:min(len(text), i+maxPartHeaders)]
		for _, newline := range []string{"\r\n", "\n"} {
			blank := bytes.Index(headers, []byte(newline+newline))
			if blank < 0 {
				continue
			}
			start := i + blank + 2*len(newline)
			return part{start: start, end: indexFrom(text, start, newline+"--")}, true
		}
	}
	i = skipBlanks(text, i, true)
	if i < len(text) && text[i] == ',' {
		i = skipBlanks(text, i+1, true)
	}
	quote := quoteAt(text, i)
	i += len(quote)
	if len(text)-i < len("value") || !bytes.EqualFold(text[i:i+len("value")], []byte("value")) {
		return part{}, false
	}
	i += len("value")
	if !bytes.HasPrefix(text[i:], quote) {
		return part{}, false
	}
	sep := separatorAt(text, skipBlanks(text, i+len(quote), true))
	if sep.kind == noSeparator {
		return part{}, false
	}
	return q.value(text, n, sep)
}

// atTagEnd tells whether what stands at i can follow the name of an XML element.
func atTagEnd(text []byte, i int) bool {
	return i < len(text) && (text[i] == '>' || isBlank(text[i]))
}

// quotes other than those of one character, which may be escaped.
var quotes = [][]byte{[]byte("%22"), []byte("%27"), []byte("%2522"), []byte("&quot;"), []byte("&#34;"), []byte("&#39;"), []byte(`\u0022`), []byte(`\u0027`)}

// quoteAt is the quote that stands at i, with the backslashes before it; nil if
// there is none.
func quoteAt(text []byte, i int) []byte {
	end := i
	for end < len(text) && text[end] == '\\' {
		end++
	}
	if end < len(text) && (text[end] == '"' || text[end] == '\'') {
		return text[i : end+1]
	}
	if i >= len(text) || text[i] != '%' && text[i] != '&' && text[i] != '\\' {
		return nil
	}
	end = i
	for hasPrefixFold(text[end:], "%5C") {
		end += len("%5C")
	}
	for _, quote := range quotes {
		if bytes.HasPrefix(text[end:], quote) {
			return text[i : end+len(quote)]
		}
	}
	return nil
}

// closingQuote is where the quote begins that closes what was opened by one and
// begins at i, or the end of the text. A quote of k backslashes is closed by one of
// the same, but one more than a multiple of 2(k+1) of them are an escaped backslash
// each: "a\\", \"a\\\\\".
func closingQuote(text []byte, i int, quote []byte) int {
	c := quote[len(quote)-1]
	if c != '"' && c != '\'' {
		return closingEncoded(text, i, quote)
	}
	k := len(quote) - 1
	for at := i; ; {
		next := bytes.IndexByte(text[at:], c)
		if next < 0 {
			return len(text)
		}
		at += next
		escapes := 0
		for at-escapes > i && text[at-escapes-1] == '\\' {
			escapes++
		}
		if escapes%(2*(k+1)) == k || escapes < k {
			return at - min(escapes, k)
		}
		at++
	}
}

// closingEncoded is closingQuote for quotes that are encoded: they are not
// escaped, and what they are in may end first.
func closingEncoded(text []byte, i int, quote []byte) int {
	end := indexFrom(text, i, string(quote))
	for at, c := range text[i:end] {
		if c == '"' || quote[0] == '%' && (c == '&' || isBlank(c)) {
			return i + at
		}
	}
	return end
}

// skipBlanks is where the blanks end that begin at i.
func skipBlanks(text []byte, i int, newlines bool) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || newlines && isBlank(text[i])) {
		i++
	}
	return i
}

// skipEncodedBlanks is where the blanks end that begin at i, as a URL has them.
func skipEncodedBlanks(text []byte, i int) int {
	for i < len(text) {
		switch {
		case text[i] == '+':
			i++
		case bytes.HasPrefix(text[i:], []byte("%20")):
			i += len("%20")
		default:
			return i
		}
	}
	return i
}

// indexFrom is where part begins at or after i, or the end of the text.
func indexFrom(text []byte, i int, part string) int {
	if at := bytes.Index(text[i:], []byte(part)); at >= 0 {
		return i + at
	}
	return len(text)
}

func isNameCharacter(c byte) bool {
	return isAlphanumeric(c) || c == '_' || c == '-' || c == '.'
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}
