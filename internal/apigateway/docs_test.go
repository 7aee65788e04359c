package apigateway

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

// What docs/events.md says is what the code does.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	for _, v := range variables {
		key := v.key
		if key == "" {
			key = "timestamp"
		}
		row := regexp.MustCompile(`(?m)^\|[^|]*` + regexp.QuoteMeta("`"+v.name+"`") + `[^|]*\|[^|]*` + regexp.QuoteMeta("`"+key+"`") + `.*\|$`)
		if !row.MatchString(doc) {
			t.Errorf("no row for %s and %s", v.name, key)
		}
	}
	for _, name := range warningNames {
		if !strings.Contains(doc, "| `"+name+"` |") {
			t.Errorf("no row for the warning %s", name)
		}
	}
	for _, reason := range Reasons() {
		if !strings.Contains(doc, "| `"+reason.Code+"` |") {
			t.Errorf("no row for the reason %s", reason.Code)
		}
	}

	// The example is what the line above it gives.
	blocks := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(doc, -1)
	if len(blocks) != 3 {
		t.Fatalf("%d examples", len(blocks))
	}
	event := formatMessage(t, group, strings.ReplaceAll(blocks[0][1], "\n", ""))
	var example map[string]any
	if err := json.Unmarshal([]byte(blocks[1][1]), &example); err != nil {
		t.Fatal(err)
	}
	for _, differs := range []string{"log.record.uid", "observed_timestamp", "cloud.region", "aws.log.stream.names", "source.event_ids"} {
		delete(event, differs)
		delete(example, differs)
	}
	got, want := mustMarshal(t, event), mustMarshal(t, example)
	if got != want {
		t.Errorf("the example is\n%s\nand should be\n%s", want, got)
	}
}

func mustMarshal(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
