package traffic

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// markers are found in every document that is unwrapped; what holds none of them is
// a message, and is not decoded.
var markers = [][]byte{[]byte(`"messageType"`), []byte(`ecords"`), []byte(`"awslogs"`), []byte(`"events"`)}

// document emits the events of one JSON object or array, checked to be JSON.
func (in *input) document(raw []byte) error {
	if raw[0] == '[' {
		return in.array(raw)
	}
	wrapped := false
	for _, m := range markers {
		wrapped = wrapped || bytes.Contains(raw, m)
	}
	if wrapped {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(raw, &members); err != nil {
			return err
		}
		for _, unwrap := range []func(map[string]json.RawMessage) (bool, error){in.envelope, in.subscription, in.records, in.export} {
			if known, err := unwrap(members); known || err != nil {
				return err
			}
		}
	}
	return in.message(raw)
}

func (in *input) message(raw []byte) error {
	text := string(raw)
	return in.emit(inputEvent{millis: messageMillis(text), message: text, line: in.line})
}

// array treats the elements as documents if all of them are objects, and else the
// whole of it as one message.
func (in *input) array(raw []byte) error {
	var elements []json.RawMessage
	if err := json.Unmarshal(raw, &elements); err != nil {
		return err
	}
	for _, e := range elements {
		if e[0] != '{' {
			return in.message(raw)
		}
	}
	if len(elements) == 0 {
		return in.message(raw)
	}
	for i, e := range elements {
		if err := in.document(e); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}

// logEvent is an event in an envelope, or in what the AWS CLI prints.
type logEvent struct {
	Timestamp     json.RawMessage `json:"timestamp"`
	Message       json.RawMessage `json:"message"`
	LogStreamName string          `json:"logStreamName"`
	IngestionTime json.RawMessage `json:"ingestionTime"`
}

// envelope unwraps what a subscription filter sends.
func (in *input) envelope(members map[string]json.RawMessage) (known bool, err error) {
	kind := jsonText(members["messageType"])
	_, hasEvents := members["logEvents"]
	_, hasGroup := members["logGroup"]
	switch {
	case !hasEvents && !hasGroup:
		return false, nil
	case kind == "CONTROL_MESSAGE":
		in.control++
		return true, nil
	case kind != "DATA_MESSAGE":
		return false, nil
	}
	group, name := jsonText(members["logGroup"]), jsonText(members["logStream"])
	if group == "" || name == "" {
		in.unnamed(in.line)
	}
	if err := checkNames(group, name); err != nil {
		return true, err
	}
	var events []logEvent
	if raw := members["logEvents"]; raw != nil {
		if err := json.Unmarshal(raw, &events); err != nil {
			return true, fmt.Errorf("a malformed subscription envelope: logEvents: %w", err)
		}
	}
	return true, in.logEvents(group, name, events)
}

func (in *input) logEvents(group, name string, events []logEvent) error {
	for _, e := range events {
		err := in.emit(inputEvent{group: group, stream: name, millis: millis(e.Timestamp), message: messageText(e.Message), line: in.line})
		if err != nil {
			return err
		}
	}
	return nil
}

// subscription unwraps what a subscription filter sends to a Lambda function.
func (in *input) subscription(members map[string]json.RawMessage) (known bool, err error) {
	var wrapper struct {
		Data *string `json:"data"`
	}
	if !decodes(members["awslogs"], &wrapper) || wrapper.Data == nil {
		return false, nil
	}
	return true, in.encoded("awslogs", *wrapper.Data)
}

// records unwraps Kinesis and Firehose events of Lambda, Firehose deliveries over
// HTTP and what `aws kinesis get-records` prints.
func (in *input) records(members map[string]json.RawMessage) (known bool, err error) {
	raw, ok := members["Records"]
	if !ok {
		raw = members["records"]
	}
	var records []struct {
		Kinesis *struct {
			Data *string `json:"data"`
		} `json:"kinesis"`
		Data *string `json:"data"`
	}
	if !decodes(raw, &records) || len(records) == 0 {
		return false, nil
	}
	for i, r := range records {
		if r.Kinesis != nil {
			records[i].Data = r.Kinesis.Data
		}
		if records[i].Data == nil {
			return false, nil // another kind of record, such as S3's: a message as any
		}
	}
	for i, r := range records {
		if err := in.encoded(fmt.Sprintf("record %d", i), *r.Data); err != nil {
			return true, err
		}
	}
	return true, nil
}

// encoded reads base64 as an input of its own.
func (in *input) encoded(what, data string) error {
	decoded, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return fmt.Errorf("%s: the data is no base64: %w", what, err)
	}
	// A stream that is fed from another one may hold gzip encoded twice.
	if bytes.HasPrefix(decoded, []byte("H4sI")) {
		if again, err := base64.StdEncoding.DecodeString(string(decoded)); err == nil {
			decoded = again
		}
	}
	return in.read(fmt.Sprintf("%s:%d: %s", in.name, in.line, what), bytes.NewReader(decoded), in.layer+1)
}

// export unwraps what `aws logs get-log-events` and `filter-log-events` print.
func (in *input) export(members map[string]json.RawMessage) (known bool, err error) {
	var events []logEvent
	if !decodes(members["events"], &events) || len(events) == 0 {
		return false, nil
	}
	for _, e := range events {
		if e.Message == nil || e.Timestamp == nil || e.IngestionTime == nil {
			return false, nil
		}
	}
	for _, e := range events {
		if err := checkNames("", e.LogStreamName); err != nil {
			return true, err
		}
		if err := in.logEvents("", e.LogStreamName, []logEvent{e}); err != nil {
			return true, err
		}
	}
	return true, nil
}

// decompressed unwraps up to two layers of gzip or zlib, told by their magic bytes.
func decompressed(src io.Reader) (io.Reader, error) {
	for range 2 {
		b := bufio.NewReaderSize(src, readSize)
		head, _ := b.Peek(2) // an error comes again from a read
		switch {
		case len(head) < 2:
			return b, nil
		case head[0] == 0x1f && head[1] == 0x8b:
			z, err := gzip.NewReader(b)
			if err != nil {
				return nil, fmt.Errorf("malformed gzip: %w", err)
			}
			src = z
		case head[0] == 0x78 && (head[1] == 0x01 || head[1] == 0x5e || head[1] == 0x9c || head[1] == 0xda) && isZlib(b):
			z, err := zlib.NewReader(b)
			if err != nil {
				return nil, fmt.Errorf("malformed zlib: %w", err)
			}
			src = z
		default:
			return b, nil
		}
	}
	return src, nil
}

// isZlib tells zlib from text that begins with its magic number, "x^".
func isZlib(b *bufio.Reader) bool {
	head, _ := b.Peek(readSize)
	z, err := zlib.NewReader(bytes.NewReader(head))
	if err != nil {
		return false
	}
	_, err = z.Read(make([]byte, 1))
	return err == nil || errors.Is(err, io.EOF)
}

// decodes decodes raw into v and reports whether it has that form. What has not is
// no error: it is a message as any.
func decodes(raw json.RawMessage, v any) bool { return json.Unmarshal(raw, v) == nil }

func jsonText(raw json.RawMessage) string {
	var text string
	if !decodes(raw, &text) {
		return ""
	}
	return text
}

// messageText is the message as PutLogEvents takes it: text. Some producers write
// JSON instead, which is kept as it stands.
func messageText(raw json.RawMessage) string {
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	if raw[0] == '"' {
		return jsonText(raw)
	}
	return string(raw)
}

// secondsBelow tells seconds from milliseconds: as milliseconds it is March 1973.
const secondsBelow = 1e11

// millis reads a timestamp as producers write them: a number of milliseconds or
// seconds, also as a string, or RFC 3339. It is 0 where there is none.
func millis(raw json.RawMessage) int64 {
	text := jsonText(raw)
	if len(raw) > 0 && raw[0] != '"' {
		text = string(raw)
	}
	return textMillis(text)
}

func textMillis(text string) int64 {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UnixMilli()
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(n) || n <= 0 || n > 1e15 {
		return 0
	}
	if n < secondsBelow {
		n *= 1000
	}
	return int64(n)
}

var (
	leadingTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)\b`)
	clfTime     = regexp.MustCompile(`\[(\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4})\]`)
	jsonTime    = regexp.MustCompile(`(?i)"request_?time_?epoch"\s*:\s*"?(\d{9,14})\b`)
	jsonCLFTime = regexp.MustCompile(`(?i)"request_?time"\s*:\s*"(\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4})"`)
)

const clfLayout = "02/Jan/2006:15:04:05 -0700"

// messageMillis finds the time in a message that came without one; 0 is none. It
// knows what access logs, exports to S3 and Lambda write.
func messageMillis(message string) int64 {
	head := message[:min(len(message), 4096)]
	if strings.HasPrefix(head, "{") {
		if m := jsonTime.FindStringSubmatch(head); m != nil {
			return textMillis(m[1])
		}
		if m := jsonCLFTime.FindStringSubmatch(head); m != nil {
			return clfMillis(m[1])
		}
		return 0
	}
	if m := leadingTime.FindString(head); m != "" {
		return textMillis(m)
	}
	if m := clfTime.FindStringSubmatch(head); m != nil {
		return clfMillis(m[1])
	}
	return 0
}

func clfMillis(text string) int64 {
	t, err := time.Parse(clfLayout, text)
	if err != nil {
		return 0
	}
	return max(t.UnixMilli(), 0)
}

var (
	groupName  = regexp.MustCompile(`^[.\-_/#A-Za-z0-9]{1,512}$`)
	streamName = regexp.MustCompile(`^[^:*]{1,512}$`)
)

// checkNames refuses names that CloudWatch Logs would refuse. Empty ones stand for
// the default.
func checkNames(group, name string) error {
	if group != "" && !groupName.MatchString(group) {
		return fmt.Errorf("log group %q: CloudWatch Logs allows 1 to 512 of letters, digits and . - _ / #", group)
	}
	if name != "" && !streamName.MatchString(name) {
		return fmt.Errorf("log stream %q: CloudWatch Logs allows up to 512 characters without : and *", name)
	}
	return nil
}
