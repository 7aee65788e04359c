package traffic

import (
	"encoding/json"
	"fmt"

	"github.com/log-event-pipeline/logpipe/internal/loginput"
)

// inputEvent is one log event found in an input.
type inputEvent struct {
	group, stream string // empty where the input does not say
	millis        int64  // 0 where the input does not say
	message       string
	line          int // where it was found
}

// inputReader finds the log events in an input, records and envelopes taken apart. It
// ends at the first that is malformed.
type inputReader struct {
	emit    func(inputEvent) error
	unnamed func(line int) // called for an envelope without its log group or log stream

	name    string
	control int // control messages skipped
	blank   int // lines of white space skipped
}

var _ loginput.Handler = (*inputReader)(nil)

// Message implements loginput.Handler.
func (r *inputReader) Message(m loginput.Message) error {
	return r.event("", m.LogStream, m)
}

func (r *inputReader) event(group, name string, m loginput.Message) error {
	if err := loginput.CheckNames(group, name); err != nil {
		return r.fault(m.Position, err)
	}
	return r.emit(inputEvent{group: group, stream: name, millis: m.Millis, message: m.Text, line: m.Line})
}

// Envelope implements loginput.Handler.
func (r *inputReader) Envelope(e loginput.Envelope) (known bool, err error) {
	switch loginput.Text(e.Members["messageType"]) {
	case "CONTROL_MESSAGE":
		r.control++
		return true, nil
	case "DATA_MESSAGE":
	default:
		return false, nil
	}
	group, name := loginput.Text(e.Members["logGroup"]), loginput.Text(e.Members["logStream"])
	if group == "" || name == "" {
		r.unnamed(e.Line)
	}
	if err := loginput.CheckNames(group, name); err != nil {
		return true, r.fault(e.Position, err)
	}
	var events []struct {
		Timestamp json.RawMessage `json:"timestamp"`
		Message   json.RawMessage `json:"message"`
	}
	if raw := e.Members["logEvents"]; raw != nil {
		if err := json.Unmarshal(raw, &events); err != nil {
			return true, r.fault(e.Position, fmt.Errorf("a malformed subscription envelope: logEvents: %w", err))
		}
	}
	for _, event := range events {
		m := loginput.Message{Position: e.Position, Millis: loginput.TimeMillis(event.Timestamp), Text: loginput.MessageText(event.Message)}
		if err := r.event(group, name, m); err != nil {
			return true, err
		}
	}
	return true, nil
}

// Record implements loginput.Handler.
func (r *inputReader) Record(record loginput.Record) error {
	outer := r.name
	r.name = record.Name
	defer func() { r.name = outer }()
	blank, err := record.Read(r)
	r.blank += blank
	return err
}

// Malformed implements loginput.Handler.
func (r *inputReader) Malformed(_ []byte, fault *loginput.Error) error { return fault }

func (r *inputReader) fault(at loginput.Position, err error) error {
	return &loginput.Error{File: r.name, Position: at, Err: err}
}
