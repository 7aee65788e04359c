package execution

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// Map is an ordered map of names to values, such as the headers of a request.
type Map struct {
	// Entries are in the order in which their names first occur.
	Entries []Entry
	// Partial tells that the map was cut off: its last value is not whole, and what
	// came after it is missing.
	Partial bool
	// Guessed tells that a part of a value looked like a further name and was taken
	// for what it most likely is.
	Guessed bool

	names []byte         // lower-case names
	index map[string]int // entries by name, where they are many
}

// Entry is a name and its values.
type Entry struct {
	Name   []byte
	Values [][]byte

	written []byte // the name as it was first written
}

// MapKind says what a map holds.
type MapKind uint8

const (
	// HeaderMap holds headers. Names are lower-case, and those of directives in the
	// value before them are not taken for headers.
	HeaderMap MapKind = iota
	// ParameterMap holds path or query parameters, decoded. Names can be nearly
	// anything.
	ParameterMap
)

// ParseMap parses the map of a line that says whether it was cut off. An absent map,
// which is written null or not at all, is an empty one. It returns false if the text
// is none of these; then the map is of no use.
//
// API Gateway escapes nothing, so a value that holds ", name=" cannot be told from
// two entries. What begins a new entry is a name as RFC 7230 has it, and not a
// directive that the header before it is known to have.
func ParseMap(text []byte, kind MapKind, truncated bool) (Map, bool) {
	var m Map
	ok := m.parse(text, kind, truncated)
	return m, ok
}

// manyEntries is how many are looked through one by one.
const manyEntries = 32

func (m *Map) reset() {
	m.Entries = m.Entries[:0]
	m.Partial, m.Guessed = false, false
	m.names = m.names[:0]
	clear(m.index)
}

func (m *Map) parse(text []byte, kind MapKind, truncated bool) bool {
	m.reset()
	m.Partial = truncated
	text, found := cut(text, "{")
	if !found || !utf8.Valid(text) {
		return false
	}
	if !truncated {
		if text, found = bytes.CutSuffix(text, []byte{'}'}); !found {
			return false
		}
	}
	if len(text) == 0 {
		return true
	}
	name, from, ok := cutName(text, 0, kind)
	if !ok {
		return false
	}
	for at := from; ; {
		next := bytes.Index(text[at:], []byte(", "))
		if next < 0 {
			m.add(name, text[from:], kind)
			return true
		}
		end := at + next
		at = end + len(", ")
		following, start, ok := cutName(text, at, kind)
		if !ok {
			continue
		}
		if kind == HeaderMap && isDirective(following) && hasDirectives(name) {
			m.Guessed = true
			continue
		}
		m.add(name, text[from:end], kind)
		name, from, at = following, start, start
	}
}

// cutName finds a name and its "=" at a position of the text.
func cutName(text []byte, at int, kind MapKind) (name []byte, end int, ok bool) {
	allowed := &headerName
	if kind == ParameterMap {
		allowed = &parameterName
	}
	for i := at; i < len(text); i++ {
		c := text[i]
		if c == '=' {
			return text[at:i], i + 1, i > at
		}
		if !allowed[c] {
			break
		}
	}
	return nil, 0, false
}

// add adds a value under a name.
func (m *Map) add(name, value []byte, kind MapKind) {
	written := name
	if kind == HeaderMap {
		start := len(m.names)
		for _, c := range name {
			if 'A' <= c && c <= 'Z' {
				c |= 0x20
			}
			m.names = append(m.names, c)
		}
		name = m.names[start:len(m.names):len(m.names)]
	}
	if i := m.find(name); i >= 0 {
		m.Entries[i].Values = append(m.Entries[i].Values, value)
		return
	}
	m.Entries = slices.Grow(m.Entries, 1)[:len(m.Entries)+1]
	e := &m.Entries[len(m.Entries)-1] // keeps the memory of its values
	e.Name, e.written = name, written
	e.Values = append(e.Values[:0], value)
	if len(m.index) > 0 {
		m.index[string(name)] = len(m.Entries) - 1
	}
}

// find is the place of a name among the entries, or -1.
func (m *Map) find(name []byte) int {
	if len(m.Entries) > manyEntries {
		if len(m.index) == 0 {
			if m.index == nil {
				m.index = make(map[string]int)
			}
			for i := range m.Entries {
				m.index[string(m.Entries[i].Name)] = i
			}
		}
		if i, ok := m.index[string(name)]; ok {
			return i
		}
		return -1
	}
	for i := range m.Entries {
		if bytes.Equal(m.Entries[i].Name, name) {
			return i
		}
	}
	return -1
}

// isLastPartial tells that the last value of an entry is not whole.
func (m *Map) isLastPartial(i int) bool { return m.Partial && i == len(m.Entries)-1 }

// headerName has the characters of a header's name, by RFC 7230.
var headerName = func() (set [256]bool) {
	for c := range set {
		set[c] = c < 0x80 && isAlphanumeric(byte(c))
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		set[c] = true
	}
	return set
}()

// parameterName has the characters that the name of a parameter is taken to have:
// nothing that separates.
var parameterName = func() (set [256]bool) {
	for c := range set {
		set[c] = c > ' ' && c != 0x7f
	}
	for _, c := range []byte("=,{}") {
		set[c] = false
	}
	return set
}()

// isDirective tells that a name is that of a directive or parameter which headers
// have in their values after a comma. They are written in lower case.
func isDirective(name []byte) bool {
	switch string(name) {
	case "max-age", "s-maxage", "max-stale", "min-fresh", "stale-while-revalidate", "stale-if-error",
		"max", "timeout", "wait", "for", "by", "proto", "host", "ma", "q", "charset", "boundary",
		"includesubdomains", "preload", "expires", "path", "domain", "samesite":
		return true
	}
	return false
}

// hasDirectives tells that a header can have directives in its value.
func hasDirectives(header []byte) bool {
	for _, name := range []string{
		"cache-control", "keep-alive", "prefer", "forwarded", "strict-transport-security", "alt-svc",
		"set-cookie", "content-type", "link", "via",
	} {
		if len(header) == len(name) && bytes.EqualFold(header, []byte(name)) {
			return true
		}
	}
	const accept = "accept"
	return len(header) >= len(accept) && bytes.EqualFold(header[:len(accept)], []byte(accept))
}
