// Package loginput finds log events in files, whatever their form:
//
//   - text: each line is one event;
//   - NDJSON: each line is the message of one event, byte for byte, valid JSON or not;
//   - CloudWatch Logs subscription envelopes on a line each, concatenated or indented;
//   - events of Lambda, Kinesis and Firehose that wrap such envelopes in base64, or the
//     base64 alone, a line each;
//   - what `aws kinesis get-records`, `aws logs get-log-events` and `filter-log-events` print;
//   - arrays of any of these; and each of them in gzip or zlib.
//
// Forms may follow one another in one input. Reading streams: one line or JSON value is in
// memory at a time, of at most MaxValue bytes.
package loginput

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Position is where something stands in an input.
type Position struct {
	Line   int   // from 1
	Offset int64 // bytes before it, after decompression
}

// Message is the message of one log event.
type Message struct {
	Position
	// Text is the message, without the end of its line.
	Text string
	// Millis is the time of the event since 1970, found in the text where nothing else
	// tells it; 0 if there is none.
	Millis int64
	// ID and LogStream are those of the event where the input says so.
	ID, LogStream string
}

// Envelope is a JSON object with members of a subscription envelope.
type Envelope struct {
	Position
	Raw     []byte // valid until the handler returns
	Members map[string]json.RawMessage
}

// Record is what a Kinesis or Firehose record holds, or a subscription has sent to a
// function.
type Record struct {
	Position
	// Name says which one it is of the input, for people.
	Name string
	Data []byte
	// SequenceNumber and Arrival are empty where the input does not say.
	SequenceNumber string
	Arrival        time.Time

	layer int
}

// Read reads the record's data as an input of its own.
func (r Record) Read(h Handler) (blank int, err error) {
	return read(r.Name, bytes.NewReader(r.Data), h, r.layer+1)
}

// Handler takes what an input holds, in its order. An error ends the reading and is
// returned as it is.
type Handler interface {
	Message(Message) error
	// Envelope returns false for an object that is none after all, which then is a message.
	Envelope(Envelope) (bool, error)
	Record(Record) error
	// Malformed takes what was meant as an envelope, as other JSON or as base64, and is
	// none. When it returns nil, the reading goes on behind it.
	Malformed(raw []byte, fault *Error) error
}

// Error says where an input is malformed.
type Error struct {
	File string
	Position
	Err error
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d: %v (byte %d)", e.File, e.Line, e.Err, e.Offset)
}

func (e *Error) Unwrap() error { return e.Err }

// handlerError is a failure of the handler, for which no input is to blame.
type handlerError struct{ error }

func (e *handlerError) Unwrap() error { return e.error }

// maxLayers is how often one input may be wrapped in another.
const maxLayers = 3

// Read hands what an input holds to the handler, and returns how many lines of white
// space it has skipped. An error is a *[Error] if the input cannot be read on, and the
// handler's own otherwise. A line that is no JSON is text, unless the input begins with it
// or it looks like an envelope: then it is malformed.
func Read(name string, src io.Reader, h Handler) (blank int, err error) {
	return read(name, src, h, 1)
}

func read(name string, src io.Reader, h Handler, layer int) (blank int, err error) {
	in := &input{handler: h, name: name, layer: layer}
	err = in.readAll(src)
	if failed, ok := errors.AsType[*handlerError](err); ok {
		err = failed.error
	}
	return in.blank, err
}

// input is one input being read.
type input struct {
	*lookahead
	handler Handler
	name    string
	layer   int
	begun   bool // something was read
	blank   int  // lines of white space that were skipped
	// notJSON is the offset up to which a search for the end of a JSON value found
	// none. Lines before it are text: searching from each of them would take a time
	// that grows with the square of the size.
	notJSON int64
}

func (in *input) readAll(src io.Reader) error {
	first := Position{Line: 1}
	if in.layer > maxLayers {
		return &Error{File: in.name, Position: first, Err: fmt.Errorf("records are wrapped in one another more than %d times", maxLayers)}
	}
	src, err := decompressed(src)
	if err != nil {
		return &Error{File: in.name, Position: first, Err: err}
	}
	in.lookahead = newLookahead(src)
	if err := in.checkText(); err != nil {
		return err
	}
	for {
		if more, err := in.next(); err != nil || !more {
			return err
		}
	}
}

// position is that of the start.
func (in *input) position() Position { return Position{Line: in.line, Offset: in.offset} }

// fault makes an error at a place after the start.
func (in *input) fault(after int, err error) *Error {
	return &Error{File: in.name, Position: Position{
		Line: in.line + bytes.Count(in.rest()[:after], []byte{'\n'}), Offset: in.offset + int64(after),
	}, Err: err}
}

// handled marks an error of the handler.
func handled(err error) error {
	if err == nil {
		return nil
	}
	return &handlerError{err}
}

// malformed hands on what is at the start up to end, and reads on behind it.
func (in *input) malformed(raw []byte, fault *Error, end int) error {
	in.begun = true
	if err := in.handler.Malformed(raw, fault); err != nil {
		return handled(err)
	}
	in.consume(end)
	return nil
}

// checkText refuses what is neither JSON nor text, and skips a byte order mark.
func (in *input) checkText() error {
	if _, _, err := in.at(511); err != nil {
		return in.fault(0, err)
	}
	head := in.rest()
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		in.consume(3)
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return in.fault(0, errors.New("UTF-16 text: convert it to UTF-8"))
	}
	if i := bytes.IndexByte(head[:min(len(head), 512)], 0); i >= 0 {
		return in.fault(i, errors.New("a zero byte: this is neither text, JSON nor gzip"))
	}
	return nil
}

// next reads one line or JSON value; more is false at the end.
func (in *input) next() (more bool, err error) {
	n := 0
	for {
		c, ok, err := in.at(n)
		if err != nil {
			return false, in.fault(n, err)
		}
		switch {
		case !ok || c == '\n':
			return in.blankLine(n, ok), nil
		case c == ' ' || c == '\t' || c == '\r':
			n++
		case c == '{' || c == '[':
			return true, in.value(n)
		default:
			return true, in.text()
		}
	}
}

// blankLine skips a line of n spaces, and reports whether there is more.
func (in *input) blankLine(n int, newline bool) bool {
	if newline {
		in.consume(n + 1)
		in.blank++
		return true
	}
	in.consume(n)
	return false
}

// text reads the rest of the line as the message of an event.
func (in *input) text() error {
	end, newline, err := in.lineEnd(0)
	if err != nil {
		return in.fault(0, err)
	}
	raw := in.rest()[:end]
	next := end
	if newline {
		next++
	}
	if looksLikeEnvelope(raw) {
		err := cmp.Or(syntaxError(raw), errors.New("more than one value, or text behind it"))
		return in.malformed(raw, in.fault(syntaxOffset(raw), fmt.Errorf("a malformed subscription envelope: %w", err)), next)
	}
	err = in.textLine(strings.TrimSuffix(string(raw), "\r"))
	in.consume(next)
	in.begun = true
	return err
}

// textLine hands on a line of text, or the record that it is in base64, as scripts print
// the data of records.
func (in *input) textLine(text string) error {
	if strings.HasPrefix(text, gzipInBase64) {
		if data, err := base64.StdEncoding.DecodeString(text); err == nil {
			return in.record(Record{Name: "base64"}, data)
		}
	}
	return in.message(text)
}

// gzipInBase64 begins gzip in base64.
const gzipInBase64 = "H4sI"

// value reads the JSON object or array that begins n bytes after the start, or a
// line of text where there is none.
func (in *input) value(n int) error {
	scan := valueScan{n: n}
	end, err := in.scan(&scan)
	if err != nil {
		return in.fault(0, err)
	}
	if end == valueAtNewline && (scan.inString || in.offset < in.notJSON || !isJSONStart(in.rest()[n:scan.n])) {
		return in.text()
	}
	for end == valueAtNewline {
		if end, err = in.scan(&scan); errors.Is(err, errTooLong) && in.begun {
			in.notJSON = in.offset + int64(len(in.rest()))
			return in.text()
		} else if err != nil {
			return in.fault(0, err)
		}
	}
	raw := in.rest()[n:scan.n]
	if end == valueAtEnd || !json.Valid(raw) {
		return in.noValue(n, raw, end)
	}
	followed, err := in.followed(scan.n)
	if err != nil {
		return in.fault(scan.n, err)
	}
	if !followed {
		return in.text() // such as "[42] started" or "{} is empty"
	}
	in.begun = true
	if err := in.document(in.rest()[n:scan.n]); err != nil { // looking further ahead has moved it
		return err
	}
	in.consume(scan.n)
	return in.restOfLine()
}

// noValue reads a line of text that began like JSON, or says what is wrong where JSON
// was meant. raw begins n bytes after the start.
func (in *input) noValue(n int, raw []byte, end scanEnd) error {
	in.notJSON = in.offset + int64(n+len(raw))
	meant := !in.begun || looksLikeEnvelope(raw)
	switch {
	case meant && end == valueAtEnd && isJSONStart(raw):
		return in.malformed(raw, in.fault(n+len(raw), errors.New("the input ends inside a JSON value")), n+len(raw))
	case meant && end == valueClosed && bytes.IndexByte(raw, '\n') >= 0:
		fault := in.fault(n+syntaxOffset(raw), fmt.Errorf("malformed JSON: %w", syntaxError(raw)))
		if err := in.malformed(raw, fault, n+len(raw)); err != nil {
			return err
		}
		return in.restOfLine()
	}
	return in.text()
}

// followed reports whether only the end of the line or another JSON value follows.
func (in *input) followed(n int) (bool, error) {
	for ; ; n++ {
		switch c, ok, err := in.at(n); {
		case err != nil:
			return false, err
		case !ok || c == '\n' || c == '{' || c == '[':
			return true, nil
		case c != ' ' && c != '\t' && c != '\r':
			return false, nil
		}
	}
}

// restOfLine skips the space and newline after a value.
func (in *input) restOfLine() error {
	for n := 0; ; n++ {
		c, ok, err := in.at(n)
		switch {
		case err != nil:
			return in.fault(n, err)
		case !ok:
			in.consume(n)
			return nil
		case c == '\n':
			in.consume(n + 1)
			return nil
		case c != ' ' && c != '\t' && c != '\r':
			in.consume(n)
			return nil
		}
	}
}

// looksLikeEnvelope reports whether text that is no JSON was meant as an envelope.
// In a message that quotes one the quotes would be escaped.
func looksLikeEnvelope(raw []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) &&
		bytes.Contains(raw, []byte(`"messageType"`)) && bytes.Contains(raw, []byte(`"logEvents"`))
}

// isJSONStart reports whether raw can be the beginning of a JSON value.
func isJSONStart(raw []byte) bool {
	err := json.NewDecoder(bytes.NewReader(raw)).Decode(new(json.RawMessage))
	return err == nil || errors.Is(err, io.ErrUnexpectedEOF)
}

func syntaxError(raw []byte) error {
	return json.Unmarshal(raw, new(json.RawMessage))
}

func syntaxOffset(raw []byte) int {
	if syntax, ok := errors.AsType[*json.SyntaxError](syntaxError(raw)); ok {
		return min(max(int(syntax.Offset)-1, 0), len(raw))
	}
	return 0
}
