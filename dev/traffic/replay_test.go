package traffic

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/loginput"
)

func gzipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.String()
}

func zlibbed(text string) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.String()
}

func base64ed(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// found reads an input and lists its events as "group|stream|millis|message".
func found(src io.Reader) ([]string, *inputReader, error) {
	var events []string
	r := &inputReader{name: "file", unnamed: func(int) {}, emit: func(e inputEvent) error {
		events = append(events, fmt.Sprintf("%s|%s|%d|%s", e.group, e.stream, e.millis, e.message))
		return nil
	}}
	blank, err := loginput.Read("file", src, r)
	r.blank += blank
	return events, r, err
}

const (
	envelopeA = `{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/a","logStream":"s","subscriptionFilters":["f"],"logEvents":[{"id":"1","timestamp":1700000000001,"message":"one"},{"id":"2","timestamp":1700000000002,"message":"two\n"}]}`
	envelopeB = `{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/b","logStream":"t","subscriptionFilters":["f"],"policyLevel":"ACCOUNT_LEVEL_POLICY","logEvents":[{"id":"1","timestamp":1700000000003,"message":"three","extractedFields":{"@aws.region":"eu-west-1"}}]}`
	control   = `{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1700000000000,"message":"CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."}]}`
)

var eventsA = []string{"/a|s|1700000000001|one", "/a|s|1700000000002|two\n"}

const eventB = "/b|t|1700000000003|three"

func indented(text string) string {
	var b bytes.Buffer
	_ = json.Indent(&b, []byte(text), "", "  ")
	return b.String()
}

func TestInputForms(t *testing.T) {
	t.Parallel()
	all := append(append([]string{}, eventsA...), eventB)
	tests := []struct {
		name, input string
		want        []string
	}{
		{"empty", "", nil},
		{"blank", "\n \n\t\n", nil},
		{"text", "one\ntwo\r\n\n three\nfour", []string{"||0|one", "||0|two", "||0| three", "||0|four"}},
		{"byte order mark", "\xef\xbb\xbfone\n", []string{"||0|one"}},
		{"text with brackets", "[ERROR] it broke\n[42] started\n{a=b}\n{} is empty\n[1,2]\n", []string{"||0|[ERROR] it broke", "||0|[42] started", "||0|{a=b}", "||0|{} is empty", "||0|[1,2]"}},
		{"ndjson keeps every byte", `{"b": 1 ,"a":"\u00e9"}` + "\n" + ` {"x":[]}` + "\n", []string{`||0|{"b": 1 ,"a":"\u00e9"}`, `||0|{"x":[]}`}},
		{"ndjson that is no JSON", `{"status":-,"a":1}` + "\n" + `{"status":"200"}` + "\n" + `{"cut":"of` + "\n", []string{`||0|{"status":-,"a":1}`, `||0|{"status":"200"}`, `||0|{"cut":"of`}},
		{"envelope", envelopeA, eventsA},
		{"envelope indented", indented(envelopeA), eventsA},
		{"envelopes by line, with a control message", envelopeA + "\n" + control + "\n\n" + envelopeB + "\n", all},
		{"envelopes concatenated", envelopeA + envelopeB, all},
		{"envelopes indented and concatenated", indented(envelopeA) + indented(envelopeB) + "\n", all},
		{"envelopes in an array", "[" + indented(envelopeA) + "," + envelopeB + "]", all},
		{"envelope and other lines", "start\n" + envelopeB + "\n" + `{"CHANGE":1.96}` + "\nend", []string{"||0|start", eventB, `||0|{"CHANGE":1.96}`, "||0|end"}},
		{"envelopes in gzip", gzipped(envelopeA + "\n" + envelopeB), all},
		{"gzip members", gzipped(envelopeA) + gzipped(envelopeB), all},
		{"gzip twice", gzipped(gzipped(envelopeB)), []string{eventB}},
		{"zlib", zlibbed(envelopeB), []string{eventB}},
		{"text like zlib", "x^2 + y^2\n", []string{"||0|x^2 + y^2"}},
		{"kinesis event", `{"Records":[{"kinesis":{"data":"` + base64ed(gzipped(envelopeA)) + `"}},{"kinesis":{"data":"` + base64ed(zlibbed(envelopeB)) + `"}}]}`, all},
		{"kinesis event indented", indented(`{"Records":[{"kinesis":{"partitionKey":"p","data":"` + base64ed(gzipped(envelopeB)) + `"},"eventSource":"aws:kinesis"}]}`), []string{eventB}},
		{"firehose event", `{"invocationId":"i","records":[{"recordId":"r","data":"` + base64ed(envelopeA+envelopeB) + `"}]}`, all},
		{"get-records", `{"Records":[{"SequenceNumber":"1","Data":"` + base64ed(gzipped(envelopeB)) + `","PartitionKey":"p"}],"MillisBehindLatest":0}`, []string{eventB}},
		{"subscribed function", `{"awslogs":{"data":"` + base64ed(gzipped(envelopeB)) + `"}}`, []string{eventB}},
		{"base64 twice", `{"awslogs":{"data":"` + base64ed(base64ed(gzipped(envelopeB))) + `"}}`, []string{eventB}},
		{"record that holds text", `{"Records":[{"kinesis":{"data":"` + base64ed("hello\nworld") + `"}}]}`, []string{"||0|hello", "||0|world"}},
		{"other records are a message", `{"Records":[{"s3":{"bucket":"b"}}]}`, []string{`||0|{"Records":[{"s3":{"bucket":"b"}}]}`}},
		{"records that are none", `{"records":5}`, []string{`||0|{"records":5}`}},
		{"filter-log-events", `{"events":[{"logStreamName":"x/[$LATEST]1","timestamp":1700000000001,"message":"m","ingestionTime":1700000000009,"eventId":"1"}],"searchedLogStreams":[]}`, []string{"|x/[$LATEST]1|1700000000001|m"}},
		{"events that are none", `{"events":[{"a":1}]}`, []string{`||0|{"events":[{"a":1}]}`}},
		{"messageType of somebody else", `{"messageType":"order"}`, []string{`||0|{"messageType":"order"}`}},
		{"unknown messageType is not guessed", `{"messageType":"NEW","logGroup":"/a","logEvents":[]}`, []string{`||0|{"messageType":"NEW","logGroup":"/a","logEvents":[]}`}},
		{"no events", `{"messageType":"DATA_MESSAGE","logGroup":"/a","logStream":"s","logEvents":null}` + `{"messageType":"DATA_MESSAGE","logGroup":"/a","logStream":"s"}`, nil},
		{"no group", `{"messageType":"DATA_MESSAGE","logStream":"s","logEvents":[{"timestamp":1,"message":"m"}]}`, []string{"|s|1000|m"}},
		{"timestamps", `{"messageType":"DATA_MESSAGE","logGroup":"/a","logStream":"s","logEvents":[{"timestamp":"1700000000001","message":"text"},{"timestamp":1700000000,"message":"seconds"},{"timestamp":1.7e12,"message":"float"},{"message":"none"},{"timestamp":null,"message":"null"},{"timestamp":"soon","message":"bad"},{"timestamp":-5,"message":"negative"},{"timestamp":"2023-11-14T22:13:20.5Z","message":"iso"}]}`,
			[]string{"/a|s|1700000000001|text", "/a|s|1700000000000|seconds", "/a|s|1700000000000|float", "/a|s|0|none", "/a|s|0|null", "/a|s|0|bad", "/a|s|0|negative", "/a|s|1700000000500|iso"}},
		{"messages that are no text", `{"messageType":"DATA_MESSAGE","logGroup":"/a","logStream":"s","logEvents":[{"timestamp":1700000000001,"message":{"a": 1}},{"timestamp":1700000000001,"message":[1]},{"timestamp":1700000000001,"message":null},{"timestamp":1700000000001}]}`,
			[]string{`/a|s|1700000000001|{"a": 1}`, "/a|s|1700000000001|[1]", "/a|s|1700000000001|", "/a|s|1700000000001|"}},
		{"indented JSON that is no envelope", "{\n  \"a\": 1\n}\n", []string{"||0|{\n  \"a\": 1\n}"}},
		{"indented body in text", "body:\n{\n \"a\": 1\n}\nend\n", []string{"||0|body:", "||0|{\n \"a\": 1\n}", "||0|end"}},
		{"open bracket in text", "body:\n{\n \"a\": 1\nend\n{\nx\n", []string{"||0|body:", "||0|{", "||0| \"a\": 1", "||0|end", "||0|{", "||0|x"}},
		{"brackets that are no JSON", "x\n{\n{\na\n}\n}\n" + envelopeB + "\n{\n", []string{"||0|x", "||0|{", "||0|{", "||0|a", "||0|}", "||0|}", eventB, "||0|{"}},
		{"times in lines", "2026-01-02T03:04:05.678Z (id) text\n" + `1.2.3.4 - - [14/Nov/2023:22:13:20 +0000] "GET / HTTP/1.1" 200` + "\n" + `{"requestTimeEpoch":"1700000000"}` + "\n" + `{"request_time":"14/Nov/2023:22:13:20 +0000"}`,
			[]string{"||1767323045678|2026-01-02T03:04:05.678Z (id) text", `||1700000000000|1.2.3.4 - - [14/Nov/2023:22:13:20 +0000] "GET / HTTP/1.1" 200`, `||1700000000000|{"requestTimeEpoch":"1700000000"}`, `||1700000000000|{"request_time":"14/Nov/2023:22:13:20 +0000"}`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for how, src := range map[string]io.Reader{
				"at once":     strings.NewReader(test.input),
				"by bytes":    iotest.OneByteReader(strings.NewReader(test.input)),
				"with gzip":   strings.NewReader(gzipped(test.input)),
				"with errors": iotest.DataErrReader(strings.NewReader(test.input)),
			} {
				if how == "with gzip" && strings.HasPrefix(test.name, "gzip twice") {
					continue // three layers are too many
				}
				got, _, err := found(src)
				require.NoError(t, err, how)
				require.Equal(t, test.want, got, how)
			}
		})
	}
}

func TestInputCounts(t *testing.T) {
	t.Parallel()
	_, r, err := found(strings.NewReader(control + "\n\n" + indented(control) + "\n \n"))
	require.NoError(t, err)
	require.Equal(t, 2, r.control)
	require.Equal(t, 2, r.blank)
}

func TestMalformedInput(t *testing.T) {
	t.Parallel()
	nested := base64ed("x")
	for range 3 {
		nested = base64ed(`{"awslogs":{"data":"` + nested + `"}}`)
	}
	tests := []struct {
		name, input, want string
		events            int
	}{
		{"cut envelope", envelopeA[:len(envelopeA)-20], "file:1: the input ends inside a JSON value (byte 215)", 0},
		{"cut indented envelope", "\n" + indented(envelopeA)[:100], "file:6: the input ends inside a JSON value (byte 101)", 0},
		{"cut envelope after others", envelopeB + "\ntext\n" + envelopeA[:200], "file:3: the input ends inside a JSON value", 2},
		{"cut envelope before others", envelopeA[:200] + "\n" + envelopeB, "file:1: a malformed subscription envelope: unexpected end of JSON input", 0},
		{"wrong indented envelope", strings.Replace(indented(envelopeA), `"owner"`, `owner`, 1), "file:3: malformed JSON: invalid character 'o' looking for beginning of object key string", 0},
		{"envelope with wrong line", envelopeB + "\n" + strings.Replace(envelopeA, `"owner":`, `"owner"`, 1), "file:2: a malformed subscription envelope: invalid character '\"' after object key", 1},
		{"events that are none", `{"messageType":"DATA_MESSAGE","logGroup":"/a","logStream":"s","logEvents":"x"}`, "file:1: a malformed subscription envelope: logEvents: json: cannot unmarshal string", 0},
		{"group that cannot be", `{"messageType":"DATA_MESSAGE","logGroup":"a b","logStream":"s","logEvents":[]}`, `file:1: log group "a b": CloudWatch Logs allows`, 0},
		{"stream that cannot be", `{"messageType":"DATA_MESSAGE","logGroup":"/a","logStream":"a:b","logEvents":[]}`, `file:1: log stream "a:b": CloudWatch Logs allows`, 0},
		{"no base64", `{"Records":[{"kinesis":{"data":"!"}}]}`, "file:1: record 0: the data is no base64", 0},
		{"record that is cut", "text\n" + `{"Records":[{"kinesis":{"data":"` + base64ed(gzipped(envelopeB)[:50]) + `"}}]}`, "file:2: record 0:1: unexpected EOF", 1},
		{"cut gzip", gzipped(strings.Repeat("line\n", 1000))[:30], "file:", -1},
		{"broken gzip", "\x1f\x8bnonsense!", "file:1: malformed gzip", 0},
		{"binary", "\x00\x01", "file:1: a zero byte: this is neither text, JSON nor gzip (byte 0)", 0},
		{"UTF-16", "\xff\xfea\x00", "file:1: UTF-16 text", 0},
		{"too many layers", `{"awslogs":{"data":"` + nested + `"}}`, "wrapped in one another more than 3 times", 0},
		{"element of an array", `[{"a":1},` + strings.Replace(envelopeB, "/b", "b b", 1) + "]", `file:1: log group "b b"`, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, _, err := found(strings.NewReader(test.input))
			require.ErrorContains(t, err, test.want)
			_, ok := errors.AsType[*loginput.Error](err)
			require.True(t, ok)
			if test.events >= 0 {
				require.Len(t, got, test.events)
			}
		})
	}
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestReplay(t *testing.T) {
	t.Parallel()
	logs := newFakeLogs()
	w := testWriter(t, logs)
	before := time.Now().UnixMilli()
	got, err := Replay(t.Context(), w, []string{
		writeFile(t, "a:b.json", envelopeA+"\n"+control+"\nplain\xff\n\n"),
		writeFile(t, "empty", ""),
		"-",
	}, ReplayOptions{Stdin: strings.NewReader(envelopeB + "\n" + `{"messageType":"DATA_MESSAGE","logGroup":"/b","logStream":"t","logEvents":[{"timestamp":1,"message":""}]}`), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.Equal(t, ReplayResult{Events: 5, Control: 1, Blank: 1, Untimed: 1, Repaired: 1}, got)
	counts := w.Counts()
	require.EqualValues(t, 4, counts.Events)
	require.EqualValues(t, 1, counts.Empty)
	all := logs.all()
	require.Equal(t, []Event{{1700000000001, "one"}, {1700000000002, "two\n"}}, all[stream{"/a", "s"}])
	require.Equal(t, []Event{{1700000000003, "three"}}, all[stream{"/b", "t"}])
	plain := all[stream{"/logpipe/input", "a_b.json"}]
	require.Len(t, plain, 1)
	require.Equal(t, "plain\uFFFD", plain[0].Message)
	require.GreaterOrEqual(t, plain[0].Millis, before)
	require.Len(t, logs.filters, 3)
}

func TestReplayShifts(t *testing.T) {
	t.Parallel()
	logs := newFakeLogs()
	before := time.Now().UnixMilli()
	path := writeFile(t, "in", strings.Replace(envelopeA, "1700000000002", "1699999999000", 1))
	_, err := Replay(t.Context(), testWriter(t, logs), []string{path}, ReplayOptions{Shift: true, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	got := logs.all()[stream{"/a", "s"}]
	require.Len(t, got, 2)
	require.Equal(t, int64(1001), got[1].Millis-got[0].Millis)
	require.GreaterOrEqual(t, got[1].Millis, before)
	require.LessOrEqual(t, got[1].Millis, time.Now().UnixMilli())
}

func TestReplayPutsLargeInputsInFullBatches(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for n := range 25_000 {
		fmt.Fprintf(&b, "line %d\n", n)
	}
	logs := newFakeLogs()
	w := testWriter(t, logs)
	_, err := Replay(t.Context(), w, []string{writeFile(t, "in", b.String())}, ReplayOptions{LogGroup: "g", LogStream: "s", Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.EqualValues(t, 25_000, w.Counts().Events)
	require.Len(t, logs.batches, 3)
	require.Equal(t, "line 24999", logs.all()[stream{"g", "s"}][24_999].Message)
}

func TestReplayFails(t *testing.T) {
	t.Parallel()
	discard := slog.New(slog.DiscardHandler)
	logs := newFakeLogs()
	w := testWriter(t, logs)
	_, err := Replay(t.Context(), w, []string{"/does/not/exist"}, ReplayOptions{Logger: discard})
	require.ErrorContains(t, err, "open input: open /does/not/exist")
	_, err = Replay(t.Context(), w, []string{t.TempDir()}, ReplayOptions{Logger: discard})
	require.ErrorContains(t, err, "is a directory")
	_, err = Replay(t.Context(), w, nil, ReplayOptions{LogGroup: "a b", Logger: discard})
	require.ErrorContains(t, err, "log group")

	path := writeFile(t, "in", envelopeB+"\n"+envelopeA[:200])
	got, err := Replay(t.Context(), w, []string{path}, ReplayOptions{Logger: discard})
	require.ErrorContains(t, err, path+":2: the input ends inside a JSON value")
	require.EqualValues(t, 1, got.Events)
	require.Equal(t, []string{"three"}, logs.messages(), "what came before the fault is put")

	denied := newFakeLogs()
	denied.fault = func(string) error { return &types.AccessDeniedException{} }
	_, err = Replay(t.Context(), testWriter(t, denied), []string{writeFile(t, "in", "a\n")}, ReplayOptions{Logger: discard})
	require.ErrorContains(t, err, `create log group "/logpipe/input"`)
	_, ok := errors.AsType[*loginput.Error](err)
	require.False(t, ok, "the input is not to blame")
}

// Each file of the corpus, where it is there, must give as many events as it holds.
func TestReplayCorpus(t *testing.T) {
	t.Parallel()
	paths, _ := filepath.Glob("../../../shared/corpus/*/*")
	if len(paths) == 0 {
		t.Skip("the corpus is not there")
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			want, control := expected(data)
			logs := newFakeLogs()
			w := testWriter(t, logs)
			got, err := Replay(t.Context(), w, []string{path}, ReplayOptions{Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			require.Equal(t, want, int(got.Events))
			require.Equal(t, control, int(got.Control))
			require.Equal(t, got.Events, w.Counts().Events)
		})
	}
}

// expected counts by simpler means: envelopes by their events, other JSON as one
// event each, and text by its lines.
func expected(data []byte) (events, control int) {
	for dec := json.NewDecoder(bytes.NewReader(data)); ; {
		var envelope struct {
			MessageType string
			LogEvents   []json.RawMessage
		}
		switch err := dec.Decode(&envelope); {
		case errors.Is(err, io.EOF):
			return events, control
		case err != nil:
			for line := range strings.Lines(string(data)) {
				if strings.TrimSpace(line) != "" {
					events++
				}
			}
			return events, 0
		case envelope.MessageType == "CONTROL_MESSAGE":
			control++
		case envelope.MessageType == "":
			events++
		default:
			events += len(envelope.LogEvents)
		}
	}
}

// Reading must not depend on how the input comes, and must lose nothing of text.
func FuzzInput(f *testing.F) {
	for _, seed := range []string{
		envelopeA, indented(envelopeA) + control, "text\n{\n\"a\":1}\n", "[ERROR] x\n[1]\n[{}]", `{"a":-}` + "\n{", gzipped("a\nb"), zlibbed("x"),
		`{"Records":[{"kinesis":{"data":"` + base64ed(gzipped(envelopeB)) + `"}}]}`, `{"awslogs":{"data":"eA=="}}`, "\ufeff{}", "\ufeff", "x^y", `{"events":[{"message":"m","timestamp":1,"ingestionTime":1}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		atOnce, _, err := found(bytes.NewReader(data))
		byBytes, _, errBytes := found(iotest.OneByteReader(bytes.NewReader(data)))
		if fmt.Sprint(err) != fmt.Sprint(errBytes) || strings.Join(atOnce, "\x00") != strings.Join(byBytes, "\x00") {
			t.Fatalf("%q gives %q, %v at once and %q, %v by bytes", data, atOnce, err, byBytes, errBytes)
		}
		if err != nil {
			if _, ok := errors.AsType[*loginput.Error](err); !ok {
				t.Fatalf("%q fails with %v, which does not say where", data, err)
			}
			return
		}
		if bytes.ContainsAny(data, "{[\x1fx") || bytes.HasPrefix(data, []byte("\ufeff")) {
			return
		}
		var want []string
		for line := range strings.Lines(string(data)) {
			line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
			if strings.Trim(line, " \t\r") != "" {
				want = append(want, line)
			}
		}
		var got []string
		for _, e := range atOnce {
			got = append(got, strings.SplitN(e, "|", 4)[3])
		}
		if strings.Join(got, "\x00") != strings.Join(want, "\x00") || len(got) != len(want) {
			t.Fatalf("%q gives %q, want %q", data, got, want)
		}
	})
}

func BenchmarkInput(b *testing.B) {
	line := `{"requestId":"iGIXqQqrrmVuHib=","ip":"198.51.100.117","requestTime":"14/Mar/2026:15:09:26 +0000","httpMethod":"GET","routeKey":"$default","status":"200","protocol":"HTTP/1.1","responseLength":"3"}` + "\n"
	for name, text := range map[string]string{"ndjson": strings.Repeat(line, 5000), "envelopes": strings.Repeat(envelopeA+"\n", 3000)} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				r := &inputReader{unnamed: func(int) {}, emit: func(inputEvent) error { return nil }}
				if _, err := loginput.Read("file", strings.NewReader(text), r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
