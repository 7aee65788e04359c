package apigateway

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// FuzzFormat feeds anything as a record. The keeper requires valid batches
// within their limits, and format that the summary accounts for everything.
func FuzzFormat(f *testing.F) {
	inputs, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, input := range inputs {
		data, err := os.ReadFile(input)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, uint16(0))
		f.Add(data, uint16(700))
	}
	f.Add([]byte("\x1f\x8b\x08\x00"), uint16(1))
	redactor := newRedactor(f)
	f.Fuzz(func(t *testing.T, data []byte, maxBytes uint16) {
		options := Options{BatchMaxBytes: int(maxBytes), MaxInflatedBytes: 1 << 20, Redactor: redactor}
		k, summary := format(t, options, record(data))
		if len(k.events)+len(k.quarantined)+summary.ControlMessages == 0 && !emptyEnvelopesOnly(data) {
			t.Fatalf("nothing accounts for %q", data)
		}
		for _, event := range k.events {
			checkEvent(t, event)
		}
		for _, q := range k.quarantined {
			if q.Reason.Code != "aggregate_nested" {
				requireOnceMore(t, options, q)
			}
			if q.Reason != ReasonEventTooLarge {
				continue
			}
			again, summary := format(t, Options{BatchMaxBytes: 10 << 20, Redactor: redactor}, record(q.Data))
			if summary.Events != 1 || len(again.events[0])+2 <= k.maxBytes {
				t.Fatalf("too large for %d bytes: %q, formatted again: %+v", k.maxBytes, q.Data, summary)
			}
		}
	})
}

// requireOnceMore formats a part again: it stays in quarantine, all of it, and nothing is
// delivered that was before.
func requireOnceMore(t *testing.T, options Options, q Quarantined) {
	t.Helper()
	k, summary := format(t, options, again(q))
	events := 0
	for _, q := range k.quarantined {
		events += q.Events
	}
	if len(k.quarantined) != 1 || len(k.events) > 0 || events != q.Events && summary.Repeated == 0 ||
		!bytes.Equal(k.quarantined[0].Data, q.Data) || k.quarantined[0].Origin.Shift != q.Origin.Shift {
		t.Fatalf("%+v formatted again gives %+v and %s", q, k.quarantined, k.events)
	}
}

// emptyEnvelopesOnly tells whether data may rightly give nothing: envelopes
// without log events, compressed or not.
func emptyEnvelopesOnly(data []byte) bool {
	return bytes.Contains(data, []byte("_MESSAGE")) || bytes.HasPrefix(data, []byte{0x1f, 0x8b}) || bytes.HasPrefix(data, []byte{0x78}) ||
		bytes.Contains(data, []byte(`\u`))
}

// checkEvent requires what every event has.
func checkEvent(t *testing.T, event jsontext.Value) {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(event, &members); err != nil {
		t.Fatalf("%s: %v", event, err)
	}
	for _, name := range []string{"schema", "event_name", "timestamp", "log.record.uid", "cloud.provider", "aws.log.group.names", "aws.log.stream.names", "source.event_ids"} {
		if members[name] == nil {
			t.Fatalf("no %s in %s", name, event)
		}
	}
	_, found := members["body"]
	switch members["event_name"] {
	case "aws.apigateway.access", "aws.apigateway.interaction", "aws.apigateway.execution":
		if found {
			t.Fatalf("an event of attributes has a body: %s", event)
		}
	default:
		if !found {
			t.Fatalf("an event without attributes has no body: %s", event)
		}
	}
}

// FuzzMessage feeds anything as a message, beside a neighbour that must not
// suffer. What passes through must be the same afterwards, and the value of an
// API key must not appear.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{
		"", "text", accessLine(1), applicationLine(1), executionLine(1), "{" + required + "}",
		`{"requestId":"a","status":-,"routeKey":"-","responseLatency": - }`,
		"{" + required + `,"a":{"b":{"c":[1,{"d":"\ud800"}]}},"a.b.c":null,"":{}}`,
		"{" + required + `,"authorizer":{"claims":{"sub":"u"},"x":1},"requestOverride":{"header":{"h":"v"}},"connectedAt":1}`,
		"{" + required + `,"status":"20x","ip":["1"],"protocol":"HTTP/1.1","xrayTraceId":"1-5c7674f4-a3491d0a9c8012c191821b83"}`,
		strings.Repeat("[", 200), `{"a":"` + "\xff" + `"}`,
	} {
		f.Add(seed)
	}
	const neighbour, secret = "neighbour", "s3cret-4711"
	redactor := newRedactor(f)
	f.Fuzz(func(t *testing.T, message string) {
		k, summary := format(t, Options{}, record(envelopeOf(t, group, message, neighbour)))
		if summary.Events != 2 || summary.Quarantined != 0 {
			t.Fatalf("%+v", summary)
		}
		for _, event := range k.events {
			checkEvent(t, event)
		}
		var events []struct{ Body any }
		if err := json.Unmarshal([]byte(k.batches[0]), &events); err != nil {
			t.Fatal(err)
		}
		if events[1].Body != neighbour {
			t.Fatalf("the neighbour became %v", events[1].Body)
		}
		if summary.Kinds[KindText] == 2 && utf8.ValidString(message) && events[0].Body != message {
			t.Fatalf("%q became %q", message, events[0].Body)
		}

		redacted, summaryOfRedacted := format(t, Options{Redactor: redactor}, record(envelopeOf(t, group, message, neighbour)))
		for _, event := range redacted.events {
			checkEvent(t, event)
		}
		if !maps.Equal(summary.Kinds, summaryOfRedacted.Kinds) || summaryOfRedacted.Redacted == 0 && !slices.Equal(k.batches, redacted.batches) {
			t.Fatalf("%s became %s", k.batches, redacted.batches)
		}

		withKey, ok := strings.CutPrefix(message, "{")
		if summary.Kinds[KindAccess] != 1 || !ok {
			return
		}
		k, summary = format(t, Options{Redactor: redactor}, record(envelopeOf(t, group, `{"apiKey":"`+secret+`","x":"token=`+secret+`","password":"`+secret+`",`+withKey)))
		if summary.Kinds[KindAccess] == 1 && strings.Contains(k.batches[0], secret) {
			t.Fatalf("key in clear: %s", k.batches[0])
		}
	})
}
