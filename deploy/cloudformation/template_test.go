// Package cloudformation_test holds the templates against what cfn-lint does not look at: against each other, and against
// the programs that they run.
package cloudformation_test

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// The templates, in the order in which they are deployed.
const (
	ingestFile   = "ingest.yaml"
	pipelineFile = "pipeline.yaml"
	cicdFile     = "cicd.yaml"
)

var templateFiles = []string{ingestFile, pipelineFile, cicdFile}

// object and list are what a template consists of, beside text, numbers and truth values. A function in its short form
// is as in its long one: !Sub x is {"Fn::Sub": x}.
type (
	object = map[string]any
	list   = []any
)

// stackTemplate is a template of CloudFormation.
type stackTemplate struct {
	name string
	root object
}

// readTemplate reads a template of this directory.
func readTemplate(t *testing.T, name string) stackTemplate {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	parsed, err := parseTemplate(name, string(text))
	require.NoError(t, err)
	return parsed
}

// changed is the template of this directory with a text replaced that occurs in it: what a check has to find.
func changed(t *testing.T, name, old, replacement string) stackTemplate {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Contains(t, string(text), old, "the fault cannot be planted")
	parsed, err := parseTemplate(name, strings.Replace(string(text), old, replacement, 1))
	require.NoError(t, err)
	return parsed
}

func parseTemplate(name, text string) (stackTemplate, error) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		return stackTemplate{}, fmt.Errorf("%s: %w", name, err)
	}
	root, err := convert(document.Content[0])
	if err != nil {
		return stackTemplate{}, fmt.Errorf("%s: %w", name, err)
	}
	return stackTemplate{name: name, root: root.(object)}, nil
}

func convert(node *yaml.Node) (any, error) {
	value, err := convertPlain(node)
	if err != nil || !strings.HasPrefix(node.Tag, "!") || strings.HasPrefix(node.Tag, "!!") {
		return value, err
	}
	switch function := node.Tag[1:]; function {
	case "Ref", "Condition":
		return object{function: value}, nil
	case "GetAtt":
		resource, attribute, found := strings.Cut(fmt.Sprint(value), ".")
		if !found {
			return nil, fmt.Errorf("line %d: !GetAtt of %v", node.Line, value)
		}
		return object{"Fn::GetAtt": list{resource, attribute}}, nil
	default:
		return object{"Fn::" + function: value}, nil
	}
}

func convertPlain(node *yaml.Node) (any, error) {
	switch node.Kind {
	case yaml.MappingNode:
		o := object{}
		for i := 0; i < len(node.Content); i += 2 {
			key := node.Content[i].Value
			if _, twice := o[key]; twice {
				return nil, fmt.Errorf("line %d: %s stands there twice", node.Content[i].Line, key)
			}
			value, err := convert(node.Content[i+1])
			if err != nil {
				return nil, err
			}
			o[key] = value
		}
		return o, nil
	case yaml.SequenceNode:
		l := make(list, 0, len(node.Content))
		for _, item := range node.Content {
			value, err := convert(item)
			if err != nil {
				return nil, err
			}
			l = append(l, value)
		}
		return l, nil
	case yaml.ScalarNode:
		plain := *node
		if !strings.HasPrefix(plain.Tag, "!!") {
			plain.Tag = ""
		}
		if plain.Tag == "!!timestamp" {
			plain.Tag = "!!str"
		}
		var value any
		if err := plain.Decode(&value); err != nil {
			return nil, fmt.Errorf("line %d: %w", node.Line, err)
		}
		return value, nil
	default:
		return nil, fmt.Errorf("line %d: CloudFormation knows no YAML aliases", node.Line)
	}
}

// section is a part of the template, such as Resources. What a loop makes is as if it were made once.
func (t stackTemplate) section(name string) object {
	section, _ := t.root[name].(object)
	unrolled := object{}
	for key, value := range section {
		if !strings.HasPrefix(key, "Fn::ForEach::") {
			unrolled[key] = value
			continue
		}
		maps.Copy(unrolled, value.(list)[2].(object))
	}
	return unrolled
}

// loops are the names of the variables of the template's loops.
func (t stackTemplate) loops() map[string]bool {
	names := map[string]bool{}
	for _, key := range slices.Sorted(maps.Keys(t.root)) {
		section, _ := t.root[key].(object)
		for name, value := range section {
			if strings.HasPrefix(name, "Fn::ForEach::") {
				names[value.(list)[0].(string)] = true
			}
		}
	}
	return names
}

// resources are those of a type, by name.
func (t stackTemplate) resources(kind string) object {
	found := object{}
	for name, r := range t.section("Resources") {
		if r.(object)["Type"] == kind {
			found[name] = r.(object)["Properties"]
		}
	}
	return found
}

// walk goes over a value and all in it, with where it stands.
func walk(path string, value any) iter.Seq2[string, any] {
	return func(yield func(string, any) bool) { walkInto(path, value, yield) }
}

func walkInto(path string, value any, yield func(string, any) bool) bool {
	if !yield(path, value) {
		return false
	}
	switch v := value.(type) {
	case object:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if !walkInto(path+"."+key, v[key], yield) {
				return false
			}
		}
	case list:
		for i, item := range v {
			if !walkInto(fmt.Sprintf("%s[%d]", path, i), item, yield) {
				return false
			}
		}
	}
	return true
}

// function returns name and argument of a function of CloudFormation.
func function(value any) (name string, argument any, ok bool) {
	o, isObject := value.(object)
	if !isObject || len(o) != 1 {
		return "", nil, false
	}
	for key, value := range o {
		name, argument = key, value
	}
	ok = name == "Ref" || name == "Condition" || strings.HasPrefix(name, "Fn::") && !strings.HasPrefix(name, "Fn::ForEach")
	return name, argument, ok
}

// placeholder is a ${…} in the text of a Sub.
var placeholder = regexp.MustCompile(`\$\{([^!}][^}]*)\}`)

// world is what a template is evaluated with. Without parameters a reference is left as ${NAME}, and of a condition all
// that could be chosen is there, one after the other.
type world struct {
	template   stackTemplate
	parameters map[string]string
}

// nothing is what AWS::NoValue leaves: whoever holds it drops it.
type nothing struct{}

// evaluate works out the functions in a value.
func (w world) evaluate(value any) any {
	switch v := value.(type) {
	case list:
		var items list
		for _, item := range v {
			switch item := w.evaluate(item).(type) {
			case nothing:
			case choices:
				items = append(items, item...)
			default:
				items = append(items, item)
			}
		}
		return items
	case object:
		if name, argument, ok := function(v); ok {
			return w.call(name, argument)
		}
		o := object{}
		for key, member := range v {
			switch member := w.evaluate(member).(type) {
			case nothing:
			case choices:
				switch len(member) {
				case 0:
				case 1:
					o[key] = member[0]
				default:
					o[key] = list(member)
				}
			default:
				o[key] = member
			}
		}
		return o
	}
	return value
}

// choices are both results of a condition that is not decided.
type choices list

func (w world) call(name string, argument any) any {
	switch name {
	case "Ref":
		return w.ref(argument.(string))
	case "Condition":
		return w.holds(argument.(string))
	case "Fn::GetAtt":
		path := argument.(list)
		return fmt.Sprintf("${%v.%v}", path[0], path[1])
	case "Fn::Sub":
		return w.sub(argument)
	case "Fn::ImportValue":
		return fmt.Sprintf("${import %v}", w.evaluate(argument))
	case "Fn::If":
		return w.choose(argument.(list))
	}
	in, _ := w.evaluate(argument).(list)
	switch name {
	case "Fn::Join":
		return strings.Join(texts(in[1]), in[0].(string))
	case "Fn::Split":
		var parts list
		for part := range strings.SplitSeq(fmt.Sprint(in[1]), in[0].(string)) {
			parts = append(parts, part)
		}
		return parts
	case "Fn::Select":
		index, items := in[0].(int), in[1].(list)
		if w.parameters == nil && index >= len(items) {
			return fmt.Sprintf("${item %d of %v}", index, items)
		}
		return items[index]
	case "Fn::FindInMap":
		if w.parameters == nil {
			return fmt.Sprintf("${map %v}", in)
		}
		return w.template.section("Mappings")[in[0].(string)].(object)[fmt.Sprint(in[1])].(object)[in[2].(string)]
	case "Fn::Equals":
		return fmt.Sprint(in[0]) == fmt.Sprint(in[1])
	case "Fn::Not":
		return !in[0].(bool)
	case "Fn::And":
		return !slices.Contains(in, any(false))
	case "Fn::Or":
		return slices.Contains(in, any(true))
	}
	panic("no function " + name)
}

func (w world) choose(in list) any {
	if w.parameters != nil {
		if w.holds(in[0].(string)) {
			return w.evaluate(in[1])
		}
		return w.evaluate(in[2])
	}
	var both choices
	for _, branch := range in[1:] {
		switch result := w.evaluate(branch).(type) {
		case nothing:
		case choices:
			both = append(both, result...)
		default:
			both = append(both, result)
		}
	}
	return both
}

func (w world) holds(condition string) bool {
	return w.evaluate(w.template.section("Conditions")[condition]).(bool)
}

func (w world) ref(name string) any {
	if name == "AWS::NoValue" {
		return nothing{}
	}
	parameter, isParameter := w.template.section("Parameters")[name].(object)
	if w.parameters == nil || !isParameter {
		return "${" + name + "}"
	}
	text, given := w.parameters[name]
	if !given {
		text = fmt.Sprint(parameter["Default"])
	}
	if kind := parameter["Type"].(string); kind == "CommaDelimitedList" || strings.HasPrefix(kind, "List<") {
		var items list
		for part := range strings.SplitSeq(text, ",") {
			items = append(items, part)
		}
		return items
	}
	return text
}

func (w world) sub(argument any) string {
	text, own := argument, object{}
	if in, ok := argument.(list); ok {
		text, own = in[0], in[1].(object)
	}
	return placeholder.ReplaceAllStringFunc(text.(string), func(match string) string {
		name := match[2 : len(match)-1]
		if value, ok := own[name]; ok {
			return fmt.Sprint(w.evaluate(value))
		}
		if strings.Contains(name, ".") {
			return match
		}
		return fmt.Sprint(w.ref(name))
	})
}

// texts is a text, or a list of them, as a list.
func texts(value any) []string {
	switch v := value.(type) {
	case nil:
		return nil
	case list:
		all := make([]string, len(v))
		for i, item := range v {
			all[i] = fmt.Sprint(item)
		}
		return all
	default:
		return []string{fmt.Sprint(v)}
	}
}

// faults collects what is wrong.
type faults []string

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// found asserts that one of the faults tells of what was planted.
func found(t *testing.T, got faults, text string) {
	t.Helper()
	for _, fault := range got {
		if strings.Contains(fault, text) {
			return
		}
	}
	require.Fail(t, "a planted fault was not found", "%q is not in %q", text, []string(got))
}

func TestTemplatesAreReadAsCloudFormationDoes(t *testing.T) {
	t.Parallel()
	_, err := parseTemplate("x", "a: &b {c: d}\ne: *b\n")
	require.ErrorContains(t, err, "aliases")
	_, err = parseTemplate("x", "a: 1\na: 2\n")
	require.ErrorContains(t, errors.Unwrap(err), "twice")
	read, err := parseTemplate("x", `
Parameters: {P: {Type: String, Default: p}, L: {Type: CommaDelimitedList, Default: 'a,b'}}
Conditions: {Yes: !Equals [!Ref P, p], No: !Not [!Condition Yes]}
V: [!If [Yes, !Sub '${P}-${R.Arn}', n], !If [No, x, !Ref AWS::NoValue], !Join ['/', !Ref L], !Select [1, !Split [':', 'h:7']], !GetAtt R.A.B]
`)
	require.NoError(t, err)
	require.Equal(t, list{"p-${R.Arn}", "a/b", "7", "${R.A.B}"}, world{read, map[string]string{}}.evaluate(read.root["V"]))
	require.Equal(t, list{"${P}-${R.Arn}", "n", "x", "${L}", "7", "${R.A.B}"}, world{template: read}.evaluate(read.root["V"]))
}
