package template

import (
	"bytes"
	"strings"
)

// literal is text that stands as it is in every line. In a template that is
// JSON there may be white space between its parts.
type literal []string

func (l literal) empty() bool { return len(l) == 0 }

// at tells whether the literal stands at a place of the text, and where it ends.
func (l literal) at(text []byte, start int) (end int, ok bool) {
	for i, part := range l {
		for i > 0 && start < len(text) && isBlank(text[start]) {
			start++
		}
		if len(text)-start < len(part) || string(text[start:start+len(part)]) != part {
			return 0, false
		}
		start += len(part)
	}
	return start, true
}

// find finds the literal at from or later, and only at the end of the text if
// it is the last. It tells where it begins and where it ends.
func (l literal) find(text []byte, from int, last bool) (start, end int, ok bool) {
	switch {
	case from > len(text):
		return 0, 0, false
	case len(l) == 0:
		return len(text), len(text), last
	case last && len(l) == 1:
		start = len(text) - len(l[0])
		return start, len(text), start >= from && string(text[start:]) == l[0]
	}
	for from <= len(text) {
		n := bytes.Index(text[from:], []byte(l[0]))
		if n < 0 {
			break
		}
		start = from + n
		if end, ok := l.at(text, start); ok && (!last || end == len(text)) {
			return start, end, true
		}
		from = start + 1
	}
	return 0, 0, false
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// jsonText cuts JSON text into literals, from one variable to the next.
type jsonText struct {
	inString bool
}

// literal cuts the text where JSON allows white space.
func (t *jsonText) literal(text string) literal {
	var parts literal
	var part strings.Builder
	cut := func() {
		parts = append(parts, part.String())
		part.Reset()
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case t.inString:
			part.WriteByte(c)
			if c == '\\' && i+1 < len(text) {
				i++
				part.WriteByte(text[i])
			} else if c == '"' {
				t.inString = false
				cut()
			}
		case isBlank(c):
			cut()
		case strings.IndexByte("{}[],:", c) >= 0:
			cut()
			part.WriteByte(c)
			cut()
		default:
			t.inString = c == '"'
			part.WriteByte(c)
		}
	}
	cut()
	return compact(parts)
}

// compact drops empty parts: two of them in a row, and one beside another, allow
// no more than the white space that is allowed anyway.
func compact(parts literal) literal {
	kept := parts[:0]
	for i, part := range parts {
		if part != "" || i == 0 || i+1 == len(parts) {
			kept = append(kept, part)
		}
	}
	return kept
}
