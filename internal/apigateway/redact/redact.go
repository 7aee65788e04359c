package redact

import (
	"bytes"
	"strconv"
	"sync"
)

// Options of a [Redactor]. The built-in names and patterns always hold.
type Options struct {
	// Names are further names whose values are secret, compared without regard to
	// case, "-" and "_". A "*" at the beginning or the end stands for anything.
	Names []string
	// Patterns are RE2 expressions for further secrets in any text. Of a match the
	// first group is replaced, or all of it if there is no group.
	Patterns []string
}

// Redactor takes secrets out of text. It may be used by several goroutines at
// once. A nil Redactor changes nothing.
type Redactor struct {
	finder   *finder
	names    *names
	patterns []pattern
	states   sync.Pool // of *state
}

// New returns a redactor. The error names every option that cannot be used.
func New(options Options) (*Redactor, error) {
	patterns, err := compile(options)
	if err != nil {
		return nil, err
	}
	r := &Redactor{patterns: patterns}
	r.names = newNames(options.Names)
	r.finder = newFinder(r.names.stems())
	r.states.New = func() any { return &state{r: r} }
	return r, nil
}

// Name tells whether the value of a header, JSON member, query parameter or form
// field of that name is secret, whatever it is.
func (r *Redactor) Name(name []byte) bool { return r.Class(name).always() }

// Class tells what a name says about its value. Other than for [Redactor.Name] the
// value may count: that of "code" is an authorization code or the number of an error,
// and no value is a secret that only says that there is none.
func (r *Redactor) Class(name []byte) Class {
	if r == nil {
		return ordinary
	}
	if _, found := r.finder.find(name, 0); !found {
		return ordinary
	}
	return r.names.class(name)
}

// MemberClass is [Redactor.Class] for the names of a member and of the objects around it,
// joined by dots. Everything below the name of a secret is one, whatever it is called.
func (r *Redactor) MemberClass(path []byte) Class {
	class := r.Class(path)
	for end := 0; class == ordinary; end++ {
		dot := bytes.IndexByte(path[end:], '.')
		if dot < 0 {
			break
		}
		end += dot
		if outer := r.Class(path[:end]); outer.always() {
			class = outer
		}
	}
	return class
}

// AppendText appends text to dst with the secrets in it replaced, and tells how
// many were. Text is anything; it must not overlap dst's array.
func (r *Redactor) AppendText(dst, text []byte) (out []byte, redacted int) {
	if r == nil {
		return append(dst, text...), 0
	}
	out, redacted = r.RedactText(dst, text)
	if redacted == 0 {
		out = append(out, text...)
	}
	return out, redacted
}

// RedactText is [Redactor.AppendText] for callers that can do with the original: it
// appends nothing if there is nothing to replace.
func (r *Redactor) RedactText(dst, text []byte) (out []byte, redacted int) {
	if r == nil || !r.suspicious(text) {
		return dst, 0
	}
	s := r.states.Get().(*state)
	defer s.release()
	return s.text(dst, text, 0)
}

// AppendJSON appends a JSON value to dst with the secrets in it replaced, and tells
// how many were. Raw is one valid JSON value, and so is what it becomes. It must not
// overlap dst's array.
func (r *Redactor) AppendJSON(dst, raw []byte) (out []byte, redacted int) {
	out, redacted = r.RedactJSON(dst, raw)
	if redacted == 0 {
		out = append(out, raw...)
	}
	return out, redacted
}

// RedactJSON is [Redactor.AppendJSON] for callers that can do with the original: it
// appends nothing if there is nothing to replace.
func (r *Redactor) RedactJSON(dst, raw []byte) (out []byte, redacted int) {
	return r.RedactMember(dst, ordinary, raw)
}

// RedactMember is [Redactor.RedactJSON] for a value under a name of that class.
func (r *Redactor) RedactMember(dst []byte, c Class, raw []byte) (out []byte, redacted int) {
	if r == nil || c == ordinary && !r.suspicious(raw) {
		return dst, 0
	}
	s := r.states.Get().(*state)
	defer s.release()
	out, redacted, verdict := s.walk(dst, raw, c, 0)
	for round := 1; s.renamed && verdict == complete && round < maxRounds; round++ {
		// What became of a name may itself be the name of a secret.
		s.again = append(s.again[:0], out[len(dst):]...)
		var more int
		if out, more, verdict = s.walk(dst, s.again, c, 0); more == 0 {
			return append(dst, s.again...), redacted
		}
		redacted += more
	}
	if verdict != complete || s.renamed {
		// Not valid, or nested beyond all measure.
		return appendQuotedPlaceholder(dst, len(raw)), 1
	}
	return out, redacted
}

// suspicious tells whether text may hold a secret.
func (r *Redactor) suspicious(text []byte) bool {
	if len(r.patterns) > 0 {
		return len(text) > 0
	}
	_, found := r.finder.find(text, 0)
	return found
}

// state is what one call needs. It is reused for the sake of its buffers.
type state struct {
	r      *Redactor
	levels [maxLevels]level
	// renamed tells that the name of a member was replaced by the last walk.
	renamed bool
	again   []byte
}

// maxLevels is how deep texts within JSON strings are taken for JSON themselves.
// What is deeper is searched as text, in which quotes may be escaped.
const maxLevels = 6

// level holds the buffers of one depth of texts within texts.
type level struct {
	rounds [2][]byte // of [state.text]
	own    []byte    // of own patterns
	text   []byte    // decoded string
	out    []byte    // what it becomes
	name   []byte    // decoded member name
}

// maxRetained is the largest buffer that is kept for the next call.
const maxRetained = 1 << 20

func (s *state) release() {
	for i := range s.levels {
		l := &s.levels[i]
		for _, buf := range []*[]byte{&l.rounds[0], &l.rounds[1], &l.own, &l.text, &l.out, &l.name} {
			if cap(*buf) > maxRetained {
				*buf = nil
			}
		}
	}
	if cap(s.again) > maxRetained {
		s.again = nil
	}
	s.r.states.Put(s)
}

const (
	placeholderOpen  = "[REDACTED:"
	placeholderClose = "]"
)

// appendPlaceholder appends what stands for n bytes.
func appendPlaceholder(dst []byte, n int) []byte {
	dst = append(dst, placeholderOpen...)
	dst = strconv.AppendInt(dst, int64(n), 10)
	return append(dst, placeholderClose...)
}

func appendQuotedPlaceholder(dst []byte, n int) []byte {
	return append(appendPlaceholder(append(dst, '"'), n), '"')
}

// placeholderAt is the length of the placeholder that text begins with, 0 if it
// begins with none.
func placeholderAt(text []byte) int {
	const digits = 19 // of the largest length
	rest, found := bytes.CutPrefix(text, []byte(placeholderOpen))
	if !found {
		return 0
	}
	for i, c := range rest[:min(len(rest), digits+1)] {
		switch {
		case '0' <= c && c <= '9':
		case c == ']' && i > 0:
			return len(placeholderOpen) + i + 1
		default:
			return 0
		}
	}
	return 0
}
