package template

import (
	"errors"
	"fmt"
	"strings"
)

// maxVariables is more than any template can have: API Gateway accepts templates
// of at most 3 KB.
const maxVariables = 256

// Template is a compiled template. It may be used by several goroutines at once.
type Template struct {
	line    *Pattern
	inText  []bool // by variable: whether it stands in a JSON string
	members []Member
}

// Member is a member of a template that is a JSON object.
type Member struct {
	// Path is the member's name, after the names of the objects around it,
	// joined by dots.
	Path string
	// Value is the value's text. A value that is neither a string nor a
	// variable is a pattern without variables, and so is an array, which is not
	// looked into.
	Value *Pattern
}

// Compile compiles a template. White space around it does not count, nor does the
// newline that some have at their end, also as the \n that the console shows. The
// error is a [*SyntaxError] where it concerns a place in the template.
func Compile(text string) (*Template, error) {
	text = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), `\n`))
	pieces, err := parse(text)
	if err != nil {
		return nil, err
	}
	if err := check(pieces); err != nil {
		return nil, err
	}
	t := &Template{}
	isJSON := false
	if strings.HasPrefix(text, "{") {
		t.members, isJSON = members(text, pieces)
	}
	if t.line, err = newPattern(text, pieces, isJSON); err != nil {
		return nil, err
	}
	if isJSON {
		t.inText = inStrings(pieces)
	}
	return t, nil
}

// check refuses what API Gateway would refuse, too.
func check(pieces []piece) error {
	count, identified := 0, false
	for _, piece := range pieces {
		if piece.variable != "" {
			count++
		}
		identified = identified || piece.variable == "requestId" || piece.variable == "extendedRequestId"
	}
	switch {
	case count == 0:
		return errors.New("has no variables: write them as in $context.requestId")
	case !identified:
		return errors.New("has neither $context.requestId nor $context.extendedRequestId: API Gateway accepts no such template")
	case count > maxVariables:
		return fmt.Errorf("has %d variables: API Gateway accepts no such template", count)
	}
	return nil
}

// Line is the whole line. If the template is JSON, its values are as they stand
// in the line: those in strings are escaped.
func (t *Template) Line() *Pattern { return t.line }

// InString tells whether the variable with that index in the line stands in a
// JSON string.
func (t *Template) InString(i int) bool { return t.inText != nil && t.inText[i] }

// Members are the members of a template that is a JSON object and names none of
// them twice. Any other template has none.
func (t *Template) Members() []Member { return t.members }
