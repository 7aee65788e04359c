package envelope

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/jsonscan"
	"github.com/log-event-pipeline/logpipe/internal/kinesis/aggregate"
)

// maxRetained is the largest buffer that is kept from one record to the next.
const maxRetained = 1 << 20

// decodeOptions make the decoder accept what others write and CloudWatch Logs
// never would. Invalid UTF-8 is replaced where text is taken out.
var decodeOptions = json.JoinOptions(
	jsontext.AllowDuplicateNames(true),
	jsontext.AllowInvalidUTF8(true),
)

// Limits bound what a record may inflate to. Both must be positive. In an aggregate
// they hold for each user record: what it costs to decode many then does not depend
// on who packed them together.
type Limits struct {
	// MaxInflatedBytes is the most a record may inflate to.
	MaxInflatedBytes int64
	// MaxInflateRatio is the most a record may inflate by. Records that
	// inflate to less than 1 MiB are not held to it.
	MaxInflateRatio int
}

// Handler receives what a record holds, in the order of the record. What it is
// handed is valid only during the call. An error ends the decoding.
type Handler interface {
	HandleEvent(*Event) error
	HandleFault(Fault) error
}

// Stats counts what a record held.
type Stats struct {
	// InflatedBytes is the size of the record's data after decompression, as
	// far as it was read. Of an aggregate it is that of the user records' data.
	InflatedBytes int64
	// Envelopes counts the JSON values of the record, whether usable or not.
	Envelopes int
	// Events counts the log events handed to the handler.
	Events int
	// ControlEnvelopes counts the envelopes that CloudWatch Logs sends to check
	// its destination, ControlMessages the messages in them.
	ControlEnvelopes, ControlMessages int
	// Faults counts the faults handed to the handler, FaultyEvents the log
	// events known to be in them.
	Faults, FaultyEvents int
}

// Decoder decodes records, one after the other. It is not safe for concurrent
// use, and the zero value is not usable: see [NewDecoder].
type Decoder struct {
	limits Limits
	src    source
	values jsontext.Decoder // of the record
	base   int64            // where values began to read
	held   jsontext.Decoder // of log events that stood before their header
	fields jsontext.Decoder // of extracted fields

	heldData, fieldsData bytes.Reader // what held and fields read

	data       []byte // the record or user record as stored
	userRecord int    // its number in an aggregate, or 0
	handler    Handler
	stats      Stats
	aborted    error // what the handler ended the decoding with

	header  header
	event   Event
	usual   Event              // what is read without values; its Message and ExtractedFields are not its own
	text    jsonscan.Unescaped // of its message
	current int64              // where the value or event being read begins
	piece   []byte
}

// NewDecoder returns a decoder with the given limits.
func NewDecoder(limits Limits) *Decoder {
	return &Decoder{limits: limits, src: source{lookAhead: lookAhead}}
}

// Decode hands the log events and faults of a record to the handler. The error
// is the handler's own, nothing in the data causes one.
func (d *Decoder) Decode(data []byte, h Handler) (Stats, error) {
	d.handler = h
	d.stats, d.aborted = Stats{}, nil
	defer d.release()
	err := d.decodeStored(data)
	return d.stats, err
}

// decodeStored decodes what is stored as one record.
func (d *Decoder) decodeStored(data []byte) error {
	d.userRecord = 0
	packed, err := aggregate.Open(data)
	if err != nil {
		return d.decodeSingle(data, err)
	}
	if packed.Len() == 0 {
		return d.faultWhole(data, ReasonEmptyRecord)
	}
	for i, userData := range packed.UserRecords() {
		d.userRecord = i + 1
		if _, err = aggregate.Open(userData); err != nil {
			err = d.decodeSingle(userData, err)
		} else {
			err = d.faultWhole(userData, ReasonAggregateNested)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// decodeSingle decodes data that is no aggregate, for the reason that
// [aggregate.Open] gave.
func (d *Decoder) decodeSingle(data []byte, why error) error {
	switch {
	case errors.Is(why, aggregate.ErrChecksum):
		return d.faultWhole(data, ReasonAggregateChecksum)
	case errors.Is(why, aggregate.ErrMalformed):
		return d.faultWhole(data, ReasonAggregateMalformed)
	}
	return d.decodeRecord(data)
}

// decodeRecord decodes the data of a record or of a user record.
func (d *Decoder) decodeRecord(data []byte) error {
	d.data, d.current = data, 0
	if reason := d.src.open(data, d.limits); reason != (Reason{}) {
		return d.faultStored(reason)
	}
	before := d.stats.Envelopes + d.stats.Faults
	d.resetValues("")
	err := d.decodeValues()
	if err != nil && d.aborted == nil {
		err = d.faultStored(d.reasonFor(err))
	}
	if err == nil && d.stats.Envelopes+d.stats.Faults == before {
		err = d.faultStored(ReasonEmptyRecord)
	}
	d.stats.InflatedBytes += d.src.offset()
	return err
}

// release lets go of the caller's memory and of outsized buffers.
func (d *Decoder) release() {
	d.data, d.handler = nil, nil
	d.heldData.Reset(nil)
	d.fieldsData.Reset(nil)
	d.src.release()
	d.event.release()
	d.usual.Message, d.usual.Text, d.usual.ExtractedFields = nil, nil, nil
	if cap(d.piece) > maxRetained {
		d.piece = nil
	}
}

// resetValues has the values read from where the source is, after a prefix.
func (d *Decoder) resetValues(prefix string) {
	d.src.prefix = prefix
	d.base = d.src.offset() - int64(len(prefix))
	d.values.Reset(&d.src, decodeOptions)
}

// offset is up to where the values were read.
func (d *Decoder) offset() int64 { return d.base + d.values.InputOffset() }

// reasonFor tells why decoding could not go on.
func (d *Decoder) reasonFor(err error) Reason {
	if reason, ok := d.src.failure(); ok {
		return reason
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return ReasonTruncatedJSON
	}
	return ReasonInvalidJSON
}

// decodeValues reads the JSON values of the record until its end.
func (d *Decoder) decodeValues() error {
	for {
		d.src.hold(d.offset(), maxHeld)
		kind := d.values.PeekKind()
		if kind == jsontext.KindInvalid {
			_, err := d.values.ReadToken()
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		start, unread := nextValue(&d.values, d.base)
		d.current = start
		d.src.startRecording(start, unread)
		var err error
		if kind == jsontext.KindBeginObject {
			err = d.decodeEnvelope()
		} else if err = d.values.SkipValue(); err == nil {
			err = d.faultValue(ReasonNotAnEnvelope, 0)
		}
		if err != nil {
			return err
		}
		d.stats.Envelopes++
		d.current = d.offset()
	}
}

// nextValue returns where the value that was peeked at begins, and what of it
// has been read already. Offsets of dec count from base.
func nextValue(dec *jsontext.Decoder, base int64) (offset int64, unread []byte) {
	unread = dec.UnreadBuffer()
	rest := bytes.TrimLeft(unread, " \t\r\n,:")
	return base + dec.InputOffset() + int64(len(unread)-len(rest)), rest
}

// heldEvents is a logEvents array that stood before the envelope's header.
type heldEvents struct{ start, end int64 }

// decodeEnvelope reads one envelope. Log events are handed on as they are read
// if the header is known by then, as it is in all that CloudWatch Logs writes.
func (d *Decoder) decodeEnvelope() error {
	dec := &d.values
	start := d.current
	d.header.reset()
	var (
		held       []heldEvents
		heldCount  int
		notAnArray bool
		handedOn   bool // some log events were: from then on nothing takes them back
		controlled int
	)
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	ended := false
	for !ended && dec.PeekKind() != jsontext.KindEndObject {
		name, err := dec.ReadValue()
		if err != nil {
			return err
		}
		field := headerField(name)
		kind := dec.PeekKind()
		switch {
		case field == fieldNone || field == fieldLogEvents && kind == jsontext.KindNull || handedOn && field != fieldLogEvents:
			err = dec.SkipValue()
		case field != fieldLogEvents:
			err = d.header.read(field, dec)
		case kind != jsontext.KindBeginArray && handedOn:
			err = d.faultLogEvents(dec)
		case kind != jsontext.KindBeginArray:
			notAnArray = true
			err = dec.SkipValue()
		case d.header.isControl():
			var n int
			n, err = skipElements(dec)
			controlled += n
		case d.header.isComplete() && !notAnArray:
			handedOn = true
			d.src.stopRecording()
			ended, err = d.decodeUsual()
			d.src.hold(d.offset(), maxHeld)
		default:
			at, _ := nextValue(dec, d.base)
			var n int
			n, err = skipElements(dec)
			held = append(held, heldEvents{at, d.offset()})
			heldCount += n
		}
		if err != nil {
			return err
		}
	}
	if !ended {
		if _, err := dec.ReadToken(); err != nil {
			return err
		}
	}

	d.current = start
	d.header.finish()
	switch reason := d.header.reason(); {
	case d.header.isControl():
		d.stats.ControlEnvelopes++
		d.stats.ControlMessages += controlled + heldCount
		return nil
	case reason != Reason{}:
		return d.faultValue(reason, heldCount)
	case notAnArray:
		return d.faultValue(ReasonInvalidLogEvents, heldCount)
	}
	for _, events := range held {
		d.heldData.Reset(d.src.recorded(events.start, events.end))
		d.held.Reset(&d.heldData, decodeOptions)
		if err := d.decodeEvents(&d.held, events.start); err != nil {
			return err
		}
	}
	return nil
}

// skipElements skips an array and returns how many elements it has.
func skipElements(dec *jsontext.Decoder) (int, error) {
	if _, err := dec.ReadToken(); err != nil {
		return 0, err
	}
	n := 0
	for dec.PeekKind() != jsontext.KindEndArray {
		if err := dec.SkipValue(); err != nil {
			return n, err
		}
		n++
	}
	_, err := dec.ReadToken()
	return n, err
}

// decodeEvents reads an array of log events. Offsets of dec count from base.
func (d *Decoder) decodeEvents(dec *jsontext.Decoder, base int64) error {
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	return d.decodeElements(dec, base)
}

// decodeElements reads what is left of an array of log events.
func (d *Decoder) decodeElements(dec *jsontext.Decoder, base int64) error {
	for {
		if dec == &d.values {
			d.src.hold(base+dec.InputOffset(), maxEvent)
		}
		kind := dec.PeekKind()
		if kind == jsontext.KindEndArray {
			_, err := dec.ReadToken()
			return err
		}
		if kind != jsontext.KindInvalid {
			d.current, _ = nextValue(dec, base)
		}
		if kind != jsontext.KindBeginObject {
			raw, err := dec.ReadValue()
			if err != nil {
				return err
			}
			if err := d.faultEvent(raw); err != nil {
				return err
			}
		} else if err := d.decodeEvent(dec); err != nil {
			return err
		}
		d.current = base + dec.InputOffset()
	}
}

// decodeEvent reads one log event and hands it on. Members that CloudWatch
// Logs does not write are ignored.
func (d *Decoder) decodeEvent(dec *jsontext.Decoder) error {
	ev := &d.event
	ev.reset(&d.header.Header, d.userRecord, d.current)
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != jsontext.KindEndObject {
		name, err := dec.ReadValue()
		if err != nil {
			return err
		}
		field := eventField(name)
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		switch field {
		case fieldMessage:
			ev.Message = setRaw(ev.Message, value)
		case fieldExtractedFields:
			ev.ExtractedFields = setRaw(ev.ExtractedFields, value)
		default:
			ev.set(field, value)
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	return d.handleEvent(ev)
}

// handleEvent hands on an event that was read.
func (d *Decoder) handleEvent(ev *Event) error {
	if len(ev.ExtractedFields) > 0 {
		ev.setSystemFields(&d.fields, &d.fieldsData)
	}
	d.stats.Events++
	return d.abortOn(d.handler.HandleEvent(ev))
}

// faultValue reports the value just read, which began at d.current. It has to be
// recorded: nothing of it was handed on.
func (d *Decoder) faultValue(reason Reason, events int) error {
	raw := d.src.recorded(d.current, d.offset())
	return d.fault(Fault{Reason: reason, Offset: d.current, Shift: d.current, Data: raw, Events: events})
}

// faultLogEvents reports further log events of an envelope that are no array, in an
// envelope of their own.
func (d *Decoder) faultLogEvents(dec *jsontext.Decoder) error {
	at, _ := nextValue(dec, d.base)
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	d.piece = d.header.appendOpen(d.piece[:0])
	d.piece = append(d.piece[:len(d.piece)-len("[")], raw...)
	d.piece = append(d.piece, '}')
	err = d.fault(Fault{Reason: ReasonInvalidLogEvents, Offset: at, Shift: at, Data: d.piece})
	d.current = d.offset() // what comes behind is not in that piece
	return err
}

// faultEvent reports an element of logEvents that is no log event, in an
// envelope of its own so that it can be decoded again.
func (d *Decoder) faultEvent(raw jsontext.Value) error {
	d.piece = d.header.appendOpen(d.piece[:0])
	shift := d.current - int64(len(d.piece))
	d.piece = append(d.piece, raw...)
	d.piece = append(d.piece, `]}`...)
	return d.fault(Fault{Reason: ReasonInvalidEvent, Offset: d.current, Shift: shift, Data: d.piece, Events: 1})
}

// faultStored reports the record as stored, from d.current on.
func (d *Decoder) faultStored(reason Reason) error {
	return d.fault(Fault{Reason: reason, Offset: d.current, Data: d.data, Stored: true})
}

// faultWhole reports data of which nothing was decoded.
func (d *Decoder) faultWhole(data []byte, reason Reason) error {
	d.data, d.current = data, 0
	return d.faultStored(reason)
}

func (d *Decoder) fault(f Fault) error {
	f.UserRecord = d.userRecord
	d.stats.Faults++
	d.stats.FaultyEvents += f.Events
	return d.abortOn(d.handler.HandleFault(f))
}

// abortOn remembers an error of the handler, to tell it from one in the data.
func (d *Decoder) abortOn(err error) error {
	if err != nil {
		d.aborted = err
	}
	return err
}
