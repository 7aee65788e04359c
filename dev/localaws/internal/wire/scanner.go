package wire

import (
	"bytes"
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Scanner reads the JSON that AWS SDKs write, without reflection. It is for FastDecoder: whatever it is not
// sure about sets Failed, and the caller leaves the body to encoding/json, so it must never accept what that
// would refuse or read differently.
type Scanner struct {
	b      []byte
	i      int
	Failed bool
}

// NewScanner starts at the beginning of b, which the scanner reads but does not keep in what it returns.
func NewScanner(b []byte) *Scanner { return &Scanner{b: b} }

func (s *Scanner) fail() { s.Failed = true }

func (s *Scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

func (s *Scanner) expect(c byte) bool {
	s.space()
	if s.Failed || s.i >= len(s.b) || s.b[s.i] != c {
		s.fail()
		return false
	}
	s.i++
	return true
}

func (s *Scanner) peek() byte {
	s.space()
	if s.Failed || s.i >= len(s.b) {
		return 0
	}
	return s.b[s.i]
}

// Object calls member for each member of the object at the cursor; member must consume the value. Keys are passed
// as they stand; a key with an escape fails the scan.
func (s *Scanner) Object(member func(key []byte)) {
	if !s.expect('{') {
		return
	}
	if s.peek() == '}' {
		s.i++
		return
	}
	for {
		s.space()
		key, plain := s.rawString()
		if !plain || !s.expect(':') {
			s.fail()
			return
		}
		s.space()
		member(key)
		if s.Failed || !s.next('}') {
			return
		}
	}
}

// Array calls element for each element of the array at the cursor; element must consume it.
func (s *Scanner) Array(element func()) {
	if !s.expect('[') {
		return
	}
	if s.peek() == ']' {
		s.i++
		return
	}
	for {
		element()
		if s.Failed || !s.next(']') {
			return
		}
	}
}

// next consumes a comma and reports true, or the closing byte and reports false.
func (s *Scanner) next(closing byte) bool {
	switch s.peek() {
	case ',':
		s.i++
		return true
	case closing:
		s.i++
	default:
		s.fail()
	}
	return false
}

// rawString returns the bytes between the quotes at the cursor. plain is false if they hold an escape, a
// control character or anything beyond ASCII that is not valid UTF-8.
func (s *Scanner) rawString() (text []byte, plain bool) {
	if s.Failed || s.i >= len(s.b) || s.b[s.i] != '"' {
		s.fail()
		return nil, false
	}
	rest := s.b[s.i+1:]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		s.fail()
		return nil, false
	}
	text = rest[:end]
	if bytes.IndexByte(text, '\\') >= 0 {
		return nil, false
	}
	for _, c := range text {
		if c < 0x20 {
			s.fail()
			return nil, false
		}
	}
	s.i += end + 2
	return text, true
}

// String reads the string at the cursor, escapes resolved.
func (s *Scanner) String() string {
	s.space()
	start := s.i
	text, plain := s.rawString()
	if s.Failed {
		return ""
	}
	if plain {
		if !utf8.Valid(text) {
			s.fail()
			return ""
		}
		return string(text)
	}
	s.i = start
	return s.escapedString()
}

func (s *Scanner) escapedString() string {
	end := s.i + 1
	for end < len(s.b) && s.b[end] != '"' {
		if s.b[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(s.b) {
		s.fail()
		return ""
	}
	in := s.b[s.i+1 : end]
	out := make([]byte, 0, len(in))
	for i := 0; i < len(in); {
		run := bytes.IndexByte(in[i:], '\\')
		if run < 0 {
			run = len(in) - i
		}
		for _, c := range in[i : i+run] {
			if c < 0x20 {
				s.fail()
				return ""
			}
		}
		out = append(out, in[i:i+run]...)
		i += run
		if i == len(in) {
			break
		}
		var n int
		if out, n = appendUnescaped(out, in[i:]); n == 0 {
			s.fail()
			return ""
		}
		i += n
	}
	if !utf8.Valid(out) {
		s.fail()
		return ""
	}
	s.i = end + 1
	return string(out)
}

// appendUnescaped resolves the escape at the start of in and returns how many bytes it took, 0 if it is none.
func appendUnescaped(out, in []byte) ([]byte, int) {
	if len(in) < 2 {
		return out, 0
	}
	switch in[1] {
	case '"', '\\', '/':
		return append(out, in[1]), 2
	case 'n':
		return append(out, '\n'), 2
	case 't':
		return append(out, '\t'), 2
	case 'r':
		return append(out, '\r'), 2
	case 'b':
		return append(out, '\b'), 2
	case 'f':
		return append(out, '\f'), 2
	case 'u':
	default:
		return out, 0
	}
	r, ok := hex4(in)
	if !ok {
		return out, 0
	}
	if !utf16.IsSurrogate(r) {
		return utf8.AppendRune(out, r), 6
	}
	if low, ok := hex4(in[6:]); ok {
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return utf8.AppendRune(out, pair), 12
		}
	}
	return out, 0
}

func hex4(in []byte) (rune, bool) {
	if len(in) < 6 || in[0] != '\\' || in[1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(string(in[2:6]), 16, 16)
	return rune(v), err == nil
}

// Base64 reads the string at the cursor as standard base64, into memory of its own.
func (s *Scanner) Base64() []byte {
	s.space()
	text, plain := s.rawString()
	if !plain {
		s.fail()
		return nil
	}
	out := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(out, text)
	if err != nil {
		s.fail()
		return nil
	}
	return out[:n]
}

// Int64 reads an integer. A number with a fraction or an exponent fails the scan.
func (s *Scanner) Int64() int64 {
	s.space()
	start := s.i
	negative := s.i < len(s.b) && s.b[s.i] == '-'
	if negative {
		s.i++
	}
	var v int64
	digits := s.i
	for ; s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9'; s.i++ {
		if v > (math.MaxInt64-9)/10 {
			s.fail()
			return 0
		}
		v = v*10 + int64(s.b[s.i]-'0')
	}
	leadingZero := s.i-digits > 1 && s.b[digits] == '0'
	if s.i == digits || leadingZero || start >= len(s.b) {
		s.fail()
		return 0
	}
	if negative {
		return -v
	}
	return v
}

// End reports whether nothing but space is left and nothing failed.
func (s *Scanner) End() bool {
	s.space()
	return !s.Failed && s.i == len(s.b)
}
