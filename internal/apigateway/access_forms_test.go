package apigateway

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

const (
	uuid       = "286364ab-3a83-11e9-8dc8-db3cf4c83204"
	extendedID = "JKJaXmPLvHcESHA="
	clock      = "05/Sep/2024:13:47:15 +0000"

	accessStream = "e369853df766fa44e1ed0ff613f563bd"
)

// eventIn formats a message of a log stream and decodes the event.
func eventIn(tb testing.TB, options Options, group, stream, message string) map[string]any {
	tb.Helper()
	data := strings.Replace(string(envelopeOf(tb, group, message)), `"logStream":"stream"`, `"logStream":"`+stream+`"`, 1)
	k, _ := format(tb, options, record([]byte(data)))
	if len(k.events) != 1 {
		tb.Fatalf("%d events of one message", len(k.events))
	}
	var event map[string]any
	if err := json.Unmarshal(k.events[0], &event); err != nil {
		tb.Fatal(err)
	}
	return event
}

// Lines of other servers, and lines that are nearly access logs, pass through.
func TestLooksLikeAccessLog(t *testing.T) {
	t.Parallel()
	const (
		agent  = `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)`
		prefix = `203.0.113.7 - - [` + clock + `] `
	)
	for name, message := range map[string]string{
		"Apache, common":           prefix + `"GET /index.html HTTP/1.1" 200 2326`,
		"Apache, combined":         prefix + `"GET /index.html HTTP/1.1" 200 2326 "http://example.com/start.html" "` + agent + `"`,
		"Apache, unique id":        prefix + `"GET /index.html HTTP/1.1" 200 2326 Ztm2o38AAQEAAAUkAJoAAAAA`,
		"Apache, byte counts":      prefix + `"GET /index.html HTTP/1.1" 200 2326 512 2838`,
		"nginx, combined":          prefix + `"GET /api/v1/users?page=2 HTTP/2.0" 200 571 "-" "` + agent + `"`,
		"nginx, request id":        prefix + `"GET /api/v1/users HTTP/1.1" 200 571 8f3b1f1e5d7c4e0c9a6d2b7e4f5a6c1d`,
		"nginx, timings":           prefix + `"GET /api/v1/users HTTP/1.1" 200 571 0.003 0.002`,
		"nginx, UUID":              prefix + `"GET /api/v1/users HTTP/1.1" 200 571 ` + uuid,
		"nginx, UUID and dash":     prefix + `"GET /api/v1/users HTTP/1.1" 200 571 ` + uuid + ` -`,
		"nginx, UUID and agent":    prefix + `"GET /api/v1/users HTTP/1.1" 200 571 ` + uuid + ` "` + agent + `"`,
		"nginx, ingress":           prefix + `"GET /x HTTP/1.1" 200 571 "-" "curl/8.9.1" 345 0.010 [default-web-80] [] 10.0.0.9:80 571 0.010 200 8f3b1f1e5d7c4e0c9a6d2b7e4f5a6c1d`,
		"Traefik":                  prefix + `"GET /x HTTP/1.1" 200 571 "-" "-" 17 "web@docker" "http://10.0.0.9:80" 3ms`,
		"Tomcat":                   `203.0.113.7 - alice [` + clock + `] "POST /login HTTP/1.1" 302 -`,
		"garbage for a request":    prefix + `"\x16\x03\x01" 400 157 "-" "-"`,
		"CONNECT to a proxy":       prefix + `"CONNECT example.com:443 HTTP/1.1" 200 0 ` + uuid,
		"Envoy":                    `[2024-09-05T13:47:15.523Z] "GET /x HTTP/1.1" 200 - 0 571 3 2 "203.0.113.7" "curl/8.9.1" "` + uuid + `" "example.com" "10.0.0.9:80"`,
		"S3 access log":            `79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be bucket [` + clock + `] 203.0.113.7 - 3E57427F3EXAMPLE REST.GET.OBJECT key "GET /key HTTP/1.1" 200 - 113 113 7 6 "-" "S3Console/0.4" - ` + extendedID,
		"load balancer":            `https 2024-09-05T13:47:15.523Z app/web/50dc6c495c0c9188 203.0.113.7:2817 10.0.0.1:80 0.086 0.048 0.037 200 200 0 57 "GET https://example.com:443/ HTTP/1.1" "curl/8.9.1" ECDHE TLSv1.2 arn "Root=1-58337281-1d84f3d73c47ec4e58577259"`,
		"no time":                  `203.0.113.7 - - [today] "GET / HTTP/1.1" 200 512 ` + extendedID,
		"no such day":              `203.0.113.7 - - [31/Feb/2024:13:47:15 +0000] "GET / HTTP/1.1" 200 512 ` + extendedID,
		"no status":                prefix + `"GET / HTTP/1.1" OK 512 ` + extendedID,
		"no length":                prefix + `"GET / HTTP/1.1" 200 big ` + extendedID,
		"open quote":               prefix + `"GET / HTTP/1.1 200 512 ` + extendedID,
		"cut off in the time":      `203.0.113.7 - - [05/Sep/2024`,
		"cut off in the id":        prefix + `"GET / HTTP/1.1" 200 512 JKJaXmPL`,
		"host name":                `client.example.com - - [` + clock + `] "GET / HTTP/1.1" 200 512 ` + extendedID,
		"all absent":               `- - - [-] "- - -" - - - -`,
		"CSV of something else":    `203.0.113.7,-,-,` + clock + `,GET,/x,HTTP/1.1,200,512,17`,
		"CSV without ids":          `203.0.113.7,-,-,` + clock + `,GET,/x,HTTP/1.1,200,512`,
		"CSV, time elsewhere":      clock + `,203.0.113.7,-,-,GET,/x,HTTP/1.1,200,512,` + uuid + `,` + extendedID,
		"CSV, no request":          `203.0.113.7,-,-,` + clock + `,get,/x,ftp,200,512,` + uuid + `,` + extendedID,
		"CSV of WebSocket, UUID":   `203.0.113.7,-,-,` + clock + `,CONNECT,$connect,c,200,` + uuid,
		"element of another name":  `<response id="r"><status>200</status></response>`,
		"element that goes on":     `<request id="` + uuid + `"><resourcePath>/</resourcePath><status>200</status><ip>::1</ip></request> and text`,
		"element without end":      `<request id="` + uuid + `"><resourcePath>/</resourcePath><status>200</status><ip>::1</ip>`,
		"element in disorder":      `<request id="` + uuid + `"><resourcePath>/<status>200</resourcePath></status></request>`,
		"element of an order":      `<request id="` + uuid + `"><status>open</status><item>pen</item><path>/</path><stage>2</stage></request>`,
		"element without brackets": `<request`,
		"attribute without quotes": `<request id="` + uuid + `" tier=gold stage="s"><status>200</status><resourcePath>/</resourcePath><ip>::1</ip></request>`,
		"attribute with quotes":    `<request id="` + uuid + `" userAgent="a "b" c" stage="s"><status>200</status><resourcePath>/</resourcePath><ip>::1</ip></request>`,
		"attribute without value":  `<request id="` + uuid + `" traced ><status>200</status><stage>s</stage><resourcePath>/</resourcePath><ip>::1</ip></request>`,
		"requests":                 `<requests id="` + uuid + `"></requests>`,
		"a dash":                   `-`,
		"hexadecimal":              `deadbeef`,
		"UUID":                     uuid + " done",
	} {
		stream := "web/nginx/0123456789abcdef0123456789abcdef"
		event := eventIn(t, Options{}, group, stream, message)
		if event["event_name"] != "aws.cloudwatch.log" || event["body"] != message || event["parse.warnings"] != nil {
			t.Errorf("%s became %v", name, event)
		}
	}
}

// The name of the log stream decides where ids do not.
func TestAccessLogStream(t *testing.T) {
	t.Parallel()
	const line = `203.0.113.7 - - [` + clock + `] "GET /orders/{id} HTTP/1.1" 200 512 ` + uuid
	for stream, want := range map[string]bool{
		accessStream:                            true,
		"uwe3g5jm54_prod-2024-09-05-13-47":      true,
		"uwe3g5jm54_.default-2024-09-05-13-47":  true,
		"uwe3g5jm54_a-b-2024-09-05-13-47":       true,
		"stream":                                false,
		"":                                      false,
		"E369853DF766FA44E1ED0FF613F563BD":      false,
		"ecs/nginx/e369853df766fa44e1ed0ff613f": false,
		"uwe3g5jm54-prod-2024-09-05-13-47":      false,
		"uwe3g5jm54_prod-2024-09-05-13-4x":      false,
		"i-0123456789abcdef0":                   false,
	} {
		if got := isAccessLogStream(stream); got != want {
			t.Errorf("%q is the stream of an access log: %v", stream, got)
		}
		if stream == "" {
			continue
		}
		if got := eventIn(t, Options{}, group, stream, line)["event_name"] == "aws.apigateway.access"; got != want {
			t.Errorf("in %q the line is an access log: %v", stream, got)
		}
	}
}

func TestExtendedRequestID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"Vwc2MGFUrPEFV_g=": true, "JKJaXmPLvHcESHA=": true, "a-b_c+d/e0FGHI==": true,
		"": false, "=": false, "Vwc2MGFUrPEFV_g": false, "Vwc2MGFUrPEFV_gg": false, "Vwc2MGFUrPEF V_=": false, "Vwc=MGFUrPEFV_g=": false,
		uuid: false, "8f3b1f1e5d7c4e0c9a6d2b7e4f5a6c1d": false, "a===": false, "Vwc2MGFUrPEF====": false, strings.Repeat("a", 35) + "=": false,
	} {
		if got := isExtendedRequestID([]byte(id)); got != want {
			t.Errorf("%q is an extended request id: %v", id, got)
		}
	}
}

// What the status of an integration means depends on the kind of API.
func TestIntegrationStatus(t *testing.T) {
	t.Parallel()
	const function, service, unclear = "aws.apigateway.integration.status", "aws.apigateway.integration.service_status", "aws.apigateway.custom.integrationStatus"
	const rest, http, websocket = `"resourcePath":"/x"`, `"routeKey":"GET /x"`, `"routeKey":"$default","eventType":"MESSAGE","connectionId":"c"`
	for name, tt := range map[string]struct {
		members string
		want    map[string]any
	}{
		"REST":            {rest + `,"integrationStatus":"200"`, map[string]any{service: 200.0}},
		"HTTP":            {http + `,"integrationStatus":"200"`, map[string]any{function: 200.0}},
		"WebSocket":       {websocket + `,"integrationStatus":"200"`, map[string]any{function: 200.0}},
		"REST, both":      {rest + `,"integration":{"status":"500","integrationStatus":"200"}`, map[string]any{function: 500.0, service: 200.0}},
		"HTTP, both":      {http + `,"integration":{"status":"500","integrationStatus":"200"}`, map[string]any{function: 500.0, service: 200.0}},
		"REST, all":       {rest + `,"integration":{"status":"500","integrationStatus":"200"},"integrationStatus":"200"`, map[string]any{function: 500.0, service: 200.0}},
		"HTTP, all":       {http + `,"integration":{"status":"500","integrationStatus":"200"},"integrationStatus":"500"`, map[string]any{function: 500.0, service: 200.0}},
		"HTTP, unlike":    {http + `,"integrationStatus":"503","integration":{"status":"500"}`, map[string]any{function: 500.0, unclear: 503.0}},
		"HTTP, absent":    {http + `,"integrationStatus":"-","integration":{"status":"-"}`, nil},
		"REST, no number": {rest + `,"integrationStatus":"bad"`, map[string]any{unclear: "bad"}},
	} {
		event := formatMessage(t, group, `{"requestId":"r","status":"200","apiId":"a",`+tt.members+`}`)
		for _, key := range []string{function, service, unclear} {
			if event[key] != tt.want[key] {
				t.Errorf("%s: %s is %v, want %v", name, key, event[key], tt.want[key])
			}
		}
	}
}

func TestRequestTime(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"05/Sep/2024:13:47:15 +0000": 1725544035000,
		"05/Sep/2024:15:17:15 +0130": 1725544035000,
		"05/Sep/2024:12:47:15 -0100": 1725544035000,
		"29/Feb/2024:00:00:00 +0000": 1709164800000,
		"01/Jan/1970:00:00:00 +0000": 0,
		"29/Feb/2023:00:00:00 +0000": -1,
		"31/Apr/2024:00:00:00 +0000": -1,
		"00/Jan/2024:00:00:00 +0000": -1,
		"01/jan/2024:00:00:00 +0000": -1,
		"01/Jan/2024:24:00:00 +0000": -1,
		"01/Jan/2024:00:60:00 +0000": -1,
		"01/Jan/2024:00:00:60 +0000": -1,
		"01/Jan/2024 00:00:00 +0000": -1,
		"01/Jan/2024:00:00:00  0000": -1,
		"01/Jan/2024:00:00:00 +00:0": -1,
		"1/Jan/2024:00:00:00 +00000": -1,
		"01/Jan/1970:00:00:00 +0100": -1,
		"":                           -1,
	} {
		got, ok := parseRequestTime([]byte(text))
		if ok != (want >= 0) || ok && got.millis != want {
			t.Errorf("%q is %+v, %v", text, got, ok)
		}
	}
}

// A log group's form is forgotten as soon as a line has another one, and what is
// remembered of a log group changes nothing.
func TestFormsInOneGroup(t *testing.T) {
	t.Parallel()
	lines := []string{
		`203.0.113.7 - - [` + clock + `] "GET /x HTTP/1.1" 200 512 ` + uuid + ` ` + extendedID,
		`203.0.113.7,-,-,` + clock + `,GET,/x,HTTP/1.1,200,512,` + uuid + `,` + extendedID,
		`<request id="` + uuid + `"><ip>203.0.113.7</ip><resourcePath>/x</resourcePath><status>200</status></request>`,
		"{" + required + "}", "text", "deadbeef",
	}
	var messages, want []string
	for i := range 40 {
		messages = append(messages, lines[i*i*7%len(lines)])
	}
	slices.Sort(messages[:20])
	for _, message := range messages {
		k, _ := format(t, Options{}, record(envelopeOf(t, group, message)))
		event := string(k.events[0])
		want = append(want, event[strings.Index(event, `"cloud.provider"`):strings.Index(event, `"source.event_ids"`)])
	}
	k, _ := format(t, Options{}, record(envelopeOf(t, group, messages...)))
	for i, event := range k.events {
		got := string(event)
		got = got[strings.Index(got, `"cloud.provider"`):strings.Index(got, `"source.event_ids"`)]
		// The times of the log events differ.
		for _, s := range []*string{&got, &want[i]} {
			if at := strings.Index(*s, `"aws.log.event.timestamp"`); at >= 0 {
				*s = (*s)[:at] + (*s)[at+53:]
			}
		}
		if got != want[i] {
			t.Errorf("%d: %s became\n%s, and alone\n%s", i, messages[i], got, want[i])
		}
	}
}

// What dev/traffic writes is recognised line by line.
func TestTraffic(t *testing.T) {
	t.Parallel()
	for _, form := range []string{"json", "clf", "csv", "xml"} {
		data, err := os.ReadFile("../../dev/traffic/testdata/access-" + form + ".golden")
		if err != nil {
			t.Fatal(err)
		}
		lines := 0
		for line := range strings.Lines(string(data)) {
			var e struct{ LogGroup, LogStream, Message string }
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			event := eventIn(t, Options{}, e.LogGroup, e.LogStream, e.Message)
			if event["event_name"] != "aws.apigateway.access" || event["aws.apigateway.api_type"] == nil || event["parse.warnings"] != nil {
				t.Errorf("%s: %q became %v", form, e.Message, event)
			}
			lines++
		}
		if lines == 0 {
			t.Errorf("no lines of %s", form)
		}
	}
}

// Names of members that are as long as the message are not remembered.
func TestLongNames(t *testing.T) {
	t.Parallel()
	w := newEventWriter(&Options{}, nil)
	for i := range 10 {
		name := fmt.Sprintf("%d%s", i, strings.Repeat("x", 1000))
		if isAccess, err := w.access.readJSON(messageText{bytes: []byte(`{"` + name + `":1,` + required + `}`), clean: true}); err != nil || !isAccess {
			t.Fatal(isAccess, err)
		}
	}
	for name := range w.access.resolved {
		if len(name) > maxResolvedName {
			t.Errorf("a name of %d bytes is remembered", len(name))
		}
	}
	for i := range 2 * maxGroups {
		w.groupOf(fmt.Sprint(i))
	}
	if len(w.groups) > maxGroups {
		t.Errorf("%d log groups are remembered", len(w.groups))
	}
}

// Lines that are made to be looked at again and again are given up, which a test
// of this size would not live to see if that took the square of their length.
func TestHostileLines(t *testing.T) {
	t.Parallel()
	const size = 250_000
	fill := func(text string) string { return strings.Repeat(text, size/len(text)) }
	const clf = `203.0.113.7 - - [` + clock + `] "`
	lines := []string{
		clf + fill(`"`), clf + fill(`" `), clf + fill(`" 200 `), clf + fill(` `),
		`203.0.113.7` + fill(`,`), fill(`"a`), fill(`"a",`),
		`<request id="r">` + fill(`<a>`) + `</request>`, `<request id="r"><a>` + fill(`</a>x`) + fill(` `) + `</request>`,
		`<request id="r">` + fill(`<a>`) + fill(`</a>`) + `</request>`, `<request id="r"><a><b><c>` + fill(`<d></d>`) + `</c></b></a></request>`,
		`<request ` + fill(`a="b" `) + `></request>`,
		fill(`{"a":`), `{"a":` + fill(`[`), `{` + fill(`"a":-,`) + `}`, `{"x":"` + fill(`a","y":" `), fill(`a,`),
	}
	for _, templates := range []map[string]string{
		nil,
		{"*": strings.Repeat("$context.error.message,", 20) + "$context.requestId!"},
		{"*": `{"x":"$context.requestId","y":"$context.path","z":$context.identity.userAgent,"w":"$context.error.message"}`},
	} {
		k, summary := format(t, Options{AccessLogTemplates: templates}, record(envelopeOf(t, group, lines...)))
		if summary.Events != len(lines) || summary.Kinds[KindText] != len(lines) {
			t.Errorf("%+v", summary)
		}
		for i, event := range k.events {
			if body := decode(t, event)["body"]; body != lines[i] {
				t.Errorf("%.60s… became another text", lines[i])
			}
		}
	}
}
