package traffic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// inputEvent is one log event found in an input.
type inputEvent struct {
	group, stream string // empty where the input does not say
	millis        int64  // 0 where the input does not say
	message       string
	line          int // where it was found
}

// inputReader finds the log events in an input, whatever its form:
//
//   - text: each line is one event;
//   - NDJSON: each line is the message of one event, byte for byte, valid JSON or not;
//   - CloudWatch Logs subscription envelopes on a line each, concatenated or indented;
//   - events of Lambda, Kinesis and Firehose that wrap such envelopes in base64;
//   - what `aws logs get-log-events` and `filter-log-events` print;
//   - arrays of any of these; and each of them in gzip.
//
// Forms may follow one another in one input. A line that is no JSON is text, unless
// the input begins with it or it looks like an envelope: then it is an error.
type inputReader struct {
	emit    func(inputEvent) error
	unnamed func(line int) // called for an envelope without its log group or log stream

	control int // control messages skipped
	blank   int // lines of white space skipped
}

// InputError says where an input is malformed.
type InputError struct {
	File   string
	Line   int   // from 1
	Offset int64 // bytes before the fault, after decompression
	Err    error
}

func (e *InputError) Error() string {
	return fmt.Sprintf("%s:%d: %v (byte %d)", e.File, e.Line, e.Err, e.Offset)
}

func (e *InputError) Unwrap() error { return e.Err }

// outputError is a failure to pass an event on, for which no input is to blame.
type outputError struct{ error }

func (e *outputError) Unwrap() error { return e.error }

// maxLayers is how often one input may be wrapped in another.
const maxLayers = 3

// read finds the events of one input.
func (r *inputReader) read(name string, src io.Reader, layer int) error {
	if layer > maxLayers {
		return &InputError{File: name, Line: 1, Err: fmt.Errorf("records are wrapped in one another more than %d times", maxLayers)}
	}
	src, err := decompressed(src)
	if err != nil {
		return &InputError{File: name, Line: 1, Err: err}
	}
	in := &input{inputReader: r, window: newWindow(src), name: name, layer: layer}
	if err := in.checkText(); err != nil {
		return err
	}
	for {
		if more, err := in.record(); err != nil || !more {
			return err
		}
	}
}

// input is one input being read.
type input struct {
	*inputReader
	*window
	name  string
	layer int
	begun bool // a record was read
	// notJSON is the offset up to which a search for the end of a JSON value found
	// none. Lines before it are text: searching from each of them would take a time
	// that grows with the square of the size.
	notJSON int64
}

// fault makes an error at a place after the start.
func (in *input) fault(after int, err error) error {
	if _, ok := errors.AsType[*InputError](err); ok {
		return err
	}
	if _, ok := errors.AsType[*outputError](err); ok {
		return err
	}
	return &InputError{File: in.name, Line: in.line + bytes.Count(in.rest()[:after], []byte{'\n'}), Offset: in.offset + int64(after), Err: err}
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

// record reads one line or JSON value; more is false at the end.
func (in *input) record() (more bool, err error) {
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
	if looksLikeEnvelope(raw) {
		return in.fault(syntaxOffset(raw), fmt.Errorf("a malformed subscription envelope: %w", syntaxError(raw)))
	}
	message := strings.TrimSuffix(string(raw), "\r")
	e := inputEvent{millis: messageMillis(message), message: message, line: in.line}
	if newline {
		end++
	}
	in.consume(end)
	in.begun = true
	return in.emit(e)
}

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
	if err := in.document(raw); err != nil {
		return in.fault(n, err)
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
		return in.fault(n+len(raw), errors.New("the input ends inside a JSON value"))
	case meant && end == valueClosed && bytes.IndexByte(raw, '\n') >= 0:
		return in.fault(n+syntaxOffset(raw), fmt.Errorf("malformed JSON: %w", syntaxError(raw)))
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
