package template

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Each variable of a JSON template is put into it as a string that cannot occur
// otherwise: its index between two characters that are not assigned.
const (
	openMark  = "\uE0F1"
	closeMark = "\uE0F2"
)

// members are those of a template that is a JSON object, from its whole text and pieces. It is none of interest
// if a name has a variable in it or occurs twice.
func members(whole string, pieces []piece) (_ []Member, ok bool) {
	var text strings.Builder
	var state jsonText
	for i, piece := range pieces {
		mark := openMark + strconv.Itoa(i) + closeMark
		switch {
		case piece.variable == "":
			state.literal(piece.literal)
			text.WriteString(piece.literal)
		case state.inString:
			text.WriteString(mark)
		default:
			text.WriteString(`"` + mark + `"`)
		}
	}
	m := memberReader{text: whole, pieces: pieces, dec: jsontext.NewDecoder(strings.NewReader(text.String()))}
	if strings.Count(text.String(), openMark) != countVariables(pieces) || !m.object("") {
		return nil, false
	}
	if m.dec.PeekKind() != jsontext.KindInvalid { // anything but the end
		return nil, false
	}
	return m.members, true
}

func countVariables(pieces []piece) int {
	n := 0
	for _, piece := range pieces {
		if piece.variable != "" {
			n++
		}
	}
	return n
}

// inStrings tells of each variable whether it stands in a JSON string.
func inStrings(pieces []piece) []bool {
	var in []bool
	var state jsonText
	for _, piece := range pieces {
		if piece.variable == "" {
			state.literal(piece.literal)
			continue
		}
		in = append(in, state.inString)
	}
	return in
}

// memberReader reads a template with marks for its variables.
type memberReader struct {
	text    string // the whole template, for the places of errors
	pieces  []piece
	dec     *jsontext.Decoder
	members []Member
}

// object reads an object whose members' paths begin with prefix.
func (r *memberReader) object(prefix string) bool {
	if token, err := r.dec.ReadToken(); err != nil || token.Kind() != jsontext.KindBeginObject {
		return false
	}
	for r.dec.PeekKind() != jsontext.KindEndObject {
		name, err := r.dec.ReadToken()
		if err != nil || strings.Contains(name.String(), openMark) {
			return false
		}
		path := prefix + name.String()
		if r.dec.PeekKind() == jsontext.KindBeginObject {
			if !r.object(path + ".") {
				return false
			}
			continue
		}
		raw, err := r.dec.ReadValue()
		if err != nil {
			return false
		}
		value, ok := r.pattern(raw)
		if !ok {
			return false
		}
		r.members = append(r.members, Member{path, value})
	}
	_, err := r.dec.ReadToken()
	return err == nil
}

// pattern finds the variables in a value.
func (r *memberReader) pattern(raw jsontext.Value) (*Pattern, bool) {
	if raw.Kind() != jsontext.KindString {
		return &Pattern{literals: []literal{{string(raw)}}}, true
	}
	unquoted, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return nil, false
	}
	var pieces []piece
	for text := string(unquoted); text != ""; {
		before, rest, found := strings.Cut(text, openMark)
		if before != "" {
			pieces = append(pieces, piece{literal: before})
		}
		if !found {
			break
		}
		index, behind, _ := strings.Cut(rest, closeMark)
		i, err := strconv.Atoi(index)
		if err != nil || i < 0 || i >= len(r.pieces) {
			return nil, false
		}
		pieces = append(pieces, r.pieces[i])
		text = behind
	}
	pattern, err := newPattern(r.text, pieces, false)
	return pattern, err == nil
}
