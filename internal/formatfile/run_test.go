package formatfile_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/apigateway"
	"github.com/log-event-pipeline/logpipe/internal/formatfile"
	"github.com/log-event-pipeline/logpipe/internal/quarantine"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

var arrival = time.Date(2024, 9, 5, 13, 48, 0, 250e6, time.UTC)

// envelope is one with the messages.
func envelope(messages ...string) string {
	type event struct {
		ID        string `json:"id"`
		Timestamp int64  `json:"timestamp"`
		Message   string `json:"message"`
	}
	var events []event
	for i, m := range messages {
		events = append(events, event{fmt.Sprint("id-", m), 1725544035523 + int64(i), m})
	}
	list, err := json.Marshal(events)
	if err != nil {
		panic(err)
	}
	return `{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/g","logStream":"s","subscriptionFilters":["f"],"logEvents":` + string(list) + `}`
}

const control = `{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE"}]}`

func zip(texts ...string) string {
	var b bytes.Buffer
	for _, text := range texts {
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, text)
		_ = z.Close()
	}
	return b.String()
}

func zlibbed(text string) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.String()
}

// cut is a text in gzip whose second half is missing.
func cut(text string) string { return zip(text)[:len(zip(text))-30] }

func encoded(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// outcome is what became of inputs.
type outcome struct {
	events   []map[string]any
	problems []string
	total    formatfile.Total
	printed  string
}

func run(t *testing.T, o apigateway.Options, inputs ...formatfile.Input) outcome {
	t.Helper()
	formatter, err := apigateway.New(o)
	require.NoError(t, err)
	var out bytes.Buffer
	var got outcome
	got.total, err = formatfile.Run(t.Context(), formatter, slices.Values(inputs), formatfile.NewPrinter(&out, false, false), func(p formatfile.Problem) {
		got.problems = append(got.problems, p.String())
	})
	require.NoError(t, err)
	got.printed = out.String()
	for line := range strings.Lines(got.printed) {
		var event map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &event), line)
		got.events = append(got.events, event)
	}
	require.Equal(t, len(got.events), got.total.Events)
	require.Equal(t, len(got.problems), got.total.Quarantined+got.total.Unreadable)
	require.Equal(t, len(got.problems) > 0, got.total.Failed())
	return got
}

func input(data string) formatfile.Input {
	return formatfile.Input{Name: "in", LogGroup: "/lines", LogStream: "stream", Time: arrival, Data: strings.NewReader(data)}
}

// bodies are the messages of events that passed through.
func (o outcome) bodies() []string {
	var all []string
	for _, e := range o.events {
		body, ok := e["body"].(string)
		if !ok {
			text, _ := json.Marshal(e["body"])
			body = string(text)
		}
		all = append(all, body)
	}
	return all
}

func staged(records ...string) string {
	var list []window.Record
	for i, r := range records {
		list = append(list, window.Record{SequenceNumber: window.SequenceNumber(fmt.Sprint(70 + i)), Arrival: arrival, Data: []byte(r)})
	}
	return string(window.Append(nil, list))
}

func piece(t *testing.T, data string) string {
	t.Helper()
	body, err := quarantine.Append(nil, quarantine.Header{SequenceNumber: "70", Arrival: arrival, Reason: "event_too_large"}, []byte(data))
	require.NoError(t, err)
	return string(body)
}

func TestForms(t *testing.T) {
	t.Parallel()
	a, b := envelope("a1", "a2"), envelope("b")
	all := []string{"a1", "a2", "b"}
	for name, c := range map[string]struct {
		input    string
		want     []string
		problems []string
		control  int
	}{
		"nothing":                       {"", nil, nil, 0},
		"plain record":                  {a + b, all, nil, 0},
		"NDJSON with a control message": {a + "\n" + control + "\n" + b + "\n", all, nil, 1},
		"indented":                      {strings.ReplaceAll(a, ",", ",\n  ") + "\n" + b, all, nil, 0},
		"record in gzip":                {zip(a + b), all, nil, 0},
		"record in zlib":                {zlibbed(a + b), all, nil, 0},
		"record in gzip twice":          {zip(zip(a + b)), all, nil, 0},
		"records of Firehose":           {zip(a, control, b), all, nil, 1},
		"value cut by a gzip member":    {zip((a + b)[:200], (a + b)[200:]), all, nil, 0},
		"record in base64":              {encoded(zip(a)) + "\n" + encoded(zip(b)) + "\n", all, nil, 0},
		"get-records":                   {`{"Records":[{"SequenceNumber":"70","Data":"` + encoded(zip(a)) + `"},{"SequenceNumber":"71","Data":"` + encoded(zlibbed(b)) + `"}],"MillisBehindLatest":0}`, all, nil, 0},
		"Lambda event in gzip":          {zip(`{"Records":[{"kinesis":{"sequenceNumber":"70","data":"` + encoded(zip(a)) + `"}},{"kinesis":{"data":"` + encoded(b) + `"}}]}`), all, nil, 0},
		"staged window":                 {staged(zip(a), zip(control), b), all, nil, 1},
		"quarantined piece":             {piece(t, a+b), all, nil, 0},
		"lines":                         {"one\n\n{\"a\": 1}\r\n[x] three", []string{"one", `{"a":1}`, "[x] three"}, nil, 0},
		"lines in gzip":                 {zip("one\n", "two\n"), []string{"one", "two"}, nil, 0},
		"lines in zlib":                 {zlibbed("one\ntwo\n"), []string{"one", "two"}, nil, 0},
		"lines of JSON in gzip":         {zip(`{"a":1}` + "\n" + `{"a":2}` + "\n"), []string{`{"a":1}`, `{"a":2}`}, nil, 0},
		"an envelope among lines":       {"start\n" + b + "\nend\n", []string{"start", "b", "end"}, nil, 0},
		"exported to S3":                {`2024-09-05T13:47:15.523Z {"a":1}` + "\n2024-09-05T13:47:15.523Z text\n", []string{`{"a":1}`, "2024-09-05T13:47:15.523Z text"}, nil, 0},
		"filter-log-events":             {`{"events":[{"logStreamName":"x","timestamp":1725544035523,"message":"m\n","ingestionTime":5,"eventId":"7"}],"searchedLogStreams":[]}`, []string{"m\n"}, nil, 0},

		"a damaged envelope":    {a + "\n" + b[:100] + `"logEvents":[` + "\n" + b, []string{"a1", "a2", "b"}, []string{"in:2: quarantined: invalid_json at byte 0"}, 0},
		"no envelope":           {a + `{"price":1}` + b, all, []string{"in:1: quarantined: missing_message_type at byte 0"}, 0},
		"text behind envelopes": {a + "\ntext\n" + b, all, []string{"in:2: quarantined: unknown_encoding at byte 0"}, 0},
		"no log group":          {strings.Replace(a, `"/g"`, `""`, 1) + b, []string{"b"}, []string{"in:1: quarantined: missing_log_group at byte 0, log events in it: 2: the envelope has no"}, 0},
		"one bad record of many": {`{"Records":[{"SequenceNumber":"70","Data":"` + encoded(zip(a)) + `"},{"SequenceNumber":"71","Data":"` + encoded("nonsense") + `"},{"SequenceNumber":"72","Data":"` + encoded(b) + `"}]}`,
			all, []string{"in:1: record 71: quarantined: unknown_encoding at byte 0"}, 0},
		"a record that is cut off": {cut(a + envelope(strings.Repeat("0123456789abcdef", 500))), []string{"a1", "a2"}, []string{"in: quarantined: corrupt_compression at byte "}, 0},
		"damaged gzip":             {"\x1f\x8bnonsense", nil, []string{"in: quarantined: corrupt_compression at byte 0"}, 0},
		"binary":                   {"\x00\x01\x02", nil, []string{"in:1: a zero byte"}, 0},
		"a staged window cut off":  {staged(zip(a), b)[:len(staged(zip(a), b))-3], all, []string{"read in: record 2: staged window is damaged"}, 0},
		"a bad record of a window": {staged(zip(a), "x", b), all, []string{"in: record 71: quarantined: unknown_encoding at byte 0"}, 0},
		"a damaged piece":          {quarantine.Magic + "x", nil, []string{"read in: quarantined piece is damaged"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slow := input("")
			slow.Data = iotest.OneByteReader(strings.NewReader(c.input))
			for how, in := range map[string]formatfile.Input{"at once": input(c.input), "by bytes": slow} {
				got := run(t, apigateway.Options{}, in)
				require.Equal(t, c.want, got.bodies(), how)
				require.Equal(t, c.control, got.total.ControlMessages, how)
				require.Len(t, got.problems, len(c.problems), "%s: %q", how, got.problems)
				for i, want := range c.problems {
					require.True(t, strings.HasPrefix(got.problems[i], want), "%s: %q", how, got.problems[i])
				}
			}
		})
	}
}

// TestLines: what a line becomes as an event.
func TestLines(t *testing.T) {
	t.Parallel()
	got := run(t, apigateway.Options{Region: "eu-west-2"}, input("plain\n2024-09-05T13:47:15.523Z later\n"+`{"events":[{"logStreamName":"x","timestamp":1725544035523,"message":"m","ingestionTime":5,"eventId":"7"}]}`))
	require.Len(t, got.events, 3)
	plain, later, exported := got.events[0], got.events[1], got.events[2]
	require.Equal(t, []any{"/lines"}, plain["aws.log.group.names"])
	require.Equal(t, []any{"stream"}, plain["aws.log.stream.names"])
	require.Equal(t, "eu-west-2", plain["cloud.region"])
	require.NotContains(t, plain, "cloud.account.id")
	require.Equal(t, "2024-09-05T13:48:00.250Z", plain["timestamp"], "the file's time, where the line has none")
	require.Equal(t, "2024-09-05T13:47:15.523Z", later["timestamp"])
	require.Equal(t, []any{"x"}, exported["aws.log.stream.names"])
	require.Equal(t, []any{"7"}, exported["source.event_ids"])

	// Lines of one text are different events, and the same ones every time.
	twice := run(t, apigateway.Options{}, input("a\na\n"))
	require.NotEqual(t, twice.events[0]["log.record.uid"], twice.events[1]["log.record.uid"])
	require.Equal(t, twice.printed, run(t, apigateway.Options{}, input("a\na\n")).printed)
}

// TestExecutionLogLines: bodies have lines of their own.
func TestExecutionLogLines(t *testing.T) {
	t.Parallel()
	const id = "(286364ab-3a83-11e9-8dc8-db3cf4c83204) "
	in := input(id + "Method request body before transformations: {\n  \"a\": 1\n}\n" + id + "Method completed with status: 200\n" +
		"{\n \"b\": 2\n}\n2024-09-05T13:47:15.523Z " + id + "Sending request\nThu Aug 31 01:07:25 UTC 2017 : Starting execution\n" + strings.Repeat("x", 1<<20) + "\n")
	want := []string{
		id + "Method request body before transformations: {\n  \"a\": 1\n}", id + "Method completed with status: 200\n{\n \"b\": 2\n}",
		"2024-09-05T13:47:15.523Z " + id + "Sending request", "Thu Aug 31 01:07:25 UTC 2017 : Starting execution", strings.Repeat("x", 1<<20),
	}
	lines := in.Data
	in.LogGroup = "API-Gateway-Execution-Logs" // without an API, so that the lines pass through
	require.Equal(t, want, run(t, apigateway.Options{BatchMaxBytes: 4 << 20}, in).bodies())
	_, err := lines.(io.Seeker).Seek(0, io.SeekStart)
	require.NoError(t, err)
	in.LogGroup = "/elsewhere"
	require.Greater(t, len(run(t, apigateway.Options{BatchMaxBytes: 4 << 20}, in).bodies()), len(want))
}

// TestRecordLimits: a file that is one record is held to the limits of one.
func TestRecordLimits(t *testing.T) {
	t.Parallel()
	long := envelope(strings.Repeat("x", 2<<20))
	got := run(t, apigateway.Options{MaxInflateRatio: 100, BatchMaxBytes: 4 << 20}, input(zip(long)))
	require.Equal(t, map[string]int{"ratio_limit": 1}, got.total.Reasons)
	require.Equal(t, map[string]int{"event_too_large": 1}, run(t, apigateway.Options{}, input(long)).total.Reasons)
}

// TestLinesThatAreCutOff: what can be read is.
func TestLinesThatAreCutOff(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&text, "line %d\n", i*2654435761)
	}
	got := run(t, apigateway.Options{}, input(zip(text.String())[:20_000]))
	require.Len(t, got.problems, 1)
	require.Contains(t, got.problems[0], fmt.Sprintf("in:%d: unexpected EOF (byte ", len(got.events)+1))
	require.True(t, strings.HasPrefix(text.String(), strings.Join(got.bodies(), "\n")+"\n"))
	require.Greater(t, len(got.events), 1000)
}

// TestLargeFile: gzip that is larger than a record can be is read as a stream.
func TestLargeFile(t *testing.T) {
	t.Parallel()
	const lines = 60_000
	var text strings.Builder
	for i := range lines {
		fmt.Fprintf(&text, "%s\n", envelope(encoded(fmt.Sprintf("%x", i*i*2654435761))))
	}
	var stored bytes.Buffer
	z, err := gzip.NewWriterLevel(&stored, gzip.NoCompression)
	require.NoError(t, err)
	_, err = io.WriteString(z, text.String())
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.Greater(t, stored.Len(), window.MaxRecordBytes)
	got := run(t, apigateway.Options{}, input(stored.String()))
	require.Equal(t, lines, got.total.Events)
	require.Equal(t, lines, got.total.Records)
}

func TestSeveralInputs(t *testing.T) {
	t.Parallel()
	broken := input("")
	broken.Name, broken.Data = "broken", iotest.ErrReader(errors.New("input/output error"))
	got := run(t, apigateway.Options{}, input("one\n"), broken, input(envelope("two")), input("x\x00"), input("three"))
	require.Equal(t, []string{"one", "two", "three"}, got.bodies())
	require.Equal(t, []string{"read broken: input/output error", "in:1: a zero byte: this is neither text, JSON nor gzip (byte 1)"}, got.problems)
	require.Equal(t, "inputs: 5, records: 3, events: 3 (text 3), control messages: 0, quarantined: 0, not read to their end: 2", got.total.String())

	got = run(t, apigateway.Options{}, input(strings.Replace(envelope("a", "b"), "DATA_", "DAT_", 1)))
	require.Equal(t, 1, got.total.Quarantined+got.total.Unreadable)
	require.Contains(t, got.total.String(), "quarantined: 1 (unknown_message_type 1)")
}

// closing fails after some bytes, as a pipe does whose reader has ended.
type closing struct{ left int }

var errClosed = errors.New("broken pipe")

func (c *closing) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		return 0, errClosed
	}
	return len(p), nil
}

func TestPrinterFails(t *testing.T) {
	t.Parallel()
	formatter, err := apigateway.New(apigateway.Options{BatchMaxEvents: 1})
	require.NoError(t, err)
	for _, left := range []int{0, 1 << 17} {
		endless := input("")
		endless.Data = io.LimitReader(repeating("line\n"), 50<<20)
		total, err := formatfile.Run(t.Context(), formatter, slices.Values([]formatfile.Input{endless}), formatfile.NewPrinter(&closing{left}, false, false), func(formatfile.Problem) {})
		require.ErrorIs(t, err, errClosed)
		require.Less(t, total.Events, 100_000)
	}
}

type repeating string

func (r repeating) Read(p []byte) (int, error) {
	n := 0
	for n+len(r) <= len(p) {
		n += copy(p[n:], r)
	}
	return n, nil
}

// TestEventsAreSeenBeforeTheNextLine is read: somebody may look at a pipe.
func TestEventsAreSeenBeforeTheNextLineIsRead(t *testing.T) {
	t.Parallel()
	formatter, err := apigateway.New(apigateway.Options{BatchMaxEvents: 1})
	require.NoError(t, err)
	var out bytes.Buffer
	lines := 0
	in := input("")
	in.Data = readerFunc(func(p []byte) (int, error) {
		if seen := strings.Count(out.String(), "\n"); seen < lines-1 {
			t.Errorf("%d lines were read, %d events are seen", lines, seen)
		}
		if lines == 10 {
			return 0, io.EOF
		}
		lines++
		return copy(p, strings.Repeat("x", 1000)+"\n"), nil
	})
	_, err = formatfile.Run(t.Context(), formatter, slices.Values([]formatfile.Input{in}), formatfile.NewPrinter(&out, false, false), func(formatfile.Problem) {})
	require.NoError(t, err)
	require.Equal(t, 10, strings.Count(out.String(), "\n"))
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestPretty(t *testing.T) {
	t.Parallel()
	formatter, err := apigateway.New(apigateway.Options{})
	require.NoError(t, err)
	printed := func(color bool) string {
		var out bytes.Buffer
		inputs := []formatfile.Input{input(`{"a":"q\"\u009b31m","n":-1.5e3,"t":true,"z":null,"e":[]}` + "\n\x7fdel\u0085\n")}
		_, err := formatfile.Run(t.Context(), formatter, slices.Values(inputs), formatfile.NewPrinter(&out, true, color), func(formatfile.Problem) {})
		require.NoError(t, err)
		return out.String()
	}
	plain := printed(false)
	require.Contains(t, plain, "  \"body\": {\n    \"a\": \"q\\\"\\u009b31m\",\n    \"n\": -1.5e3,\n    \"t\": true,\n    \"z\": null,\n    \"e\": []\n  },\n")
	require.Contains(t, plain, `"body": "\u007fdel\u0085"`)
	require.NotContains(t, plain, "\x1b")
	for _, text := range []string{"\u009b", "\u0085", "\x7f"} {
		require.NotContains(t, plain, text, "a control character that JSON does not escape")
	}
	colored := printed(true)
	require.Contains(t, colored, "\x1b[34m\"n\"\x1b[0m: \x1b[36m-1.5e3\x1b[0m,\n")
	require.Contains(t, colored, "\x1b[34m\"t\"\x1b[0m: \x1b[33mtrue\x1b[0m,\n")
	for _, code := range []string{"\x1b[34m", "\x1b[32m", "\x1b[36m", "\x1b[33m", "\x1b[0m"} {
		colored = strings.ReplaceAll(colored, code, "")
	}
	require.Equal(t, plain, colored)
}

// TestCorpus: each log event of the corpus, where it is there, is an event or reported.
func TestCorpus(t *testing.T) {
	t.Parallel()
	paths, _ := filepath.Glob("../../../shared/corpus/*/*")
	if len(paths) == 0 {
		t.Skip("the corpus is not there")
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, stored := range []string{string(data), zip(string(data))} {
			got := run(t, apigateway.Options{}, input(stored))
			require.Positive(t, got.total.Events+got.total.ControlMessages+got.total.QuarantinedEvents, path)
			require.Zero(t, got.total.Unreadable, path)
		}
	}
}

// FuzzRun: whatever a file holds, it is printed as events or reported, and it does not
// matter in which pieces it is read.
func FuzzRun(f *testing.F) {
	for _, seed := range []string{
		"", "a\nb", envelope("a", "b") + control, zip(envelope("a")), zip(envelope("a"), "x"), zlibbed("a"), staged(envelope("a")), "x^2",
		`{"Records":[{"Data":"` + encoded(envelope("a")) + `"}]}`, encoded(zip("a")), `{"events":[{"message":"m","timestamp":1,"ingestionTime":1}]}`, "{\n1", "\x00",
	} {
		f.Add([]byte(seed), "/g")
	}
	f.Add([]byte("(abcdefgh) x\ny\n"), "API-Gateway-Execution-Logs_a/b")
	f.Fuzz(func(t *testing.T, data []byte, group string) {
		if group == "" {
			group = "/g"
		}
		in := input(string(data))
		in.LogGroup = group
		got := run(t, apigateway.Options{MaxInflatedBytes: 1 << 20}, in)
		in.Data = iotest.HalfReader(bytes.NewReader(data))
		again := run(t, apigateway.Options{MaxInflatedBytes: 1 << 20}, in)
		if got.printed != again.printed || !slices.Equal(got.problems, again.problems) {
			t.Fatalf("%q gives\n%s%q\nand then\n%s%q", data, got.printed, got.problems, again.printed, again.problems)
		}
	})
}
