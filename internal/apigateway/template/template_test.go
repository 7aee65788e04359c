package template

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// values takes a line apart and shows the values by variable.
func values(tb testing.TB, p *Pattern, line string) ([]string, bool) {
	tb.Helper()
	spans, ok := p.Match(nil, []byte(line))
	if !ok {
		return nil, false
	}
	var all []string
	for _, s := range spans {
		all = append(all, line[s.Start:s.End])
	}
	return all, true
}

func mustCompile(tb testing.TB, text string) *Template {
	tb.Helper()
	t, err := Compile(text)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func TestMatch(t *testing.T) {
	t.Parallel()
	const agent = `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)`
	tests := map[string]struct {
		template, line string
		want           []string // nil where the line does not fit
	}{
		"common log format": {
			`$context.identity.sourceIp - - [$context.requestTime] "$context.httpMethod $context.routeKey $context.protocol" $context.status $context.responseLength $context.requestId`,
			`203.0.113.7 - - [05/Sep/2024:13:47:15 +0000] "GET GET /hello/{name} HTTP/1.1" 200 512 JKJaXmPLvHcESHA=`,
			[]string{"203.0.113.7", "05/Sep/2024:13:47:15 +0000", "GET", "GET /hello/{name}", "HTTP/1.1", "200", "512", "JKJaXmPLvHcESHA="},
		},
		"comma in a value": {
			`$context.requestId,$context.identity.userAgent,$context.requestTime,$context.status`,
			`r,` + agent + `,05/Sep/2024:13:47:15 +0000,200`,
			[]string{"r", agent, "05/Sep/2024:13:47:15 +0000", "200"},
		},
		"two values with commas": {
			`$context.identity.userAgent,$context.status,$context.error.message,$context.requestId`,
			agent + `,502,bad, worse, 17, worst,r`,
			[]string{agent, "502", "bad, worse, 17, worst", "r"},
		},
		"blank in a time":      {`$context.requestTime $context.status $context.requestId`, `05/Sep/2024:13:47:15 +0000 200 r`, []string{"05/Sep/2024:13:47:15 +0000", "200", "r"}},
		"absent":               {`$context.requestTime $context.status $context.requestId`, `- - -`, []string{"-", "-", "-"}},
		"absent before a dash": {`$context.stage-$context.status-$context.requestId`, `---200-r`, nil},
		"absent, then a dash":  {`$context.stage-$context.requestId`, `--r`, []string{"-", "r"}},
		"quotes in a value":    {`"$context.identity.userAgent" "$context.requestId"`, `"a "quoted" \ agent" "r"`, []string{`a "quoted" \ agent`, "r"}},
		"free text at the end": {`$context.requestId $context.integrationErrorMessage`, `r it did not work`, []string{"r", "it did not work"}},
		"empty value":          {`"$context.identity.userAgent" $context.requestId`, `"" r`, []string{"", "r"}},
		"host and path":        {`https://$context.domainName$context.path $context.requestId`, `https://api.example.com/prod/a r`, []string{"api.example.com", "/prod/a", "r"}},
		"host and no path":     {`https://$context.domainName$context.path $context.requestId`, `https://api.example.com- r`, []string{"api.example.com", "-", "r"}},
		"path with a comma":    {`$context.path,$context.status,$context.requestId`, `/a,b,200,r`, []string{"/a,b", "200", "r"}},
		"pair at the end":      {`$context.requestId $context.stage$context.path`, `r prod/a/b`, []string{"r", "prod", "/a/b"}},
		"stage variable":       {`$stageVariables.tier $context.requestId`, `gold r`, []string{"gold", "r"}},
		"blanks in a word":     {`$context.requestId|$context.stage`, `r r|prod`, nil},
		"missing field":        {`$context.requestId $context.status $context.stage`, `r 200`, nil},
		"further field":        {`$context.requestId $context.status`, `r 200 512`, nil},
		"status of two digits": {`$context.requestId $context.status`, `r 20`, nil},
		"other literal":        {`id=$context.requestId`, `ID=r`, nil},
		"nothing":              {`$context.requestId`, ``, nil},
		"element":              {`<request id="$context.requestId"><ua>$context.identity.userAgent</ua></request>`, `<request id="r"><ua>a</ua><ua>b</ua></request>`, []string{"r", "a</ua><ua>b"}},
		"agent like the rest":  {`$context.identity.userAgent $context.path $context.status $context.requestId`, `Mozilla/5.0 (X11) Foo /x 200 /y 404 r`, []string{"Mozilla/5.0 (X11) Foo /x 200", "/y", "404", "r"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compiled := mustCompile(t, tt.template)
			if got, ok := values(t, compiled.Line(), tt.line); ok != (tt.want != nil) || !slices.Equal(got, tt.want) {
				t.Errorf("%q gives %q, want %q", tt.line, got, tt.want)
			}
			if compiled.Members() != nil {
				t.Errorf("%q has members", tt.template)
			}
		})
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	compiled := mustCompile(t, `
		{ "id": "$context.requestId", "http": {"status": $context.status, "line": "$context.httpMethod $context.path"},
		  "message": $context.error.messageString, "app": "orders", "n": 1, "list": ["$context.stage"], "empty": {} }`+"\n")
	got := make(map[string]string)
	for _, m := range compiled.Members() {
		got[m.Path] = strings.Join(m.Value.Variables(), " ")
		if m.Value.IsVariable() != (m.Path == "id" || m.Path == "http.status" || m.Path == "message") {
			t.Errorf("%s is a variable: %v", m.Path, m.Value.IsVariable())
		}
	}
	want := map[string]string{"id": "requestId", "http.status": "status", "http.line": "httpMethod path", "message": "error.messageString", "app": "", "n": "", "list": ""}
	for path, variables := range want {
		if value, ok := got[path]; !ok || value != variables {
			t.Errorf("%s has the variables %q, want %q", path, value, variables)
		}
	}
	if len(got) != len(want) {
		t.Errorf("members are %v", got)
	}

	// The same line with other blanks, and with a user agent that breaks it.
	const line = `{"id":"r","http":{"status":200, "line":"GET /a"},"message":"no","app":"orders","n":1,"list":["prod"],"empty":{}}`
	if got, ok := values(t, compiled.Line(), line); !ok || !slices.Equal(got, []string{"r", "200", "GET", "/a", `"no"`, "prod"}) {
		t.Errorf("%s gives %q", line, got)
	}
	for i, name := range compiled.Line().Variables() {
		if compiled.InString(i) != (name != "status" && name != "error.messageString") {
			t.Errorf("%s stands in a string: %v", name, compiled.InString(i))
		}
	}
}

func TestBrokenJSON(t *testing.T) {
	t.Parallel()
	compiled := mustCompile(t, `{"id":"$context.requestId", "agent":"$context.identity.userAgent", "latency":$context.responseLatency, "path":"$context.path"}`)
	const line = `{ "id" : "r" , "agent":"a "b\c", "d":"e", "latency": -,"path":"/x" }`
	want := []string{"r", `a "b\c", "d":"e`, "-", "/x"}
	if got, ok := values(t, compiled.Line(), line); !ok || !slices.Equal(got, want) {
		t.Errorf("%s gives %q", line, got)
	}
}

// Templates that begin like an object and are none are text like any other.
func TestNoMembers(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"a":"$context.requestId",}`,
		`{"a":"$context.requestId"`,
		`{"a":"$context.requestId"} {"b":1}`,
		`{"$context.requestId":1}`,
		`{"a":"$context.requestId","a":"$context.stage"}`,
		`{"a":$context.requestId $context.stage}`,
		`{$context.requestId}`,
		`["$context.requestId"]`,
		"{\"a\":\"$context.requestId\",\"b\":\"\uE0F19\uE0F2\"}",
	} {
		compiled := mustCompile(t, text)
		if compiled.Members() != nil {
			t.Errorf("%s has members", text)
		}
		line := strings.NewReplacer("$context.requestId", "r", "$context.stage", "prod").Replace(text)
		if got, ok := values(t, compiled.Line(), line); !ok || got[0] != "r" {
			t.Errorf("%s gives %q", line, got)
		}
	}
}

func TestVariableNames(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"$context.requestId.":               {"requestId"},
		"$context.requestId.html":           {"requestId"},
		"$context.requestId-$context.stage": {"requestId", "stage"},
		"$context.requestId $context.authorizer.claims.cognito:username x":  {"requestId", "authorizer.claims.cognito:username"},
		"$context.requestId $context.authorizer.tenant-id x":                {"requestId", "authorizer.tenant-id"},
		"$context.requestId $context.authorizer.principalId-$context.stage": {"requestId", "authorizer.principalId", "stage"},
		"$context.requestId $context.authorizer.status: x":                  {"requestId", "authorizer.status"},
		"$context.requestId $context.requestOverride.header.x-y z":          {"requestId", "requestOverride.header.x-y"},
		"$context.requestId $context.new_thing.part, $5 $default":           {"requestId", "new_thing.part"},
		"$context.requestId $contextual $stageVariables":                    {"requestId"},
		"$context.requestId $stageVariables.a_b.":                           {"requestId", "stageVariables.a_b"},
		"$context.requestIdentity $context.extendedRequestId":               {"requestIdentity", "extendedRequestId"},
	} {
		compiled, err := Compile(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := compiled.Line().Variables(); !slices.Equal(got, want) {
			t.Errorf("%s has the variables %q, want %q", text, got, want)
		}
	}
}

func TestCompileErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                    "has no variables: write them as in $context.requestId",
		"requestId":                           "has no variables: write them as in $context.requestId",
		"$context.status":                     "has neither $context.requestId nor $context.extendedRequestId: API Gateway accepts no such template",
		"é $context":                          "at character 3: $context stands alone: write $context. and the name of a variable",
		"$context.requestId $context.":        "at character 20: $context. is followed by no name",
		"$context.requestId $context.-":       "at character 20: $context. is followed by no name",
		"$stageVariables. $context.requestId": "at character 1: $stageVariables. is followed by no name",
		"a $context.requestId$context.stage":  "at character 21: $context.stage stands directly behind another variable, so that nothing tells where that one ends: put a character between them",
		`{"a":{"b":"$context.requestId$context.stage"}}`:              "at character 30: $context.stage stands directly behind another variable, so that nothing tells where that one ends: put a character between them",
		"$context.requestId$stageVariables.a":                         "at character 19: $stageVariables.a stands directly behind another variable, so that nothing tells where that one ends: put a character between them",
		"$context.stage$context.path$context.path $context.requestId": "at character 28: $context.path stands directly behind another variable, so that nothing tells where that one ends: put a character between them",
		strings.Repeat("$context.requestId ", maxVariables+1):         "has 257 variables: API Gateway accepts no such template",
	} {
		_, err := Compile(text)
		if err == nil || err.Error() != want {
			t.Errorf("%.60s: error %v, want %s", text, err, want)
		}
		if _, ok := errors.AsType[*SyntaxError](err); ok != strings.HasPrefix(want, "at character") {
			t.Errorf("%.60s: error %T", text, err)
		}
	}
}

// A text that fits nowhere is given up in time, however many ways there are.
func TestMatchGivesUp(t *testing.T) {
	t.Parallel()
	compiled := mustCompile(t, strings.Repeat("$context.error.message,", 12)+"$context.requestId!")
	if _, ok := values(t, compiled.Line(), strings.Repeat("a,", 5000)+"r"); ok {
		t.Error("it fits")
	}
}
