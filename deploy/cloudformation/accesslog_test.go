package cloudformation_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/template"
)

// notOfREST are variables that only HTTP and WebSocket APIs have.
var notOfREST = []string{"connectedAt", "connectionId", "dataProcessed", "eventType", "messageId", "routeKey"}

// synonyms are other names of the same value, of which one is enough.
var synonyms = map[string]string{"integrationLatency": "integration.latency", "integrationErrorMessage": "integration.error"}

// maxFormat is what API Gateway takes.
const maxFormat = 3072

// documentedVariables are those that docs/events.md has an attribute for.
func documentedVariables(t *testing.T) (names []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/events.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(text), "| `$context` variable |")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	for row := range strings.Lines(table) {
		cells := strings.SplitN(row, "|", 3)
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			if !strings.Contains(name[1], "<") { // authorizer.<name>: the owner's own
				names = append(names, name[1])
			}
		}
	}
	return names
}

// checkFormat: the sample API logs all that is documented.
func checkFormat(t stackTemplate, documented []string) (f faults) {
	stage := t.resources("AWS::ApiGateway::Stage")["SampleStage"].(object)
	format := fmt.Sprint(world{template: t}.evaluate(stage["AccessLogSetting"].(object)["Format"]))
	if len(format) > maxFormat {
		f.add("the format has %d bytes", len(format))
	}
	compiled, err := template.Compile(format)
	if err != nil {
		f.add("the pipeline does not take the format as a template: %v", err)
		return f
	}
	if compiled.Members() == nil {
		f.add("the format is no JSON object")
	}
	logged := compiled.Line().Variables()
	for _, name := range documented {
		if other, ok := synonyms[name]; ok {
			name = other
		}
		if !slices.Contains(logged, name) && !slices.Contains(notOfREST, name) {
			f.add("%s is not logged", name)
		}
	}
	for _, name := range logged {
		if !slices.Contains(documented, name) {
			f.add("%s is logged and not documented", name)
		}
	}
	return f
}

func TestSampleLogsEveryVariable(t *testing.T) {
	t.Parallel()
	documented := documentedVariables(t)
	require.Greater(t, len(documented), 80)
	read := readTemplate(t, ingestFile)
	require.Empty(t, checkFormat(read, documented))
	found(t, checkFormat(changed(t, ingestFile, `$context.waf.latency"`, `$context.waf.delay"`), documented), "waf.latency is not logged")
	found(t, checkFormat(changed(t, ingestFile, `$context.waf.latency"`, `$context.waf.delay"`), documented), "waf.delay is logged and not documented")
	found(t, checkFormat(changed(t, ingestFile, `"did":`, `"`+strings.Repeat("d", 100)+`":`), documented), "bytes")
	found(t, checkFormat(changed(t, ingestFile, "          - - '{'", "          - - '('"), documented), "no JSON")

	// The workers can be told what the names stand for: by one parameter, of 4,096 bytes at most.
	sample := read.resources("AWS::ApiGateway::Stage")["SampleStage"].(object)["AccessLogSetting"].(object)["Format"]
	templates, err := json.Marshal(map[string]string{"/logpipe/logpipe/sample-access": fmt.Sprint(world{template: read}.evaluate(sample))})
	require.NoError(t, err)
	require.LessOrEqual(t, len(templates), readTemplate(t, pipelineFile).section("Parameters")["AccessLogTemplates"].(object)["MaxLength"])
	require.Empty(t, checkSettings(readTemplate(t, pipelineFile), with(exampleParameters(t), "AccessLogTemplates", string(templates)), temporalVariables(t)))

	// Execution logs come with whole requests.
	stage := fmt.Sprint(read.resources("AWS::ApiGateway::Stage")["SampleStage"])
	require.Contains(t, stage, "DataTraceEnabled:true")
	require.Contains(t, stage, "LoggingLevel:INFO")
}
