package analytics

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

var (
	errNoEvents  = errors.New("no events: the body is empty")
	errNotObject = errors.New("an event must be a JSON object")
	errTrailing  = errors.New("more data after the array of events")
)

// batch is what the ledger needs of one body.
type batch struct {
	ids          []ID          // of events made from one log event, which has the same id
	interactions []interaction // events made from several
	unidentified int
	failed       []failedItem // not to be counted as received
	latest       [][]byte     // the last few events, pointing into the body
}

// interaction is an event that stands for several log events.
type interaction struct {
	id        ID
	logEvents []ID
}

// size is the number of events that are accepted.
func (b *batch) size() int { return len(b.ids) + len(b.interactions) + b.unidentified }

func (b *batch) events() int { return b.size() + len(b.failed) }

// parseBatch reads a JSON array of objects, objects one after the other, or one
// object with an "events" array and no id of its own, and keeps the last few events. An
// event fails with the status that failure returns, unless that is 0 or failure is nil.
// Every fault of the body, invalid UTF-8 and half of a surrogate pair included, is a
// [jsontext.SyntacticError], whose offset counts from the start of the body.
func parseBatch(body []byte, keep int, failure func(event []byte) int) (batch, error) {
	r := newEventReader(body, keep)
	r.failure = failure
	var err error
	if r.dec.PeekKind() == jsontext.KindBeginArray {
		err = r.array()
	} else {
		err = r.sequence()
	}
	if err != nil {
		return batch{}, err
	}
	return r.batch, nil
}

// eventReader collects the events of one JSON text.
type eventReader struct {
	dec   *jsontext.Decoder
	text  []byte
	start int64 // offset of the text in the body
	keep  int
	batch batch

	failure func(event []byte) int
}

// newEventReader reads the text in place: the decoder copies any other source than a
// buffer.
func newEventReader(text []byte, keep int) *eventReader {
	// A repeated name is legal JSON, and looking for one would need memory in
	// proportion to the body.
	dec := jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true))
	return &eventReader{dec: dec, text: text, keep: keep}
}

func (r *eventReader) array() error {
	if _, err := r.dec.ReadToken(); err != nil {
		return err
	}
	for r.dec.PeekKind() != jsontext.KindEndArray {
		e, err := r.event()
		if err != nil {
			return err
		}
		r.add(e)
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return err
	}
	if err := r.refuse(errTrailing); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func (r *eventReader) sequence() error {
	var last event
	for {
		e, err := r.event()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		r.add(e)
		last = e
	}
	switch {
	case r.batch.events() == 0:
		return &jsontext.SyntacticError{ByteOffset: int64(len(r.text)), Err: errNoEvents}
	case r.batch.events() == 1 && !last.identified && last.list != nil:
		inner := newEventReader(last.list, r.keep)
		inner.start, inner.failure = last.listStart, r.failure
		err := inner.array()
		r.batch = inner.batch
		return err
	}
	return nil
}

// event is what is known of one object.
type event struct {
	raw        []byte
	id         ID
	identified bool
	origin     origin
	list       []byte // the "events" member, where that is an array
	listStart  int64
}

// event reads the next object. At the end of the text it returns io.EOF.
func (r *eventReader) event() (event, error) {
	if r.dec.PeekKind() != jsontext.KindBeginObject {
		return event{}, r.refuse(errNotObject)
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return event{}, err
	}
	var e event
	start := r.dec.InputOffset() - 1
	for r.dec.PeekKind() != jsontext.KindEndObject {
		name, err := r.dec.ReadToken()
		if err != nil {
			return event{}, err
		}
		switch name.String() {
		case uidMember:
			err = r.readID(&e)
		case "events":
			err = r.readList(&e)
		default:
			if into := e.origin.member(name.String()); into != nil {
				*into, err = r.readRaw()
			} else {
				err = r.dec.SkipValue()
			}
		}
		if err != nil {
			return event{}, err
		}
	}
	_, err := r.dec.ReadToken()
	e.raw = r.text[start:r.dec.InputOffset()]
	return e, err
}

func (r *eventReader) readID(e *event) error {
	value, err := r.dec.ReadValue()
	if err != nil {
		return err
	}
	text := make([]byte, 0, len(`""`)+2*len(e.id)) // AppendUnquote makes room for the quotes too
	if value.Kind() == jsontext.KindString {
		if text, err = jsontext.AppendUnquote(text, value); err != nil {
			return err
		}
	}
	e.id, e.identified = eventID(text), len(text) > 0
	return nil
}

// readRaw reads a value and returns it as it stands in the text.
func (r *eventReader) readRaw() ([]byte, error) {
	value, err := r.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	end := r.dec.InputOffset()
	return r.text[end-int64(len(value)) : end], nil
}

func (r *eventReader) readList(e *event) error {
	value, err := r.dec.ReadValue()
	if err != nil {
		return err
	}
	e.list = nil
	if value.Kind() == jsontext.KindBeginArray {
		end := r.dec.InputOffset()
		e.listStart = end - int64(len(value))
		e.list = r.text[e.listStart:end]
	}
	return nil
}

// refuse reads the next value, which does not belong where it stands for the given
// reason. A malformed value is reported as such, and the end of the text as io.EOF.
func (r *eventReader) refuse(reason error) error {
	value, err := r.dec.ReadValue()
	if err != nil {
		return err
	}
	at := r.start + r.dec.InputOffset() - int64(len(value))
	return &jsontext.SyntacticError{ByteOffset: at, Err: reason}
}

func (r *eventReader) add(e event) {
	if r.failure != nil {
		if status := r.failure(e.raw); status != 0 {
			r.batch.failed = append(r.batch.failed, failedItem{Index: r.batch.events(), Status: status})
			return
		}
	}
	logEvents, several := e.origin.logEvents()
	switch {
	case !e.identified:
		r.batch.unidentified++
	case several:
		r.batch.interactions = append(r.batch.interactions, interaction{e.id, logEvents})
	default:
		r.batch.ids = append(r.batch.ids, e.id)
	}
	r.batch.latest = append(r.batch.latest, e.raw)
	if len(r.batch.latest) > r.keep {
		r.batch.latest = slices.Delete(r.batch.latest, 0, 1)
	}
}
