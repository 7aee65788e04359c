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

// Unescaped is the text of a string. It is read into again for the sake of its buffers.
type Unescaped struct {
	Text []byte
	// Quotes are the places of all quotes in Text, where those alone were escaped. Then no
	// backslash is in it and nothing below a blank, and what is between two quotes of
	// JSON that it may be needs no look, see [NewQuoted]. It is empty otherwise.
	Quotes []int
}

// Text skips white space and reads a string whose text can be had in the same pass. That
// is one of valid UTF-8 and of escapes of one character each that
// stand for no backslash before a u: then there is no escape of half a surrogate pair,
// neither in the string nor in JSON that its text may be. It returns false for any
// other string, for what is none, and at the end of the text, and has read nothing then.
func (s *Scanner) Text(u *Unescaped) (raw jsontext.Value, ok bool) {
	if s.Peek() != '"' {
		return nil, false
	}
	in := s.text[s.pos+1:]
	u.Text = slices.Grow(u.Text[:0], len(in))
	out := u.Text[:len(in)] // no text is longer than its string
	quotes, onlyQuotes := u.Quotes[:0], true
	i, n := 0, 0
	var seen uint64
	for {
		for i+8 <= len(in) {
			word := binary.LittleEndian.Uint64(in[i:])
			binary.LittleEndian.PutUint64(out[n:], word)
			seen |= word // with what is behind the string, which costs a closer look at most
			if found := special(word); found != 0 {
				skip := bits.TrailingZeros64(found) / 8
				i += skip
				n += skip
				break
			}
			i += 8
			n += 8
		}
		if i == len(in) {
			return nil, false
		}
		c := in[i]
		i++
		switch {
		case c == '"':
			if seen&high != 0 && !utf8.Valid(out[:n]) {
				return nil, false
			}
			if !onlyQuotes {
				quotes = quotes[:0]
			}
			u.Text, u.Quotes = out[:n], quotes
			start := s.pos
			s.pos += 1 + i
			return s.text[start:s.pos:s.pos], true
		case c < ' ':
			return nil, false
		case c == '\\':
			if i == len(in) {
				return nil, false
			}
			c = unescaped[in[i]]
			i++
			if c == '"' {
				quotes = append(quotes, n)
				// In JSON another one mostly comes at once, behind a colon or a comma.
				if i+3 <= len(in) && (in[i] == ':' || in[i] == ',') && in[i+1] == '\\' && in[i+2] == '"' {
					out[n], out[n+1] = '"', in[i]
					n += 2
					i += 3
					quotes = append(quotes, n)
				}
				break
			}
			onlyQuotes = onlyQuotes && c == '/'
			if c == 0 || c == '\\' && (i == len(in) || in[i] == 'u') {
				return nil, false
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

// IsPlain tells whether a text is ASCII that stands in a JSON string as it is.
func IsPlain(text []byte) bool {
	i := 0
	for ; i+8 <= len(text); i += 8 {
		if word := binary.LittleEndian.Uint64(text[i:]); (special(word)|word)&high != 0 {
			return false
		}
	}
	for _, c := range text[i:] {
		if c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// unescaped is what a character after a backslash stands for, or 0 where it takes more than that.
var unescaped = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}
