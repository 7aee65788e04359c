package apigateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// messagesOf are the messages of a fixture.
func messagesOf(tb testing.TB, fixture string) []string {
	tb.Helper()
	data, err := os.ReadFile("testdata/" + fixture + ".json")
	if err != nil {
		tb.Fatal(err)
	}
	var messages []string
	for dec := json.NewDecoder(bytes.NewReader(data)); ; {
		var envelope struct {
			LogEvents []struct{ Message json.RawMessage }
		}
		if err := dec.Decode(&envelope); errors.Is(err, io.EOF) {
			return messages
		} else if err != nil {
			tb.Fatal(err)
		}
		for _, e := range envelope.LogEvents {
			var text string
			if json.Unmarshal(e.Message, &text) == nil {
				messages = append(messages, text)
			}
		}
	}
}

// FuzzCLF feeds lines in the common log format.
func FuzzCLF(f *testing.F) { fuzzForm(f, "access-clf") }

// FuzzCSV feeds comma-separated values.
func FuzzCSV(f *testing.F) { fuzzForm(f, "access-csv") }

// FuzzXML feeds elements.
func FuzzXML(f *testing.F) { fuzzForm(f, "access-xml") }

// fuzzForm feeds lines beside a neighbour that must not suffer. A line that
// passes through is the same afterwards, one that does not loses nothing; it has
// no second form, and what was remembered of its log group changes nothing.
func fuzzForm(f *testing.F, fixture string) {
	f.Helper()
	for _, message := range messagesOf(f, fixture) {
		f.Add(message)
	}
	f.Add("")
	f.Fuzz(func(t *testing.T, line string) {
		const neighbour = "neighbour"
		k, summary := format(t, Options{}, record(envelopeOf(t, group, neighbour, line, line)))
		if summary.Events != 3 || summary.Quarantined != 0 {
			t.Fatalf("%+v", summary)
		}
		for _, event := range k.events {
			checkEvent(t, event)
		}
		var events []map[string]any
		if err := json.Unmarshal([]byte(k.batches[0]), &events); err != nil {
			t.Fatal(err)
		}
		if events[0]["body"] != neighbour {
			t.Fatalf("the neighbour became %v", events[0]["body"])
		}
		if !utf8.ValidString(line) {
			return
		}
		if body, passed := events[1]["body"]; passed {
			if text, ok := body.(string); ok && text != line {
				t.Fatalf("%q became %q", line, body)
			}
			return
		}
		w := newEventWriter(&Options{}, nil)
		text := trimLine([]byte(line))
		isCLF, isCSV, isXML := w.readForm(formCLF, text), w.readForm(formCSV, text), w.access.readXML(text)
		if isCLF && isCSV || isCLF && isXML || isCSV && isXML {
			t.Fatalf("%q has two forms", line)
		}
		if isCLF || isCSV {
			checkLossless(t, line, events[1])
		}
	})
}

// checkLossless tells whether the words of a line are in the event. Times and
// protocols are written in another way, and API Gateway's dash is no value.
func checkLossless(t *testing.T, line string, event map[string]any) {
	t.Helper()
	var values strings.Builder
	for key, value := range event {
		if !strings.HasPrefix(key, "aws.log.") && key != "source.event_ids" && key != "log.record.uid" {
			if number, ok := value.(float64); ok {
				value = jsontext.Float(number).String()
			}
			fmt.Fprintln(&values, value)
		}
	}
	words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r\n\",[]", r) })
	for _, word := range words {
		if word == "-" || strings.HasPrefix(word, "HTTP/") || strings.Contains(clockWords(line), word) || len(word) > 15 && isDigits([]byte(word)) {
			continue
		}
		if !strings.Contains(values.String(), word) {
			t.Fatalf("%q of %q is not in %v", word, line, event)
		}
	}
}

// clockWords is what looks like a time in a line.
func clockWords(line string) string {
	var found strings.Builder
	for i := range line {
		if i+clockLength <= len(line) {
			if _, ok := parseRequestTime([]byte(line[i : i+clockLength])); ok {
				found.WriteString(line[i:i+clockLength] + "\n")
			}
		}
	}
	return found.String()
}

// FuzzTemplate feeds a template and a message. Templates that cannot be compiled
// are refused, with the others nothing is lost.
func FuzzTemplate(f *testing.F) {
	messages := messagesOf(f, "access-template")
	for _, pattern := range goldenOptions.AccessLogTemplates {
		for _, message := range messages {
			f.Add(pattern, message)
		}
	}
	f.Add(`{"a":"$context.requestId","b":{"c":"$context.identity.apiKey, $context.path"}}`, `{"a":"r","b":{"c":"k, /a"}}`)
	f.Fuzz(func(t *testing.T, pattern, message string) {
		options := Options{AccessLogTemplates: map[string]string{group: pattern}}
		if _, err := New(options); err != nil {
			return
		}
		const neighbour = "neighbour"
		k, summary := format(t, options, record(envelopeOf(t, group, message, neighbour)))
		if summary.Events != 2 || summary.Quarantined != 0 {
			t.Fatalf("%+v", summary)
		}
		for _, event := range k.events {
			checkEvent(t, event)
		}
		if body := decode(t, k.events[0])["body"]; summary.Kinds[KindText] == 2 && utf8.ValidString(message) && body != message {
			t.Fatalf("%q became %q", message, body)
		}
	})
}

func decode(tb testing.TB, event jsontext.Value) map[string]any {
	tb.Helper()
	var members map[string]any
	if err := json.Unmarshal(event, &members); err != nil {
		tb.Fatal(err)
	}
	return members
}

// FuzzText holds the texts of JSON strings against a decoder's.
func FuzzText(f *testing.F) {
	for _, seed := range []string{`""`, `"a"`, `"\u00e9\n\""`, `"\ud800"`, "\"\xff\"", `"\\u0041"`, `"\\\u0041\/"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		raw := jsontext.Value(bytes.TrimSpace(text))
		if raw.Kind() != jsontext.KindString || !raw.IsValid() {
			return
		}
		message, plain := appendMessage(nil, raw)
		if want, _ := jsontext.AppendUnquote(nil, raw); !bytes.Equal(message, want) {
			t.Fatalf("%q has the text %q, want %q", raw, message, want)
		}
		if again, _ := appendSafeString(nil, appendQuoted(nil, message)); plain && bytes.Contains(message, []byte(`\u`)) {
			t.Fatalf("%q is plain and holds an escape: %q", raw, again)
		}
	})
}
