package template

import (
	"fmt"
	"strings"
)

// SyntaxError says what is wrong with a template, and where.
type SyntaxError struct {
	// Position counts the characters of the template from 1.
	Position int
	// Reason continues "at character 7: ".
	Reason string
}

// Error implements error.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("at character %d: %s", e.Position, e.Reason)
}

// piece is a variable, or the literal text between two of them.
type piece struct {
	literal  string
	variable string // without "$context."; empty for literal text
	at       int    // byte offset in the template
}

const (
	contextMark = "$context"
	stageMark   = "$stageVariables"

	// stageSpace begins the names of stage variables.
	stageSpace = "stageVariables."
)

// fullName is a variable's name as a template has it, without the dollar sign.
func fullName(variable string) string {
	if strings.HasPrefix(variable, stageSpace) {
		return variable
	}
	return "context." + variable
}

// parse cuts a template into its pieces.
func parse(text string) ([]piece, error) {
	var pieces []piece
	begin := 0
	for at := 0; at < len(text); {
		variable, n, err := variableAt(text[at:])
		if err != nil {
			return nil, &SyntaxError{position(text, at), err.Error()}
		}
		if n == 0 {
			at++
			continue
		}
		if begin < at {
			pieces = append(pieces, piece{literal: text[begin:at], at: begin})
		}
		pieces = append(pieces, piece{variable: variable, at: at})
		at += n
		begin = at
	}
	if begin < len(text) {
		pieces = append(pieces, piece{literal: text[begin:], at: begin})
	}
	return pieces, nil
}

// position is that of a byte, counted in characters from 1.
func position(text string, at int) int { return len([]rune(text[:at])) + 1 }

// variableAt finds the variable that text begins with, and how long it is.
func variableAt(text string) (name string, length int, err error) {
	if rest, ok := strings.CutPrefix(text, contextMark); ok {
		if rest == "" || rest[0] != '.' {
			if rest != "" && isNameByte(rest[0]) {
				return "", 0, nil // such as $contextual
			}
			return "", 0, fmt.Errorf("%s stands alone: write %s. and the name of a variable", contextMark, contextMark)
		}
		n := nameLength(rest[1:])
		if n == 0 {
			return "", 0, fmt.Errorf("%s. is followed by no name", contextMark)
		}
		return rest[1 : 1+n], len(contextMark) + 1 + n, nil
	}
	if rest, ok := strings.CutPrefix(text, stageMark+"."); ok {
		n := dottedLength(rest)
		if n == 0 {
			return "", 0, fmt.Errorf("%s. is followed by no name", stageMark)
		}
		return stageSpace + rest[:n], len(stageMark) + 1 + n, nil
	}
	return "", 0, nil
}

// nameLength is the length of the variable's name that text begins with. A dot
// may also be the literal text behind a variable, so the longest name that is
// known counts, and any name where none is.
func nameLength(text string) int {
	for _, space := range openSpaces {
		if rest, ok := strings.CutPrefix(text, space); ok {
			if n := openLength(rest); n > 0 {
				if known := knownLength(text); known == len(space)+n {
					return known
				}
				return len(space) + n
			}
		}
	}
	if n := knownLength(text); n > 0 {
		return n
	}
	return dottedLength(text)
}

// openSpaces begin the names of variables that an API's owner chooses.
var openSpaces = []string{"authorizer.claims.", "authorizer.", "requestOverride.", "responseOverride."}

// knownLength is the length of the longest known name that text begins with.
func knownLength(text string) int {
	for n := dottedLength(text); n > 0; n = strings.LastIndexByte(text[:n], '.') {
		if _, known := shapes[text[:n]]; known {
			return n
		}
	}
	return 0
}

// dottedLength is the length of names that are joined by dots.
func dottedLength(text string) int {
	n := 0
	for n < len(text) && (isNameByte(text[n]) || text[n] == '.' && n > 0 && n+1 < len(text) && isNameByte(text[n+1])) {
		n++
	}
	return n
}

// openLength is dottedLength for names that others choose: those of claims can
// hold a colon, those of headers a dash, if a name goes on behind it.
func openLength(text string) int {
	n := 0
	for n < len(text) {
		switch c := text[n]; {
		case isNameByte(c):
		case (c == '.' || c == ':' || c == '-') && n > 0 && n+1 < len(text) && isNameByte(text[n+1]):
		default:
			return n
		}
		n++
	}
	return n
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}
