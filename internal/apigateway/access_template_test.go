package apigateway

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestGlobs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		glob, name string
		want       bool
	}{
		{"/a/b", "/a/b", true}, {"/a/b", "/a/bc", false}, {"*", "", true}, {"*", "/a/b", true}, {"/a/*", "/a/b/c", true}, {"/a/*", "/a", false},
		{"*/access", "/a/b/access", true}, {"*/access", "/a/access/b", false}, {"/?/b", "/a/b", true}, {"/?/b", "///b", true}, {"?", "", false},
		{"a*b*c", "a-b-b-c", true}, {"a*b*c", "a-b-c-d", false}, {"**", "x", true}, {"", "", true}, {"", "x", false}, {"[a]", "a", false}, {"[a]", "[a]", true},
	} {
		if got := matchGlob(tt.glob, tt.name); got != tt.want {
			t.Errorf("%q matches %q: %v", tt.glob, tt.name, got)
		}
	}
	globs := []string{"*", "/a/*", "/a/b", "/a/?/*", "/a/b*", "*b"}
	slices.SortFunc(globs, compareGlobs)
	if want := []string{"/a/b", "/a/?/*", "/a/b*", "/a/*", "*b", "*"}; !slices.Equal(globs, want) {
		t.Errorf("order is %q, want %q", globs, want)
	}
}

func TestTemplateErrors(t *testing.T) {
	t.Parallel()
	_, err := New(Options{BatchMaxBytes: -1, AccessLogTemplates: map[string]string{
		"/a": "$context.requestId", "/b*": "$context.requestId$context.status", "/c": "$context.status",
	}})
	const want = `formatter options: batch max bytes is -1: must not be negative
access log template of "/b*": at character 19: $context.status stands directly behind another variable, so that nothing tells where that one ends: put a character between them
access log template of "/c": has neither $context.requestId nor $context.extendedRequestId: API Gateway accepts no such template`
	if err == nil || err.Error() != want {
		t.Errorf("error is\n%v\nwant\n%s", err, want)
	}
}

// The most specific template that gives a message takes it.
func TestTemplateOfGroup(t *testing.T) {
	t.Parallel()
	options := Options{AccessLogTemplates: map[string]string{
		"*":          "$context.requestId $context.stage",
		"/aws/*":     "$context.requestId $context.status",
		"/aws/apigw": "$context.requestId $context.responseLength!",
	}}
	for _, tt := range []struct {
		group, message, key string
		want                any
	}{
		{"/aws/apigw", "r 200!", "http.response.body.size", 200.0},
		{"/aws/apigw", "r 200", "http.response.status_code", 200.0},
		{"/aws/apigw", "r prod", "aws.apigateway.stage", "prod"},
		{"/aws/lambda/f", "r 200", "http.response.status_code", 200.0},
		{"/other", "r 200", "aws.apigateway.stage", "200"},
		{"/other", "r", "body", "r"},
	} {
		event := eventIn(t, options, tt.group, accessStream, tt.message)
		if event[tt.key] != tt.want {
			t.Errorf("%s of %s has the %s %v, want %v", tt.message, tt.group, tt.key, event[tt.key], tt.want)
		}
		if (event["parse.warnings"] != nil) != (tt.key == "body") {
			t.Errorf("%s of %s has the warnings %v", tt.message, tt.group, event["parse.warnings"])
		}
	}
}

// documented are the rows of the table of attributes in docs/events.md: the
// attribute that a variable has in any case, or several.
func documented(tb testing.TB) map[string][]string {
	tb.Helper()
	text, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		tb.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## Attributes of access logs")
	table, _, _ = strings.Cut(table, "\n## ")
	row := regexp.MustCompile("(?m)^\\| (`.*?) \\| (`.*?) \\| .* \\|$")
	code := regexp.MustCompile("`([^`]+)`")
	rows := make(map[string][]string)
	for _, m := range row.FindAllStringSubmatch(table, -1) {
		always, _, _ := strings.Cut(m[2], ";")
		always, _, _ = strings.Cut(always, ", if")
		var attributes []string
		for _, a := range code.FindAllStringSubmatch(always, -1) {
			attributes = append(attributes, a[1])
		}
		for _, v := range code.FindAllStringSubmatch(m[1], -1) {
			if v[1] != "$context" {
				rows[v[1]] = attributes
			}
		}
	}
	if len(rows) < len(variables) {
		tb.Fatalf("found %d variables in the table", len(rows))
	}
	return rows
}

// Each variable in a template becomes what docs/events.md says, in a template
// that is text and in one that is JSON with a name that says nothing.
func TestEveryVariableByTemplate(t *testing.T) {
	t.Parallel()
	byName := make(map[string]variable)
	for _, v := range variables {
		byName[v.name] = v
	}
	byName["integrationLatency"], byName["integrationErrorMessage"] = byName["integration.latency"], byName["integration.error"]
	rows := documented(t)
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, listed := byName[name]
			isOpen := strings.HasSuffix(name, ".<name>")
			if !listed && !isOpen {
				t.Fatal("the table has a variable that is not in the list")
			}
			value, want := plainSample(v)
			attributes := rows[name]
			reference := "$context." + name
			if isOpen {
				reference = strings.Replace(reference, "<name>", "some_name", 1)
				reference = strings.Replace(reference, "$context.stageVariables", "$stageVariables", 1)
				attributes = []string{strings.Replace(attributes[0], "<name>", "some_name", 1)}
			}
			// Both ids, without naming any variable twice.
			text, json, message, object := reference, `{"x":"`+reference+`"`, value, `{"x":"`+value+`"`
			for _, id := range []string{"requestId", "extendedRequestId"} {
				if id != name {
					text, message = text+"|$context."+id, message+"|"+uuid
					json, object = json+`,"`+id[:1]+`":"$context.`+id+`"`, object+`,"`+id[:1]+`":"`+uuid+`"`
				}
			}
			for pattern, message := range map[string]string{text: message, json + "}": object + "}"} {
				event := eventIn(t, Options{AccessLogTemplates: map[string]string{group: pattern}}, group, accessStream, message)
				for i, attribute := range attributes {
					if got, found := event[attribute]; !found || i == 0 && got != want {
						t.Errorf("%s: %s is %v, want %v in %v", pattern, attribute, got, want, event)
					}
				}
				if warned := event["parse.warnings"]; warned != nil {
					t.Errorf("%s: %s gives the warnings %v", pattern, message, warned)
				}
			}
		})
	}
}

// plainSample is a value that any variable of that conversion can have, and what
// it becomes.
func plainSample(v variable) (in string, out any) {
	in, out = sample(v)
	if in = strings.Trim(in, `"`); strings.Contains(in, " ") && v.as != asTime && v.as != asRoute {
		return "some-text", "some-text"
	}
	return in, out
}

// A test of package template holds its names against the same table.
func TestVariablesAreDocumented(t *testing.T) {
	t.Parallel()
	rows := documented(t)
	for _, v := range variables {
		if attributes := rows[v.name]; v.key != "" && !slices.Contains(attributes, v.key) {
			t.Errorf("%s becomes %s, documented are %q", v.name, v.key, attributes)
		}
	}
}

// Values that JSON templates take apart and ones that break them.
func TestJSONTemplate(t *testing.T) {
	t.Parallel()
	const jsonTemplate = `{"id":"$context.requestId","request":"$context.httpMethod $context.path","agent":"$context.identity.userAgent",` +
		`"e":$context.error.messageString,"n":$context.responseLength,"claims":{"sub":"$context.authorizer.claims.sub"},"tags":["x"],"env":"prod"}`
	const ends = `,"e":"-","n":-,"claims":{"sub":"-"},"tags":["x"],"env":"prod"}`
	options := Options{AccessLogTemplates: map[string]string{group: jsonTemplate}}
	whole := strings.Replace(ends, `"n":-`, `"n":1`, 1)
	for name, tt := range map[string]struct {
		message string
		want    map[string]any
	}{
		"as written": {`{"id":"r","request":"GET /a","agent":"curl","e":"no","n":12,"claims":{"sub":"u"},"tags":["x"],"env":"prod"}`, map[string]any{
			"aws.request_id": "r", "http.request.method": "GET", "url.path": "/a", "user_agent.original": "curl", "aws.apigateway.error.message": "no",
			"http.response.body.size": 12.0, "user.id": "u", "aws.apigateway.custom.env": "prod", "parse.warnings": nil}},
		"other order and blanks": {` { "env" : "prod", "request":"GET /a", "id":"r" } `, map[string]any{"aws.request_id": "r", "url.path": "/a", "parse.warnings": nil}},
		"absent":                 {`{"id":"r","request":"- -","agent":"-"` + ends, map[string]any{"http.request.method": nil, "url.path": nil, "user_agent.original": nil, "parse.warnings": []any{"unquoted_dash"}}},
		"quote in the agent":     {`{"id":"r","request":"GET /a","agent":"a "b" c"` + ends, map[string]any{"user_agent.original": `a "b" c`, "aws.apigateway.error.message": nil, "parse.warnings": []any{"cut_by_template"}}},
		"backslash in the agent": {`{"id":"r","request":"GET /a","agent":"a\\b\\"` + ends, map[string]any{"user_agent.original": `a\b\`}},
		"bad escape":             {`{"id":"r","request":"GET /a","agent":"a\x"` + ends, map[string]any{"user_agent.original": `a\x`, "parse.warnings": []any{"cut_by_template"}}},
		"escapes elsewhere":      {`{"id":"r","request":"GET /a","agent":"\"","e":"a "b" c","n":-,"claims":{"sub":"\u00e9"},"tags":["x"],"env":"prod"}`, map[string]any{"user_agent.original": `"`, "user.id": "é", "aws.apigateway.error.message": `"a "b" c"`}},
		"a member twice":         {`{"id":"r","request":"GET /a","agent":"x","agent":"y"` + ends, map[string]any{"user_agent.original": "x", "aws.apigateway.custom.agent": "y"}},
		"request of one word":    {`{"id":"r","request":"GET","agent":"x"` + whole, map[string]any{"aws.apigateway.custom.request": "GET", "parse.warnings": []any{"template_mismatch"}}},
		"further member":         {`{"id":"r","request":"GET /a","agent":"x","stage":"prod"` + whole, map[string]any{"aws.apigateway.stage": "prod", "parse.warnings": []any{"template_mismatch"}}},
		"no member of it":        {`{"a":1}`, map[string]any{"event_name": "aws.cloudwatch.log", "parse.warnings": []any{"template_mismatch"}}},
		"another access log":     {"{" + required + "}", map[string]any{"event_name": "aws.apigateway.access", "parse.warnings": []any{"template_mismatch"}}},
		"half a surrogate":       {`{"id":"r","request":"GET /a","agent":"\ud800"` + whole, map[string]any{"user_agent.original": "\ufffd", "parse.warnings": []any{"invalid_utf8"}}},
	} {
		event := eventIn(t, options, group, accessStream, tt.message)
		for key, want := range tt.want {
			if got := event[key]; !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %s is %v, want %v in %v", name, key, got, want, event)
			}
		}
	}
}

// The value of an API key appears nowhere, whatever the form.
func TestAPIKeyByTemplate(t *testing.T) {
	t.Parallel()
	const secret = "k3y-Th4t-must-not-appear"
	for pattern, message := range map[string]string{
		"$context.requestId $context.identity.apiKey":                       "r S",
		"$context.requestId $context.authorizer.apiKey":                     "r S",
		`{"id":"$context.requestId","k":"$context.identity.apiKey"}`:        `{"id":"r","k":"S"}`,
		`{"id":"$context.requestId","k":"key $context.identity.apiKey ok"}`: `{"id":"r","k":"key S ok"}`,
		`<request id="$context.requestId"><k>$context.identity.apiKey</k>`:  `<request id="r"><k>S</k>`,
		`$context.identity.apiKey|$context.requestId|$context.stage`:        `S|r|prod`,
	} {
		message = strings.ReplaceAll(message, "S", secret)
		k, summary := format(t, Options{AccessLogTemplates: map[string]string{group: pattern}}, record(envelopeOf(t, group, message)))
		if summary.Kinds[KindAccess] != 1 || !strings.Contains(k.batches[0], `api_key_sha256":"`) || strings.Contains(k.batches[0], secret) {
			t.Errorf("%s became %s", message, k.batches[0])
		}
	}
}
