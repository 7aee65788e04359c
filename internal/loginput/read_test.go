package loginput

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// ignoring is a handler that takes everything.
type ignoring struct{}

func (ignoring) Message(Message) error           { return nil }
func (ignoring) Envelope(Envelope) (bool, error) { return true, nil }
func (ignoring) Record(Record) error             { return nil }
func (ignoring) Malformed([]byte, *Error) error  { return nil }

func TestInputMemoryIsBounded(t *testing.T) {
	t.Parallel()
	line := strings.Repeat("x", 200) + "\n"
	src := io.LimitReader(repeating(line), 20_000*int64(len(line)))
	h := new(ignoring)
	in := &input{handler: h, lookahead: newLookahead(src), name: "file"}
	n := 0
	for ; ; n++ {
		more, err := in.next()
		require.NoError(t, err)
		if !more {
			break
		}
	}
	require.Equal(t, 20_000, n)
	require.LessOrEqual(t, cap(in.buf), 4*readSize)

	in = &input{handler: h, lookahead: newLookahead(repeating("x")), name: "file"}
	in.limit = 1 << 20
	_, err := in.next()
	require.ErrorIs(t, err, errTooLong)

	in = &input{handler: h, lookahead: newLookahead(io.MultiReader(strings.NewReader("text\n{\n"), repeating("1\n"))), name: "file"}
	in.limit = 1 << 20
	for range 100 {
		_, err := in.next()
		require.NoError(t, err, "a bracket that is never closed is text")
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

// recorder is a handler that writes down what it gets, and where.
type recorder struct {
	got      []string
	envelope bool  // takes objects for envelopes
	failure  error // of Message
}

func (r *recorder) Message(m Message) error {
	r.got = append(r.got, fmt.Sprintf("%d@%d message %s %s %d %s", m.Line, m.Offset, m.ID, m.LogStream, m.Millis, m.Text))
	return r.failure
}

func (r *recorder) Envelope(e Envelope) (bool, error) {
	if r.envelope {
		r.got = append(r.got, fmt.Sprintf("%d@%d envelope %s", e.Line, e.Offset, e.Raw))
	}
	return r.envelope, nil
}

func (r *recorder) Record(rec Record) error {
	r.got = append(r.got, fmt.Sprintf("%d@%d record %s %s %s %q", rec.Line, rec.Offset, rec.Name, rec.SequenceNumber, rec.Arrival.Format(time.RFC3339Nano), rec.Data))
	return nil
}

func (r *recorder) Malformed(raw []byte, fault *Error) error {
	r.got = append(r.got, fmt.Sprintf("%d@%d malformed %s: %v", fault.Line, fault.Offset, raw, fault.Err))
	return nil
}

func zip(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.String()
}

func encoded(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// TestRead: what is found, where it stands, and that nothing malformed costs what is
// behind it.
func TestRead(t *testing.T) {
	t.Parallel()
	const envelope = `{"messageType":"DATA_MESSAGE","logGroup":"g","logStream":"s","logEvents":[]}`
	for name, c := range map[string]struct {
		input string
		want  []string
		blank int
	}{
		"lines":           {"one\n\n two\r\n", []string{"1@0 message   0 one", "3@5 message   0  two"}, 1},
		"envelopes":       {envelope + envelope + "\n" + envelope, []string{"1@0 envelope " + envelope, "1@76 envelope " + envelope, "2@153 envelope " + envelope}, 0},
		"cut envelope":    {envelope[:60] + `"logEvents":[` + "\nnext", []string{"1@60 malformed " + envelope[:60] + `"logEvents":[` + ": a malformed subscription envelope: invalid character '\"' after object key:value pair", "2@74 message   0 next"}, 0},
		"text behind one": {envelope + "???\nnext", []string{"1@76 malformed " + envelope + "???: a malformed subscription envelope: invalid character '?' after top-level value", "2@80 message   0 next"}, 0},
		"malformed JSON":  {"{\"a\":\n}\nnext", []string{"2@6 malformed {\"a\":\n}: malformed JSON: invalid character '}' looking for beginning of value", "3@8 message   0 next"}, 0},
		"cut JSON":        {"{\"a\":\n1", []string{"2@7 malformed {\"a\":\n1: the input ends inside a JSON value"}, 0},
		"get-records": {`{"Records":[{"SequenceNumber":"49","ApproximateArrivalTimestamp":"2024-09-05T15:47:18.250000+02:00","Data":"` + encoded("a") + `","PartitionKey":"p"},` +
			`{"SequenceNumber":"50","ApproximateArrivalTimestamp":1725544038.25,"Data":"` + encoded("b") + `"}]}`,
			[]string{`1@0 record in:1: record 0 49 2024-09-05T13:47:18.25Z "a"`, `1@0 record in:1: record 1 50 2024-09-05T13:47:18.25Z "b"`}, 0},
		"Lambda event": {`{"Records":[{"kinesis":{"sequenceNumber":"49","approximateArrivalTimestamp":1725544038.25,"data":"` + encoded("a") + `"},"eventID":"x"}]}`,
			[]string{`1@0 record in:1: record 0 49 2024-09-05T13:47:18.25Z "a"`}, 0},
		"Firehose event": {`{"records":[{"recordId":"x","approximateArrivalTimestamp":1725544038250,"data":"` + encoded("a") + `"}]}`,
			[]string{`1@0 record in:1: record 0  2024-09-05T13:47:18.25Z "a"`}, 0},
		"one of the records is no base64": {`{"records":[{"data":"?"},{"data":"` + encoded("a") + `"}]}`,
			[]string{"1@0 malformed ?: record 0: the data is no base64: illegal base64 data at input byte 0", `1@0 record in:1: record 1  0001-01-01T00:00:00Z "a"`}, 0},
		"subscribed function": {`{"awslogs":{"data":"` + encoded("a") + `"}}`, []string{`1@0 record in:1: awslogs  0001-01-01T00:00:00Z "a"`}, 0},
		"base64 lines": {encoded(zip("a")) + "\nH4sI is text", []string{fmt.Sprintf(`1@0 record in:1: base64  0001-01-01T00:00:00Z %q`, zip("a")),
			fmt.Sprintf("2@%d message   0 H4sI is text", len(encoded(zip("a")))+1)}, 0},
		"filter-log-events": {`{"events":[{"eventId":"7","logStreamName":"s","timestamp":1725544038250,"ingestionTime":1,"message":"m\n"}]}`,
			[]string{"1@0 message 7 s 1725544038250 m\n"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for how, src := range map[string]io.Reader{
				"at once": strings.NewReader(c.input), "by bytes": iotest.OneByteReader(strings.NewReader(c.input)), "in gzip": strings.NewReader(zip(c.input)),
			} {
				r := &recorder{envelope: true}
				blank, err := Read("in", src, r)
				require.NoError(t, err, how)
				require.Equal(t, c.want, r.got, how)
				require.Equal(t, c.blank, blank, how)
			}
		})
	}
}

func TestReadReturnsTheHandlersError(t *testing.T) {
	t.Parallel()
	r := &recorder{failure: errors.New("full")}
	_, err := Read("in", strings.NewReader("one\ntwo\n"), r)
	require.Equal(t, r.failure, err)
	require.Len(t, r.got, 1)

	// An object that the handler takes for no envelope is a message.
	r = new(recorder)
	_, err = Read("in", strings.NewReader(`{"logGroup":"g"}`), r)
	require.NoError(t, err)
	require.Equal(t, []string{`1@0 message   0 {"logGroup":"g"}`}, r.got)

	// What cannot be read on is an error of the input.
	_, err = Read("in", strings.NewReader(zip(strings.Repeat("line", 1000))[:20]), r)
	_, ok := errors.AsType[*Error](err)
	require.True(t, ok, err)
}

// TestReadLooksFurtherAhead: whether a value is one shows behind it, and what is read for
// that must not take its place. Gzip of several members is read like this.
func TestReadLooksFurtherAhead(t *testing.T) {
	t.Parallel()
	values := []string{`{"messageType":"` + strings.Repeat("first ", 100) + `"}`, `{"messageType":"second"}`, `{"messageType":"` + strings.Repeat("third ", 200) + `"}`}
	h := &recorder{envelope: true}
	_, err := Read("file", io.MultiReader(strings.NewReader(values[0]+values[1]), strings.NewReader(values[2])), h)
	require.NoError(t, err)
	require.Len(t, h.got, len(values))
	for i, value := range values {
		require.Contains(t, h.got[i], value)
	}
}
