package apigateway

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/execution"
	"github.com/log-event-pipeline/logpipe/internal/apigateway/lambda"
)

// What docs/events.md says of execution logs and Lambda is what the code does.
func TestExecutionDocumentation(t *testing.T) {
	t.Parallel()
	doc := string(readFile(t, "../../docs/events.md"))
	for _, name := range append(execution.Kinds(), execution.WarningNames()...) {
		if !regexp.MustCompile("(?m)^\\|[^|]*`" + name + "`").MatchString(doc) {
			t.Errorf("no row for %s", name)
		}
	}
	for key := range lambda.NumberKeys() {
		if !strings.Contains(doc, "`"+key+"`") {
			t.Errorf("no row for %s", key)
		}
	}

	// Every member of every fixture's events has a row.
	fixtures, err := filepath.Glob("testdata/execution-*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, fixture := range append(fixtures, "testdata/lambda.json") {
		for _, executions := range []Executions{ExecutionsInteractions, ExecutionsLines} {
			k, _ := format(t, Options{Region: "eu-west-2", Executions: executions}, record(readFile(t, fixture)))
			for _, raw := range k.events {
				var event map[string]any
				if err := json.Unmarshal(raw, &event); err != nil {
					t.Fatal(err)
				}
				for key := range event {
					if !strings.Contains(doc, "`"+documentedMember(key)+"`") {
						t.Errorf("%s: no row for %s", fixture, documentedMember(key))
					}
				}
			}
		}
	}

	example := regexp.MustCompile("(?s)```jsonc\n(.*?)```").FindStringSubmatch(doc)
	if example == nil {
		t.Fatal("no example")
	}
	var want, got map[string]any
	if err := json.Unmarshal([]byte(example[1]), &want); err != nil {
		t.Fatal(err)
	}
	k, _ := format(t, Options{Region: "eu-west-2"}, record(readFile(t, "testdata/execution-levels.json")))
	if err := json.Unmarshal(k.events[1], &got); err != nil {
		t.Fatal(err)
	}
	delete(want, "observed_timestamp")
	delete(got, "observed_timestamp")
	if mustMarshal(t, got) != mustMarshal(t, want) {
		t.Errorf("the example is\n%s\nand should be\n%s", mustMarshal(t, want), mustMarshal(t, got))
	}
}

// documentedMember is how the documentation writes a member: with <name> for what a log can
// name as it likes, and one row for the integration, the authorizer and bodies.
func documentedMember(key string) string {
	if prefix, _, ok := cutAny(key, ".header.", ".path_parameter.", ".query."); ok {
		key = prefix + "<name>"
	}
	key, _ = strings.CutSuffix(key, ".truncated")
	key, _ = strings.CutSuffix(key, ".captured_bytes")
	if strings.HasSuffix(key, ".body") || strings.HasSuffix(key, ".result") {
		key += ".content"
	}
	if rest, ok := strings.CutPrefix(key, "aws.apigateway.authorizer.re"); ok && !strings.HasPrefix(rest, "sult") {
		return "aws.apigateway.integration.re" + rest
	}
	return key
}

// cutAny cuts a key behind the first of the infixes that it has.
func cutAny(key string, infixes ...string) (before, after string, ok bool) {
	for _, infix := range infixes {
		if at := strings.Index(key, infix); at >= 0 {
			return key[:at+len(infix)], key[at+len(infix):], true
		}
	}
	return key, "", false
}
