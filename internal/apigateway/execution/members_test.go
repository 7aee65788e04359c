package execution

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/redact"
)

// members makes an interaction of texts, which are lines of one request, and returns
// its members.
func members(t *testing.T, shown Shown, texts ...string) (map[string]any, int, []string) {
	t.Helper()
	var (
		found    map[string]any
		count    int
		warnings []string
	)
	a := NewAssembler(lots, lots, func(in *Interaction) error {
		text, n, warned := in.AppendMembers([]byte(`{"":0`), shown)
		count, warnings = n, append([]string(nil), warned...)
		return json.Unmarshal(append(text, '}'), &found)
	})
	for i, text := range texts {
		l := added{i + 1, 1, text}
		if _, err := a.Add(testGroup, l.source(), l.message()); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Flush(); err != nil {
		t.Fatal(err)
	}
	return found, count, warnings
}

// A secret shows nowhere, whatever line it stands in, and is counted.
func TestRedaction(t *testing.T) {
	t.Parallel()
	redactor, err := redact.New(redact.Options{Patterns: []string{"hunter2"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"Method request headers: {X-Secret=hunter2, A=b}", "Method request headers: {A=b hunter2 c}", "Method request headers: hunter2",
		"Method request query string: {client_secret=hunter2}", "Method request path: {p=a-hunter2}", "Method request body before transformations: hunter2",
		"HTTP Method: GET, Resource Path: /x/hunter2", "Endpoint request URI: https://u?token=hunter2", "Sending request to https://u?token=hunter2",
		"Endpoint request headers: {Secret=hunter2}", "Endpoint request body after transformations: {\"a\":\"hunter2\"}",
		"Endpoint response headers: {Secret=hunter2}", "Endpoint response body before transformations: hunter2",
		"Method response headers: {Secret=hunter2}", "Method response body after transformations: hunter2",
		"Authorizer result body before parsing: hunter2", "Incoming identity: hunter2", "Using valid authorizer policy for principal: hunter2",
		"Execution failed due to configuration error: hunter2", "Request body does not match hunter2", "unknown hunter2",
		"Lambda execution failed with status 200 due to customer function error: hunter2", "Key hunter limit exceeded for hunter2",
		"Gateway response body: hunter2", "API Key: hunter2", "WebSocket API [a] received message from client [Connection Id: c]. hunter2",
		"Client [UserAgent: hunter2, SourceIp: 1.2.3.4] is connecting to WebSocket API [a].",
	} {
		found, count, _ := members(t, Shown{Redactor: redactor}, text, "Starting authorizer: a for request: "+requestID(1))
		shown, err := json.Marshal(found)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(shown, []byte("hunter2")) || !bytes.Contains(shown, []byte("[REDACTED:7]")) || count != 1 {
			t.Errorf("%q gives %s, %d redacted", text, shown, count)
		}
	}
	found, count, _ := members(t, Shown{}, "Method request headers: {X-Secret=hunter2}")
	if count != 0 || !reflect.DeepEqual(found["http.request.header.x-secret"], []any{"hunter2"}) {
		t.Errorf("without a redactor: %v, %d redacted", found, count)
	}
}

// The headers in the event of a proxy integration are preferred as far as they are
// whole.
func TestProxyHeaders(t *testing.T) {
	t.Parallel()
	const prefix = "http.request.header."
	for name, c := range map[string]struct {
		headers, body string
		want          map[string]string
		partial       bool
	}{
		"all": {
			"{A=1, b=2, C=3}", `{"resource":"/","headers":{"A":"1, b=2","C":"3"},"multiValueHeaders":{"A":["1, b=2"],"C":["2","3"]},"body":null}`,
			map[string]string{"a": "1, b=2", "c": "2|3"}, false,
		},
		"last values only": {
			"{A=1, C=2, C=3}", `{"resource":"/","headers":{"A":"1 \"","C":"3"},"multiValueHeaders":{"A":["1 \"`,
			map[string]string{"a": `1 "`, "c": "2|3"}, false,
		},
		"cut off in headers": {"{A=1, B=2}", `{"resource":"/","headers":{"A":"x","B":"`, map[string]string{"a": "1", "b": "2"}, false},
		"no proxy event":     {"{A=1}", `{"headers":{"A":"x"},"multiValueHeaders":{"A":["x"]}}`, map[string]string{"a": "1"}, false},
		"no objects":         {"{A=1}", `{"resource":"/","headers":null,"multiValueHeaders":null}`, map[string]string{"a": "1"}, false},
		"odd values":         {"{A=1}", `{"resource":"/","headers":{"A":1},"multiValueHeaders":{"A":["2",3,null,[],{}],"B":"4","C":null}}`, map[string]string{"a": "2", "b": "4"}, false},
		"masked stays masked": {
			"{Authorization=****abc, X=1, x-api-key=**def}", `{"resource":"/","multiValueHeaders":{"Authorization":["Bearer clear"],"X":["1"]}}`,
			map[string]string{"authorization": "****abc", "x": "1", "x-api-key": "**def"}, false,
		},
		"makes up for what is cut off": {
			"{A=" + strings.Repeat("a", 990) + ", B=" + strings.Repeat("b", 100) + "}", `{"resource":"/","headers":{"A":"a","B":"whole","C":"3"}}`,
			map[string]string{"a": "a", "b": "whole", "c": "3"}, false,
		},
		"cut off": {"{A=1, B=" + strings.Repeat("b", 1100) + "}", "", map[string]string{"a": "1", "b": strings.Repeat("b", 992)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := "Method request headers: " + c.headers
			if len(text) > 1024 {
				text = text[:1024] + truncationMark
			}
			found, _, _ := members(t, Shown{}, text, "Endpoint request body after transformations: "+c.body)
			got := map[string]string{}
			for key, value := range found {
				if header, ok := strings.CutPrefix(key, prefix); ok {
					var values []string
					for _, v := range value.([]any) {
						values = append(values, v.(string))
					}
					got[header] = strings.Join(values, "|")
				}
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %v\nwant %v", got, c.want)
			}
			if partial := found["aws.apigateway.partial"] != nil; partial != c.partial {
				t.Errorf("partial is %v", found["aws.apigateway.partial"])
			}
		})
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		texts []string
		want  map[string]any // nil for what must not be there
	}{
		"trace id by its line": {
			[]string{"Method request headers: {X-Amzn-Trace-Id=Root=1-00000000-000000000000000000000000}", "X-ray Tracing ID : Root=1-68baed60-290996dd9de5798121e8fa46"},
			map[string]any{"trace": "1-68baed60-290996dd9de5798121e8fa46"},
		},
		"trace id by its header": {
			[]string{"Method request headers: {X-Amzn-Trace-Id=Self=1-68baed60-000000000000000000000000;Root=1-68baed60-290996dd9de5798121e8fa46;Sampled=1, A=1}"},
			map[string]any{"trace": "1-68baed60-290996dd9de5798121e8fa46"},
		},
		"no trace id": {[]string{"X-ray Tracing ID : Root=1-68baed60-290996DD9de5798121e8fa46"}, map[string]any{"trace": ""}},
		"status of the function and of Lambda": {
			[]string{"Sending request to https://lambda/2015-03-31/functions/arn:aws:lambda:x/invocations", "Received response. Status: 200, Integration latency: 3 ms", `Endpoint response body before transformations: { "statusCode": "404", "body":""}`},
			map[string]any{"aws.apigateway.integration.status": 404.0, "aws.apigateway.integration.service_status": 200.0, "aws.apigateway.integration.latency_ms": 3.0},
		},
		"status of another endpoint": {
			[]string{"Sending request to https://backend/x", "Received response. Status: 503, Integration latency: 3 ms", `Endpoint response body before transformations: {"statusCode":404}`},
			map[string]any{"aws.apigateway.integration.status": 503.0, "aws.apigateway.integration.service_status": nil},
		},
		"the same kind again": {
			[]string{"API Key ID: one", "API Key ID: two"},
			map[string]any{"aws.apigateway.identity.api_key_id": "one", "aws.apigateway.execution.lines": []any{"API Key ID: two"}},
		},
		"another request's id": {
			[]string{"Starting execution for request: other"},
			map[string]any{"aws.apigateway.execution.lines": []any{"Starting execution for request: other"}},
		},
		"no client": {
			[]string{"Method request headers: {X-Forwarded-For=, User-Agent=}"},
			map[string]any{"client.address": nil, "aws.apigateway.client_address.source": nil, "user_agent.original": nil, "http.request.header.user-agent": []any{""}},
		},
		"size": {
			[]string{"Method request headers: {Content-Length=12}"}, map[string]any{"http.request.body.size": 12.0},
		},
		"no size": {
			[]string{"Method request headers: {Content-Length=12x}"}, map[string]any{"http.request.body.size": nil},
		},
		"endpoint cut off": {
			[]string{
				("Endpoint request URI: https://u/" + strings.Repeat("x", 1100))[:1024] + truncationMark,
				("Sending request to https://u/" + strings.Repeat("x", 1100))[:1024] + truncationMark,
			},
			map[string]any{
				"aws.apigateway.integration.uri":     "https://u/" + strings.Repeat("x", 995),
				"aws.apigateway.integration.sent_to": nil, "aws.apigateway.partial": []any{"aws.apigateway.integration.uri"},
			},
		},
		"body of unknown length": {
			[]string{("Method request body before transformations: " + strings.Repeat("é", 1100))[:1024] + truncationMark},
			map[string]any{"http.request.body.captured_bytes": 980.0, "http.request.body.truncated": true, "http.request.body.content": strings.Repeat("é", 490)},
		},
		"body cut within a character": {
			[]string{("Method request body before transformations: x" + strings.Repeat("é", 1100))[:1024] + truncationMark},
			map[string]any{"http.request.body.captured_bytes": 980.0, "http.request.body.content": "x" + strings.Repeat("é", 489) + "\ufffd"},
		},
		"message and gateway response": {
			[]string{"Key throttle limit exceeded for RestApi a1, Stage prod, Resource r1, HttpMethod POST. Limit: 1.00 Burst: 1", "Execution failed due to an internal error", "Gateway response type: THROTTLED with status code: 429"},
			map[string]any{
				"error.type": "THROTTLED", "http.response.status_code": 429.0, "aws.apigateway.resource_id": "r1", "http.request.method": "POST",
				"aws.apigateway.error.message":   "Execution failed due to an internal error",
				"aws.apigateway.execution.lines": []any{"Key throttle limit exceeded for RestApi a1, Stage prod, Resource r1, HttpMethod POST. Limit: 1.00 Burst: 1"},
			},
		},
		"gateway response beside a method's": {
			[]string{"Method response headers: {A=1}", "Gateway response headers: {B=2}", "Gateway response body: x"},
			map[string]any{"http.response.header.a": []any{"1"}, "http.response.header.b": nil, "http.response.body.content": "x", "aws.apigateway.execution.lines": []any{"Gateway response headers: {B=2}"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, _, _ := members(t, Shown{}, c.texts...)
			for key, want := range c.want {
				if key == "trace" {
					checkTraceID(t, want.(string), c.texts...)
				} else if !reflect.DeepEqual(found[key], want) {
					t.Errorf("%s is %v, want %v", key, found[key], want)
				}
			}
		})
	}
}

func checkTraceID(t *testing.T, want string, texts ...string) {
	t.Helper()
	a := NewAssembler(lots, lots, func(in *Interaction) error {
		if got := string(in.TraceID()); got != want {
			t.Errorf("trace id %q, want %q", got, want)
		}
		return nil
	})
	for i, text := range texts {
		l := added{i + 1, 1, text}
		if _, err := a.Add(testGroup, l.source(), l.message()); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Flush(); err != nil {
		t.Fatal(err)
	}
}
