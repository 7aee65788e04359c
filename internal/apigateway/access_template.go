package apigateway

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/jsonscan"
	"github.com/log-event-pipeline/logpipe/internal/apigateway/template"
)

// accessTemplate is a configured template, and where the values go.
type accessTemplate struct {
	line    *template.Template
	targets []target // by variable of the line
	members map[string]listedMember
}

// listedMember is a member of a template that is JSON: one variable and nothing
// else, or text that holds some.
type listedMember struct {
	only    target
	text    *template.Pattern // nil for one variable
	targets []target          // by variable of the text
}

// groupTemplates are the templates of log groups, the most specific first.
type groupTemplates []groupTemplate

type groupTemplate struct {
	group    string // name or glob
	template *accessTemplate
}

// compileTemplates compiles the templates of log groups, given by name or glob.
// The error names each that is wrong.
func compileTemplates(byGroup map[string]string) (groupTemplates, error) {
	var all groupTemplates
	var errs []error
	for _, group := range slices.Sorted(maps.Keys(byGroup)) {
		t, err := template.Compile(byGroup[group])
		if err != nil {
			errs = append(errs, fmt.Errorf("access log template of %q: %w", group, err))
			continue
		}
		all = append(all, groupTemplate{group, newAccessTemplate(t)})
	}
	slices.SortStableFunc(all, func(a, b groupTemplate) int { return compareGlobs(a.group, b.group) })
	return all, errors.Join(errs...)
}

// forGroup are the templates of a log group.
func (all groupTemplates) forGroup(name string) []*accessTemplate {
	var matching []*accessTemplate
	for _, t := range all {
		if matchGlob(t.group, name) {
			matching = append(matching, t.template)
		}
	}
	return matching
}

func newAccessTemplate(t *template.Template) *accessTemplate {
	compiled := &accessTemplate{line: t, targets: variableTargets(t.Line()), members: make(map[string]listedMember)}
	for _, m := range t.Members() {
		variables := m.Value.Variables()
		switch {
		case len(variables) == 0:
			// A name of the owner's choice for text of the owner's choice says nothing
			// about a variable.
			compiled.members[m.Path] = listedMember{only: custom}
		case m.Value.IsVariable():
			only := variableTarget(variables[0])
			if only.variable != unknownVariable || only.prefix == customPrefix {
				only.name = nil // the member's is the one that people know
			}
			compiled.members[m.Path] = listedMember{only: only}
		default:
			compiled.members[m.Path] = listedMember{text: m.Value, targets: variableTargets(m.Value)}
		}
	}
	return compiled
}

// custom is where what is no variable goes.
var custom = target{variable: unknownVariable, prefix: customPrefix}

func variableTargets(p *template.Pattern) []target {
	var targets []target
	for _, name := range p.Variables() {
		targets = append(targets, variableTarget(name))
	}
	return targets
}

// variableTarget is where the value of a variable goes.
func variableTarget(name string) target {
	t := resolve(normalize(name))
	t.name = []byte(name)
	return t
}

// readBy reads a message by a template, and tells whether it is one that the
// template gives.
func (a *accessLog) readBy(t *accessTemplate, message messageText) bool {
	text := trimLine(message.bytes)
	if len(text) < len(message.bytes) {
		message = messageText{bytes: text, clean: message.clean} // the quotes are not where they were
	}
	if len(t.members) > 0 && len(text) > 0 && text[0] == '{' {
		if err := a.readMembers(t, message); err == nil && a.identified() && a.listed > a.unlisted {
			if a.unlisted > 0 {
				a.warnings |= warnTemplateMismatch
			}
			return true
		} else if err == nil {
			return false
		}
	}
	a.begin(true)
	a.template = t
	var ok bool
	if a.spans, ok = t.line.Line().Match(a.spans[:0], text); !ok {
		return false
	}
	if len(t.members) > 0 {
		a.warnings |= warnCutByTemplate
	}
	for i, span := range a.spans {
		value := text[span.Start:span.End]
		if raw := jsonValue(t, i, text, span); len(t.members) > 0 && raw != nil {
			a.clean = false // nobody has looked at its escapes
			_ = a.assign(&t.targets[i], raw)
			continue
		}
		_ = a.setText(&t.targets[i], value)
	}
	return true
}

// jsonValue is the value as it stands in a line that is no JSON as a whole, if
// it is JSON on its own.
func jsonValue(t *accessTemplate, i int, text []byte, span template.Span) jsontext.Value {
	if t.line.InString(i) {
		span.Start--
		span.End++
	}
	if span.Start < 0 || span.End > len(text) {
		return nil
	}
	scanner := jsonscan.New(text[span.Start:span.End])
	if raw, err := scanner.Value(); err == nil && scanner.AtEnd() && raw.Kind() == jsontext.KindString {
		return raw
	}
	return nil
}

// setListed takes the value of a member that the template has.
func (a *accessLog) setListed(m listedMember, raw jsontext.Value) error {
	if m.text == nil {
		return a.assign(&m.only, raw)
	}
	if raw.Kind() == jsontext.KindString {
		start := len(a.scratch)
		a.scratch = appendText(a.scratch, raw)
		value := a.since(start)
		var ok bool
		if a.spans, ok = m.text.Match(a.spans[:0], value); ok {
			for i, span := range a.spans {
				if err := a.setText(&m.targets[i], value[span.Start:span.End]); err != nil {
					return err
				}
			}
			return nil
		}
	}
	a.warnings |= warnTemplateMismatch
	return a.assign(&custom, raw)
}

// matchGlob tells whether a name matches a glob, in which * stands for any text,
// slashes included, and ? for one character.
func matchGlob(glob, name string) bool {
	star, resume := -1, 0
	g, n := 0, 0
	for n < len(name) {
		switch {
		case g < len(glob) && glob[g] == '*':
			star, resume = g, n
			g++
		case g < len(glob) && (glob[g] == '?' || glob[g] == name[n]):
			g++
			n++
		case star >= 0:
			resume++
			g, n = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(glob[g:], "*") == ""
}

// compareGlobs puts names before globs, and among these the ones with more text
// first.
func compareGlobs(a, b string) int {
	isGlob := func(glob string) int {
		if strings.ContainsAny(glob, "*?") {
			return 1
		}
		return 0
	}
	plain := func(glob string) int { return len(glob) - strings.Count(glob, "*") - strings.Count(glob, "?") }
	return cmp.Or(isGlob(a)-isGlob(b), plain(b)-plain(a), strings.Compare(a, b))
}
