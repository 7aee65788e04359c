package apigateway

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/envelope"
	"github.com/log-event-pipeline/logpipe/internal/apigateway/execution"
)

// Executions says what becomes of the lines of execution logs.
type Executions string

// The values of Executions.
const (
	// ExecutionsInteractions makes one event of the lines of a request.
	ExecutionsInteractions Executions = "interactions"
	// ExecutionsLines makes an event of each line.
	ExecutionsLines Executions = "lines"
)

// minMaxRequest is what a request's lines may have at least before it is handed on
// without waiting for more: well above what API Gateway writes of one, some 40 lines of
// 1 KB.
const minMaxRequest = 64 << 10

// hold holds a line of an execution log until the lines of its request can be put
// together. It returns false for anything else.
func (r *run) hold(ev *envelope.Event) (bool, error) {
	if r.options.Executions != ExecutionsInteractions || ev.Message.Kind() != jsontext.KindString {
		return false, nil
	}
	group := r.writer.executionGroup(ev.Header)
	if group == nil {
		return false, nil
	}
	var text []byte
	text, r.line = textOf(ev, r.line)
	source := execution.Source{
		Stream: ev.Header.LogStream, ID: ev.ID,
		Millis: ev.Millis, HasTime: ev.HasTime, Seconds: ev.Seconds,
		Account: ev.Account, Region: ev.Region,
		ExtractedFields: ev.ExtractedFields, OnlySystemFields: ev.OnlySystemFields,
		Record: r.record.SequenceNumber, UserRecord: joinUserRecords(r.record.Origin.UserRecord, ev.UserRecord), Offset: ev.Offset,
		Arrival: r.writer.arrival,
	}
	if !ev.HasTime {
		source.Millis = source.Arrival
	}
	return r.assembler.Add(*group, &source, text)
}

// handInteraction writes an interaction.
func (r *run) handInteraction(in *execution.Interaction) error {
	r.batch.begin()
	var written writtenEvent
	r.batch.buf, written = r.writer.appendInteraction(r.batch.buf, in)
	taken, err := r.commit(written)
	if err != nil {
		return err
	}
	if !taken {
		return r.handLines(in)
	}
	r.summary.Interactions++
	r.summary.FoldedLines += in.Folded()
	if len(in.Missing()) > 0 {
		r.summary.IncompleteInteractions++
	}
	return nil
}

// handLines writes each line of an interaction that no batch can hold as an event of
// its own, so that at most a line goes to quarantine.
func (r *run) handLines(in *execution.Interaction) error {
	defer r.writer.startRecord(r.record)
	header := envelope.Header{Owner: in.Group().Owner, LogGroup: in.Group().Name}
	for i := range in.Len() {
		source := in.Source(i)
		header.LogStream = source.Stream
		ev := envelope.Event{
			Header: &header, ID: source.ID,
			Millis: source.Millis, HasTime: source.HasTime, Seconds: source.Seconds,
			Message: appendQuoted(nil, in.Message(i)), ExtractedFields: source.ExtractedFields, OnlySystemFields: source.OnlySystemFields,
			Account: source.Account, Region: source.Region, Offset: source.Offset,
		}
		from := recordPlace{sequenceNumber: source.Record, userRecord: source.UserRecord}
		if source.Arrival != 0 {
			from.arrival = time.UnixMilli(source.Arrival)
		}
		r.writer.startLine(&source)
		for range in.Repeats(i) + 1 {
			if err := r.writeEvent(&ev, from); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish hands over the interactions that are still held, and the last batch.
func (r *run) finish() error {
	if err := r.assembler.Flush(); err != nil {
		return fmt.Errorf("format interactions: %w", err)
	}
	if r.batch.events == 0 {
		return nil
	}
	return r.deliver(r.batch.take())
}
