package redact

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
)

// The limits of [Options].
const (
	maxNames    = 100
	maxPatterns = 32
	maxLength   = 256
	minName     = 3
)

// pattern is an own pattern.
type pattern struct {
	expression *regexp.Regexp
	group      int // that is replaced
}

// compile checks the options and compiles the patterns.
func compile(options Options) ([]pattern, error) {
	var errs []error
	if n := len(options.Names); n > maxNames {
		errs = append(errs, fmt.Errorf("has %d names: use at most %d", n, maxNames))
	}
	for _, name := range options.Names {
		if err := checkName(name); err != nil {
			errs = append(errs, fmt.Errorf("name %q %w", name, err))
		}
	}
	if n := len(options.Patterns); n > maxPatterns {
		errs = append(errs, fmt.Errorf("has %d patterns: use at most %d", n, maxPatterns))
	}
	var patterns []pattern
	for _, text := range options.Patterns {
		p, err := compilePattern(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("pattern %q %w", text, err))
		}
		patterns = append(patterns, p)
	}
	return patterns, errors.Join(errs...)
}

func checkName(name string) error {
	core := normal(name)
	switch {
	case len(name) > maxLength:
		return fmt.Errorf("is longer than %d bytes", maxLength)
	case len(core) < minName:
		return fmt.Errorf("has less than %d letters and digits, and would be found everywhere", minName)
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case classOf[c] != classOther || c == '.' || c == ':':
		case c == '*' && (i == 0 || i == len(name)-1):
		case c == '*':
			return errors.New("has a * in the middle: it can only stand at the beginning and at the end")
		default:
			return fmt.Errorf("has the character %q: write it with letters, digits and -", c)
		}
	}
	return nil
}

func compilePattern(text string) (pattern, error) {
	if len(text) > maxLength {
		return pattern{}, fmt.Errorf("is longer than %d bytes", maxLength)
	}
	expression, err := regexp.Compile(text)
	if err != nil {
		return pattern{}, fmt.Errorf("is no RE2 expression: %w", err)
	}
	if expression.MatchString("") {
		return pattern{}, errors.New("matches the empty text, and with it everywhere")
	}
	p := pattern{expression: expression}
	if expression.NumSubexp() > 0 {
		p.group = 1
	}
	return p, nil
}

// replace appends text with the matches of a pattern replaced, and tells how many
// were. Placeholders are left alone.
func (p pattern) replace(dst, text []byte) (out []byte, n int) {
	for len(text) > 0 {
		i := bytes.Index(text, []byte(placeholderOpen))
		skip := 0
		if i >= 0 {
			skip = placeholderAt(text[i:])
		}
		if skip == 0 {
			i = len(text)
		}
		var more int
		dst, more = p.replacePart(dst, text[:i])
		dst = append(dst, text[i:i+skip]...)
		text = text[i+skip:]
		n += more
	}
	return dst, n
}

// replacePart is replace for text without placeholders.
func (p pattern) replacePart(dst, text []byte) (out []byte, n int) {
	copied := 0
	for _, match := range p.expression.FindAllSubmatchIndex(text, -1) {
		start, end := match[2*p.group], match[2*p.group+1]
		if start == end {
			continue // or a group that took no part
		}
		dst = appendPlaceholder(append(dst, text[copied:start]...), end-start)
		copied = end
		n++
	}
	return append(dst, text[copied:]...), n
}
