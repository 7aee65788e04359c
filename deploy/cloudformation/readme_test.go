package cloudformation_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	givenParameter = regexp.MustCompile(`\b([A-Z][A-Za-z]+)=(?:\S)`)
	givenMember    = regexp.MustCompile(`"([A-Z][A-Za-z]+)": "`)
	namedOutput    = regexp.MustCompile(`OutputKey=='(\w+)'`)
	namedResource  = regexp.MustCompile(`--logical-resource-id (\w+)`)
)

// checkReadme: what deploy/README.md has people type names what there is.
func checkReadme(readme string, templates map[string]stackTemplate) (f faults) {
	outputs, resources, parameters := object{}, object{}, object{}
	for _, of := range templates {
		for name := range of.section("Outputs") {
			outputs[name] = true
		}
		for name := range of.section("Resources") {
			resources[name] = true
		}
		for name := range of.section("Parameters") {
			parameters[name] = true
		}
	}
	for command := range strings.SplitSeq(strings.ReplaceAll(readme, "\\\n", " "), "\n") {
		_, rest, deploys := strings.Cut(command, "--template-file ")
		if !deploys {
			continue
		}
		name, rest, _ := strings.Cut(rest, " ")
		of, known := templates[name]
		if !known {
			f.add("there is no template %s", name)
			continue
		}
		for _, given := range givenParameter.FindAllStringSubmatch(rest, -1) {
			if of.section("Parameters")[given[1]] == nil {
				f.add("%s has no parameter %s", name, given[1])
			}
		}
		if name == ingestFile && !strings.Contains(rest, "CAPABILITY_AUTO_EXPAND") {
			f.add("%s needs CAPABILITY_AUTO_EXPAND for its loop", name)
		}
		if name == pipelineFile && !strings.Contains(rest, "--s3-bucket") {
			f.add("%s is too large to be given without a bucket", name)
		}
	}
	for _, member := range givenMember.FindAllStringSubmatch(readme, -1) {
		if parameters[member[1]] == nil && member[1] != "ImageVersion" {
			f.add("there is no parameter %s", member[1])
		}
	}
	for _, output := range namedOutput.FindAllStringSubmatch(readme, -1) {
		if outputs[output[1]] == nil {
			f.add("there is no output %s", output[1])
		}
	}
	for _, resource := range namedResource.FindAllStringSubmatch(readme, -1) {
		if resources[resource[1]] == nil {
			f.add("there is no resource %s", resource[1])
		}
	}
	return f
}

func TestReadme(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	readme, templates := string(text), map[string]stackTemplate{}
	for _, name := range templateFiles {
		templates[name] = readTemplate(t, name)
	}
	require.Empty(t, checkReadme(readme, templates))
	for planted, want := range map[[2]string]string{
		{"--parameter-overrides SampleApi=true", "--parameter-overrides Sample=true"}:             "ingest.yaml has no parameter Sample",
		{"--template-file cicd.yaml", "--template-file ci.yaml"}:                                  "no template ci.yaml",
		{`"TokenUrl": "`, `"TokenURL": "`}:                                                        "no parameter TokenURL",
		{"OutputKey=='KeyArn'", "OutputKey=='Key'"}:                                               "no output Key",
		{"--logical-resource-id SampleRestApi", "--logical-resource-id SampleApi"}:                "no resource SampleApi",
		{"CAPABILITY_NAMED_IAM CAPABILITY_AUTO_EXPAND", "CAPABILITY_NAMED_IAM"}:                   "needs CAPABILITY_AUTO_EXPAND",
		{"--template-file pipeline.yaml --s3-bucket $TEMPLATES", "--template-file pipeline.yaml"}: "without a bucket",
	} {
		require.Contains(t, readme, planted[0], "the fault cannot be planted")
		found(t, checkReadme(strings.Replace(readme, planted[0], planted[1], 1), templates), want)
	}
}

// TestTemplateSizes: CloudFormation takes 51,200 bytes by themselves, and a million from a bucket.
func TestTemplateSizes(t *testing.T) {
	t.Parallel()
	for name, most := range map[string]int64{ingestFile: 51_200, cicdFile: 51_200, pipelineFile: 1 << 20} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.LessOrEqual(t, info.Size(), most, name)
	}
}

// TestToolchain: the development container has the tools of .ci/run in its versions, and Go as go.work wants it.
func TestToolchain(t *testing.T) {
	t.Parallel()
	read := func(path string) string {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(text)
	}
	container, run := read("../../.devcontainer/Dockerfile"), read("../../.ci/run")
	for _, tool := range []string{"golangci_lint", "workflowcheck"} {
		version := regexp.MustCompile(`(?m)^` + tool + `=(\S+)$`).FindStringSubmatch(run)
		require.NotNil(t, version, tool)
		require.Contains(t, container, "go install "+version[1])
	}
	wanted := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read("../../go.work"))
	require.NotNil(t, wanted)
	require.Contains(t, container, "FROM golang:"+wanted[1]+"-")
	require.Contains(t, read(cicdFile), "golang:"+wanted[1]+"-", "the image that tests run in")
}
