package apigateway

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// envelopeOf makes the data of a record with one log event per message.
func envelopeOf(tb testing.TB, group string, messages ...string) []byte {
	tb.Helper()
	type event struct {
		ID        string `json:"id"`
		Timestamp int64  `json:"timestamp"`
		Message   string `json:"message"`
	}
	var events []event
	for i, m := range messages {
		events = append(events, event{fmt.Sprintf("%056d", i), 1725544035523 + int64(i), m})
	}
	data, err := json.Marshal(map[string]any{
		"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": group, "logStream": "stream", "logEvents": events,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// formatMessage formats a message of the group and decodes the event.
func formatMessage(tb testing.TB, group, message string) map[string]any {
	tb.Helper()
	k, _ := format(tb, Options{}, record(envelopeOf(tb, group, message)))
	if len(k.events) != 1 {
		tb.Fatalf("%d events of one message, quarantined %+v", len(k.events), k.quarantined)
	}
	var event map[string]any
	if err := json.Unmarshal(k.events[0], &event); err != nil {
		tb.Fatal(err)
	}
	return event
}

const group = "/apigw/orders/access"

// required makes an object an access log, whatever else it holds.
const required = `"requestId":"r","status":"200","resourcePath":"/x","apiId":"a"`

// sample is a value of a variable in a template, and what it becomes.
func sample(v variable) (in string, out any) {
	switch v.as {
	case asNumber, asIntegrationStatus:
		return `"12"`, 12.0
	case asStatus:
		return `"200"`, 200.0
	case asBool:
		return `"true"`, true
	case asInstant:
		return `"1725544035523"`, "2024-09-05T13:47:15.523Z"
	case asDigest:
		return `"abc"`, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	case asTraceID:
		return `"1-5c7674f4-a3491d0a9c8012c191821b83"`, "5c7674f4a3491d0a9c8012c191821b83"
	case asProtocol:
		return `"HTTP/1.1"`, "http"
	case asTime:
		return `"27/Feb/2019:12:31:00 +0100"`, "2019-02-27T11:31:00.000Z"
	case asEpoch:
		return `"1551267060425"`, "2019-02-27T11:31:00.425Z"
	case asRoute:
		return `"GET /x/{y}"`, "GET /x/{y}"
	default:
		return `"some \"text\""`, `some "text"`
	}
}

// Every variable is recognised by its own name, in the spellings that
// templates use, and becomes the attribute it is listed with.
func TestVariables(t *testing.T) {
	t.Parallel()
	for _, v := range variables {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			in, want := sample(v)
			parts := strings.Split(v.name, ".")
			snake := strings.ToLower(strings.Join(parts, "."))
			nested := in
			for _, part := range slices.Backward(parts) {
				nested = `{"` + part + `":` + nested + `}`
			}
			nested = nested[1 : len(nested)-1]
			spellings := map[string]string{
				"dotted":  `"` + v.name + `":` + in,
				"context": `"$context.` + v.name + `":` + in,
				"lower":   `"` + snake + `":` + in,
				"nested":  nested,
				"grouped": `"request":{` + nested + `}`,
				"dashed":  `"` + strings.ReplaceAll(v.name, "I", "-I") + `":` + in,
			}
			// integrationStatus is a variable of its own beside integration.status.
			if joined := strings.ReplaceAll(v.name, ".", ""); !strings.EqualFold(joined, "integrationStatus") || len(parts) == 1 {
				spellings["joined"] = `"` + joined + `":` + in
			}
			for spelling, member := range spellings {
				event := formatMessage(t, group, `{`+member+`,`+required+`}`)
				key := v.key
				if key == "" {
					key = "timestamp"
				}
				if event[key] != want || event["event_name"] != "aws.apigateway.access" {
					t.Errorf("%s %s: %q is %v, want %v, in %v", spelling, member, key, event[key], want, event)
				}
				absent := formatMessage(t, group, `{"requestId":"-","status":"-","resourcePath":"-","apiId":"-",`+strings.Replace(member, in, `"-"`, 1)+`}`)
				if _, found := absent[key]; found && key != "timestamp" && key != "cloud.account.id" {
					t.Errorf("%s: %q is %v for an absent value", spelling, key, absent[key])
				}
			}
		})
	}
}

func TestAccessValues(t *testing.T) {
	t.Parallel()
	type want map[string]any
	tests := map[string]struct {
		members string
		want    want // nil for attributes that must be absent
	}{
		"epoch before time":      {`"requestTime":"27/Feb/2019:11:31:00 +0000","requestTimeEpoch":"1551267060425"`, want{"timestamp": "2019-02-27T11:31:00.425Z", "aws.log.event.timestamp": "2024-09-05T13:47:15.523Z"}},
		"epoch in seconds":       {`"requestTimeEpoch":1551267060`, want{"timestamp": "2019-02-27T11:31:00.000Z"}},
		"no request time":        {`"a":1`, want{"timestamp": "2024-09-05T13:47:15.523Z", "aws.log.event.timestamp": nil}},
		"REST by resource path":  {`"a":1`, want{"aws.apigateway.api_type": "REST", "http.route": "/x"}},
		"HTTP by route key":      {`"resourcePath":"-","routeKey":"ANY /v1/{proxy+}"`, want{"aws.apigateway.api_type": "HTTP", "aws.apigateway.route_key": "ANY /v1/{proxy+}"}},
		"default route":          {`"routeKey":"$default"`, want{"aws.apigateway.route_key": "$default"}},
		"WebSocket":              {`"routeKey":"$connect","eventType":"CONNECT","connectionId":"c"`, want{"aws.apigateway.api_type": "WEBSOCKET", "session.id": "c"}},
		"protocol":               {`"protocol":"HTTP/2"`, want{"network.protocol.name": "http", "network.protocol.version": "2"}},
		"strange protocol":       {`"protocol":"a b/c"`, want{"network.protocol.name": nil, "aws.apigateway.custom.protocol": "a b/c"}},
		"unquoted numbers":       {`"responseLength":0,"responseLatency":1.5`, want{"http.response.body.size": 0.0, "aws.apigateway.response_latency_ms": 1.5}},
		"empty number":           {`"responseLength":""`, want{"http.response.body.size": nil, "aws.apigateway.custom.responseLength": ""}},
		"leading zero":           {`"responseLength":"007"`, want{"http.response.body.size": nil, "aws.apigateway.custom.responseLength": "007"}},
		"number for text":        {`"stage":1,"domainPrefix":true`, want{"aws.apigateway.stage": "1", "aws.apigateway.domain_prefix": "true"}},
		"huge numbers":           {`"responseLatency":"1e999","responseLength":1E999,"x":-1e999,"y":[1e999]`, want{"aws.apigateway.custom.responseLatency": "1e999", "aws.apigateway.custom.responseLength": "1E999", "aws.apigateway.custom.x": "-1e999", "aws.apigateway.custom.y": "[1e999]"}},
		"array for text":         {`"stage":["a"]`, want{"aws.apigateway.stage": nil, "aws.apigateway.custom.stage": fmt.Sprint([]any{"a"})}},
		"bad request time":       {`"requestTime":"27/Foo/2019:11:31:00 +0000"`, want{"aws.apigateway.custom.requestTime": "27/Foo/2019:11:31:00 +0000"}},
		"trace with root":        {`"xrayTraceId":"Root=1-5c7674f4-a3491d0a9c8012c191821b83"`, want{"trace_id": "5c7674f4a3491d0a9c8012c191821b83"}},
		"base path none":         {`"customDomain.basePathMatched":"(none)"`, want{"aws.apigateway.custom_domain.base_path": nil}},
		"claims":                 {`"authorizer":{"claims":{"sub":"u","cognito:groups":"g"},"principalId":"p"}`, want{"user.id": "u", "aws.apigateway.authorizer.claims.sub": "u", "aws.apigateway.authorizer.claims.cognito:groups": "g", "aws.apigateway.custom.authorizer.principalId": "p"}},
		"authorizer context":     {`"authorizer":{"tenantId":42}`, want{"aws.apigateway.authorizer.context.tenantId": "42"}},
		"integration status":     {`"integration":{"status":"503"},"integrationStatus":"200"`, want{"aws.apigateway.integration.status": 503.0, "aws.apigateway.integration.service_status": 200.0}},
		"same attribute, same":   {`"ip":"10.0.0.1","identity":{"sourceIp":"10.0.0.1"}`, want{"client.address": "10.0.0.1", "aws.apigateway.custom.identity.sourceIp": nil}},
		"same attribute, other":  {`"ip":"10.0.0.1","identity":{"sourceIp":"10.0.0.2"}`, want{"client.address": "10.0.0.1", "aws.apigateway.custom.identity.sourceIp": "10.0.0.2"}},
		"unrelated object":       {`"upstream":{"status":"201","path":"/y"}`, want{"http.response.status_code": 200.0, "url.path": nil, "aws.apigateway.custom.upstream.status": "201", "aws.apigateway.custom.upstream.path": "/y"}},
		"unknown null":           {`"note":null,"other":"-"`, want{"aws.apigateway.custom.note": nil, "aws.apigateway.custom.other": nil}},
		"custom keys that clash": {`"a":{"b":1},"a.b":2,"a":{"b":3}`, want{"aws.apigateway.custom.a.b": 1.0, "aws.apigateway.custom.a.b#2": 2.0, "aws.apigateway.custom.a.b#3": 3.0}},
		"odd names":              {`"":1,"ü\"":2`, want{"aws.apigateway.custom.": 1.0, `aws.apigateway.custom.ü"`: 2.0}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			members := tt.members
			for member := range strings.SplitSeq(required, ",") {
				if name, _, _ := strings.Cut(member, ":"); !strings.HasPrefix(members, name) {
					members += "," + member
				}
			}
			event := formatMessage(t, group, "{"+members+"}")
			for key, value := range tt.want {
				got, found := event[key]
				if list, ok := got.([]any); ok {
					got = fmt.Sprint(list)
				}
				if found != (value != nil) || got != value {
					t.Errorf("%q is %v, want %v, in %v", key, got, value, event)
				}
			}
		})
	}
}

// What is taken for an access log, and what is left alone.
func TestIsAccessLog(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		group, message string
		kind           Kind
	}{
		"REST, console default":      {group, `{ "requestId":"a","extendedRequestId":"b","ip": "c","caller":"-","user":"-","requestTime":"d","httpMethod":"GET","resourcePath":"/","status":"200","protocol":"HTTP/1.1","responseLength":"1" }`, KindAccess},
		"HTTP, console default":      {group, `{ "requestId":"a","ip": "c","requestTime":"d","httpMethod":"GET","routeKey":"GET /","status":"200","protocol":"HTTP/1.1","responseLength":"1" }`, KindAccess},
		"WebSocket, console default": {group, `{ "requestId":"a","ip": "c","caller":"-","user":"-","requestTime":"d","eventType":"CONNECT","routeKey":"$connect","status":"200","connectionId":"e" }`, KindAccess},
		"all absent":                 {group, `{"requestId":"-","status":"-","routeKey":"-","connectionId":"-"}`, KindAccess},
		"unquoted dash":              {group, `{"requestId":"a","status":-,"routeKey":"-","responseLatency": - }`, KindAccess},
		"trailing newline":           {group, "\n {" + required + "}\r\n", KindAccess},
		"Lambda's log group":         {"/aws/lambda/f", "{" + required + "}", KindJSON},
		"no status":                  {group, `{"requestId":"a","apiId":"b","resourcePath":"/","httpMethod":"GET","path":"/"}`, KindJSON},
		"no request id":              {group, `{"status":"200","apiId":"b","resourcePath":"/","httpMethod":"GET","path":"/"}`, KindJSON},
		"status is no status":        {group, `{"requestId":"a","apiId":"b","resourcePath":"/","status":"success"}`, KindJSON},
		"web framework":              {group, `{"level":"info","requestId":"a","method":"GET","path":"/","status":200,"userAgent":"x"}`, KindJSON},
		"Lambda application":         {group, `{"timestamp":"t","level":"INFO","requestId":"a","message":"m"}`, KindJSON},
		"Lambda platform":            {group, `{"time":"t","type":"platform.report","record":{"requestId":"a","metrics":{"durationMs":1},"status":"success"}}`, KindLambda},
		"CloudTrail":                 {group, `{"eventVersion":"1.05","requestID":"a","sourceIPAddress":"b","userAgent":"c","eventType":"AwsApiCall","errorMessage":"d"}`, KindJSON},
		"nothing":                    {group, `{}`, KindJSON},
		"too many members":           {group, `{` + required + strings.Repeat(`,"x":1`, maxMembers) + `}`, KindText},
		"two values":                 {group, `{` + required + `} {}`, KindText},
		"array":                      {group, `[{` + required + `}]`, KindText},
		"cut off":                    {group, `{` + required, KindText},
		"common log format":          {group, `203.0.113.7 - - [05/Sep/2024:13:47:15 +0000] "GET / HTTP/1.1" 200 512 a b`, KindText},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, summary := format(t, Options{}, record(envelopeOf(t, tt.group, tt.message)))
			if summary.Kinds[tt.kind] != 1 {
				t.Errorf("%q is %v, want %s", tt.message, summary.Kinds, tt.kind)
			}
		})
	}
}

// A message that passes through is the same afterwards.
func TestBody(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "plain", "ends with newline\n", "quotes \" and \\ and \t tab", "é 日本 \U0001F600", "\u2028 \u0000 \x7f </script>",
		"{", "{}x", `{"a":1,"a":2}`, strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200), "[1,2]",
		`{"a":1e999}`, `{"a":[{"b\"":-1` + strings.Repeat("0", 400) + `}]}`, "17", "null", `"s"`,
	} {
		event := formatMessage(t, group, text)
		if event["body"] != text {
			t.Errorf("%q became %#v", text, event["body"])
		}
	}
	for text, want := range map[string]string{
		`{}`:                               `{}`,
		" {\n \"b\" : 1.50, \"a\":[ ] }\n": `{"b":1.50,"a":[]}`,
		`{"big":123456789012345678901234567890,"e":1E5}`: `{"big":123456789012345678901234567890,"e":1E5}`,
	} {
		k, _ := format(t, Options{}, record(envelopeOf(t, group, text)))
		if !strings.Contains(k.batches[0], `"body":`+want+`,`) {
			t.Errorf("%q became %s", text, k.batches[0])
		}
	}
}

// The value of an API key appears nowhere, however the template names it.
func TestAPIKeyIsNeverInClear(t *testing.T) {
	t.Parallel()
	const secret = "k3y-Th4t-must-not-appear"
	for _, member := range []string{
		`"apiKey":"S"`, `"api_key":"S"`, `"API-KEY":"S"`, `"identity":{"apiKey":"S"}`, `"identity.apiKey":"S"`,
		`"identityApiKey":"S"`, `"$context.identity.apiKey":"S"`, `"x-api-key":"S"`, `"client":{"identity":{"api_key":"S"}}`,
		`"headers":{"X-Api-Key":"S"}`, `"apiKey":"S","apiKey":"S2"`, `"apiKey":"x","identity":{"apiKey":"S"}`, `"apiKey":"\u0053S"`,
		`"responseLatency":-,"apiKey":"S"`, `"authorizer":{"apiKey":"S"}`, `"authorizer":{"claims":{"api_key":"S"}}`, `"a":{"b":{"API_KEY":"S"}}`,
		`"apiKey":["S"]`, `"apiKey":{"value":"S","list":["S"]}`,
	} {
		message := "{" + required + "," + strings.ReplaceAll(member, "S", secret) + "}"
		k, summary := format(t, Options{}, record(envelopeOf(t, group, message)))
		if summary.Kinds[KindAccess] != 1 {
			t.Errorf("%s is no access log", message)
		}
		if strings.Contains(k.batches[0], secret) {
			t.Errorf("%s leaves the key in %s", message, k.batches[0])
		}
		if !strings.Contains(k.batches[0], `api_key_sha256":"`) {
			t.Errorf("%s leaves no digest in %s", message, k.batches[0])
		}
	}
}

func TestRepair(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"a":-,"b":1}`:            `{"a":null,"b":1}`,
		`{"a": - }`:                `{"a":null}`,
		`{"a":"x:-,y","b":-}`:      `{"a":"x:-,y","b":null}`,
		`{"a":"\"",":-":-}`:        `{"a":"\"",":-":null}`,
		`{"a":-1,"b":[-,1]}`:       "",
		`{"a":"open:-,`:            "",
		``:                         "",
		`:-`:                       "",
		`{"a":{"b":-},"c":` + "-}": `{"a":{"b":null},"c":null}`,
	} {
		got, repaired := appendRepaired(nil, []byte(in))
		if repaired != (want != "") || repaired && string(got) != want || !repaired && string(got) != in {
			t.Errorf("%q became %q", in, got)
		}
	}
}

// Slots of values must be of the same conversion, or one would be written as
// the other.
func TestSharedAttributes(t *testing.T) {
	t.Parallel()
	for i, v := range variables {
		if other := variables[slots[i]]; other.key != v.key || other.as != v.as {
			t.Errorf("%s shares the attribute of %s", v.name, other.name)
		}
		if v.key != "" && !jsontext.Value(`"`+v.key+`"`).IsValid() {
			t.Errorf("%s has the attribute %q", v.name, v.key)
		}
	}
}
