package redact

import "bytes"

// truncated is what API Gateway puts behind what it cut off.
const truncated = " [TRUNCATED]"

// maxRounds bounds how often a text is gone over.
const maxRounds = 8

// text appends text with the secrets in it replaced, and tells how many were. It
// appends nothing if there are none.
//
// A text is gone over until nothing more is found: what was replaced may have hidden
// what stands before it, such as the name of a secret within another name. So
// nothing is found in the result either.
func (s *state) text(dst, text []byte, depth int) ([]byte, int) {
	if !s.r.suspicious(text) {
		return dst, 0
	}
	l := &s.levels[depth]
	current, next, total := text, 0, 0
	for range maxRounds {
		found := 0
		for step := range len(s.r.patterns) + 1 {
			var out []byte
			var n int
			var done bool
			if step == 0 {
				out, n, done = s.withoutPatterns(l.rounds[next][:0], current, depth)
			} else {
				out, n = s.r.patterns[step-1].replace(l.rounds[next][:0], current)
			}
			l.rounds[next] = out
			if n > 0 {
				current, next, found = out, 1-next, found+n
			}
			if done {
				break
			}
		}
		if total += found; found == 0 {
			if total == 0 {
				return dst, 0
			}
			return append(dst, current...), total
		}
	}
	return appendPlaceholder(dst, len(text)), 1
}

// withoutPatterns goes over a text once and leaves own patterns out, unless it is
// done with them: in JSON they hold for each string.
func (s *state) withoutPatterns(dst, text []byte, depth int) (out []byte, n int, done bool) {
	if depth+1 < maxLevels && beginsJSON(text) {
		out, n, verdict := s.walk(dst, text, ordinary, depth+1)
		if verdict != malformed {
			return out, n, true
		}
	}
	out, n = s.words(dst, text)
	return out, n, false
}

// words replaces what the words of the finder lead to.
func (s *state) words(dst, text []byte) (out []byte, n int) {
	whole := text
	text = bytes.TrimSuffix(text, []byte(truncated))
	q := search{r: s.r, text: text}
	for at := 0; ; {
		h, found := s.r.finder.find(text, at)
		if !found {
			break
		}
		if h.start > 0 {
			if length := placeholderAt(text[h.start-1:]); length > 0 {
				at = h.start - 1 + length
				continue
			}
		}
		p, found := q.at(h)
		if !found {
			at = h.start + 1
			continue
		}
		dst = append(dst, text[q.done:p.start]...)
		dst = append(dst, p.quote...)
		dst = appendPlaceholder(dst, p.end-p.start)
		dst = append(dst, p.quote...)
		q.done, at = p.end, p.end
		n++
	}
	if n == 0 {
		return dst, 0
	}
	return append(dst, whole[q.done:]...), n
}

// search goes through a text once.
type search struct {
	r    *Redactor
	text []byte
	// done is up to where the text was dealt with.
	done int
	// noJWT is up to where there is no JSON web token.
	noJWT int
}

// part is a part of a text that is to be replaced.
type part struct {
	start, end int
	quote      []byte // to put around the placeholder
}

// at finds the secret that a word leads to.
func (q *search) at(h hit) (part, bool) {
	if h.hint&^(hintName|hintEscape) != 0 {
		if p, found := q.form(h); found {
			return p, true
		}
	}
	if h.hint&hintName != 0 {
		return q.named(h)
	}
	return part{}, false
}

// beginsJSON tells whether a text could be JSON, whole or cut off.
func beginsJSON(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	return len(text) > 1 && (text[0] == '{' || text[0] == '[' || text[0] == '"')
}
