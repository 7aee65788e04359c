package execution

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/redact"
)

func TestBodiesAsShown(t *testing.T) {
	t.Parallel()
	redactor, err := redact.New(redact.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const secret = `{"password":"hunter2","a":"bcdefgh"}` // becomes {"password":"[REDACTED:7]","a":"bcdefgh"}
	const key = "http.request.body"
	for name, c := range map[string]struct {
		bodies redact.Bodies
		body   string
		want   map[string]any
		count  int
	}{
		"all":        {redact.Bodies{}, secret, map[string]any{".content": `{"password":"[REDACTED:7]","a":"bcdefgh"}`, ".truncated": false}, 1},
		"dropped":    {redact.Bodies{Drop: true}, secret, map[string]any{".truncated": false, ".dropped_bytes": 36.}, 0},
		"none":       {redact.Bodies{Drop: true}, "", map[string]any{".content": "", ".truncated": false}, 0},
		"cut":        {redact.Bodies{MaxBytes: 30}, secret, map[string]any{".content": `{"password":"[REDACTED:7]","a"`, ".truncated": false, ".dropped_bytes": 11.}, 1},
		"cut to nil": {redact.Bodies{MaxBytes: 1}, "é", map[string]any{".truncated": false, ".dropped_bytes": 2.}, 0},
		"cut twice": {
			redact.Bodies{MaxBytes: 3}, strings.Repeat("x", 1000) + " [TRUNCATED]",
			map[string]any{".content": "xxx", ".truncated": true, ".captured_bytes": 1000., ".dropped_bytes": 997.}, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, count, _ := members(t, Shown{redactor, c.bodies}, "Method request body before transformations: "+c.body)
			got := make(map[string]any)
			for member, value := range found {
				if rest, ok := strings.CutPrefix(member, key); ok {
					got[rest] = value
				}
			}
			if !reflect.DeepEqual(got, c.want) || count != c.count {
				t.Errorf("%v, %d redacted", got, count)
			}
		})
	}
}

// A body shows nowhere if bodies are dropped, whatever line it stands in, and however
// often there is a line of its kind.
func TestDroppedBodiesShowNowhere(t *testing.T) {
	t.Parallel()
	for _, label := range []string{
		"Method request body before transformations: ", "Endpoint request body after transformations: ",
		"Endpoint response body before transformations: ", "Method response body after transformations: ",
		"Gateway response body: ", "Authorizer result body before parsing: ",
	} {
		found, _, _ := members(t, Shown{Bodies: redact.Bodies{Drop: true}}, label+"hunter2", "Method response body after transformations: hunter2", label+"hunter2 again")
		shown, err := json.Marshal(found)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(shown), "hunter2") || !strings.Contains(string(shown), "dropped_bytes") {
			t.Errorf("%q gives %s", label, shown)
		}
	}
}

// A name that is a secret does not show, and two of them stay two members, whatever the
// others are called.
func TestSecretNames(t *testing.T) {
	t.Parallel()
	redactor, err := redact.New(redact.Options{Patterns: []string{"[Hh]unter[0-9]"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"Method request headers: {hunter2=a, B=c, hunter3=d}", "Method request query string: {hunter2=a, b=c, hunter3=d}",
		"Method request headers: {Hunter2=a, Redacted-3=c, Hunter3=d}", "Method request query string: {redacted-2=a, hunter2=c, hunter3=d}",
	} {
		found, count, _ := members(t, Shown{Redactor: redactor}, text)
		shown, err := json.Marshal(found)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ToLower(string(shown)), "hunter") || strings.Count(string(shown), "redacted-") != 2+strings.Count(strings.ToLower(text), "redacted-") || count != 2 {
			t.Errorf("%q gives %s, %d redacted", text, shown, count)
		}
	}
}

// What names a thing can be a secret by its form as well: clients send what becomes an
// address, and functions print what looks like a line of API Gateway.
func TestSecretsAreInNoAttribute(t *testing.T) {
	t.Parallel()
	redactor, err := redact.New(redact.Options{Patterns: []string{"hunter2"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"Method request headers: {X-Forwarded-For=hunter2, 1.2.3.4}", "Method request headers: {X-Forwarded-Proto=hunter2}",
		"Method request headers: {Host=hunter2}", "HTTP Method: hunter2, Resource Path: /x", "Extended Request Id: hunter2",
		"Unauthorized request: hunter2", "Starting authorizer: hunter2 for request: r", "API Key ID: hunter2",
		"Gateway response type: hunter2 with status code: 500", "AWS Integration Endpoint RequestId : hunter2",
		"Lambda invocation failed with status: 500. Lambda request id: hunter2", "WebSocket Request Route: [hunter2]",
		"Client [UserAgent: u, SourceIp: hunter2] is connecting to WebSocket API [a].",
		"WebSocket API [a] received message from client [Connection Id: hunter2].",
		"Key limit exceeded for RestApi a, Stage b, Resource hunter2, HttpMethod GET. Limit: 1",
		"API Key authorized because method 'GET /hunter2' does not require API Key. Request will not contribute to throttle or quota limits",
		`Endpoint request body after transformations: {"resource":"/hunter2"}`,
	} {
		found, count, _ := members(t, Shown{Redactor: redactor}, text)
		shown, err := json.Marshal(found)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(shown), "hunter2") || count == 0 {
			t.Errorf("%q gives %s, %d redacted", text, shown, count)
		}
	}
}

// What is made from a header is as secret as the header, by its name.
func TestSecretHeadersAreInNoAttribute(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "Host", "User-Agent"} {
		redactor, err := redact.New(redact.Options{Names: []string{name}})
		if err != nil {
			t.Fatal(err)
		}
		found, count, _ := members(t, Shown{Redactor: redactor}, "Method request headers: {"+name+"=abc, A=b}")
		shown, err := json.Marshal(found)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(shown), "abc") || count != 2 {
			t.Errorf("%s gives %s, %d redacted", name, shown, count)
		}
	}
}
