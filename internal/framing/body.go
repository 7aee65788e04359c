package framing

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrMalformed is wrapped where a body is not one that a [Frame] makes. The error never
// quotes the body.
var ErrMalformed = errors.New("the body is not made of events")

// Body is a body that was taken apart. It refers to the text that it was parsed from.
type Body struct {
	frame  Frame
	events [][]byte
}

// Parse takes a body of that content type apart. Errors wrap ErrMalformed.
func Parse(contentType string, text []byte) (Body, error) {
	if contentType == TypeNDJSON {
		return parseLines(text)
	}
	return parseJSON(text)
}

// Len is the number of events.
func (b Body) Len() int { return len(b.events) }

// Select is a body of some of the events, in the frame of this one. The indices count
// from 0 and must be in range.
func (b Body) Select(indices iter.Seq[int]) []byte {
	out := []byte(b.frame.Before)
	first := true
	for i := range indices {
		if !first {
			out = append(out, b.frame.Between...)
		}
		first = false
		out = append(out, b.events[i]...)
	}
	return append(out, b.frame.After...)
}

func parseLines(text []byte) (Body, error) {
	b := Body{frame: NDJSON.Frame(Origin{})}
	for len(text) > 0 {
		line, rest, ended := bytes.Cut(text, []byte("\n"))
		if !ended {
			return Body{}, fmt.Errorf("%w: line %d does not end", ErrMalformed, len(b.events)+1)
		}
		if !jsontext.Value(line).IsValid(lenient...) {
			return Body{}, fmt.Errorf("%w: line %d is no JSON", ErrMalformed, len(b.events)+1)
		}
		b.events = append(b.events, line)
		text = rest
	}
	return b, nil
}

// lenient: what the log's own JSON has in it is none of our business here.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

// parseJSON reads an array, or an object whose last member "events" is one.
func parseJSON(text []byte) (Body, error) {
	// The decoder reads a buffer in place, and copies any other source.
	r := bodyReader{text: text, dec: jsontext.NewDecoder(bytes.NewBuffer(text), lenient...)}
	err := r.read()
	switch {
	case err == nil:
		return r.body, nil
	case errors.Is(err, ErrMalformed):
		return Body{}, err
	}
	// The decoder's own error may quote what it has read.
	return Body{}, fmt.Errorf("%w: broken at byte %d", ErrMalformed, r.dec.InputOffset())
}

type bodyReader struct {
	text []byte
	dec  *jsontext.Decoder
	body Body
}

func (r *bodyReader) read() error {
	object := r.dec.PeekKind() == jsontext.KindBeginObject
	if object {
		if err := r.skipToEvents(); err != nil {
			return err
		}
	}
	if token, err := r.dec.ReadToken(); err != nil || token.Kind() != jsontext.KindBeginArray {
		return fmt.Errorf("%w: no array of them", ErrMalformed)
	}
	r.body.frame = Frame{Before: string(r.text[:r.dec.InputOffset()]), Between: ",", After: "]"}
	for r.dec.PeekKind() != jsontext.KindEndArray {
		value, err := r.dec.ReadValue()
		if err != nil {
			return err
		}
		end := int(r.dec.InputOffset())
		r.body.events = append(r.body.events, r.text[end-len(value):end])
	}
	if _, err := r.dec.ReadToken(); err != nil { // the bracket
		return err
	}
	if object {
		if token, err := r.dec.ReadToken(); err != nil || token.Kind() != jsontext.KindEndObject {
			return fmt.Errorf("%w: there is more behind them", ErrMalformed)
		}
		r.body.frame.After = "]}"
	}
	if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: there is more behind them", ErrMalformed)
	}
	return nil
}

// skipToEvents reads an object up to the value of its member "events".
func (r *bodyReader) skipToEvents() error {
	if _, err := r.dec.ReadToken(); err != nil { // the brace
		return err
	}
	for r.dec.PeekKind() == jsontext.KindString {
		name, err := r.dec.ReadToken()
		if err != nil {
			return err
		}
		if name.String() == "events" {
			return nil
		}
		if err := r.dec.SkipValue(); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: no member %q", ErrMalformed, "events")
}
