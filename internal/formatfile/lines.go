package formatfile

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/internal/apigateway"
	"github.com/log-event-pipeline/logpipe/internal/loginput"
)

// lines makes records of messages that are in no envelope: each gets one of its own.
type lines struct {
	source *source
	buf    []byte

	// A line of an execution log is held back until the next one shows that it is not
	// continued.
	held   loginput.Message
	isHeld bool
	joined []byte // text of what is held, as far as it was joined
}

// maxJoined is the longest message that lines are joined to: CloudWatch Logs takes none
// that is longer.
const maxJoined = 1 << 20

const executionLogGroup = "API-Gateway-Execution-Logs"

// executionLine begins a message of an execution log: a request id, behind a time where it
// was exported, or only a time where the console's test has printed it.
var executionLine = regexp.MustCompile(`^(?:\d{4}-\d\d-\d\dT\S+\s+)?\([A-Za-z0-9+/=_-]{8,64}\) |` +
	`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d UTC \d{4} : `)

// exportedJSON is a JSON object with the time that an export to S3 puts before each
// message.
var exportedJSON = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \{`)

// message takes a message. In an execution log, whose bodies have lines of their own, a
// line that does not begin as they all do continues the one before.
func (l *lines) message(m loginput.Message) error {
	if m.LogStream != "" || m.ID != "" || !strings.HasPrefix(l.source.LogGroup, executionLogGroup) {
		if err := l.flush(); err != nil {
			return err
		}
		return l.emit(m)
	}
	if l.isHeld && !executionLine.MatchString(m.Text) && len(l.joined)+len(m.Text) < maxJoined {
		l.joined = append(append(l.joined, '\n'), m.Text...)
		return nil
	}
	if err := l.flush(); err != nil {
		return err
	}
	l.held, l.isHeld = m, true
	l.joined = append(l.joined[:0], m.Text...)
	return nil
}

// flush hands on what is held back.
func (l *lines) flush() error {
	if !l.isHeld {
		return nil
	}
	l.isHeld = false
	l.held.Text = string(l.joined)
	return l.emit(l.held)
}

// emit hands a message on as a record.
func (l *lines) emit(m loginput.Message) error {
	text := m.Text
	if exportedJSON.MatchString(text) {
		text = text[strings.IndexByte(text, ' ')+1:]
	}
	in := &l.source.Input
	stream := in.LogStream
	if m.LogStream != "" {
		stream = m.LogStream
	}
	b := l.buf[:0]
	b = append(b, `{"messageType":"DATA_MESSAGE","owner":"","logGroup":`...)
	b = appendQuoted(b, in.LogGroup)
	b = append(b, `,"logStream":`...)
	b = appendQuoted(b, stream)
	b = append(b, `,"subscriptionFilters":[],"logEvents":[{`...)
	if m.ID != "" {
		b = append(appendQuoted(append(b, `"id":`...), m.ID), ',')
	}
	record := apigateway.Record{}
	if m.Millis > 0 {
		b = append(strconv.AppendInt(append(b, `"timestamp":`...), m.Millis, 10), ',')
	} else {
		record.Arrival = in.Time
	}
	b = appendQuoted(append(b, `"message":`...), text)
	b = append(b, `}]}`...)
	l.buf, record.Data = b, b
	return l.source.emit(record, m.Line, m.Offset)
}

// appendQuoted replaces invalid UTF-8; that is all its error would tell.
func appendQuoted(dst []byte, text string) []byte {
	dst, _ = jsontext.AppendQuote(dst, text)
	return dst
}
