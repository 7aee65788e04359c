package apigateway

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/envelope"
	"github.com/log-event-pipeline/logpipe/internal/apigateway/execution"
	"github.com/log-event-pipeline/logpipe/internal/apigateway/lambda"
)

// What an event says about its own form.
const (
	accessHead = `{"schema":"apigw.access/1","event_name":"aws.apigateway.access","timestamp":`
	logHead    = `{"schema":"apigw.log/1","event_name":"aws.cloudwatch.log","timestamp":`
)

// eventWriter writes log events as structured events.
type eventWriter struct {
	region  string
	access  *accessLog
	message []byte // text of the message
	body    []byte

	templates groupTemplates
	groups    map[string]*logGroup // by log group

	redaction accessRedaction
	clear     []byte // value without secrets
	redacted  int    // secrets of the event

	sequenceNumber string
	userRecord     string // that the record's data was cut out of, see Origin
	arrival        int64  // milliseconds since 1970
	observed       []byte // member observed_timestamp

	header headerText
	digest []byte // what the uid is made from

	shown   execution.Shown       // of execution logs
	line    execution.Interaction // a line by itself
	streams []string              // of the interaction being written
	lambda  lambda.Reader
	trace   []byte // JSON of the trace id in w.lambda
}

// headerText is what an envelope's header becomes, kept from event to event.
type headerText struct {
	of             envelope.Header
	set            bool
	uid            []byte // beginning of what the uid is made from
	groups         []byte // members of log group and log stream
	group          *logGroup
	isAccessStream bool // the log stream has the name of one of an access log
	isLambda       bool // a Lambda function writes to the log stream

	execution execution.Group // its API is empty if the log group holds no execution logs
}

// writtenEvent tells about an event that was written.
type writtenEvent struct {
	kind     Kind
	millis   int64 // its timestamp
	redacted int
}

func newEventWriter(options *Options, templates groupTemplates) *eventWriter {
	w := &eventWriter{
		access: newAccessLog(), templates: templates, groups: make(map[string]*logGroup),
		redaction: newAccessRedaction(options.Redactor),
		shown:     execution.Shown{Redactor: options.Redactor, Bodies: options.Bodies},
	}
	if options.Region != "" {
		w.region = string(appendQuoted(nil, options.Region))
	}
	return w
}

func (w *eventWriter) release() {
	for _, buf := range []*[]byte{&w.message, &w.body, &w.clear} {
		if cap(*buf) > maxRetained {
			*buf = nil
		}
	}
	w.line.Release()
	w.lambda.Release()
	clear(w.streams)
	w.streams = w.streams[:0]
	w.access.release()
}

func (w *eventWriter) startRecord(record *Record) {
	w.sequenceNumber = record.SequenceNumber
	w.userRecord = record.Origin.UserRecord
	var millis int64
	if arrival, ok := validInstant(record.Arrival.UnixMilli()); ok && !record.Arrival.IsZero() {
		millis = arrival.millis
	}
	w.setArrival(millis)
}

// setArrival sets when the record arrived, in milliseconds since 1970, or 0.
func (w *eventWriter) setArrival(millis int64) {
	w.arrival = millis
	w.observed = w.observed[:0]
	if millis != 0 {
		w.observed = append(w.observed, `,"observed_timestamp":`...)
		w.observed = appendTime(w.observed, millis)
	}
}

// append appends the event to dst.
func (w *eventWriter) append(dst []byte, ev *envelope.Event) ([]byte, writtenEvent) {
	w.redacted = 0
	if w.executionGroup(ev.Header) != nil && ev.Message.Kind() == jsontext.KindString {
		return w.appendLine(dst, ev)
	}
	message, warned := w.classify(ev)
	millis, more := w.eventTime(ev)
	warned |= more

	var severity string
	var account, trace []byte
	source := millis
	switch {
	case message.kind == KindAccess:
		dst = append(dst, accessHead...)
		w.redacted = w.redaction.clear(w.access)
		if t := w.access.eventTime(); t.ok {
			millis = t.millis
		}
		severity = w.access.severity()
		account = w.access.values[accountVariable]
		trace = w.access.values[traceIDVariable]
		warned |= w.access.warnings
	case w.recogniseLambda(ev, &message):
		if w.lambda.Platform {
			dst = append(dst, platformHead...)
		} else {
			dst = append(dst, applicationHead...)
		}
		severity = w.lambda.Severity
		trace = w.lambdaTraceID()
	default:
		dst = append(dst, logHead...)
	}
	dst = appendTime(dst, millis)
	dst = append(dst, w.observed...)
	if severity != "" {
		dst = append(append(append(dst, `,"severity_text":"`...), severity...), '"')
	}
	if trace != nil {
		dst = append(append(dst, `,"trace_id":`...), trace...)
	}
	dst = w.appendUID(dst, ev)
	if len(ev.ID) == 0 {
		warned |= warnEventIDMissing
	}
	dst = w.appendCloud(dst, ev, account)
	dst = append(dst, w.header.groups...)
	if millis != source && ev.HasTime {
		dst = appendTime(append(dst, `,"aws.log.event.timestamp":`...), source)
	}

	if message.kind == KindAccess {
		if account != nil && len(ev.Account) > 0 && string(account) != `"`+string(ev.Account)+`"` {
			dst = append(append(dst, `,"aws.apigateway.account_id":`...), account...)
		}
		dst = w.access.append(dst)
	} else {
		if message.kind == KindLambda {
			var n int
			dst, n = w.lambda.AppendMembers(dst, w.shown.Redactor)
			w.redacted += n
		}
		start := len(dst) + len(`,"body":`)
		dst = append(append(dst, `,"body":`...), message.body...)
		dst = w.redact(dst, start)
	}
	dst = w.appendEnd(dst, ev, warned)
	return dst, writtenEvent{message.kind, millis, w.redacted}
}

// eventTime is the time of the log event, or else that of its arrival.
func (w *eventWriter) eventTime(ev *envelope.Event) (int64, warnings) {
	switch {
	case !ev.HasTime:
		return w.arrival, warnTimestampMissing
	case ev.Seconds:
		return ev.Millis, warnTimestampSeconds
	}
	return ev.Millis, 0
}

// useHeader prepares what all events of an envelope share.
func (w *eventWriter) useHeader(h *envelope.Header) {
	t := &w.header
	if t.set && t.of == *h {
		return
	}
	t.of, t.set = *h, true
	t.uid = t.uid[:0]
	for _, part := range []string{h.Owner, h.LogGroup, h.LogStream} {
		t.uid = append(append(t.uid, part...), 0)
	}
	t.groups = append(t.groups[:0], `,"aws.log.group.names":[`...)
	t.groups = appendQuoted(t.groups, h.LogGroup)
	t.groups = append(t.groups, `],"aws.log.stream.names":[`...)
	t.groups = appendQuoted(t.groups, h.LogStream)
	t.groups = append(t.groups, ']')
	t.isLambda = lambda.IsSource(h.LogGroup, h.LogStream)
	t.execution = execution.Group{Owner: h.Owner, Name: h.LogGroup}
	t.execution.API, t.execution.Stage, _ = parseExecutionGroup(h.LogGroup)
	t.group = w.groupOf(h.LogGroup)
	t.isAccessStream = isAccessLogStream(h.LogStream)
}

// appendUID appends the identity of the event, the same however often and
// through however many filters it arrives. An event without an id is known by
// where it stands in the stream, since its time and text need not be unique.
func (w *eventWriter) appendUID(dst []byte, ev *envelope.Event) []byte {
	w.digest = append(w.digest[:0], w.header.uid...)
	if len(ev.ID) > 0 {
		w.digest = append(w.digest, ev.ID...)
	} else {
		place := joinUserRecords(w.userRecord, ev.UserRecord)
		w.digest = appendPlace(w.digest, w.sequenceNumber, ev.Offset, place)
	}
	sum := sha256.Sum256(w.digest)
	dst = append(dst, `,"log.record.uid":"`...)
	dst = hex.AppendEncode(dst, sum[:])
	return append(dst, '"')
}

// appendPlace appends where an event without an id stands.
func appendPlace(dst []byte, sequenceNumber string, offset int64, userRecord string) []byte {
	dst = append(append(dst, 0), sequenceNumber...)
	dst = appendInt(append(dst, 0), offset)
	if userRecord != "" {
		dst = append(append(dst, 0), userRecord...)
	}
	return dst
}

// appendCloud appends account and region. The filter's system fields name the
// log event's own; with log centralisation the owner is another account.
func (w *eventWriter) appendCloud(dst []byte, ev *envelope.Event, account []byte) []byte {
	dst = append(dst, `,"cloud.provider":"aws"`...)
	switch {
	case len(ev.Account) > 0:
		dst = appendQuoted(append(dst, `,"cloud.account.id":`...), ev.Account)
	case account != nil:
		dst = append(append(dst, `,"cloud.account.id":`...), account...)
	case ev.Header.Owner != "":
		dst = appendQuoted(append(dst, `,"cloud.account.id":`...), ev.Header.Owner)
	}
	switch {
	case len(ev.Region) > 0:
		dst = appendQuoted(append(dst, `,"cloud.region":`...), ev.Region)
	case w.region != "":
		dst = append(append(dst, `,"cloud.region":`...), w.region...)
	}
	return dst
}

// appendEnd appends what refers back to the source, and closes the event.
func (w *eventWriter) appendEnd(dst []byte, ev *envelope.Event, warned warnings) []byte {
	dst, more := w.appendExtractedFields(dst, ev)
	dst = appendRedacted(dst, w.redacted)
	dst = appendEventIDs(dst, ev)
	dst = appendWarnings(dst, warned|more, nil)
	return append(dst, '}')
}

// appendExtractedFields appends the fields that the filter extracted, if there are
// others than system fields.
func (w *eventWriter) appendExtractedFields(dst []byte, ev *envelope.Event) ([]byte, warnings) {
	if len(ev.ExtractedFields) == 0 || ev.OnlySystemFields {
		return dst, 0
	}
	dst = append(dst, `,"aws.log.extracted_fields":`...)
	start := len(dst)
	dst, warned := w.appendObject(dst, ev.ExtractedFields)
	return w.redact(dst, start), warned
}

// appendEventIDs appends the id of the log event.
func appendEventIDs(dst []byte, ev *envelope.Event) []byte {
	dst = append(dst, `,"source.event_ids":[`...)
	if len(ev.ID) > 0 {
		dst = appendQuoted(dst, ev.ID)
	}
	return append(dst, ']')
}

// redact takes the secrets out of the JSON value that begins at start.
func (w *eventWriter) redact(dst []byte, start int) []byte {
	var n int
	if w.clear, n = w.shown.Redactor.RedactJSON(w.clear[:0], dst[start:]); n == 0 {
		return dst
	}
	w.redacted += n
	return append(dst[:start], w.clear...)
}

// appendObject appends a JSON text in compact form. If that is not possible it
// appends the text as a string and tells so: objects with repeated names are
// refused like invalid JSON, since what reads them would lose members, and so
// is what is nested too deeply for some readers, or has numbers too large for them.
func (w *eventWriter) appendObject(dst []byte, raw []byte) ([]byte, warnings) {
	if isDeep(raw) || hasHugeNumber(raw) {
		return appendQuoted(dst, raw), warnInvalidJSON
	}
	start := len(dst)
	dst, err := jsontext.AppendFormat(dst, raw)
	if err == nil {
		return dst, 0
	}
	if dst, err = jsontext.AppendFormat(dst[:start], raw, jsontext.AllowInvalidUTF8(true)); err == nil {
		return dst, warnInvalidUTF8
	}
	return appendQuoted(dst[:start], raw), warnInvalidJSON
}
