package lambda

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// Reader reads log events in JSON. The zero value is ready to use.
type Reader struct {
	Log

	dec    jsontext.Decoder
	source bytes.Reader
	text   []byte
	named  named
}

// named tells which members a JSON object has.
type named struct{ time, level, requestID, message, record bool }

// platformPrefix begins the type of what Lambda itself writes.
const platformPrefix = "platform."

// ReadJSON reads a valid JSON object. It returns false if Lambda has not written it.
// What one of Lambda's loggers has written is taken as such only if it is from the log
// of a function, since other programs log in the same form.
func (r *Reader) ReadJSON(object []byte, isSource bool) bool {
	r.Log, r.named, r.text = Log{}, named{}, r.text[:0]
	if !isSource && !bytes.Contains(object, []byte(platformPrefix)) {
		return false
	}
	r.source.Reset(object)
	r.dec.Reset(&r.source)
	defer r.source.Reset(nil)
	if err := r.readMembers(r.member); err != nil {
		return false
	}
	if len(r.Type) > 0 {
		r.Platform = true
		return r.named.time && r.named.record
	}
	r.numbers = [numberCount][]byte{}
	return isSource && r.named.time && r.named.level && r.named.requestID && r.named.message
}

// readMembers hands the name of each member of an object to a function, which reads its
// value.
func (r *Reader) readMembers(member func(name string) error) error {
	if r.dec.PeekKind() != jsontext.KindBeginObject {
		return r.dec.SkipValue()
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return err
	}
	for r.dec.PeekKind() != jsontext.KindEndObject {
		name, err := r.dec.ReadToken()
		if err != nil {
			return err
		}
		if err := member(name.String()); err != nil {
			return err
		}
	}
	_, err := r.dec.ReadToken()
	return err
}

func (r *Reader) member(name string) error {
	switch name {
	case "time", "timestamp":
		r.named.time = true
	case "type":
		value, err := r.readText()
		r.Type, _ = bytes.CutPrefix(value, []byte(platformPrefix))
		if len(r.Type) == len(value) {
			r.Type = nil
		}
		return err
	case "record":
		r.named.record = r.dec.PeekKind() == jsontext.KindBeginObject
		return r.readMembers(r.recordMember)
	case "level":
		value, err := r.readText()
		r.Severity = severity(value)
		r.named.level = r.Severity != ""
		return err
	case "requestId", "AWSRequestId":
		var err error
		r.RequestID, err = r.readText()
		r.named.requestID = isUUID(r.RequestID)
		return err
	case "message":
		r.named.message = true
	}
	return r.dec.SkipValue()
}

func (r *Reader) recordMember(name string) (err error) {
	switch name {
	case "requestId":
		r.RequestID, err = r.readText()
	case "version":
		r.Version, err = r.readText()
	case "status":
		r.Status, err = r.readText()
		if err == nil && len(r.Status) > 0 && string(r.Status) != "success" {
			r.Severity = "ERROR"
		}
	case "metrics":
		err = r.readMembers(r.metric)
	case "tracing":
		err = r.readMembers(r.traced)
	default:
		err = r.dec.SkipValue()
	}
	return err
}

func (r *Reader) metric(name string) error {
	for n, known := range numberNames {
		if name == known && r.dec.PeekKind() == jsontext.KindNumber {
			value, err := r.dec.ReadValue()
			r.setNumber(number(n), r.keep(value))
			return err
		}
	}
	return r.dec.SkipValue()
}

func (r *Reader) traced(name string) error {
	if name != "value" {
		return r.dec.SkipValue()
	}
	value, err := r.readText()
	for field := range bytes.SplitSeq(value, []byte{';'}) {
		if root, ok := bytes.CutPrefix(field, []byte("Root=")); ok {
			r.setTraceID(root)
		}
	}
	return err
}

// readText reads a string; any other value counts as an empty one.
func (r *Reader) readText() ([]byte, error) {
	value, err := r.dec.ReadValue()
	if err != nil || value.Kind() != jsontext.KindString {
		return nil, err
	}
	start := len(r.text)
	r.text, err = jsontext.AppendUnquote(r.text, value)
	return r.text[start:len(r.text):len(r.text)], err
}

func (r *Reader) keep(value []byte) []byte {
	start := len(r.text)
	r.text = append(r.text, value...)
	return r.text[start:len(r.text):len(r.text)]
}

// Release lets go of all memory that the reader refers to.
func (r *Reader) Release() {
	const maxText = 1 << 20
	r.Log = Log{}
	if cap(r.text) > maxText {
		r.text = nil
	}
}
