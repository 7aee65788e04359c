package redact

import (
	"bytes"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// maxJSONDepth bounds the nesting of a JSON value.
const maxJSONDepth = 10_000

// verdict is what a walk found a text to be.
type verdict uint8

const (
	complete  verdict = iota // JSON values
	cutOff                   // the beginning of one, as logs cut off what is too long
	malformed                // neither
)

// walk appends JSON with the secrets in it replaced, and tells how many were. It
// appends nothing if there are none.
func (s *state) walk(dst, text []byte, c Class, depth int) ([]byte, int, verdict) {
	w := walker{state: s, level: &s.levels[depth], depth: depth, text: bytes.TrimSuffix(text, []byte(truncated)), dst: dst}
	s.renamed = false
	result := w.values(c)
	s.renamed = w.taken != nil
	if result == malformed || w.n == 0 {
		return dst, 0, result
	}
	return append(w.dst, text[w.copied:]...), w.n, result
}

// walker goes through JSON. It checks the grammar only as far as it has to.
type walker struct {
	*state
	level *level
	depth int // of texts within texts

	text   []byte
	at     int
	dst    []byte
	copied int // up to where text is in dst
	n      int

	nesting int
	// taken are the member names in the whole text, once one had to be replaced, with
	// the last number that was given to each.
	taken map[string]int
}

// values goes through one value or several.
func (w *walker) values(c Class) verdict {
	for {
		if v := w.value(c); v != complete {
			return v
		}
		if w.skipBlanks(); w.at == len(w.text) {
			return complete
		}
		if c := w.text[w.at]; c != '{' && c != '[' {
			return malformed
		}
	}
}

// value goes through a value under a name of some class.
func (w *walker) value(c Class) verdict {
	w.skipBlanks()
	if w.at == len(w.text) {
		return cutOff
	}
	switch w.text[w.at] {
	case '"':
		return w.string(c)
	case '{':
		return w.nested(c, w.object)
	case '[':
		if c.always() {
			return w.secretArray()
		}
		return w.nested(c, w.array)
	}
	return w.scalar(c)
}

func (w *walker) nested(c Class, walk func(Class) verdict) verdict {
	if w.nesting++; w.nesting > maxJSONDepth {
		return malformed
	}
	defer func() { w.nesting-- }()
	w.at++
	return walk(c)
}

// object goes through the members of an object. Under the name of a secret, all
// their values are.
func (w *walker) object(outer Class) verdict {
	if !outer.always() {
		outer = ordinary
	}
	named := ordinary // class of a name that is given as a value
	for first := true; ; first = false {
		w.skipBlanks()
		if w.at == len(w.text) {
			return cutOff
		}
		switch c := w.text[w.at]; {
		case c == '}':
			w.at++
			return complete
		case c == ',' && !first:
			w.at++
			w.skipBlanks()
		case !first:
			return malformed
		}
		name, v := w.name()
		if v != complete {
			return v
		}
		class := outer
		if class == ordinary {
			class = w.r.Class(name)
		}
		switch key := nameKind(name); {
		case key == givesName:
			named = w.classOfNext()
		case key == givesValue && class == ordinary:
			class = named
		}
		if v := w.value(class); v != complete {
			return v
		}
	}
}

// nameKind tells the members of {"name":"password","value":"x"}.
type memberKind uint8

const (
	anyMember memberKind = iota
	givesName
	givesValue
)

func nameKind(name []byte) memberKind {
	if len(name) < len("key") || len(name) > len("parameter") {
		return anyMember
	}
	switch {
	case bytes.EqualFold(name, []byte("name")), bytes.EqualFold(name, []byte("key")), bytes.EqualFold(name, []byte("header")),
		bytes.EqualFold(name, []byte("field")), bytes.EqualFold(name, []byte("parameter")):
		return givesName
	case bytes.EqualFold(name, []byte("value")), bytes.EqualFold(name, []byte("values")):
		return givesValue
	}
	return anyMember
}

// classOfNext is the class of the name that the next value is, if it is a string.
func (w *walker) classOfNext() Class {
	w.skipBlanks()
	if w.at == len(w.text) || w.text[w.at] != '"' {
		return ordinary
	}
	content, _ := stringAt(w.text, w.at)
	const longest = 2 * maxNameLength
	if len(content) > longest {
		return ordinary
	}
	return w.r.Class(w.unescaped(&w.level.name, content))
}

// name goes through the name of a member and the colon behind it. The name is valid
// until the next.
func (w *walker) name() ([]byte, verdict) {
	if w.at == len(w.text) {
		return nil, cutOff
	}
	if w.text[w.at] != '"' {
		return nil, malformed
	}
	start := w.at
	content, closed := stringAt(w.text, start)
	if !closed {
		return nil, w.string(ordinary)
	}
	w.at += len(content) + 2
	name := w.unescaped(&w.level.name, content)
	if out, n := w.redacted(content); n > 0 {
		if hasControl(content) {
			return nil, malformed
		}
		w.replaceName(start, out, n)
	}
	w.skipBlanks()
	switch {
	case w.at == len(w.text):
		return name, cutOff
	case w.text[w.at] != ':':
		return nil, malformed
	}
	w.at++
	return name, complete
}

// replaceName replaces the name of a member, and makes it one that no other has.
func (w *walker) replaceName(start int, name []byte, n int) {
	if w.taken == nil {
		w.taken = namesIn(w.text)
	}
	length := len(name)
	number, taken := w.taken[string(name)]
	if taken {
		first := string(name)
		for taken {
			number++
			name = strconv.AppendInt(append(name[:length], '#'), int64(number), 10)
			_, taken = w.taken[string(name)]
		}
		w.taken[first] = number
	}
	w.taken[string(name)] = 1
	w.replaceString(start, name, true, n)
}

// namesIn collects all names of members.
func namesIn(text []byte) map[string]int {
	names := make(map[string]int)
	for i := 0; i < len(text); i++ {
		if text[i] != '"' {
			continue
		}
		content, _ := stringAt(text, i)
		names[string(appendUnescaped(nil, content))] = 1 // or a value
		i += len(content) + 1
	}
	return names
}

// array goes through the elements of an array.
func (w *walker) array(c Class) verdict {
	for first := true; ; first = false {
		w.skipBlanks()
		if w.at == len(w.text) {
			return cutOff
		}
		switch next := w.text[w.at]; {
		case next == ']':
			w.at++
			return complete
		case next == ',' && !first:
			w.at++
		case !first:
			return malformed
		}
		if v := w.value(c); v != complete {
			return v
		}
	}
}

// secretArray replaces an array by one of a single placeholder, so that many short
// values do not become many long ones.
func (w *walker) secretArray() verdict {
	start := w.at
	v := w.skip()
	if v == malformed {
		return v
	}
	raw := w.text[start:w.at]
	inner := bytes.Trim(raw, "[] \t\r\n")
	if isAbsent(bytes.Trim(inner, `"`)) {
		return v
	}
	w.copyTo(start)
	w.dst = append(w.dst, '[')
	w.dst = appendQuotedPlaceholder(w.dst, len(raw))
	if v == complete {
		w.dst = append(w.dst, ']')
	}
	w.copied = w.at
	w.n++
	return v
}

// skip goes past a value without looking into it.
func (w *walker) skip() verdict {
	depth := 0
	for w.at < len(w.text) {
		switch w.text[w.at] {
		case '"':
			content, closed := stringAt(w.text, w.at)
			if !closed {
				w.at = len(w.text)
				return cutOff
			}
			w.at += len(content) + 2
			continue
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		}
		if w.at++; depth == 0 {
			return complete
		}
	}
	return cutOff
}

// scalar goes through a number, true, false or null.
func (w *walker) scalar(c Class) verdict {
	start := w.at
	for w.at < len(w.text) && isScalarCharacter(w.text[w.at]) {
		w.at++
	}
	raw := w.text[start:w.at]
	switch {
	case isLiteral(raw):
	case w.at == len(w.text) && isCutLiteral(raw):
	case !isNumber(raw):
		return malformed
	default:
		secret := c.Covers(raw)
		if !secret && len(w.r.patterns) > 0 {
			_, n := w.redacted(raw)
			secret = n > 0
		}
		if secret {
			w.copyTo(start)
			w.dst = appendQuotedPlaceholder(w.dst, len(raw))
			w.copied = w.at
			w.n++
		}
	}
	if w.at == len(w.text) && w.nesting > 0 {
		return cutOff
	}
	return complete
}

func isLiteral(raw []byte) bool {
	return string(raw) == "true" || string(raw) == "false" || string(raw) == "null"
}

func isCutLiteral(raw []byte) bool {
	for _, literal := range []string{"true", "false", "null"} {
		if len(raw) > 0 && bytes.HasPrefix([]byte(literal), raw) {
			return true
		}
	}
	return false
}

// isNumber tells whether raw could be a number, or the beginning of one.
func isNumber(raw []byte) bool {
	if len(raw) == 0 || raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return false
	}
	for _, c := range raw {
		if 'a' <= c && c <= 'z' && c != 'e' {
			return false
		}
	}
	return true
}

func isScalarCharacter(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'E'
}

// string goes through a string, which is cut off if it is not closed.
func (w *walker) string(c Class) verdict {
	start := w.at
	content, closed := stringAt(w.text, start)
	v := cutOff
	w.at = len(w.text)
	if closed {
		v = complete
		w.at = start + len(content) + 2
	}
	if c != ordinary {
		if text := w.unescaped(&w.level.text, content); c.Covers(text) {
			w.level.out = appendPlaceholder(w.level.out[:0], len(text))
			w.replaceString(start, w.level.out, closed, 1)
			return v
		}
	}
	if out, n := w.redacted(content); n > 0 {
		if hasControl(content) {
			return malformed
		}
		w.replaceString(start, out, closed, n)
	}
	return v
}

// unescaped is the text of a string. It is valid until the buffer is used again.
func (w *walker) unescaped(buf *[]byte, content []byte) []byte {
	if bytes.IndexByte(content, '\\') < 0 {
		return content
	}
	*buf = appendUnescaped((*buf)[:0], content)
	return *buf
}

// redacted is the text of a string with the secrets in it replaced. It is valid
// until the next.
func (w *walker) redacted(content []byte) ([]byte, int) {
	if !w.r.suspicious(content) {
		return nil, 0
	}
	text := w.unescaped(&w.level.text, content)
	var n int
	w.level.out, n = w.state.text(w.level.out[:0], text, w.depth)
	return w.level.out, n
}

// replaceString replaces the string that begins at start and ends at w.at.
func (w *walker) replaceString(start int, text []byte, closed bool, n int) {
	w.copyTo(start)
	w.dst, _ = jsontext.AppendQuote(w.dst, text) // the error tells of invalid UTF-8, which was replaced
	if !closed {
		w.dst = w.dst[:len(w.dst)-1]
	}
	w.copied = w.at
	w.n += n
}

// copyTo copies what has not been copied up to end.
func (w *walker) copyTo(end int) {
	w.dst = append(w.dst, w.text[w.copied:end]...)
	w.copied = end
}

func (w *walker) skipBlanks() {
	for w.at < len(w.text) && isBlank(w.text[w.at]) {
		w.at++
	}
}
