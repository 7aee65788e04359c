package analytics

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a value, and so the stack: encoding/json has the
// same limit.
const maxDepth = 10_000

// SyntaxError says where a body stops being a list of events.
type SyntaxError struct {
	Offset int    // bytes before the fault, in the body after decompression
	Reason string // what was found or expected there
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at offset %d", e.Reason, e.Offset) }

// batch is what the ledger needs of one body.
type batch struct {
	ids          []ID
	unidentified int
	latest       [][]byte // the last few events, pointing into the body
}

func (b *batch) size() int { return len(b.ids) + b.unidentified }

// parseBatch reads a JSON array of objects, objects one after the other, or one
// object with an "events" array and no id of its own. It checks the whole syntax,
// but looks into events no deeper than to find their id: encoding/json would cost
// several times as much, and this server runs beside the benchmarks that it serves.
func parseBatch(body []byte, keep int) (batch, error) {
	if at := invalidUTF8(body); at >= 0 {
		return batch{}, &SyntaxError{at, "invalid UTF-8"}
	}
	s := scanner{data: body}
	p := batchParser{scanner: &s, keep: keep}
	var err error
	switch s.space(); {
	case s.pos == len(body):
		err = &SyntaxError{s.pos, "no events: the body is empty"}
	case s.peek() == '[':
		err = p.array()
	default:
		err = p.sequence()
	}
	if s.space(); err == nil && s.pos < len(body) {
		err = s.fail("more data after the events")
	}
	if err != nil {
		return batch{}, err
	}
	return p.batch, nil
}

type batchParser struct {
	*scanner
	batch batch
	keep  int
}

func (p *batchParser) array() error {
	return p.elements(func() error {
		if p.peek() != '{' {
			return p.fail("an event must be a JSON object, but event %d is none", p.batch.size()+1)
		}
		start := p.pos
		e, err := p.event()
		if err == nil {
			p.add(e, p.data[start:p.pos])
		}
		return err
	})
}

func (p *batchParser) sequence() error {
	for first := true; p.pos < len(p.data); first = false {
		if p.peek() != '{' {
			return p.fail("expected a JSON object or an array of them")
		}
		start := p.pos
		e, err := p.event()
		if err != nil {
			return err
		}
		end := p.pos
		p.space()
		if first && p.pos == len(p.data) && e.events > 0 && !e.identified {
			p.pos = e.events
			if err := p.array(); err != nil {
				return err
			}
			p.pos = len(p.data) // the rest was read with the object around it
			return nil
		}
		p.add(e, p.data[start:end])
	}
	return nil
}

func (p *batchParser) add(e event, raw []byte) {
	if e.identified {
		p.batch.ids = append(p.batch.ids, e.id)
	} else {
		p.batch.unidentified++
	}
	if p.keep == 0 {
		return
	}
	if len(p.batch.latest) == p.keep {
		copy(p.batch.latest, p.batch.latest[1:])
		p.batch.latest = p.batch.latest[:p.keep-1]
	}
	p.batch.latest = append(p.batch.latest, raw)
}

// event is what is known of one object.
type event struct {
	id         ID
	identified bool
	events     int // offset of the array in its "events" member; 0 is none
}

func (p *batchParser) event() (event, error) {
	var e event
	err := p.members(func(key []byte) error {
		start := p.pos
		if err := p.value(); err != nil {
			return err
		}
		switch raw := p.data[start:p.pos]; {
		case raw[0] == '"' && string(key) == uidMember:
			text := unquote(raw)
			e.identified = len(text) > 0
			e.id = eventID(text)
		case raw[0] == '[' && string(key) == "events":
			e.events = start
		}
		return nil
	})
	return e, err
}

// scanner walks over JSON as RFC 8259 has it.
type scanner struct {
	data  []byte
	pos   int
	depth int
}

func (s *scanner) fail(format string, args ...any) error {
	if s.pos >= len(s.data) {
		return &SyntaxError{len(s.data), "the body ends inside a JSON value"}
	}
	return &SyntaxError{s.pos, fmt.Sprintf(format, args...)}
}

// peek returns 0 at the end. A zero byte is in no JSON text, so callers take it for
// an unexpected character all the same.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return
		}
	}
}

func (s *scanner) value() error {
	switch c := s.peek(); {
	case c == '"':
		return s.string()
	case c == '{':
		return s.members(func([]byte) error { return s.value() })
	case c == '[':
		return s.elements(s.value)
	case c == '-' || isDigit(c):
		return s.number()
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	default:
		return s.fail("expected a JSON value")
	}
}

func (s *scanner) enter() error {
	if s.depth++; s.depth > maxDepth {
		return s.fail("JSON nested deeper than %d", maxDepth)
	}
	s.pos++
	s.space()
	return nil
}

// elements reads an array; element is called at the start of each and must read it.
func (s *scanner) elements(element func() error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer func() { s.depth-- }()
	if s.peek() == ']' {
		s.pos++
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		s.space()
		switch s.peek() {
		case ',':
			s.pos++
			s.space()
		case ']':
			s.pos++
			return nil
		default:
			return s.fail("expected , or ] in an array")
		}
	}
}

// members reads an object; member is called at the start of each value, with its
// key, and must read it.
func (s *scanner) members(member func(key []byte) error) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer func() { s.depth-- }()
	if s.peek() == '}' {
		s.pos++
		return nil
	}
	for {
		if s.peek() != '"' {
			return s.fail("expected a member name in an object")
		}
		start := s.pos
		if err := s.string(); err != nil {
			return err
		}
		key := unquote(s.data[start:s.pos])
		s.space()
		if s.peek() != ':' {
			return s.fail("expected : after a member name")
		}
		s.pos++
		s.space()
		if err := member(key); err != nil {
			return err
		}
		s.space()
		switch s.peek() {
		case ',':
			s.pos++
			s.space()
		case '}':
			s.pos++
			return nil
		default:
			return s.fail("expected , or } in an object")
		}
	}
}

// plain holds the bytes that stand for themselves in a JSON string.
var plain = func() (table [256]bool) {
	for c := range table {
		table[c] = c >= 0x20 && c != '"' && c != '\\'
	}
	return table
}()

func (s *scanner) string() error {
	s.pos++
	for {
		pos := s.pos
		for pos < len(s.data) && plain[s.data[pos]] {
			pos++
		}
		s.pos = pos
		if s.pos == len(s.data) {
			return s.fail("unfinished string")
		}
		switch c := s.data[s.pos]; c {
		case '"':
			s.pos++
			return nil
		case '\\':
			if err := s.escape(); err != nil {
				return err
			}
		default:
			return s.fail("control character %#02x in a JSON string", c)
		}
	}
}

func (s *scanner) escape() error {
	s.pos++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return nil
	case 'u':
		s.pos++
		for range 4 {
			if !isHex(s.peek()) {
				return s.fail("expected four hexadecimal digits after \\u")
			}
			s.pos++
		}
		return nil
	default:
		return s.fail("unknown escape in a JSON string")
	}
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if err := s.digits(); err != nil {
		return err
	}
	if s.peek() == '.' {
		s.pos++
		if err := s.digits(); err != nil {
			return err
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		return s.digits()
	}
	return nil
}

func (s *scanner) digits() error {
	start := s.pos
	for isDigit(s.peek()) {
		s.pos++
	}
	if s.pos == start {
		return s.fail("expected a digit")
	}
	return nil
}

func (s *scanner) literal(word string) error {
	for i := range len(word) {
		if s.peek() != word[i] {
			return s.fail("expected %s", word)
		}
		s.pos++
	}
	return nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

// unquote returns the text of a checked JSON string. It copies only where there is
// an escape.
func unquote(raw []byte) []byte {
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return inner
	}
	return []byte(text)
}

// invalidUTF8 returns the offset of the first invalid byte, or -1.
func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}
