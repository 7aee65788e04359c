package envelope

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// secondsBelow separates seconds from milliseconds: as milliseconds it is
// March 1973, as seconds the year 5138.
const secondsBelow = 1e11

// maxMillis is the end of the year 9999, the last that RFC 3339 can write.
const maxMillis = 253402300799999

// Header is what the log events of an envelope have in common.
type Header struct {
	// Owner is the account of the log group or, with log centralisation, the
	// monitoring account. It may be empty.
	Owner string
	// LogGroup and LogStream are never empty.
	LogGroup, LogStream string
}

// Event is one log event. It and all it refers to is valid only during the
// call it is handed to.
type Event struct {
	Header *Header
	// ID is the event's id, empty if it has none.
	ID []byte
	// Millis is the event's time in milliseconds since 1970, if HasTime.
	Millis  int64
	HasTime bool
	// Seconds tells that the time was given in seconds.
	Seconds bool
	// Message is the raw JSON value of the message, nearly always a string;
	// nil if the event has none.
	Message jsontext.Value
	// Text is the text of Message where it is known: then it is a string of valid UTF-8
	// in which no escape can stand for half a surrogate pair, neither for itself nor in
	// JSON that its text may be. It is nil otherwise.
	Text []byte
	// Quotes are those of Text as [jsonscan.Unescaped] has them.
	Quotes []int
	// ExtractedFields is the raw JSON value of the fields that the filter
	// added to the event, nil if there are none.
	ExtractedFields jsontext.Value
	// Account and Region are the system fields @aws.account and @aws.region
	// among ExtractedFields, empty if absent.
	Account, Region []byte
	// OnlySystemFields tells that ExtractedFields has no others than these.
	OnlySystemFields bool
	// UserRecord says which user record of an aggregate the event is from,
	// counting from 1; 0 for a record that is none.
	UserRecord int
	// Offset is where the event begins, in bytes of the inflated record or user
	// record.
	Offset int64

	timestamp []byte // raw
}

func (e *Event) reset(h *Header, userRecord int, offset int64) {
	e.Header = h
	e.ID = e.ID[:0]
	e.Millis, e.HasTime, e.Seconds = 0, false, false
	e.Message, e.Text, e.Quotes = e.Message[:0], nil, nil
	e.ExtractedFields = e.ExtractedFields[:0]
	e.Account, e.Region = e.Account[:0], e.Region[:0]
	e.OnlySystemFields = false
	e.UserRecord, e.Offset = userRecord, offset
	e.timestamp = e.timestamp[:0]
}

func (e *Event) release() {
	if cap(e.Message) > maxRetained {
		e.Message = nil
	}
	if cap(e.ExtractedFields) > maxRetained {
		e.ExtractedFields = nil
	}
}

// AppendEnvelope appends an envelope that holds this event alone and decodes
// to the same event.
func (e *Event) AppendEnvelope(dst []byte) []byte {
	dst = e.Header.appendOpen(dst)
	dst = append(dst, `{"id":`...)
	dst = appendQuoted(dst, e.ID)
	switch {
	case len(e.timestamp) > 0:
		dst = append(append(dst, `,"timestamp":`...), e.timestamp...)
	case e.HasTime && e.Seconds: // an event that was not decoded
		dst = strconv.AppendFloat(append(dst, `,"timestamp":`...), float64(e.Millis)/1000, 'f', -1, 64)
	case e.HasTime:
		dst = strconv.AppendInt(append(dst, `,"timestamp":`...), e.Millis, 10)
	}
	if len(e.Message) > 0 {
		dst = append(append(dst, `,"message":`...), e.Message...)
	}
	if len(e.ExtractedFields) > 0 {
		dst = append(append(dst, `,"extractedFields":`...), e.ExtractedFields...)
	}
	return append(dst, `}]}`...)
}

// EnvelopeShift is what is added to an offset in the envelope that AppendEnvelope
// appends for that in the record, see [Fault].
func (e *Event) EnvelopeShift() int64 {
	return e.Offset - int64(len(e.Header.appendOpen(nil)))
}

// appendOpen appends an envelope up to where its first log event begins.
func (h *Header) appendOpen(dst []byte) []byte {
	dst = append(dst, `{"messageType":"DATA_MESSAGE","owner":`...)
	dst = appendQuoted(dst, h.Owner)
	dst = append(dst, `,"logGroup":`...)
	dst = appendQuoted(dst, h.LogGroup)
	dst = append(dst, `,"logStream":`...)
	dst = appendQuoted(dst, h.LogStream)
	return append(dst, `,"subscriptionFilters":[],"logEvents":[`...)
}

// appendQuoted replaces invalid UTF-8; that is all its error would tell.
func appendQuoted[T ~string | ~[]byte](dst []byte, s T) []byte {
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}

// appendText appends the text of a JSON string. The decoder has checked its
// syntax, so what can be wrong is its UTF-8, which is replaced.
func appendText(dst []byte, raw jsontext.Value) []byte {
	if plain, ok := plainText(raw); ok && utf8.Valid(plain) {
		return append(dst, plain...)
	}
	dst, _ = jsontext.AppendUnquote(dst, raw)
	return dst
}

// plainText is the text of a JSON string that holds no escapes.
func plainText(raw jsontext.Value) ([]byte, bool) {
	if len(raw) < 2 || raw[0] != '"' || bytes.IndexByte(raw, '\\') >= 0 {
		return nil, false
	}
	return raw[1 : len(raw)-1], true
}

// set takes a member that is not kept as it was written.
func (e *Event) set(f field, value jsontext.Value) {
	switch f {
	case fieldID:
		switch value.Kind() {
		case jsontext.KindString:
			e.ID = appendText(e.ID[:0], value)
		case jsontext.KindNumber:
			e.ID = append(e.ID[:0], value...)
		}
	case fieldTimestamp:
		e.timestamp = append(e.timestamp[:0], value...)
		e.setTime(value)
	}
}

// setRaw replaces dst by a raw value, with null counting as none.
func setRaw(dst, value jsontext.Value) jsontext.Value {
	if value.Kind() == jsontext.KindNull {
		return dst[:0]
	}
	return append(dst[:0], value...)
}

// setTime reads a time in milliseconds or seconds, as number or numeric
// string. Anything else leaves the event without a time.
func (e *Event) setTime(raw jsontext.Value) {
	text := []byte(raw)
	if raw.Kind() == jsontext.KindString {
		var ok bool
		if text, ok = plainText(raw); !ok {
			return
		}
	}
	millis, err := strconv.ParseInt(string(text), 10, 64)
	e.Seconds = false
	if err != nil || millis < secondsBelow {
		number, err := strconv.ParseFloat(string(text), 64)
		if err != nil || math.IsNaN(number) || number <= 0 || number > maxMillis {
			return
		}
		if e.Seconds = number < secondsBelow; e.Seconds {
			number *= 1000
		}
		millis = int64(math.Round(number))
	}
	if millis > maxMillis {
		return
	}
	e.Millis, e.HasTime = millis, true
}

// setSystemFields picks the account and region out of the extracted fields.
func (e *Event) setSystemFields(dec *jsontext.Decoder, buf *bytes.Reader) {
	if e.ExtractedFields.Kind() != jsontext.KindBeginObject {
		return
	}
	buf.Reset(e.ExtractedFields)
	dec.Reset(buf, decodeOptions)
	if _, err := dec.ReadToken(); err != nil {
		return
	}
	others := false
	for dec.PeekKind() == jsontext.KindString {
		name, err := dec.ReadValue()
		if err != nil {
			return
		}
		var field *[]byte
		switch string(name) {
		case `"@aws.account"`:
			field = &e.Account
		case `"@aws.region"`:
			field = &e.Region
		}
		value, err := dec.ReadValue()
		if err != nil {
			return
		}
		if field != nil && value.Kind() == jsontext.KindString {
			*field = appendText((*field)[:0], value)
		} else {
			others = true
		}
	}
	e.OnlySystemFields = !others
}
