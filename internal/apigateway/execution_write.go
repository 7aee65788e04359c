package apigateway

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/envelope"
	"github.com/log-event-pipeline/logpipe/internal/apigateway/execution"
)

const (
	interactionHead = `{"schema":"apigw.interaction/1","event_name":"aws.apigateway.interaction","timestamp":`
	lineHead        = `{"schema":"apigw.execution/1","event_name":"aws.apigateway.execution","timestamp":`
)

// executionGroupPrefix begins the names of the log groups that API Gateway writes
// execution logs to: prefix, "_" or "/", API, "/", stage.
const executionGroupPrefix = "API-Gateway-Execution-Logs"

// parseExecutionGroup takes the name of a log group with execution logs apart.
func parseExecutionGroup(logGroup string) (api, stage string, ok bool) {
	rest, ok := strings.CutPrefix(logGroup, executionGroupPrefix)
	if !ok || rest == "" || rest[0] != '_' && rest[0] != '/' {
		return "", "", false
	}
	api, stage, ok = strings.Cut(rest[1:], "/")
	if !ok || api == "" || stage == "" {
		return "", "", false
	}
	for _, c := range []byte(api) {
		if (c < 'a' || 'z' < c) && (c < '0' || '9' < c) {
			return "", "", false
		}
	}
	return api, stage, true
}

// executionGroup is the log group of an envelope if it has execution logs, or nil.
func (w *eventWriter) executionGroup(h *envelope.Header) *execution.Group {
	w.useHeader(h)
	if w.header.execution.API == "" {
		return nil
	}
	return &w.header.execution
}

// startLine makes w write a line as if it were of its own record's time.
func (w *eventWriter) startLine(source *execution.Source) {
	w.sequenceNumber, w.userRecord = source.Record, source.UserRecord
	w.setArrival(source.Arrival)
}

// appendInteraction appends an interaction to dst.
func (w *eventWriter) appendInteraction(dst []byte, in *execution.Interaction) ([]byte, writtenEvent) {
	first, last := in.Times()
	var warned warnings
	var observed int64
	var ev envelope.Event // what the lines have in common
	ev.Header = &envelope.Header{Owner: in.Group().Owner}
	for i := range in.Len() {
		source := in.Source(i)
		observed = max(observed, source.Arrival)
		if len(ev.Account) == 0 {
			ev.Account = source.Account
		}
		if len(ev.Region) == 0 {
			ev.Region = source.Region
		}
		if len(source.ID) == 0 {
			warned |= warnEventIDMissing
		}
		switch {
		case !source.HasTime:
			warned |= warnTimestampMissing
		case source.Seconds:
			warned |= warnTimestampSeconds
		}
	}

	dst = append(dst, interactionHead...)
	dst = appendTime(dst, first)
	if observed != 0 {
		dst = appendTime(append(dst, `,"observed_timestamp":`...), observed)
	}
	dst = appendOutcome(dst, in)
	dst = w.appendInteractionUID(dst, in)
	dst = appendInteractionID(dst, in)
	dst = appendTime(append(dst, `,"interaction.end_timestamp":`...), last)
	dst = append(dst, `,"interaction.complete":`...)
	if len(in.Missing()) == 0 {
		dst = append(dst, `true,"interaction.missing":[`...)
	} else {
		dst = append(dst, `false,"interaction.missing":[`...)
	}
	for i, kind := range in.Missing() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), kind.String()...), '"')
	}
	dst = append(dst, ']')
	dst = w.appendCloud(dst, &ev, nil)
	dst = w.appendStreams(dst, in)

	dst, redacted, more := in.AppendMembers(dst, w.shown)
	dst = appendRedacted(dst, redacted)
	dst = w.appendSources(dst, in)
	dst = appendWarnings(dst, warned, more)
	return append(dst, '}'), writtenEvent{KindInteraction, first, redacted}
}

// appendOutcome appends how the request went.
func appendOutcome(dst []byte, in *execution.Interaction) []byte {
	if severity := in.Severity(); severity != "" {
		dst = append(append(append(dst, `,"severity_text":"`...), severity...), '"')
	}
	if id := in.TraceID(); id != nil {
		dst = append(dst, `,"trace_id":"`...)
		dst = append(append(dst, id[2:10]...), id[11:]...)
		dst = append(dst, '"')
	}
	return dst
}

func appendInteractionID(dst []byte, in *execution.Interaction) []byte {
	id := in.ID()
	dst = append(dst, `,"interaction.id":"`...)
	dst = hex.AppendEncode(dst, id[:])
	return append(dst, '"')
}

// appendInteractionUID appends the identity of the event, which is that of its lines.
func (w *eventWriter) appendInteractionUID(dst []byte, in *execution.Interaction) []byte {
	w.digest = append(append(w.digest[:0], in.Group().Owner...), 0)
	w.digest = append(append(w.digest, in.Group().Name...), 0)
	w.digest = append(append(w.digest, in.RequestID()...), 0)
	for i := range in.Len() {
		source := in.Source(i)
		w.digest = append(append(w.digest, source.Stream...), 0)
		if len(source.ID) > 0 {
			w.digest = append(w.digest, source.ID...)
		} else {
			w.digest = appendPlace(w.digest, source.Record, source.Offset, source.UserRecord)
		}
		w.digest = append(w.digest, 0)
	}
	sum := sha256.Sum256(w.digest)
	dst = append(dst, `,"log.record.uid":"`...)
	dst = hex.AppendEncode(dst, sum[:])
	return append(dst, '"')
}

// appendStreams appends the log group and the log streams of an interaction, in the
// order in which they first occur.
func (w *eventWriter) appendStreams(dst []byte, in *execution.Interaction) []byte {
	dst = append(dst, `,"aws.log.group.names":[`...)
	dst = appendQuoted(dst, in.Group().Name)
	dst = append(dst, `],"aws.log.stream.names":[`...)
	w.streams = w.streams[:0]
	for i := range in.Len() {
		stream := in.Source(i).Stream
		if w.streamIndex(stream) >= 0 {
			continue
		}
		if len(w.streams) > 0 {
			dst = append(dst, ',')
		}
		w.streams = append(w.streams, stream)
		dst = appendQuoted(dst, stream)
	}
	return append(dst, ']')
}

// streamIndex is the place of a stream among those of the interaction, or -1. There
// is nearly always one.
func (w *eventWriter) streamIndex(stream string) int {
	for i, known := range w.streams {
		if known == stream {
			return i
		}
	}
	return -1
}

// appendSources appends the ids of all log events and, if they are of several log
// streams, which of these each is of.
func (w *eventWriter) appendSources(dst []byte, in *execution.Interaction) []byte {
	dst = append(dst, `,"source.event_ids":`...)
	separator := byte('[')
	for i := range in.Len() {
		if source := in.Source(i); len(source.ID) > 0 {
			dst = appendQuoted(append(dst, separator), source.ID)
			separator = ','
		}
	}
	if separator == '[' {
		dst = append(dst, '[')
	}
	dst = append(dst, ']')
	if len(w.streams) < 2 {
		return dst
	}
	dst = append(dst, `,"source.event_streams":`...)
	separator = '['
	for i := range in.Len() {
		if source := in.Source(i); len(source.ID) > 0 {
			dst = appendInt(append(dst, separator), int64(w.streamIndex(source.Stream)))
			separator = ','
		}
	}
	if separator == '[' {
		dst = append(dst, '[')
	}
	return append(dst, ']')
}

// appendLine appends a line of an execution log as an event of its own.
func (w *eventWriter) appendLine(dst []byte, ev *envelope.Event) ([]byte, writtenEvent) {
	var text []byte
	text, w.message = textOf(ev, w.message)
	kind := w.line.ReadLine(w.header.execution, text)
	millis, warned := w.eventTime(ev)
	if len(ev.ID) == 0 {
		warned |= warnEventIDMissing
	}

	dst = append(dst, lineHead...)
	dst = appendTime(dst, millis)
	dst = append(dst, w.observed...)
	dst = appendOutcome(dst, &w.line)
	dst = w.appendUID(dst, ev)
	if len(w.line.RequestID()) > 0 {
		dst = appendInteractionID(dst, &w.line)
	}
	dst = w.appendCloud(dst, ev, nil)
	dst = append(dst, w.header.groups...)
	dst = append(dst, `,"aws.apigateway.execution.kind":"`...)
	dst = append(append(dst, kind.String()...), '"')

	dst, redacted, more := w.line.AppendMembers(dst, w.shown)
	w.redacted = redacted
	dst, missed := w.appendExtractedFields(dst, ev)
	dst = appendRedacted(dst, w.redacted)
	dst = appendEventIDs(dst, ev)
	dst = appendWarnings(dst, warned|missed, more)
	return append(dst, '}'), writtenEvent{KindExecution, millis, w.redacted}
}

func appendRedacted(dst []byte, redacted int) []byte {
	if redacted == 0 {
		return dst
	}
	return appendInt(append(dst, `,"redacted":`...), int64(redacted))
}

// appendWarnings appends warnings of this package and of others.
func appendWarnings(dst []byte, warned warnings, more []string) []byte {
	if warned == 0 && len(more) == 0 {
		return dst
	}
	dst = warned.append(append(dst, `,"parse.warnings":[`...))
	for _, warning := range more {
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), warning...), '"')
	}
	return append(dst, ']')
}
