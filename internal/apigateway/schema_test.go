package apigateway

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/log-event-pipeline/logpipe/docs"
)

// eventSchema is the published schema, compiled: that it is one itself is checked by that.
var eventSchema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	schema, err := jsonschema.UnmarshalJSON(bytes.NewReader(docs.EventsSchema))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	const url = "events.schema.json"
	if err := compiler.AddResource(url, schema); err != nil {
		return nil, err
	}
	return compiler.Compile(url)
})

// checkSchema requires that an event is as the published schema says. Every sink of these
// tests calls it for every event.
func checkSchema(tb testing.TB, event []byte) {
	tb.Helper()
	if err := againstSchema(tb, event); err != nil {
		tb.Errorf("%s\nis not by docs/events.schema.json: %v", event, err)
	}
}

func againstSchema(tb testing.TB, event []byte) error {
	tb.Helper()
	schema, err := eventSchema()
	if err != nil {
		tb.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(event))
	if err != nil {
		tb.Fatalf("%q: %v", event, err)
	}
	return schema.Validate(value)
}

// The schema is strict: it refuses what no event may be.
func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	access := accessEvent(t)
	log := formatMessage(t, "/ecs/orders", "text")
	interaction := maps.Clone(log)
	delete(interaction, "body")
	maps.Copy(interaction, map[string]any{
		"schema": "apigw.interaction/1", "event_name": "aws.apigateway.interaction", "interaction.id": log["log.record.uid"],
		"interaction.end_timestamp": log["timestamp"], "interaction.complete": true, "interaction.missing": []any{},
		"http.request.header.accept": []any{"a", "b"},
	})
	for name, event := range map[string]map[string]any{"access": access, "log": log, "interaction": interaction} {
		if err := againstSchema(t, []byte(mustMarshal(t, event))); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for name, c := range map[string]struct {
		event map[string]any
		key   string
		value any // nil to leave the member out
	}{
		"no schema":                    {log, "schema", nil},
		"unknown schema":               {log, "schema", "apigw.log/2"},
		"name of another schema":       {log, "event_name", "aws.apigateway.access"},
		"no identity":                  {access, "log.record.uid", nil},
		"an identity that is none":     {access, "log.record.uid", "abc"},
		"no body":                      {log, "body", nil},
		"a body that is a number":      {log, "body", 5},
		"a body of an access log":      {access, "body", "text"},
		"a time without milliseconds":  {log, "timestamp", "2024-09-05T13:47:15Z"},
		"a time that is none":          {log, "timestamp", "2024-13-05T13:47:15.000Z"},
		"an attribute nobody knows":    {access, "aws.apigateway.unknown", "x"},
		"an attribute of another form": {log, "http.request.method", "GET"},
		"a status as text":             {access, "http.response.status_code", "200"},
		"a status that is none":        {access, "http.response.status_code", 20},
		"a latency as text":            {access, "aws.apigateway.response_latency_ms", "45"},
		"a claim that is a number":     {access, "aws.apigateway.authorizer.claims.exp", 5},
		"an unknown warning":           {access, "parse.warnings", []any{"odd"}},
		"no warnings":                  {access, "parse.warnings", []any{}},
		"two log groups":               {access, "aws.log.group.names", []any{"a", "b"}},
		"two log streams":              {access, "aws.log.stream.names", []any{"a", "b"}},
		"an empty log group":           {access, "aws.log.group.names", []any{""}},
		"nothing redacted":             {access, "redacted", 0},
		"a header with one value":      {interaction, "http.request.header.accept", "a"},
		"complete and missing":         {interaction, "interaction.missing", []any{"start"}},
		"an unknown kind of line":      {interaction, "interaction.missing", []any{"begin"}},
		"incomplete, nothing missing":  {interaction, "interaction.complete", false},
		"a severity nobody knows":      {access, "severity_text", "FINE"},
		"a severity of an access log":  {access, "severity_text", "DEBUG"},
		"an object of attributes":      {access, "aws", map[string]any{"apigateway": 1}},
		"a certificate in two members": {access, "tls.client.certificate", []any{"a"}},
	} {
		event := maps.Clone(c.event)
		if event[c.key] = c.value; c.value == nil {
			delete(event, c.key)
		}
		if err := againstSchema(t, []byte(mustMarshal(t, event))); err == nil {
			t.Errorf("%s: the schema takes %s", name, mustMarshal(t, event))
		}
	}
}

func accessEvent(t *testing.T) map[string]any {
	t.Helper()
	event := formatMessage(t, group, accessLine(1))
	if event["schema"] != "apigw.access/1" {
		t.Fatalf("no access log: %v", event)
	}
	return event
}

// publishedSchema is the schema as far as tests of the documentation need it.
type publishedSchema struct {
	Defs map[string]struct {
		Properties        map[string]json.RawMessage
		PatternProperties map[string]json.RawMessage
	} `json:"$defs"`
}

func readSchema(t *testing.T) (properties, patterns []string, defs publishedSchema) {
	t.Helper()
	if err := json.Unmarshal(docs.EventsSchema, &defs); err != nil {
		t.Fatal(err)
	}
	for _, def := range defs.Defs {
		properties = slices.AppendSeq(properties, maps.Keys(def.Properties))
		patterns = slices.AppendSeq(patterns, maps.Keys(def.PatternProperties))
	}
	slices.Sort(properties)
	return slices.Compact(properties), patterns, defs
}

// attributeColumn is which cells of the tables of docs/events.md name attributes, by the
// heading of the column.
var attributeColumn = regexp.MustCompile(`^(attribute|member)$`)

// documentedAttributes are those in the tables of docs/events.md. What stands before
// .truncated and the like, which are named without it, is put before them.
func documentedAttributes(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	column := -1
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			column = -1
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if column < 0 {
			column = slices.IndexFunc(cells, func(cell string) bool { return attributeColumn.MatchString(strings.TrimSpace(cell)) })
			if column < 0 {
				column = len(cells) // a table of something else
			}
			continue
		}
		if column >= len(cells) {
			continue
		}
		whole := ""
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[column], -1) {
			if strings.HasPrefix(name[1], ".") {
				all = append(all, strings.TrimSuffix(whole, ".content")+name[1])
				continue
			}
			whole = name[1]
			all = append(all, whole)
		}
	}
	if len(all) < 50 {
		t.Fatalf("only %d attributes in the tables", len(all))
	}
	return all
}

// Every attribute in the tables of docs/events.md is in the schema.
func TestDocumentedAttributesAreInTheSchema(t *testing.T) {
	t.Parallel()
	properties, patterns, _ := readSchema(t)
	for _, name := range documentedAttributes(t) {
		known := slices.Contains(properties, name)
		for _, pattern := range patterns {
			known = known || regexp.MustCompile(pattern).MatchString(name)
		}
		if !known {
			t.Errorf("docs/events.md has %s, docs/events.schema.json has not", name)
		}
	}
}

// Every attribute in the schema is in the tables of docs/events.md, and every warning and
// variable of the code is in the schema.
func TestSchemaIsDocumented(t *testing.T) {
	t.Parallel()
	properties, patterns, defs := readSchema(t)
	for _, v := range variables {
		if v.key != "" && !slices.Contains(properties, v.key) {
			t.Errorf("the schema has no %s, which %s becomes", v.key, v.name)
		}
	}
	for _, name := range warningNames {
		if !strings.Contains(string(defs.Defs["common"].Properties["parse.warnings"]), `"`+name+`"`) {
			t.Errorf("the schema has no warning %s", name)
		}
	}

	documented := documentedAttributes(t)
	if !slices.Contains(documented, "interaction.id") {
		t.Skip("the tables do not have the attributes of execution logs")
	}
	for _, name := range properties {
		// One row for integration and authorizer, and one for each body.
		row := name
		for _, suffix := range []string{".truncated", ".captured_bytes", ".dropped_bytes"} {
			if prefix, ok := strings.CutSuffix(row, suffix); ok && !slices.Contains(documented, row) {
				row = prefix + ".content"
			}
		}
		integration := strings.Replace(row, "aws.apigateway.authorizer.", "aws.apigateway.integration.", 1)
		if !slices.Contains(documented, row) && !slices.Contains(documented, integration) {
			t.Errorf("docs/events.schema.json has %s, docs/events.md has not", name)
		}
	}
	for _, pattern := range patterns {
		if !slices.ContainsFunc(documented, func(name string) bool {
			return strings.HasSuffix(name, "<name>") && regexp.MustCompile(pattern).MatchString(name)
		}) {
			t.Errorf("docs/events.schema.json has %s, docs/events.md has nothing that matches", pattern)
		}
	}
}
