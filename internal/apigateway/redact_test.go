package apigateway

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/redact"
)

func newRedactor(tb testing.TB) *redact.Redactor {
	tb.Helper()
	r, err := redact.New(redact.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// secrets are what no output may hold.
var secrets = map[string]string{
	"opaque":      "pl4nt3d-S3cret",
	"jwt":         "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
	"bearer":      "Bearer 0pl4nt3d.S3cret",
	"basic":       "Basic " + base64.StdEncoding.EncodeToString([]byte("user:pl4nt3d-S3cret")),
	"key id":      "AKIAPL4NT3DS3CR3TKEY",
	"session":     "IQoJb3JpZ2luX2VjEJrPL4NT3D+S3CRET/AAAAAAAAAAAAAAAAAAAAA==",
	"quoted":      `pl4nt3d"S3cret\`,
	"private key": "-----BEGIN PRIVATE KEY-----\npl4nt3dS3cret\n-----END PRIVATE KEY-----",
}

// known by their form are those that need no name.
var byForm = map[string]bool{"jwt": true, "bearer": true, "basic": true, "key id": true, "session": true, "private key": true}

// carriers say where a secret stands in a message. What quotes are needed around it,
// the carrier adds.
var carriers = map[string]func(secret string) string{
	"custom attribute":   func(s string) string { return access(`"myToken":` + quote(s)) },
	"custom number":      func(s string) string { return access(`"pin":4711,"x":{"password":` + quote(s) + `}`) },
	"header":             func(s string) string { return access(`"request":{"headers":{"Authorization":` + quote(s) + `}}`) },
	"multi-value header": func(s string) string { return access(`"headers":{"Cookie":[` + quote(s) + `,"a=b"]}`) },
	"authorizer context": func(s string) string { return access(`"authorizer":{"accessToken":` + quote(s) + `}`) },
	"below a name": func(s string) string {
		return access(`"secret":{"details":` + quote(s) + `},"x":{"password":{"a":{"name":` + quote(s) + `}}}`)
	},
	"claim": func(s string) string { return access(`"authorizer":{"claims":{"client_secret":` + quote(s) + `}}`) },
	"query": func(s string) string {
		return access(`"path":` + quote("/x?a=b&access_token="+url.QueryEscape(s)+"&c=d"))
	},
	"user agent": func(s string) string { return access(`"userAgent":` + quote("curl/8 password="+url.QueryEscape(s))) },
	"error text": func(s string) string { return access(`"errorMessage":` + quote(`bad "secret": `+quote(s))) },
	"nested error text": func(s string) string {
		return access(`"integrationErrorMessage":` + quote(quote(`{"x-api-key":`+quote(s)+`}`)))
	},
	"header map": func(s string) string {
		return access(`"h":` + quote("{Accept=*/*, X-Amz-Security-Token="+s+", Host=h}"))
	},
	"repaired":            func(s string) string { return access(`"responseLatency":-,"password":` + quote(s)) },
	"second value":        func(s string) string { return access(`"password":"","a":{"sid":` + quote(s) + `},"a.sid":` + quote(s)) },
	"JSON":                func(s string) string { return `{"a":{"b":[{"password":` + quote(s) + `}]}}` },
	"JSON body":           func(s string) string { return `{"body":` + quote(`{"user":"u","password":`+quote(s)+`}`) + `}` },
	"JSON body in a body": func(s string) string { return `{"body":` + quote(`{"body":`+quote(`{"otp":`+quote(s)+`}`)+`}`) + `}` },
	"JSON, cut off":       func(s string) string { return `{"headers":{"Authorization":` + strings.TrimSuffix(quote(s), `"`) },
	"JSON body, cut off": func(s string) string {
		return strings.TrimSuffix(`{"body":`+quote(`{"a":1,"api_key":`+quote(s)), `\""`)
	},
	"JSON, repeated name": func(s string) string { return `{"a":1,"a":2,"password":` + quote(s) + `}` },
	"JSON array":          func(s string) string { return `[{"name":"Authorization","value":` + quote(s) + `}]` },
	"JSON in text": func(s string) string {
		return `2024-09-05 INFO request {"headers":{"x-api-key":` + quote(s) + `}} done`
	},
	"form":         func(s string) string { return `{"body":` + quote("user=u&password="+url.QueryEscape(s)+"&x=y") + `}` },
	"form as text": func(s string) string { return "user=u&client_secret=" + url.QueryEscape(s) },
	"URL in a parameter": func(s string) string {
		return "GET /login?next=" + url.QueryEscape("https://a/b?token="+url.QueryEscape(s)+"&x=y")
	},
	"execution headers": func(s string) string {
		return "(286364ab) Method request headers: {Accept=*/*, Cookie=sid=" + s + "; a=b, Host=h}"
	},
	"execution headers, cut": func(s string) string {
		return "(286364ab) Endpoint request headers: {Host=h, Authorization=" + s + " [TRUNCATED]"
	},
	"execution query": func(s string) string { return "(286364ab) Method request query string: {a=b, access_token=" + s + "}" },
	"execution body": func(s string) string {
		return "(286364ab) Endpoint request body after transformations: " + `{"headers":{"cookie":` + quote(s) + `}}`
	},
	"execution body, cut": func(s string) string {
		return "(286364ab) Method response body after transformations: " + `{"id_token":` + strings.TrimSuffix(quote(s), `"`) + " [TRUNCATED]"
	},
	"authorizer result": func(s string) string {
		return "(286364ab) Authorizer result body before parsing: " + `{"principalId":"p","context":{"secret":` + quote(s) + `}}`
	},
	"header lines": func(s string) string {
		return "POST /a HTTP/1.1\nHost: h\nx-api-key: " + strings.ReplaceAll(s, "\n", " ") + "\n\nbody"
	},
	"XML":                      func(s string) string { return "<login><user>u</user><password>" + s + "</password></login>" },
	"attribute without a name": func(s string) string { return access(`"note":` + quote("sent "+s)) },
	"text without a name":      func(s string) string { return "sent " + s + " to h" },
	"JSON without a name":      func(s string) string { return `{"a":` + quote("sent "+s) + `,"b":[` + quote(s) + `]}` },
	"member name":              func(s string) string { return `{"a":{` + quote(s) + `:1}}` },
	"attribute name":           func(s string) string { return access(quote(s) + `:1,` + quote(s+" ") + `:2`) },
}

// withoutName are the carriers that name nothing.
func withoutName(carrier string) bool {
	return strings.HasSuffix(carrier, "without a name") || carrier == "member name" || carrier == "attribute name"
}

func access(members string) string { return "{" + required + "," + members + "}" }

func quote(s string) string {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(quoted)
}

// traces are what would give a secret away, however it is escaped.
func traces(secret string) []string {
	traces := []string{secret}
	for _, part := range []string{"pl4nt3d", "PL4NT3D", "S3cret", "S3CR"} {
		if strings.Contains(secret, part) {
			traces = append(traces, part)
		}
	}
	return traces
}

// No secret is in an event, wherever it stood.
func TestNoSecretIsDelivered(t *testing.T) {
	t.Parallel()
	options := Options{Redactor: newRedactor(t)}
	for kind, secret := range secrets {
		var names, messages []string
		for carrier, carry := range carriers {
			if !withoutName(carrier) || byForm[kind] {
				names, messages = append(names, carrier), append(messages, carry(secret))
			}
		}
		k, summary := format(t, options, record(envelopeOf(t, group, messages...)))
		if len(k.events) != len(messages) {
			t.Fatalf("%s: %d events of %d messages", kind, len(k.events), len(messages))
		}
		total := 0
		for i, event := range k.events {
			var marked struct{ Redacted int }
			if err := json.Unmarshal(event, &marked); err != nil || marked.Redacted == 0 {
				t.Errorf("%s as %s: %s\nis not marked: %s", kind, names[i], messages[i], event)
			}
			total += marked.Redacted
			for _, trace := range traces(secret) {
				if strings.Contains(string(event), trace) {
					t.Errorf("%s as %s: %s\nbecame %s", kind, names[i], messages[i], event)
				}
			}
		}
		if total != summary.Redacted {
			t.Errorf("%d redacted, the summary says %d", total, summary.Redacted)
		}
	}
}

// Fields that the subscription filter extracted are searched, too.
func TestExtractedFieldsAreRedacted(t *testing.T) {
	t.Parallel()
	data := `{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","logEvents":[{"id":"1","timestamp":1725544035523,` +
		`"message":"m","extractedFields":{"token":"pl4nt3d","request":"GET /x?sig=pl4nt3d","@aws.region":"eu-west-2"}}]}`
	k, summary := format(t, Options{Redactor: newRedactor(t)}, record([]byte(data)))
	want := `"aws.log.extracted_fields":{"token":"[REDACTED:7]","request":"GET /x?sig=[REDACTED:7]","@aws.region":"eu-west-2"},"redacted":2,"source.event_ids"`
	if summary.Redacted != 2 || !strings.Contains(k.batches[0], want) {
		t.Errorf("%s", k.batches[0])
	}
}

// What holds no secret is the same with redaction and without.
func TestRedactionLeavesTheRest(t *testing.T) {
	t.Parallel()
	messages := []string{
		accessLine(1), applicationLine(1), executionLine(1), "text", "", "[]", "/v1/tokens/{id}",
		access(`"extendedRequestId":"Vwc2MGFUrPEFV_g=","xrayTraceId":"1-5c7674f4-a3491d0a9c8012c191821b83","path":"/v1/tokens/4711/secrets"`),
		access(`"authorizer":{"principalId":"user","claims":{"sub":"3f2504e0-4f89-11d3-9a0c-0305e82c3301","token_use":"access","scope":"a b"}}`),
		access(`"apiKeyId":"abcde12345","userArn":"arn:aws:sts::123456789012:assumed-role/orders/session","caller":"AROAJQABLZS4A3QDU576Q:session"`),
		access(`"tokenType":"Bearer","code":"E404","nextToken":"a1","total_tokens":812,"webaclArn":"arn:aws:wafv2:x"`),
		access(`"errorMessage":"The incoming token has expired","errorResponseType":"EXPIRED_TOKEN"`),
	}
	data := record(envelopeOf(t, group, messages...))
	with, summary := format(t, Options{Redactor: newRedactor(t)}, data)
	without, _ := format(t, Options{}, data)
	if summary.Redacted != 0 || len(with.events) != len(messages) {
		t.Errorf("%+v", summary)
	}
	for i := range with.events {
		if string(with.events[i]) != string(without.events[i]) {
			t.Errorf("%s\nbecame %s", without.events[i], with.events[i])
		}
	}
}

// Own names hold for the variables of API Gateway as for any other member.
func TestOwnNamesOfVariables(t *testing.T) {
	t.Parallel()
	redactor, err := redact.New(redact.Options{Names: []string{"user-agent", "source-ip", "principalId"}})
	if err != nil {
		t.Fatal(err)
	}
	line := access(`"identity":{"sourceIp":"pl4nt3d","userAgent":"pl4nt3d"},"authorizer":{"principalId":"pl4nt3d"}`)
	k, summary := format(t, Options{Redactor: redactor}, record(envelopeOf(t, group, line)))
	if summary.Redacted != 3 || strings.Contains(k.batches[0], "pl4nt3d") {
		t.Errorf("%d redacted: %s", summary.Redacted, k.batches[0])
	}
}
