package config

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestParseAccessLogTemplates(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{}`, ` { "a" : "b" } `, `{"/a.b/*":"<a>\n\"é\" & $context.requestId","c":""}`} {
		templates, err := ParseAccessLogTemplates(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if len(templates) == 0 {
			continue
		}
		again, err := ParseAccessLogTemplates(templates.String())
		if err != nil || !maps.Equal(again, templates) {
			t.Errorf("%s is %s, and read again %v, %v", text, templates, again, err)
		}
	}
	for text, problem := range map[string]string{
		"":                   "is no JSON object",
		"$context.requestId": "is no JSON object",
		`["a"]`:              "is no JSON object",
		`{"a":1}`:            `has no text for "a"`,
		`{"a":{}}`:           `has no text for "a"`,
		`{"a":null}`:         `has no text for "a"`,
		`{"a":"b"`:           "see byte 8",
		`{"a":"b",}`:         "that can be read",
		`{"a"}`:              "that can be read",
		`{"a":"b","a":"c"}`:  "names a log group twice",
		`{"a":"b"} {}`:       "is followed by something else",
	} {
		if got, err := ParseAccessLogTemplates(text); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%s is %v, %v; want an error with %q", text, got, err, problem)
		}
	}
}

// A map in the file and the same as JSON in the environment are one value.
func TestLoadAccessLogTemplates(t *testing.T) {
	t.Parallel()
	path := settingsFile(t, `
access_log_templates:
  /apigw/a.b: '{"id":"$context.requestId","n":$context.responseLength}'
  /apigw/*: >-
    $context.requestId
    $context.status
  "other": &same "$context.extendedRequestId"
  17: *same
`)
	want := AccessLogTemplates{
		"/apigw/a.b": `{"id":"$context.requestId","n":$context.responseLength}`, "/apigw/*": "$context.requestId $context.status",
		"other": "$context.extendedRequestId", "17": "$context.extendedRequestId",
	}
	c := mustLoad(t, RoleNone, path, nil)
	if !maps.Equal(c.AccessLogTemplates, want) {
		t.Errorf("from the file: %v", c.AccessLogTemplates)
	}
	c = mustLoad(t, RoleNone, path, []string{`LOGPIPE_ACCESS_LOG_TEMPLATES={"a":"$context.requestId"}`})
	if want := (AccessLogTemplates{"a": "$context.requestId"}); !maps.Equal(c.AccessLogTemplates, want) {
		t.Errorf("from the environment over the file: %v", c.AccessLogTemplates)
	}
	if text := c.LogValue().String(); !strings.Contains(text, "access_log_templates=") {
		t.Errorf("no templates in %s", text)
	}
}

func TestLoadRefusesAccessLogTemplates(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		content string
		want    string
	}{
		"text":         {"access_log_templates: $context.requestId", `access_log_templates (logpipe.yaml:1): "$context.requestId" is no JSON object: write {"LOG GROUP":"TEMPLATE"}`},
		"list":         {"access_log_templates: [a]", `access_log_templates (logpipe.yaml:1): "[…]" is a list or a map: write a single value`},
		"nested":       {"access_log_templates: {a: {b: c}}", `access_log_templates (logpipe.yaml:1): "{\"a\":[]}" has no text for "a": write a template as a string`},
		"null":         {"access_log_templates: {a: }", `access_log_templates (logpipe.yaml:1): "{\"a\":null}" has no text for "a": write a template as a string`},
		"twice":        {"access_log_templates:\n  a: $context.requestId\n  a: b", `logpipe.yaml:3: a is already set in line 2: remove one of them`},
		"no log group": {`access_log_templates: {"": $context.requestId}`, `access_log_templates (logpipe.yaml:1): "{\"\":\"$context.requestId\"}" has a template without a log group: name it, or write * for all`},
		"no variable":  {"access_log_templates: {/a: b}", `access_log_templates (logpipe.yaml:1): "{\"/a\":\"b\"}" cannot be used: the template of "/a" has no variables: write them as in $context.requestId`},
		"wrong place":  {"access_log_templates: {/a: $context.requestId $context}", `access_log_templates (logpipe.yaml:1): "{\"/a\":\"$context.requestId $context\"}" cannot be used: the template of "/a" is wrong at character 20: $context stands alone: write $context. and the name of a variable`},
		"long": {"access_log_templates: {/a: " + strings.Repeat("x", 80) + "}",
			`access_log_templates (logpipe.yaml:1): "{\"/a\":\"` + strings.Repeat("x", 53) + `…" cannot be used: the template of "/a" has no variables: write them as in $context.requestId`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantLines(t, faultsOf(t, RoleNone, settingsFile(t, test.content), nil), test.want)
		})
	}
}

// The examples in the documentation can be used.
func TestDocumentedTemplates(t *testing.T) {
	t.Parallel()
	block := regexp.MustCompile("(?s)```yaml\n(access_log_templates:.*?)```")
	variable := regexp.MustCompile("(?m)^`?(LOGPIPE_ACCESS_LOG_TEMPLATES=)'?(.*?})['`]")
	for _, name := range []string{"events.md", "configuration.md"} {
		doc, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		inFile, inEnv := block.FindSubmatch(doc), variable.FindSubmatch(doc)
		if inFile == nil || inEnv == nil {
			t.Errorf("%s has no example", name)
			continue
		}
		for _, c := range []Config{
			mustLoad(t, RoleNone, settingsFile(t, string(inFile[1])), nil),
			mustLoad(t, RoleNone, "", []string{string(inEnv[1]) + string(inEnv[2])}),
		} {
			if len(c.AccessLogTemplates) == 0 {
				t.Errorf("%s has an example without templates", name)
			}
		}
	}
}
