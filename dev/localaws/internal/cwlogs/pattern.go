package cwlogs

import (
	"slices"
	"strings"
)

// pattern is a filter pattern: a condition on the text of an event.
type pattern interface {
	matches(message string) bool
}

const maxPattern = 1024

// parsePattern reads a filter pattern. Terms of text, in quotes or not, excluded (-) or optional (?), and JSON
// conditions are understood; every other form is refused, because a filter that silently matches something else is
// worse than none.
func parsePattern(text string) (pattern, error) {
	if len(text) > maxPattern {
		return nil, invalid("1 validation error detected: Value at 'filterPattern' failed to satisfy constraint: Member must have length less than or equal to %d", maxPattern)
	}
	trimmed := strings.TrimSpace(text)
	switch {
	case trimmed == "":
		return everything{}, nil
	case trimmed[0] == '{':
		return parseJSONPattern(trimmed)
	case trimmed[0] == '[':
		return nil, invalid("Invalid filter pattern: space-delimited patterns in brackets are not supported by this local endpoint.")
	}
	return parseTerms(trimmed)
}

type everything struct{}

func (everything) matches(string) bool { return true }

// terms matches text that contains all of every term, one of any (unless there is none) and none of excluded. Case
// counts.
type terms struct {
	every, any, excluded []string
}

func (t *terms) matches(message string) bool {
	contains := func(term string) bool { return strings.Contains(message, term) }
	return !slices.ContainsFunc(t.every, func(term string) bool { return !contains(term) }) &&
		(len(t.any) == 0 || slices.ContainsFunc(t.any, contains)) &&
		!slices.ContainsFunc(t.excluded, contains)
}

func parseTerms(text string) (pattern, error) {
	t := &terms{}
	for rest := text; rest != ""; rest = strings.TrimLeft(rest, " \t") {
		into := &t.every
		switch rest[0] {
		case '?':
			into, rest = &t.any, rest[1:]
		case '-':
			into, rest = &t.excluded, rest[1:]
		}
		term, after, err := cutTerm(rest, text)
		if err != nil {
			return nil, err
		}
		*into = append(*into, term)
		rest = after
	}
	if len(t.any) > 0 && len(t.every)+len(t.excluded) > 0 {
		return nil, invalid("Invalid filter pattern %q: optional terms (?) are ignored beside other terms by the service; use one kind.", text)
	}
	return t, nil
}

// cutTerm takes the term at the start of rest.
func cutTerm(rest, whole string) (term, after string, err error) {
	if strings.HasPrefix(rest, `"`) {
		var b strings.Builder
		for i := 1; i < len(rest); i++ {
			switch {
			case rest[i] == '\\' && i+1 < len(rest):
				i++
				b.WriteByte(rest[i])
			case rest[i] == '"':
				if b.Len() == 0 {
					return "", "", invalid("Invalid filter pattern %q: a quoted term is empty.", whole)
				}
				return b.String(), rest[i+1:], nil
			default:
				b.WriteByte(rest[i])
			}
		}
		return "", "", invalid("Invalid filter pattern %q: a quote is not closed.", whole)
	}
	end := strings.IndexAny(rest, " \t")
	if end < 0 {
		end = len(rest)
	}
	term = rest[:end]
	for _, r := range term {
		letter := r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter {
			return "", "", invalid("Invalid filter pattern %q: term %q holds %q; put terms with other than letters, digits and underscore in double quotes. Regular expressions (%%) are not supported by this local endpoint.", whole, term, r)
		}
	}
	if term == "" {
		return "", "", invalid("Invalid filter pattern %q: a term is empty.", whole)
	}
	return term, rest[end:], nil
}
