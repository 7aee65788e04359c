package envelope

import "github.com/go-json-experiment/json/jsontext"

type field uint8

const (
	fieldNone field = iota
	fieldMessageType
	fieldOwner
	fieldLogGroup
	fieldLogStream
	fieldLogEvents

	fieldID
	fieldTimestamp
	fieldMessage
	fieldExtractedFields
)

// headerField tells an envelope's member by its quoted name.
func headerField(name jsontext.Value) field {
	switch string(name) {
	case `"messageType"`:
		return fieldMessageType
	case `"owner"`:
		return fieldOwner
	case `"logGroup"`:
		return fieldLogGroup
	case `"logStream"`:
		return fieldLogStream
	case `"logEvents"`:
		return fieldLogEvents
	}
	return fieldNone
}

// eventField tells a log event's member by its quoted name.
func eventField(name jsontext.Value) field {
	switch string(name) {
	case `"id"`:
		return fieldID
	case `"timestamp"`:
		return fieldTimestamp
	case `"message"`:
		return fieldMessage
	case `"extractedFields"`:
		return fieldExtractedFields
	}
	return fieldNone
}

const (
	messageTypeData    = "DATA_MESSAGE"
	messageTypeControl = "CONTROL_MESSAGE"
)

// header is what an envelope has said about itself so far. The first member of
// a name counts, so that a header cannot change after events were handed on.
type header struct {
	Header
	messageType string
	seen        [fieldLogEvents]bool
	text        []byte
}

// reset leaves the strings in place, so that the next envelope of the same log
// stream need not allocate them again.
func (h *header) reset() {
	h.seen = [fieldLogEvents]bool{}
}

// read reads the value of a member. A value that is no string counts as none.
func (h *header) read(f field, dec *jsontext.Decoder) error {
	value, err := dec.ReadValue()
	if err != nil || h.seen[f] || value.Kind() != jsontext.KindString {
		return err
	}
	h.seen[f] = true
	h.text = appendText(h.text[:0], value)
	target := h.member(f)
	if *target != string(h.text) {
		*target = string(h.text)
	}
	return nil
}

func (h *header) member(f field) *string {
	switch f {
	case fieldMessageType:
		return &h.messageType
	case fieldOwner:
		return &h.Owner
	case fieldLogGroup:
		return &h.LogGroup
	default:
		return &h.LogStream
	}
}

func (h *header) isControl() bool {
	return h.seen[fieldMessageType] && h.messageType == messageTypeControl
}

// isComplete tells whether log events can be handed on before the envelope's
// end: nothing that may still come could change what they are.
func (h *header) isComplete() bool {
	return h.seen[fieldOwner] && h.reason() == Reason{}
}

// finish settles the header at the envelope's end. All but the owner are
// required, so only the owner can be left over from the envelope before.
func (h *header) finish() {
	if !h.seen[fieldOwner] {
		h.Owner = ""
	}
}

// reason tells what the header lacks for its log events to be delivered.
func (h *header) reason() Reason {
	switch {
	case !h.seen[fieldMessageType]:
		return ReasonMissingMessageType
	case h.messageType != messageTypeData:
		return ReasonUnknownMessageType
	case !h.seen[fieldLogGroup] || h.LogGroup == "":
		return ReasonMissingLogGroup
	case !h.seen[fieldLogStream] || h.LogStream == "":
		return ReasonMissingLogStream
	}
	return Reason{}
}
