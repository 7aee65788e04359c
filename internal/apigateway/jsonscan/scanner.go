// Package jsonscan finds the values in a JSON text without copying any. Access logs
// are most of what the pipeline formats, which is why they do not go through a decoder;
// docs/performance.md compares it with the libraries there are.
package jsonscan

import (
	"errors"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth is how deep JSON may be nested that is looked into at all. The limit keeps
// the stack small.
const MaxDepth = 1000

// ErrSyntax tells that the text is no JSON.
var ErrSyntax = errors.New("invalid JSON")

// Scanner goes through a JSON text. It is strict about grammar and, unlike a decoder,
// indifferent to names that occur twice and to what is no UTF-8.
type Scanner struct {
	text []byte
	pos  int

	quotes []int // of [NewQuoted]
	next   int   // which of them is the first at pos or behind it
}

// New returns a scanner at the beginning of a text, to which its results refer.
func New(text []byte) Scanner { return Scanner{text: text} }

// NewQuoted is New for a text of which [Unescaped] tells the quotes: a string ends at the
// next one, so that its text need not be looked at.
func NewQuoted(text []byte, quotes []int) Scanner { return Scanner{text: text, quotes: quotes} }

// Offset is how much of the text was read.
func (s *Scanner) Offset() int { return s.pos }

// Peek skips white space and returns the byte after it, or 0 at the end.
func (s *Scanner) Peek() byte {
	for ; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// AtEnd skips white space and tells whether there is nothing behind it.
func (s *Scanner) AtEnd() bool {
	s.Peek()
	return s.pos == len(s.text)
}

// Take skips white space and a byte, and tells whether that was there.
func (s *Scanner) Take(c byte) bool {
	if s.Peek() != c {
		return false
	}
	s.pos++
	return true
}

// TakeName skips white space and a member's name with the colon behind it, and tells
// whether that was there: in quotes, without escapes and white space before the colon.
func (s *Scanner) TakeName(name string) bool {
	s.Peek()
	if rest := s.text[s.pos:]; len(rest) < len(name) || string(rest[:len(name)]) != name {
		return false
	}
	s.pos += len(name)
	s.next += 2
	return true
}

// Name reads a member's name and the colon behind it.
func (s *Scanner) Name() (jsontext.Value, error) {
	s.Peek()
	start := s.pos
	if err := s.skipString(); err != nil {
		return nil, err
	}
	name := s.text[start:s.pos]
	if !s.Take(':') {
		return nil, ErrSyntax
	}
	return name, nil
}

// Value reads a value.
func (s *Scanner) Value() (jsontext.Value, error) {
	c := s.Peek()
	start := s.pos
	if c == '"' && s.skipQuoted() {
		return s.text[start:s.pos], nil
	}
	if err := s.skip(0); err != nil {
		return nil, err
	}
	return s.text[start:s.pos], nil
}

// skip skips a value.
func (s *Scanner) skip(depth int) error {
	switch c := s.Peek(); c {
	case '"':
		return s.skipString()
	case '{', '[':
		if depth == MaxDepth {
			return ErrSyntax
		}
		return s.skipNested(depth, c)
	case 't':
		return s.skipLiteral("true")
	case 'f':
		return s.skipLiteral("false")
	case 'n':
		return s.skipLiteral("null")
	}
	return s.skipNumber()
}

// skipNested skips an object or an array.
func (s *Scanner) skipNested(depth int, open byte) error {
	end := open + 2 // both in ASCII
	s.pos++
	if s.Take(end) {
		return nil
	}
	for {
		if open == '{' {
			if _, err := s.Name(); err != nil {
				return err
			}
		}
		if err := s.skip(depth + 1); err != nil {
			return err
		}
		if s.Take(end) {
			return nil
		}
		if !s.Take(',') {
			return ErrSyntax
		}
	}
}

func (s *Scanner) skipLiteral(literal string) error {
	if len(s.text)-s.pos < len(literal) || string(s.text[s.pos:s.pos+len(literal)]) != literal {
		return ErrSyntax
	}
	s.pos += len(literal)
	return nil
}

// skipQuoted skips a string whose quotes are known, and tells whether they are.
func (s *Scanner) skipQuoted() bool {
	end := s.next + 1
	if end >= len(s.quotes) || s.quotes[s.next] != s.pos {
		return false
	}
	s.pos = s.quotes[end] + 1
	s.next += 2
	return true
}

func (s *Scanner) skipString() error {
	if s.skipQuoted() {
		return nil
	}
	text := s.text
	if s.pos >= len(text) || text[s.pos] != '"' {
		return ErrSyntax
	}
	for i := s.pos + 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			s.pos = i + 1
			return nil
		case c < ' ':
			return ErrSyntax
		case c != '\\':
		case i+1 == len(text):
			return ErrSyntax
		default:
			i++
			switch text[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if len(text)-i <= 4 || !isHex(text[i+1:i+5]) {
					return ErrSyntax
				}
				i += 4
			default:
				return ErrSyntax
			}
		}
	}
	return ErrSyntax
}

func (s *Scanner) skipNumber() error {
	s.skipByte('-')
	if !s.skipByte('0') && s.skipDigits() == 0 {
		return ErrSyntax
	}
	if s.skipByte('.') && s.skipDigits() == 0 {
		return ErrSyntax
	}
	if s.skipByte('e') || s.skipByte('E') {
		if !s.skipByte('+') {
			s.skipByte('-')
		}
		if s.skipDigits() == 0 {
			return ErrSyntax
		}
	}
	return nil
}

func (s *Scanner) skipByte(c byte) bool {
	if s.pos < len(s.text) && s.text[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

func (s *Scanner) skipDigits() int {
	start := s.pos
	for s.pos < len(s.text) && '0' <= s.text[s.pos] && s.text[s.pos] <= '9' {
		s.pos++
	}
	return s.pos - start
}

func isHex(text []byte) bool {
	for _, c := range text {
		if !isHexDigit(c) && (c < 'A' || 'F' < c) {
			return false
		}
	}
	return true
}

func isHexDigit(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' }
