package cloudformation_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// uses are the names that a template refers to, by kind: "Ref", "GetAtt", "Condition", "Mappings", "Import".
func (t stackTemplate) uses() map[string]map[string]string {
	used := map[string]map[string]string{"Ref": {}, "GetAtt": {}, "Condition": {}, "Mappings": {}, "Import": {}}
	for path, value := range walk("", t.root) {
		o, _ := value.(object)
		if name, ok := o["Condition"].(string); ok && (len(o) == 1 || o["Type"] != nil || o["Value"] != nil) {
			used["Condition"][name] = path
		}
		switch depends := o["DependsOn"].(type) {
		case string:
			used["GetAtt"][depends] = path
		case list:
			for _, name := range depends {
				used["GetAtt"][name.(string)] = path
			}
		}
		name, argument, ok := function(value)
		if !ok {
			continue
		}
		switch name {
		case "Ref":
			used["Ref"][argument.(string)] = path
		case "Fn::GetAtt":
			used["GetAtt"][argument.(list)[0].(string)] = path
		case "Fn::If":
			used["Condition"][argument.(list)[0].(string)] = path
		case "Fn::FindInMap":
			used["Mappings"][argument.(list)[0].(string)] = path
		case "Fn::ImportValue":
			used["Import"][fmt.Sprint(world{template: t}.evaluate(argument))] = path
		case "Fn::Sub":
			t.usesOfSub(argument, path, used)
		}
	}
	return used
}

func (t stackTemplate) usesOfSub(argument any, path string, used map[string]map[string]string) {
	text, own := argument, object{}
	if in, ok := argument.(list); ok {
		text, own = in[0], in[1].(object)
	}
	for _, match := range placeholder.FindAllStringSubmatch(text.(string), -1) {
		name, _, attribute := strings.Cut(match[1], ".")
		switch _, isOwn := own[name]; {
		case isOwn:
		case attribute:
			used["GetAtt"][name] = path
		default:
			used["Ref"][name] = path
		}
	}
	for name := range own {
		if !strings.Contains(text.(string), "${"+name+"}") {
			used["Ref"][name+", a variable that the text does not have,"] = path
		}
	}
}

// checkReferences: all that is referred to is there, and all that is there is used.
func checkReferences(t stackTemplate) (f faults) {
	used, resources, parameters, loops := t.uses(), t.section("Resources"), t.section("Parameters"), t.loops()
	for name, path := range used["Ref"] {
		if resources[name] == nil && parameters[name] == nil && !loops[name] && !strings.HasPrefix(name, "AWS::") {
			f.add("%s: Ref of %s, which is not there", path, name)
		}
	}
	for name, path := range used["GetAtt"] {
		if resources[name] == nil {
			f.add("%s: attribute of %s, which is not there", path, name)
		}
	}
	for kind, section := range map[string]string{"Condition": "Conditions", "Mappings": "Mappings"} {
		for name, path := range used[kind] {
			if t.section(section)[name] == nil {
				f.add("%s: %s %s is not there", path, kind, name)
			}
		}
		for name := range t.section(section) {
			if used[kind][name] == "" {
				f.add("%s %s is not used", kind, name)
			}
		}
	}
	for name := range parameters {
		if used["Ref"][name] == "" {
			f.add("parameter %s is not used", name)
		}
	}
	return f
}

func TestReferences(t *testing.T) {
	t.Parallel()
	for _, name := range templateFiles {
		require.Empty(t, checkReferences(readTemplate(t, name)), name)
	}
	found(t, checkReferences(changed(t, pipelineFile, "Value: !Ref OnGap", "Value: continue")), "parameter OnGap is not used")
	found(t, checkReferences(changed(t, pipelineFile, "!GetAtt StageBucket.Arn", "!GetAtt Stage.Arn")), "attribute of Stage,")
	found(t, checkReferences(changed(t, pipelineFile, "s3://${StageBucket}?", "s3://${Bucket}?")), "Ref of Bucket,")
	found(t, checkReferences(changed(t, pipelineFile, "- !If [UsesTls,", "- !If [UsesSsl,")), "Condition UsesSsl is not there")
	found(t, checkReferences(changed(t, pipelineFile, "UsesTls: !Not", "Unused: !Equals [a, a]\n  UsesTls: !Not")), "Condition Unused is not used")
	found(t, checkReferences(changed(t, pipelineFile, "{'Fn::Sub': '${IngestStack}-StreamName'}", "{'Fn::Sub': '${Ingest}-StreamName'}")), "Ref of Ingest,")
	found(t, checkReferences(changed(t, ingestFile, "- Others: !If", "- Other: !If")), "Ref of Others,")
}

// checkImports: what the stack of pipeline.yaml imports, that of ingest.yaml exports.
func checkImports(ingest, pipeline stackTemplate) (f faults) {
	exports := map[string]bool{}
	for _, output := range ingest.section("Outputs") {
		if export, ok := output.(object)["Export"].(object); ok && output.(object)["Condition"] == nil {
			name := fmt.Sprint(world{template: ingest}.evaluate(export["Name"]))
			exports[strings.Replace(name, "${AWS::StackName}", "${IngestStack}", 1)] = true
		}
	}
	for name, path := range pipeline.uses()["Import"] {
		if !exports[name] {
			f.add("%s: nobody exports %s", path, name)
		}
	}
	return f
}

func TestImports(t *testing.T) {
	t.Parallel()
	ingest, pipeline := readTemplate(t, ingestFile), readTemplate(t, pipelineFile)
	require.Empty(t, checkImports(ingest, pipeline))
	require.Len(t, pipeline.uses()["Import"], 3, "stream, its name, its key")
	found(t, checkImports(changed(t, ingestFile, "${AWS::StackName}-StreamKeyArn", "${AWS::StackName}-KeyArn"), pipeline), "${IngestStack}-StreamKeyArn")
	found(t, checkImports(ingest, changed(t, pipelineFile, "${IngestStack}-StreamArn", "${IngestStack}-Arn")), "${IngestStack}-Arn")
}

// checkParameters: each has a description and a constraint, and stands in one group of the console's form.
func checkParameters(t stackTemplate) (f faults) {
	form, _ := t.section("Metadata")["AWS::CloudFormation::Interface"].(object)
	shown := map[string]int{}
	for _, group := range form["ParameterGroups"].(list) {
		for _, name := range group.(object)["Parameters"].(list) {
			shown[name.(string)]++
		}
	}
	labels, _ := form["ParameterLabels"].(object)
	for _, name := range slices.Sorted(maps.Keys(t.section("Parameters"))) {
		p := t.section("Parameters")[name].(object)
		if shown[name] != 1 {
			f.add("%s stands in %d groups", name, shown[name])
		}
		delete(shown, name)
		delete(labels, name)
		if text, _ := p["Description"].(string); len(text) < 10 {
			f.add("%s has no description", name)
		}
		constrained := strings.HasPrefix(p["Type"].(string), "AWS::") || strings.HasPrefix(p["Type"].(string), "List<AWS::") || p["Type"] == "CommaDelimitedList"
		for _, constraint := range []string{"AllowedPattern", "AllowedValues", "MinValue", "MaxLength"} {
			constrained = constrained || p[constraint] != nil
		}
		if !constrained {
			f.add("%s takes anything", name)
		}
		pattern, patterned := p["AllowedPattern"].(string)
		if patterned && p["ConstraintDescription"] == nil {
			f.add("%s does not say what its pattern wants", name)
		}
		if value, given := p["Default"]; given && patterned && !regexp.MustCompile("^(?:"+pattern+")$").MatchString(fmt.Sprint(value)) {
			f.add("%s: its pattern refuses its default", name)
		}
	}
	for name := range shown {
		f.add("%s is in a group and no parameter", name)
	}
	for name := range labels {
		f.add("%s has a label and is no parameter", name)
	}
	return f
}

func TestParameters(t *testing.T) {
	t.Parallel()
	for _, name := range templateFiles {
		require.Empty(t, checkParameters(readTemplate(t, name)), name)
	}
	found(t, checkParameters(changed(t, pipelineFile, "Parameters: [EnvironmentFileArn, LogLevel]", "Parameters: [LogLevel]")), "EnvironmentFileArn stands in 0 groups")
	found(t, checkParameters(changed(t, pipelineFile, "    Description: Audience to ask for.\n", "")), "TokenAudience has no description")
	found(t, checkParameters(changed(t, pipelineFile, "    Description: Audience to ask for.\n    Default: ''\n    MaxLength: 1024\n", "    Description: Audience to ask for.\n    Default: ''\n")), "TokenAudience takes anything")
	found(t, checkParameters(changed(t, pipelineFile, "Default: 1m", "Default: a minute")), "WindowMaxAge: its pattern refuses its default")
	found(t, checkParameters(changed(t, ingestFile, "StreamMode: {default:", "Mode: {default:")), "Mode has a label")
}
