package apigateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const executionGroup = "API-Gateway-Execution-Logs_q7w2e9r4t1/prod"

// sourceEvent is what says where an event is from.
type sourceEvent struct {
	Name    string   `json:"event_name"`
	Schema  string   `json:"schema"`
	UID     string   `json:"log.record.uid"`
	ID      string   `json:"interaction.id"`
	Whole   bool     `json:"interaction.complete"`
	Missing []string `json:"interaction.missing"`
	Groups  []string `json:"aws.log.group.names"`
	Streams []string `json:"aws.log.stream.names"`
	IDs     []string `json:"source.event_ids"`
	Of      []int    `json:"source.event_streams"`
}

// sources decodes events and returns how often each log event is among their sources.
func sources(tb testing.TB, k *keeper) ([]sourceEvent, map[string]int) {
	tb.Helper()
	var events []sourceEvent
	seen := map[string]int{}
	for _, raw := range k.events {
		var e sourceEvent
		if err := json.Unmarshal(raw, &e); err != nil {
			tb.Fatal(err)
		}
		if len(e.Streams) > 1 && len(e.Of) != len(e.IDs) || len(e.Streams) == 1 && e.Of != nil {
			tb.Errorf("%d ids in streams %v by %v", len(e.IDs), e.Streams, e.Of)
		}
		for i, id := range e.IDs {
			stream := 0
			if e.Of != nil {
				stream = e.Of[i]
			}
			seen[e.Streams[stream]+" "+id]++
		}
		events = append(events, e)
	}
	return events, seen
}

// logEvent is one of a fixture.
type logEvent struct {
	message string
	times   int // how often it is there
}

// fixtureEvents are the log events of an envelope or several, by stream and id.
func fixtureEvents(tb testing.TB, data []byte) map[string]logEvent {
	tb.Helper()
	found := map[string]logEvent{}
	for dec := json.NewDecoder(bytes.NewReader(data)); dec.More(); {
		var envelope struct {
			LogStream string
			LogEvents []struct {
				ID      string
				Message any
			}
		}
		if err := dec.Decode(&envelope); err != nil {
			tb.Fatal(err)
		}
		for _, e := range envelope.LogEvents {
			key := envelope.LogStream + " " + e.ID
			found[key] = logEvent{fmt.Sprint(e.Message), found[key].times + 1}
		}
	}
	return found
}

func readFile(tb testing.TB, path string) []byte {
	tb.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// Whatever the form, the memory and the size of batches, every line is in one event or
// in quarantine, and each event's identity is its own.
func TestEachLineInOneEvent(t *testing.T) {
	t.Parallel()
	fixtures, err := filepath.Glob("testdata/execution-*.json")
	if err != nil || len(fixtures) < 10 {
		t.Fatalf("fixtures %v, %v", fixtures, err)
	}
	var all []byte
	for _, fixture := range fixtures {
		all = append(all, readFile(t, fixture)...)
	}
	want := fixtureEvents(t, all)
	for name, options := range map[string]Options{
		"interactions":           {},
		"lines":                  {Executions: ExecutionsLines},
		"little memory":          {MaxHeldBytes: 20_000},
		"no memory":              {MaxHeldBytes: 1},
		"small batches":          {BatchMaxBytes: 12_000},
		"too small for some":     {BatchMaxBytes: 4_000},
		"too small for any":      {BatchMaxBytes: 100},
		"few events in a batch":  {BatchMaxEvents: 2},
		"lines in small batches": {Executions: ExecutionsLines, BatchMaxBytes: 1_500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, summary := format(t, options, record(all))
			events, seen := sources(t, k)
			uids := map[string]bool{}
			for i, e := range events {
				checkEvent(t, k.events[i])
				if (e.Schema == "apigw.interaction/1") != (e.Name == "aws.apigateway.interaction") || (e.Schema == "apigw.execution/1") != (e.Name == "aws.apigateway.execution") {
					t.Errorf("schema %s of %s", e.Schema, e.Name)
				}
				if e.Whole != (e.Name == "aws.apigateway.interaction" && len(e.Missing) == 0) {
					t.Errorf("complete is %t, missing %v", e.Whole, e.Missing)
				}
				uids[e.UID] = true
			}
			for _, q := range k.quarantined {
				for id := range fixtureEvents(t, q.Data) {
					seen[id]++
				}
			}
			// One that comes twice makes two events of the same identity where it does
			// not meet itself.
			total := 0
			for id, e := range want {
				total += e.times
				if n := seen[id]; n < 1 || n > e.times {
					t.Errorf("%q is in %d events", e.message, n)
				}
			}
			if len(seen) != len(want) {
				t.Errorf("%d log events are in events, of %d", len(seen), len(want))
			}
			if len(events)-len(uids) > total-len(want) {
				t.Errorf("%d events have %d identities", len(events), len(uids))
			}
			if got := summary.LogEvents() + summary.QuarantinedEvents; got != total || total == len(want) {
				t.Errorf("%d log events are accounted for, of %d: %+v", got, total, summary)
			}
		})
	}
}

func TestLinesGolden(t *testing.T) {
	t.Parallel()
	data := append(readFile(t, "testdata/execution-success.json"), readFile(t, "testdata/execution-odd.json")...)
	k, summary := format(t, Options{Region: "eu-west-2", Executions: ExecutionsLines}, record(data))
	requireGolden(t, "execution-lines", render(t, k, summary))
	if summary.Interactions != 0 || summary.FoldedLines != 0 {
		t.Errorf("%+v", summary)
	}
}

// windows formats the lines of a request in windows of their own.
func windows(t *testing.T, lines ...[]string) []sourceEvent {
	t.Helper()
	var all []sourceEvent
	n := 0
	for _, messages := range lines {
		var events []map[string]any
		for _, m := range messages {
			n++
			events = append(events, map[string]any{"id": fmt.Sprintf("%056d", n), "timestamp": 1757080800000 + n, "message": m})
		}
		data, err := json.Marshal(map[string]any{
			"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": executionGroup, "logStream": "s", "logEvents": events,
		})
		if err != nil {
			t.Fatal(err)
		}
		k, _ := format(t, Options{}, record(data))
		events2, _ := sources(t, k)
		all = append(all, events2...)
	}
	return all
}

// The parts of a request that land in two windows are two events of one interaction,
// neither of them complete.
func TestTwoWindows(t *testing.T) {
	t.Parallel()
	var lines []string
	for i, text := range executionRequest {
		lines = append(lines, executionText(i*8))
		if !strings.Contains(lines[i], text[:20]) {
			t.Fatalf("line %d is %q", i, lines[i])
		}
	}
	whole := windows(t, lines)
	if len(whole) != 1 || !whole[0].Whole {
		t.Fatalf("%+v", whole)
	}
	for cut := 1; cut < len(lines); cut++ {
		parts := windows(t, lines[:cut], lines[cut:])
		if len(parts) != 2 || parts[0].ID != whole[0].ID || parts[1].ID != whole[0].ID || parts[0].UID == parts[1].UID || parts[1].Whole {
			t.Fatalf("cut before line %d: %+v", cut, parts)
		}
		// Only what trails the end is not missed.
		ended := strings.Contains(strings.Join(lines[:cut], ""), "Method completed with status")
		if parts[0].Whole != ended {
			t.Errorf("cut before line %d: complete is %t", cut, parts[0].Whole)
		}
		if got := len(parts[0].IDs) + len(parts[1].IDs); got != len(lines) {
			t.Errorf("cut before line %d: %d of %d lines", cut, got, len(lines))
		}
	}
}

// The identity of an interaction is that of its lines, in whatever order and however
// often they come.
func TestInteractionIdentity(t *testing.T) {
	t.Parallel()
	var first, second bytes.Buffer
	data := readFile(t, "testdata/execution-split.json")
	dec := json.NewDecoder(bytes.NewReader(data))
	for _, target := range []*bytes.Buffer{&first, &second} {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			t.Fatal(err)
		}
		target.Write(raw)
	}
	want, _ := format(t, Options{}, record(data))
	for name, records := range map[string][]Record{
		"swapped":           {record(second.Bytes()), record(first.Bytes())},
		"in one record":     {record(append(bytes.Clone(second.Bytes()), first.Bytes()...))},
		"a record repeated": {record(first.Bytes()), record(second.Bytes()), record(first.Bytes())},
	} {
		got, summary := format(t, Options{}, records...)
		if summary.Interactions != 1 || uid(t, got) != uid(t, want) {
			t.Errorf("%s: %+v", name, summary)
		}
	}
	part, _ := format(t, Options{}, record(first.Bytes()))
	if uid(t, part) == uid(t, want) {
		t.Error("a part has the identity of the whole")
	}
}

func uid(t *testing.T, k *keeper) string {
	t.Helper()
	events, _ := sources(t, k)
	return events[0].UID
}

func TestExecutionGroups(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"API-Gateway-Execution-Logs_q7w2e9r4t1/prod":     "q7w2e9r4t1 prod",
		"API-Gateway-Execution-Logs/q7w2e9r4t1/$default": "q7w2e9r4t1 $default",
		"API-Gateway-Execution-Logs_q7w2e9r4t1/a/b":      "q7w2e9r4t1 a/b",
		"API-Gateway-Execution-Logs_q7w2e9r4t1/":         "",
		"API-Gateway-Execution-Logs_q7w2e9r4t1":          "",
		"API-Gateway-Execution-Logs_/prod":               "",
		"API-Gateway-Execution-Logs_Q7/prod":             "",
		"API-Gateway-Execution-Logs":                     "",
		"API-Gateway-Execution-Logs-q7/prod":             "",
		"/aws/apigateway/welcome":                        "",
	} {
		api, stage, ok := parseExecutionGroup(name)
		if got := strings.TrimSpace(api + " " + stage); got != want || ok != (want != "") {
			t.Errorf("%s is %q", name, got)
		}
	}
}

// The real samples give one complete interaction each, with what their lines say.
func TestExecutionCorpus(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(corpus + "/execution-rest/ericallam-*.json")
	if err != nil || len(files) == 0 {
		t.Skip("the corpus is not here")
	}
	for _, file := range files {
		data := readFile(t, file)
		var messages []string
		for e := range maps.Values(fixtureEvents(t, data)) {
			messages = append(messages, e.message)
		}
		text := strings.Join(messages, "\n")
		find := func(pattern string) string {
			found := regexp.MustCompile(pattern).FindStringSubmatch(text)
			if found == nil {
				t.Fatalf("%s: no %s", file, pattern)
			}
			return found[1]
		}
		k, summary := format(t, Options{}, record(data))
		if len(k.events) != 1 || summary.Interactions != 1 || summary.IncompleteInteractions != 0 || summary.FoldedLines != len(messages) {
			t.Errorf("%s: %+v", file, summary)
			continue
		}
		var event map[string]any
		if err := json.Unmarshal(k.events[0], &event); err != nil {
			t.Fatal(err)
		}
		for key, pattern := range map[string]string{
			"http.request.method":                   `HTTP Method: (\w+),`,
			"url.path":                              `Resource Path: (\S+)`,
			"http.response.status_code":             `Method completed with status: (\d+)`,
			"aws.apigateway.integration.latency_ms": `Integration latency: (\d+) ms`,
			"aws.apigateway.integration.request_id": `AWS Integration Endpoint RequestId : (\S+)`,
			"aws.apigateway.extended_request_id":    `Extended Request Id: (\S+)`,
			"aws.request_id":                        `Starting execution for request: (\S+)`,
			"http.request.body.content":             `Method request body before transformations: (.*)`,
			"aws.apigateway.integration.uri":        `Endpoint request URI: (\S+)`,
			"server.address":                        `[{ ]Host=([^,]+),`,
			"user_agent.original":                   `, User-Agent=(.*?), X-Forwarded-Proto`,
			"client.address":                        `X-Forwarded-For=([0-9.]+)`,
		} {
			if got := fmt.Sprint(event[key]); got != find(pattern) {
				t.Errorf("%s: %s is %s, the lines say %s", file, key, got, find(pattern))
			}
		}
		if got, want := event["trace_id"], strings.ReplaceAll(find(`X-ray Tracing ID : 1-(\S+)`), "-", ""); got != want {
			t.Errorf("%s: trace_id is %v, want %s", file, got, want)
		}
		var headers map[string]string
		if err := json.Unmarshal([]byte(find(`"headers":(\{.*?\}),"multiValueHeaders"`)), &headers); err != nil {
			t.Fatal(err)
		}
		count := 0
		for key, value := range event {
			name, ok := strings.CutPrefix(key, "http.request.header.")
			if !ok {
				continue
			}
			count++
			for header, want := range headers {
				if strings.ToLower(header) == name && !reflect.DeepEqual(value, []any{want}) {
					t.Errorf("%s: %s is %v, want %s", file, header, value, want)
				}
			}
		}
		if count != len(headers) || count < 10 {
			t.Errorf("%s: %d headers, want %d", file, count, len(headers))
		}
	}
}

// FuzzExecution feeds messages of an execution log, one a line, in both forms and
// with any bound. Every log event is accounted for, and formatting again gives the
// same bytes.
func FuzzExecution(f *testing.F) {
	fixtures, err := filepath.Glob("testdata/execution-*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, fixture := range fixtures {
		var messages []string
		for _, e := range fixtureEvents(f, readFile(f, fixture)) {
			messages = append(messages, e.message)
		}
		slices.Sort(messages)
		f.Add(strings.Join(messages, "\x00"), uint16(0), uint16(0))
		f.Add(strings.Join(messages, "\x00"), uint16(2000), uint16(5000))
	}
	f.Fuzz(func(t *testing.T, text string, maxBatch, maxHeld uint16) {
		messages := strings.Split(text, "\x00")
		if len(messages) > 200 {
			return
		}
		data := envelopeOf(t, executionGroup, messages...)
		for _, executions := range []Executions{ExecutionsInteractions, ExecutionsLines} {
			options := Options{Executions: executions, BatchMaxBytes: int(maxBatch), MaxHeldBytes: int64(maxHeld)}
			k, summary := format(t, options, record(data))
			events, seen := sources(t, k)
			for i := range events {
				checkEvent(t, k.events[i])
			}
			for _, q := range k.quarantined {
				for id := range fixtureEvents(t, q.Data) {
					seen[id]++
				}
			}
			for id, n := range seen {
				if n != 1 {
					t.Errorf("%s is in %d events", id, n)
				}
			}
			if len(seen) != len(messages) || summary.LogEvents()+summary.QuarantinedEvents != len(messages) {
				t.Errorf("%d log events are in events, of %d: %+v", len(seen), len(messages), summary)
			}
			if again, _ := format(t, options, record(data)); !slices.Equal(again.batches, k.batches) {
				t.Error("other bytes the second time")
			}
		}
	})
}
