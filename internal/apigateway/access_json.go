package apigateway

import (
	"errors"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/jsonscan"
)

// errNotAccessLog ends the reading of an object that cannot be an access log.
var errNotAccessLog = errors.New("not an access log")

// readJSON reads a JSON object and tells whether it is an access log. The error
// tells that it is no JSON object.
func (a *accessLog) readJSON(text messageText) (bool, error) {
	if err := a.readMembers(nil, text); err != nil {
		if errors.Is(err, errNotAccessLog) {
			return false, nil
		}
		return false, err
	}
	return a.isAccessLog(), nil
}

// readMembers reads a JSON object by a template or, without one, by the names of
// its members. An object that is no JSON for unquoted dashes only is repaired.
func (a *accessLog) readMembers(t *accessTemplate, text messageText) error {
	err := a.readObjectText(t, text)
	if !errors.Is(err, jsonscan.ErrSyntax) {
		return err
	}
	var repaired bool
	if a.repaired, repaired = appendRepaired(a.repaired[:0], text.bytes); !repaired {
		return err
	}
	if err = a.readObjectText(t, messageText{bytes: a.repaired, clean: text.clean}); err == nil {
		a.warnings |= warnUnquotedDash
	}
	return err
}

func (a *accessLog) readObjectText(t *accessTemplate, text messageText) error {
	a.begin(text.clean)
	a.template = t
	a.unescaped = len(text.quotes) > 0
	a.json = jsonscan.NewQuoted(text.bytes, text.quotes)
	if err := a.readObject(1); err != nil {
		return err
	}
	if !a.json.AtEnd() {
		return jsonscan.ErrSyntax // more than one value
	}
	return nil
}

// readObject reads an object whose path is a.path.
func (a *accessLog) readObject(depth int) error {
	if !a.json.Take('{') {
		return jsonscan.ErrSyntax
	}
	if a.json.Take('}') {
		return nil
	}
	base := len(a.path)
	for {
		known, err := a.readName(base)
		if err != nil {
			return err
		}
		if err := a.readMember(depth, known); err != nil {
			return err
		}
		a.path = a.path[:base]
		if a.json.Take('}') {
			return nil
		}
		if !a.json.Take(',') {
			return jsonscan.ErrSyntax
		}
	}
}

// readName reads the name of a member, with which a.path then ends. Outside of other
// objects it mostly is the one that was there in the message before: then the result is
// what that stands for, and a.path is left as it is.
func (a *accessLog) readName(base int) (known *target, err error) {
	if next := a.members + 1; base == 0 && next < len(a.order) {
		if last := a.order[next]; last.member != "" && a.json.TakeName(last.member) {
			return last, nil
		}
	}
	name, err := a.json.Name()
	if err != nil {
		return nil, err
	}
	if base > 0 {
		a.path = append(a.path, '.')
	}
	a.path = appendText(a.path, name)
	return nil, nil
}

// readMember reads the value of a member, whose path is a.path or that of what it is known to
// stand for.
func (a *accessLog) readMember(depth int, known *target) error {
	if a.members++; a.members > maxMembers {
		return errNotAccessLog
	}
	nested := a.json.Peek() == '{' && depth < maxDepth
	if known != nil && (nested || a.template != nil) {
		a.path, known = append(a.path, known.path...), nil
	}
	if nested {
		before := a.members
		if err := a.readObject(depth + 1); err != nil {
			return err
		}
		if a.members == before {
			return a.set(jsontext.Value("{}"))
		}
		return nil
	}
	value, err := a.json.Value()
	if err != nil {
		return err
	}
	if known != nil {
		return a.assign(known, value)
	}
	return a.set(value)
}

// set takes the value of the member at a.path.
func (a *accessLog) set(raw jsontext.Value) error {
	if a.template != nil {
		if m, ok := a.template.members[string(a.path)]; ok {
			a.listed++
			return a.setListed(m, raw)
		}
		a.unlisted++
	}
	return a.assign(a.target(), raw)
}
