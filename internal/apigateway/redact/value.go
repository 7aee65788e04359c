package redact

import (
	"bytes"
	"strings"
)

// value finds where the value of a name begins and ends. What looks like its value
// may be another name, as in "secret: password: x": then that one's value is the end.
func (q *search) value(text []byte, n name, sep separator) (part, bool) {
	p, found := q.oneValue(text, n, sep)
	for found && p.start < p.end {
		i := p.end
		if text[i-1] == ':' {
			i--
		}
		i += len(quoteAt(text, i))
		if i < len(text) && text[i] == ']' {
			i++
		}
		next := separatorAt(text, skipBlanks(text, i, true))
		if next.kind == noSeparator {
			break
		}
		more, found := q.oneValue(text, n, next)
		if !found || more.end <= p.end {
			break
		}
		p.end = more.end
	}
	return p, found
}

// oneValue finds where what stands behind a separator begins and ends. How it ends
// depends on what it stands in; where that is not certain it is rather taken to be
// longer.
func (q *search) oneValue(text []byte, n name, sep separator) (part, bool) {
	start := skipBlanks(text, sep.end, n.quote != nil && sep.kind == colon)
	if sep.level > 0 {
		start = skipEncodedBlanks(text, start)
	}
	if start >= len(text) || placeholderAt(text[start:]) > 0 {
		return part{}, false
	}
	if quote := quoteAt(text, start); quote != nil {
		start += len(quote)
		if n.quote == nil && closesString(text, start) {
			return part{}, false
		}
		end := closingQuote(text, start, quote)
		if n.quote != nil || !n.takesLine() || !bytes.HasPrefix(text[min(len(text), end+len(quote)):], []byte(";")) {
			return part{start: start, end: end}, true
		}
	}
	if c := text[start]; c == '[' || c == '{' {
		return part{start: start, end: bracketsEnd(text, start), quote: n.quote}, true
	}
	switch {
	case n.quote != nil:
		return part{start: start, end: scalarEnd(text, start), quote: n.quote}, true
	case sep.kind == colon && sep.level == 0:
		return q.line(text, n, start)
	case sep.level == 0 && q.inMap(text, n):
		return part{start: start, end: n.mapValueEnd(text, start)}, true
	case n.takesLine() && !inQuery(text[:n.start]):
		return part{start: start, end: n.headerEnd(text, start)}, true
	}
	end := pairEnd(text, start, sep.level)
	if isScheme(text[start:end]) {
		next := skipBlanks(text, end, false)
		end = max(pairEnd(text, next, sep.level), parametersEnd(text, next))
	}
	return part{start: start, end: end}, true
}

// closesString tells whether the quote that ends at i closes a JSON string, with the
// name and nothing behind it as its last part: "bad token:","user":"x".
func closesString(text []byte, i int) bool {
	i = skipBlanks(text, i, true)
	switch {
	case i == len(text) || text[i] == '}' || text[i] == ']':
		return true
	case text[i] == ',':
		return quoteAt(text, skipBlanks(text, i+1, true)) != nil
	}
	return false
}

// takesLine tells whether the value is of several words.
func (n *name) takesLine() bool { return n.class == credentials || n.class == cookies }

// inQuery tells whether what follows is a parameter of a URL or a field of a form,
// other than the first.
func inQuery(before []byte) bool {
	return len(before) > 0 && strings.IndexByte("?&#;", before[len(before)-1]) >= 0 || bytes.HasSuffix(before, []byte(`\u0026`))
}

// inMap tells whether a name without quotes stands in a map: {a=b, c=d}.
func (q *search) inMap(text []byte, n name) bool {
	if n.start == q.done && n.start > 0 || n.start == 0 || n.inBrackets {
		return false
	}
	switch text[n.start-1] {
	case '{', '(', '[':
		return true
	}
	return bytes.HasSuffix(text[:n.start], []byte(", "))
}

// scalarEnd is where a JSON value ends that is no string, or something like it.
func scalarEnd(text []byte, start int) int {
	i := start
	for i < len(text) && strings.IndexByte(",}]\n\r\"'\\", text[i]) < 0 {
		i++
	}
	return trimBlanks(text, start, i)
}

// bracketsEnd is where the brackets close that open at i, or the end of the text.
func bracketsEnd(text []byte, i int) int {
	depth := 0
	for i < len(text) {
		switch text[i] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case '\\', '"':
			if quote := quoteAt(text, i); quote != nil {
				i += len(quote)
				i = min(closingQuote(text, i, quote)+len(quote), len(text))
				continue
			}
		}
		i++
	}
	return len(text)
}

// pairEnd is where the value of a parameter, a field of a form or another pair ends
// that may stand in a URL.
func pairEnd(text []byte, i, level int) int {
	for ; i < len(text); i++ {
		switch c := text[i]; c {
		case ' ', '\t', '\n', '\r', '&', ';', '"', '\'', '<', '>':
			return i
		case '\\':
			if endsEscaped(text[i:]) {
				return i
			}
		case '%':
			rest := text[i:]
			if level > 0 && (hasPrefixFold(rest, "%26") || hasPrefixFold(rest, "%22")) || level > 1 && hasPrefixFold(rest, "%2526") {
				return i
			}
		}
	}
	return len(text)
}

// endsEscaped tells whether an escaped quote or ampersand stands at the beginning
// of text, or a tag.
func endsEscaped(text []byte) bool {
	text = bytes.TrimLeft(text, `\`)
	if len(text) == 0 || text[0] == '"' || text[0] == '\'' {
		return len(text) > 0
	}
	for _, escape := range []string{"u0026", "u0022", "u0027", "u003c", "u003e"} {
		if hasPrefixFold(text, escape) {
			return true
		}
	}
	return false
}

// mapValueEnd is where a value in a map ends as API Gateway prints headers: at
// ", name=" or the last brace. Nothing is escaped, so a value may hold either; what
// belongs to a header that takes the line is known by the names of its parameters.
func (n *name) mapValueEnd(text []byte, start int) int {
	i := start
	for i < len(text) {
		switch text[i] {
		case '[':
			if bytes.HasPrefix(text[i:], []byte(truncated[1:]+"\n")) {
				return trimBlanks(text, start, i)
			}
		case '}', ')', ']':
			if closes(text[i+1:]) {
				return trimBlanks(text, start, i)
			}
		case ',':
			next, parameter := splitAt(text, i)
			if next == 0 {
				break
			}
			if !n.takesLine() || !isParameter(parameter) && (n.class != cookies || !isCookie(text[next:])) {
				return i
			}
			i = next
			continue
		}
		i++
	}
	return trimBlanks(text, start, i)
}

// splitAt tells whether ", name=" stands at i, and where the name ends.
func splitAt(text []byte, i int) (end int, name []byte) {
	const longest = 64
	start := skipBlanks(text, i+1, false)
	if start == i+1 {
		return 0, nil
	}
	end = start
	for end < len(text) && end-start < longest && (isNameCharacter(text[end]) || strings.IndexByte("!#$%&'*+^`|~", text[end]) >= 0) {
		end++
	}
	if end == start || end == len(text) || text[end] != '=' {
		return 0, nil
	}
	return end, text[start:end]
}

// closes tells whether the text around a map goes on, or ends, behind its brace.
func closes(rest []byte) bool {
	rest = bytes.TrimLeft(rest, `\`)
	return len(bytes.TrimSpace(rest)) == 0 || strings.IndexByte("\"'\n\r", rest[0]) >= 0
}

// isCookie tells whether text, up to where a map would go on, has the attributes of
// a cookie.
func isCookie(text []byte) bool {
	for i := range text {
		if text[i] != ',' {
			continue
		}
		if end, _ := splitAt(text, i); end > 0 {
			text = text[:i]
			break
		}
	}
	for _, attribute := range []string{"path=", "expires=", "max-age=", "domain=", "samesite=", "httponly", "secure"} {
		for rest := text; ; {
			i := bytes.IndexByte(rest, ';')
			if i < 0 {
				break
			}
			rest = bytes.TrimLeft(rest[i+1:], " ")
			if hasPrefixFold(rest, attribute) {
				return true
			}
		}
	}
	return false
}

// line finds a value behind "name: ", of a header or in a sentence.
func (q *search) line(text []byte, n name, start int) (part, bool) {
	if n.takesLine() || n.start == 0 || text[n.start-1] == '\n' {
		if !n.takesLine() && isProse(text[start:]) {
			return part{}, false
		}
		return part{start: start, end: n.headerEnd(text, start)}, true
	}
	end := wordEnd(text, start)
	if isScheme(text[start:end]) {
		next := skipBlanks(text, end, false)
		end = max(wordEnd(text, next), parametersEnd(text, next))
	} else if isProse(text[start:]) {
		return part{}, false
	}
	for end > start && strings.IndexByte(`,;)]}"'\`, text[end-1]) >= 0 {
		end--
	}
	return part{start: start, end: end}, true
}

// headerEnd is where a line ends, or the quotes in which a name without quotes
// stands.
func (n *name) headerEnd(text []byte, start int) int {
	line := start
	for line < len(text) && text[line] != '\n' && text[line] != '\r' {
		line++
	}
	if n.start > 0 && (text[n.start-1] == '"' || text[n.start-1] == '\'') {
		if end := bytes.IndexByte(text[start:line], text[n.start-1]); end >= 0 {
			line = start + end
			for line > start && text[line-1] == '\\' {
				line--
			}
		}
	}
	return trimBlanks(text, start, line)
}

func wordEnd(text []byte, i int) int {
	for i < len(text) && !isBlank(text[i]) {
		i++
	}
	return i
}

// isProse tells whether text begins with two words as a sentence does: "Invalid
// token: signature has expired".
func isProse(text []byte) bool {
	const longest = 20
	first := 0
	for first < len(text) && isLetter(text[first]) {
		first++
	}
	return first > 0 && first <= longest && first+1 < len(text) && text[first] == ' ' && isLetter(text[first+1]) && !isScheme(text[:first])
}

// isScheme tells whether text names a scheme of HTTP authentication.
func isScheme(text []byte) bool {
	for _, scheme := range []string{"bearer", "basic", "digest", "negotiate", "ntlm", "token", "apikey", "aws4-hmac-sha256"} {
		if len(text) == len(scheme) && hasPrefixFold(text, scheme) {
			return true
		}
	}
	return false
}

// trimBlanks is where the blanks begin that a value from start to end ends with.
func trimBlanks(text []byte, start, end int) int {
	for end > start && isBlank(text[end-1]) {
		end--
	}
	return end
}

func hasPrefixFold(text []byte, prefix string) bool {
	return len(text) >= len(prefix) && bytes.EqualFold(text[:len(prefix)], []byte(prefix))
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
