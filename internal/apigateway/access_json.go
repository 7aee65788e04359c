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
func (a *accessLog) readJSON(text []byte, clean bool) (bool, error) {
	if err := a.readMembers(nil, text, clean); err != nil {
		if errors.Is(err, errNotAccessLog) {
			return false, nil
		}
		return false, err
	}
	return a.isAccessLog(), nil
}

// readMembers reads a JSON object by a template or, without one, by the names of
// its members. An object that is no JSON for unquoted dashes only is repaired.
func (a *accessLog) readMembers(t *accessTemplate, text []byte, clean bool) error {
	err := a.readObjectText(t, text, clean)
	if !errors.Is(err, jsonscan.ErrSyntax) {
		return err
	}
	var repaired bool
	if a.repaired, repaired = appendRepaired(a.repaired[:0], text); !repaired {
		return err
	}
	if err = a.readObjectText(t, a.repaired, clean); err == nil {
		a.warnings |= warnUnquotedDash
	}
	return err
}

func (a *accessLog) readObjectText(t *accessTemplate, text []byte, clean bool) error {
	a.begin(clean)
	a.template = t
	a.json = jsonscan.New(text)
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
		if err := a.readName(base); err != nil {
			return err
		}
		if err := a.readMember(depth); err != nil {
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
// objects it mostly is the one that was there in the message before.
func (a *accessLog) readName(base int) error {
	if next := a.members + 1; base == 0 && next < len(a.order) {
		if last := a.order[next]; last.member != "" && a.json.TakeText(last.member) {
			a.path = append(a.path, last.path...)
			return nil
		}
	}
	name, err := a.json.Name()
	if err != nil {
		return err
	}
	if base > 0 {
		a.path = append(a.path, '.')
	}
	a.path = appendText(a.path, name)
	return nil
}

func (a *accessLog) readMember(depth int) error {
	if a.members++; a.members > maxMembers {
		return errNotAccessLog
	}
	if a.json.Peek() == '{' && depth < maxDepth {
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
