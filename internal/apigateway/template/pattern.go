package template

import "bytes"

// Pattern is literal text with variables in it.
type Pattern struct {
	variables []string
	shapes    []shape
	// literals stand before, between and behind the variables: one more than
	// there are variables. Where one between two of them is empty, these are a
	// pair that a slash tells apart.
	literals []literal
}

// Span is where a value stands in a text: text[Start:End].
type Span struct{ Start, End int }

// An attempt at a text is needed for each place where what stands behind a value
// occurs in the value, too. These bound the attempts at a text that does not fit,
// and the bytes that they look at.
const (
	minSteps = 64
	maxSteps = 4096
	maxWork  = 64 << 20
)

// newPattern makes a pattern of a template's pieces. With json there may be
// other white space in a line than in the template, where JSON allows it.
func newPattern(text string, pieces []piece, json bool) (*Pattern, error) {
	p := &Pattern{literals: []literal{nil}}
	var state jsonText
	for i, piece := range pieces {
		last := len(p.literals) - 1
		switch {
		case piece.variable == "" && json:
			p.literals[last] = state.literal(piece.literal)
			continue
		case piece.variable == "":
			p.literals[last] = literal{piece.literal}
			continue
		case i > 0 && p.literals[last].empty() && !p.canPair(last, pieces[i-1].variable, piece.variable):
			return nil, &SyntaxError{position(text, piece.at), "$" + fullName(piece.variable) + " stands directly behind " +
				"another variable, so that nothing tells where that one ends: put a character between them"}
		}
		p.variables = append(p.variables, piece.variable)
		p.shapes = append(p.shapes, shapes[piece.variable])
		p.literals = append(p.literals, nil)
	}
	return p, nil
}

// canPair tells whether two variables may stand side by side, as they do in
// https://$context.domainName$context.path: the second begins with a slash, and
// the first has none.
func (p *Pattern) canPair(at int, first, second string) bool {
	if second != "path" && second != "resourcePath" || at > 1 && p.literals[at-1].empty() {
		return false
	}
	switch first {
	case "domainName", "domainPrefix", "httpMethod", "stage", "apiId":
		return true
	}
	return false
}

// Variables are the names of the variables without "$context.", in their order.
// Names of stage variables begin with "stageVariables.".
func (p *Pattern) Variables() []string { return p.variables }

// Match finds the values of the variables in a text that was written by the
// pattern, and appends one span for each to dst. It tells whether the text fits.
func (p *Pattern) Match(dst []Span, text []byte) ([]Span, bool) {
	start, ok := p.literals[0].at(text, 0)
	if !ok || len(p.variables) == 0 {
		return dst, ok && start == len(text)
	}
	base := len(dst)
	for range p.variables {
		dst = append(dst, Span{})
	}
	spans := dst[base:]
	// Values begin where the literal before them ends, and are as short as the
	// rest of the text allows: those before can grow when it does not fit.
	from := start
	steps := min(max(maxWork/(len(text)+1), minSteps), maxSteps)
	for i := 0; i < len(spans); {
		if next, ok := p.value(spans[i:], i, text, start, from); ok {
			start, from = next, next
			i += p.width(i)
			continue
		}
		i = p.lastElastic(i)
		if steps--; i < 0 || steps < 0 {
			return dst[:base], false
		}
		start, from = spans[i].Start, spans[i+p.width(i)-1].End+1
	}
	return dst, true
}

// width is 2 where a pair begins.
func (p *Pattern) width(i int) int {
	if i+1 < len(p.variables) && p.literals[i+1].empty() {
		return 2
	}
	return 1
}

// lastElastic is the last value before i that can be longer, or -1.
func (p *Pattern) lastElastic(i int) int {
	for i--; i >= 0 && !p.elastic(i); {
		i--
	}
	return i
}

// elastic tells whether a value, or a pair that begins there, can be longer than
// it was found to be.
func (p *Pattern) elastic(i int) bool {
	isSecond := i > 0 && p.literals[i].empty()
	return !isSecond && p.shapes[i+p.width(i)-1].elastic()
}

// value finds the first value of variable i that begins at start, ends at from
// or later and looks as it should, and tells where the text goes on behind the
// literal after it. The spans begin with that of the variable.
func (p *Pattern) value(spans []Span, i int, text []byte, start, from int) (next int, ok bool) {
	width := p.width(i)
	after, last := p.literals[i+width], i+width == len(p.shapes)
	s := p.shapes[i]
	if width == 1 && from == start {
		// Neither an absent value nor a time ends where the literal behind it is
		// found first, if that begins with a dash or is a blank.
		for _, length := range [...]int{len(absent), len(clockForm)} {
			end := start + length
			if end > len(text) || length == len(clockForm) && s != clock {
				break
			}
			if value := text[start:end]; length > 1 && s.fits(value) || string(value) == absent {
				if next, ok := after.at(text, end); ok && (!last || next == len(text)) {
					spans[0] = Span{start, end}
					return next, true
				}
			}
		}
	}
	for {
		end, next, ok := after.find(text, from, last)
		switch {
		case !ok:
			return 0, false
		case width == 2 && p.split(spans, i, text, start, end):
			return next, true
		case width == 1 && s.fits(text[start:end]):
			spans[0] = Span{start, end}
			return next, true
		case s != anything:
			return 0, false // and would not with more text
		}
		from = end + 1
	}
}

// split tells two values apart with nothing but a slash between them, which
// belongs to the second.
func (p *Pattern) split(spans []Span, i int, text []byte, start, end int) bool {
	both := text[start:end]
	cut := bytes.IndexByte(both, '/')
	if cut < 0 && bytes.HasSuffix(both, []byte(absent)) {
		cut = len(both) - len(absent)
	}
	if cut < 0 || !p.shapes[i].fits(both[:cut]) || !p.shapes[i+1].fits(both[cut:]) {
		return false
	}
	spans[0], spans[1] = Span{start, start + cut}, Span{start + cut, end}
	return true
}

// IsVariable tells that the pattern is one variable and nothing else.
func (p *Pattern) IsVariable() bool {
	return len(p.variables) == 1 && p.literals[0].empty() && p.literals[1].empty()
}
