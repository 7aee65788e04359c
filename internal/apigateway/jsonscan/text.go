package jsonscan

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Eight bytes are looked at together.
const (
	low  = 0x0101010101010101 // the lowest bit of each
	high = 0x80 * low
)

// Text skips white space and reads a string whose text can be had in the same pass, which
// replaces dst. That is one of valid UTF-8 and of escapes of one character each that
// stand for no backslash before a u: then there is no escape of half a surrogate pair,
// neither in the string nor in JSON that its text may be. It returns false for any
// other string, for what is none, and at the end of the text, and has read nothing then.
func (s *Scanner) Text(dst []byte) (raw jsontext.Value, text []byte, ok bool) {
	if s.Peek() != '"' {
		return nil, dst, false
	}
	in := s.text[s.pos+1:]
	dst = slices.Grow(dst[:0], len(in))
	out := dst[:len(in)] // no text is longer than its string
	i, n := 0, 0
	var seen uint64
	for {
		for i+8 <= len(in) {
			word := binary.LittleEndian.Uint64(in[i:])
			binary.LittleEndian.PutUint64(out[n:], word)
			if found := special(word); found != 0 {
				skip := bits.TrailingZeros64(found) / 8
				seen |= word << 1 << (63 - 8*skip) // what is behind may not be of the string
				i += skip
				n += skip
				break
			}
			seen |= word
			i += 8
			n += 8
		}
		if i == len(in) {
			return nil, dst, false
		}
		c := in[i]
		i++
		switch {
		case c == '"':
			text = out[:n]
			if seen&high != 0 && !utf8.Valid(text) {
				return nil, dst, false
			}
			start := s.pos
			s.pos += 1 + i
			return s.text[start:s.pos:s.pos], text, true
		case c < ' ':
			return nil, dst, false
		case c == '\\':
			if i == len(in) {
				return nil, dst, false
			}
			c = unescaped[in[i]]
			i++
			if c == 0 || c == '\\' && (i == len(in) || in[i] == 'u') {
				return nil, dst, false
			}
		default:
			seen |= uint64(c)
		}
		out[n] = c
		n++
	}
}

// special sets the highest bit of the first byte that a string's text cannot have as it is:
// a quote, a backslash, what is below a blank. Others that it sets are behind that one.
func special(word uint64) uint64 {
	// With this bit the other way round, a quote is a blank and what is below stays there.
	x := word ^ 0x02*low
	y := word ^ '\\'*low
	return ((x-0x21*low)&^x | (y-low)&^y) & high
}

// unescaped is what a character after a backslash stands for, or 0 where it takes more than that.
var unescaped = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}
