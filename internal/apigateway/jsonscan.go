package apigateway

import (
	"errors"

	"github.com/go-json-experiment/json/jsontext"
)

// maxScanDepth is how deep JSON may be nested that is looked into at all. The
// limit keeps the scanner's stack small.
const maxScanDepth = 1000

var errSyntax = errors.New("invalid JSON")

// jsonScanner finds the values in a JSON text without copying any. It is strict
// about grammar and, unlike a decoder, indifferent to names that occur twice and
// to what is no UTF-8. Access logs are most of what the pipeline formats, which
// is why they do not go through a decoder.
type jsonScanner struct {
	text []byte
	pos  int
}

// peek skips white space and returns the byte after it, or 0 at the end.
func (s *jsonScanner) peek() byte {
	for ; s.pos < len(s.text); s.pos++ {
		switch c := s.text[s.pos]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// take skips white space and a byte, and tells whether that was there.
func (s *jsonScanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

// name reads a member's name and the colon behind it.
func (s *jsonScanner) name() (jsontext.Value, error) {
	s.peek()
	start := s.pos
	if err := s.skipString(); err != nil {
		return nil, err
	}
	name := s.text[start:s.pos]
	if !s.take(':') {
		return nil, errSyntax
	}
	return name, nil
}

// value reads a value.
func (s *jsonScanner) value() (jsontext.Value, error) {
	s.peek()
	start := s.pos
	if err := s.skip(0); err != nil {
		return nil, err
	}
	return s.text[start:s.pos], nil
}

// skip skips a value.
func (s *jsonScanner) skip(depth int) error {
	switch c := s.peek(); c {
	case '"':
		return s.skipString()
	case '{', '[':
		if depth == maxScanDepth {
			return errSyntax
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
func (s *jsonScanner) skipNested(depth int, open byte) error {
	end := open + 2 // both in ASCII
	s.pos++
	if s.take(end) {
		return nil
	}
	for {
		if open == '{' {
			if _, err := s.name(); err != nil {
				return err
			}
		}
		if err := s.skip(depth + 1); err != nil {
			return err
		}
		if s.take(end) {
			return nil
		}
		if !s.take(',') {
			return errSyntax
		}
	}
}

func (s *jsonScanner) skipLiteral(literal string) error {
	if len(s.text)-s.pos < len(literal) || string(s.text[s.pos:s.pos+len(literal)]) != literal {
		return errSyntax
	}
	s.pos += len(literal)
	return nil
}

func (s *jsonScanner) skipString() error {
	text := s.text
	if s.pos >= len(text) || text[s.pos] != '"' {
		return errSyntax
	}
	for i := s.pos + 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			s.pos = i + 1
			return nil
		case c < ' ':
			return errSyntax
		case c != '\\':
		case i+1 == len(text):
			return errSyntax
		default:
			i++
			switch text[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if len(text)-i <= 4 || !isHex(text[i+1:i+5]) {
					return errSyntax
				}
				i += 4
			default:
				return errSyntax
			}
		}
	}
	return errSyntax
}

func (s *jsonScanner) skipNumber() error {
	s.skipByte('-')
	if !s.skipByte('0') && s.skipDigits() == 0 {
		return errSyntax
	}
	if s.skipByte('.') && s.skipDigits() == 0 {
		return errSyntax
	}
	if s.skipByte('e') || s.skipByte('E') {
		if !s.skipByte('+') {
			s.skipByte('-')
		}
		if s.skipDigits() == 0 {
			return errSyntax
		}
	}
	return nil
}

func (s *jsonScanner) skipByte(c byte) bool {
	if s.pos < len(s.text) && s.text[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

func (s *jsonScanner) skipDigits() int {
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
