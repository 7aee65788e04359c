package cwlogs

import (
	"encoding/json"
	"strconv"
	"strings"
)

// A JSON pattern is { condition }, with conditions on selectors such as $.a.b[0], joined by && and || and grouped by
// parentheses. A number compares with JSON numbers only and text, in which * stands for anything, with JSON strings
// only; a selector that finds nothing fulfils no comparison.

// jsonPattern matches events whose text is JSON and fulfils the condition.
type jsonPattern struct{ condition condition }

type condition func(doc any) bool

func (p jsonPattern) matches(message string) bool {
	var doc any
	d := json.NewDecoder(strings.NewReader(message))
	d.UseNumber()
	return d.Decode(&doc) == nil && p.condition(doc)
}

func parseJSONPattern(text string) (pattern, error) {
	p := &jsonParser{text: text, pos: 1}
	c, err := p.or()
	if err != nil {
		return nil, err
	}
	if !p.take("}") {
		return nil, p.fail("expected && or || or }")
	}
	if p.skip(); p.pos != len(text) {
		return nil, p.fail("text after }")
	}
	return jsonPattern{c}, nil
}

const maxPatternDepth = 32

type jsonParser struct {
	text  string
	pos   int
	depth int
}

func (p *jsonParser) fail(what string) error {
	return invalid("Invalid filter pattern %q: at character %d: %s.", p.text, p.pos+1, what)
}

func (p *jsonParser) skip() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
}

func (p *jsonParser) take(token string) bool {
	p.skip()
	if !strings.HasPrefix(p.text[p.pos:], token) {
		return false
	}
	p.pos += len(token)
	return true
}

func (p *jsonParser) or() (condition, error)  { return p.chain("||", p.and, true) }
func (p *jsonParser) and() (condition, error) { return p.chain("&&", p.primary, false) }

// chain parses operands joined by an operator; the first operand that yields stop decides.
func (p *jsonParser) chain(operator string, operand func() (condition, error), stop bool) (condition, error) {
	var all []condition
	for {
		c, err := operand()
		if err != nil {
			return nil, err
		}
		all = append(all, c)
		if !p.take(operator) {
			break
		}
	}
	return func(doc any) bool {
		for _, c := range all {
			if c(doc) == stop {
				return stop
			}
		}
		return !stop
	}, nil
}

func (p *jsonParser) primary() (condition, error) {
	if !p.take("(") {
		return p.comparison()
	}
	if p.depth++; p.depth > maxPatternDepth {
		return nil, p.fail("too many parentheses")
	}
	c, err := p.or()
	if err != nil {
		return nil, err
	}
	p.depth--
	if !p.take(")") {
		return nil, p.fail("expected )")
	}
	return c, nil
}

func (p *jsonParser) comparison() (condition, error) {
	find, err := p.selector()
	if err != nil {
		return nil, err
	}
	switch {
	case p.word("IS"):
		return p.is(find)
	case p.word("NOT"):
		if !p.word("EXISTS") {
			return nil, p.fail("expected EXISTS")
		}
		return func(doc any) bool { _, ok := find(doc); return !ok }, nil
	}
	for _, op := range []string{"!=", "<=", ">=", "=", "<", ">"} {
		if p.take(op) {
			return p.compare(find, op)
		}
	}
	return nil, p.fail("expected =, !=, <, <=, >, >=, IS or NOT EXISTS")
}

// word takes a keyword that is not the beginning of a longer word.
func (p *jsonParser) word(w string) bool {
	start := p.pos
	if p.take(w) && (p.pos == len(p.text) || strings.IndexByte(" \t\r\n)}&|", p.text[p.pos]) >= 0) {
		return true
	}
	p.pos = start
	return false
}

func (p *jsonParser) is(find finder) (condition, error) {
	for w, want := range map[string]any{"NULL": nil, "TRUE": true, "FALSE": false} {
		if p.word(w) {
			return func(doc any) bool { v, ok := find(doc); return ok && v == want }, nil
		}
	}
	return nil, p.fail("expected NULL, TRUE or FALSE")
}

// finder looks a selector up in a document.
type finder func(doc any) (any, bool)

func (p *jsonParser) selector() (finder, error) {
	if !p.take("$") {
		return nil, p.fail("expected a selector, such as $.status")
	}
	var steps []any // names and indexes
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case '.':
			end := p.pos + 1
			for end < len(p.text) && strings.IndexByte(" \t\r\n.[]=!<>()&|{}\"*", p.text[end]) < 0 {
				end++
			}
			if end == p.pos+1 {
				return nil, p.fail("a selector's name is empty or holds a wildcard, which is not supported by this local endpoint")
			}
			steps, p.pos = append(steps, p.text[p.pos+1:end]), end
			continue
		case '[':
			end := strings.IndexByte(p.text[p.pos:], ']')
			if end < 0 {
				return nil, p.fail("[ is not closed")
			}
			n, err := strconv.ParseUint(p.text[p.pos+1:p.pos+end], 10, 31)
			if err != nil {
				return nil, p.fail("only an index of an array is supported in brackets by this local endpoint")
			}
			steps, p.pos = append(steps, int(n)), p.pos+end+1
			continue
		}
		break
	}
	return func(doc any) (any, bool) {
		for _, step := range steps {
			switch at := step.(type) {
			case string:
				object, ok := doc.(map[string]any)
				if !ok {
					return nil, false
				}
				if doc, ok = object[at]; !ok {
					return nil, false
				}
			case int:
				array, ok := doc.([]any)
				if !ok || at >= len(array) {
					return nil, false
				}
				doc = array[at]
			}
		}
		return doc, true
	}, nil
}

func (p *jsonParser) compare(find finder, op string) (condition, error) {
	text, quoted, err := p.value()
	if err != nil {
		return nil, err
	}
	if number, err := strconv.ParseFloat(text, 64); err == nil && !quoted {
		return func(doc any) bool {
			v, _ := find(doc)
			n, ok := v.(json.Number)
			if !ok {
				return false
			}
			f, err := n.Float64()
			return err == nil && holds(op, f, number)
		}, nil
	}
	if op != "=" && op != "!=" {
		return nil, p.fail("operator " + op + " needs a number")
	}
	return func(doc any) bool {
		v, _ := find(doc)
		s, ok := v.(string)
		return ok && wildcard(text, s) == (op == "=")
	}, nil
}

func holds(op string, a, b float64) bool {
	switch op {
	case "=":
		return a == b
	case "!=":
		return a != b
	case "<":
		return a < b
	case "<=":
		return a <= b
	case ">":
		return a > b
	}
	return a >= b
}

// value takes a number or text, in quotes or a single word.
func (p *jsonParser) value() (text string, quoted bool, err error) {
	p.skip()
	if p.pos < len(p.text) && p.text[p.pos] == '"' {
		var b strings.Builder
		for i := p.pos + 1; i < len(p.text); i++ {
			switch {
			case p.text[i] == '\\' && i+1 < len(p.text):
				i++
				b.WriteByte(p.text[i])
			case p.text[i] == '"':
				p.pos = i + 1
				return b.String(), true, nil
			default:
				b.WriteByte(p.text[i])
			}
		}
		return "", false, p.fail("a quote is not closed")
	}
	end := p.pos
	for end < len(p.text) && strings.IndexByte(" \t\r\n()&|{}\"", p.text[end]) < 0 {
		end++
	}
	text = p.text[p.pos:end]
	switch {
	case text == "":
		return "", false, p.fail("expected a value")
	case text[0] == '%':
		return "", false, p.fail("regular expressions (%) are not supported by this local endpoint")
	}
	p.pos = end
	return text, false, nil
}

// wildcard matches s against a pattern in which * stands for any text.
func wildcard(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return true
}
