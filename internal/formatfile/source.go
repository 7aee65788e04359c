// Package formatfile formats log data from files as a worker formats windows: it makes
// records of what a file holds, hands them to the formatter, and prints the events.
package formatfile

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/log-event-pipeline/logpipe/internal/apigateway"
	"github.com/log-event-pipeline/logpipe/internal/loginput"
	"github.com/log-event-pipeline/logpipe/internal/quarantine"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

// Input is one file.
type Input struct {
	// Name is for people.
	Name string
	// LogGroup and LogStream are those of lines that do not name theirs.
	LogGroup, LogStream string
	// Time is that of lines that do not tell theirs.
	Time time.Time
	Data io.Reader
}

// item is a record made of an input, or what is wrong with the input there.
type item struct {
	record   apigateway.Record
	position position
	fault    error // the record is empty then, and nothing of the input follows
}

// position is where a record begins in an input.
type position struct {
	input    string
	line     int    // 0 where the input has no lines
	sequence string // of the record in its stream, if it has one
}

func (p position) String() string {
	text := p.input
	if p.line > 0 {
		text = fmt.Sprintf("%s:%d", text, p.line)
	}
	if p.sequence != "" {
		text += ": record " + p.sequence
	}
	return text
}

// errStopped ends the reading of an input of which no more is wanted.
var errStopped = errors.New("stopped")

// source makes records of one input.
type source struct {
	Input
	yield func(item) bool
	lines lines
	// What an input begins with says what it holds: envelopes, of which anything else
	// would be a damaged one, or lines, of which some may look like anything.
	hasEnvelopes, hasLines bool
}

// read hands all records of the input to yield, or until that returns false.
func (in Input) read(yield func(item) bool) bool {
	s := &source{Input: in, yield: yield}
	s.lines.source = s
	err := s.readAll()
	if errors.Is(err, errStopped) {
		return false
	}
	if err != nil {
		return yield(item{position: position{input: in.Name}, fault: err})
	}
	return true
}

const (
	// magicBytes tell what an input is. Not more are waited for: it may be a pipe.
	magicBytes = 32
	// headBytes tell more of what is compressed.
	headBytes = 64 << 10
)

// readAll tells by the first bytes what the input is.
func (s *source) readAll() error {
	src := bufio.NewReaderSize(s.Data, headBytes)
	head, err := src.Peek(magicBytes)
	if err == nil && maybeCompressed(head) {
		head, err = src.Peek(headBytes)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read %s: %w", s.Name, err)
	}
	switch {
	case bytes.HasPrefix(head, []byte(window.FileMagic)):
		return s.stagedWindow(src)
	case bytes.HasPrefix(head, []byte(quarantine.Magic)):
		return s.quarantinedPiece(src)
	case isCompressed(head):
		return s.compressed(src)
	}
	return s.content(src)
}

// emit hands on a record. One without a sequence number is named by where it stands, so
// that events without an id have different identities.
func (s *source) emit(r apigateway.Record, line int, offset int64) error {
	at := position{input: s.Name, line: line, sequence: r.SequenceNumber}
	if r.SequenceNumber == "" {
		r.SequenceNumber = fmt.Sprint(offset)
	}
	if !s.yield(item{record: r, position: at}) {
		return errStopped
	}
	return nil
}

// stagedWindow reads a raw window from the stage.
func (s *source) stagedWindow(src io.Reader) error {
	for r, err := range window.Read(src) {
		if err != nil {
			return fmt.Errorf("read %s: %w", s.Name, err)
		}
		record := apigateway.Record{SequenceNumber: string(r.SequenceNumber), Arrival: r.Arrival, Data: r.Data}
		if err := s.emit(record, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// quarantinedPiece reads a quarantined piece from the stage.
func (s *source) quarantinedPiece(src io.Reader) error {
	staged, err := readUpTo(src, loginput.MaxValue)
	if err != nil {
		return fmt.Errorf("read %s: %w", s.Name, err)
	}
	header, data, err := quarantine.Parse(staged)
	if err != nil {
		return fmt.Errorf("read %s: %w", s.Name, err)
	}
	return s.emit(header.Record(data), 0, 0)
}

// errTooLarge ends the reading of what must be held in memory.
var errTooLarge = errors.New("too large to be held in memory")

func readUpTo(src io.Reader, most int) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(src, int64(most)+1))
	if err == nil && len(data) > most {
		err = fmt.Errorf("%w: more than %d bytes", errTooLarge, most)
	}
	return data, err
}

// compressed reads gzip or zlib. If it can be the data of one record, it is formatted as
// such: with the limits that hold for one, and positions as a worker reports them.
// Anything else is inflated here, which costs no memory however large it is.
func (s *source) compressed(src io.Reader) error {
	data, err := readUpTo(src, window.MaxRecordBytes)
	switch {
	case errors.Is(err, errTooLarge):
		return s.content(io.MultiReader(bytes.NewReader(data), src))
	case err != nil:
		return fmt.Errorf("read %s: %w", s.Name, err)
	case mayBeRecord(data):
		return s.emit(apigateway.Record{Data: data}, 0, 0)
	}
	return s.content(bytes.NewReader(data))
}

// content reads what is found in an input.
func (s *source) content(src io.Reader) error {
	_, err := loginput.Read(s.Name, src, s)
	if err != nil {
		return err
	}
	return s.lines.flush()
}

var _ loginput.Handler = (*source)(nil)

// Message implements loginput.Handler.
func (s *source) Message(m loginput.Message) error {
	if s.hasEnvelopes && !s.hasLines {
		return s.emit(apigateway.Record{Data: []byte(m.Text)}, m.Line, m.Offset)
	}
	s.hasLines = true
	return s.lines.message(m)
}

// Envelope implements loginput.Handler. What names a type of message, or has log events of
// a log group, is an envelope, for the formatter to judge.
func (s *source) Envelope(e loginput.Envelope) (bool, error) {
	kind := loginput.Text(e.Members["messageType"])
	known := kind == "DATA_MESSAGE" || kind == "CONTROL_MESSAGE" ||
		e.Members["logEvents"] != nil && (e.Members["messageType"] != nil || e.Members["logGroup"] != nil)
	if !known {
		return false, nil
	}
	s.hasEnvelopes = true
	return true, s.record(e.Raw, e.Position)
}

// Record implements loginput.Handler.
func (s *source) Record(r loginput.Record) error {
	if err := s.lines.flush(); err != nil {
		return err
	}
	return s.emit(apigateway.Record{SequenceNumber: r.SequenceNumber, Arrival: r.Arrival, Data: r.Data}, r.Line, r.Offset)
}

// Malformed implements loginput.Handler. The formatter says what is wrong with it.
func (s *source) Malformed(raw []byte, fault *loginput.Error) error {
	return s.record(raw, fault.Position)
}

func (s *source) record(data []byte, at loginput.Position) error {
	if err := s.lines.flush(); err != nil {
		return err
	}
	return s.emit(apigateway.Record{Data: data}, at.Line, at.Offset)
}

// maybeCompressed is isCompressed for fewer bytes, and true of some texts.
func maybeCompressed(head []byte) bool {
	return isGzip(head) || head[0] == 'x' && bytes.IndexByte([]byte{0x01, 0x5e, 0x9c, 0xda}, head[1]) >= 0
}

func isCompressed(head []byte) bool { return isGzip(head) || isZlib(head) }

func isGzip(head []byte) bool { return bytes.HasPrefix(head, []byte{0x1f, 0x8b}) }

// isZlib tells zlib from text that begins with its magic number, "x^".
func isZlib(head []byte) bool {
	z, err := zlib.NewReader(bytes.NewReader(head))
	if err != nil {
		return false
	}
	_, err = z.Read(make([]byte, 1))
	return err == nil || errors.Is(err, io.EOF)
}

// mayBeRecord tells whether compressed data can be that of one record: it is one stream,
// and what is in it is damaged, compressed again, or begins like an envelope. A file of
// several streams is what Firehose makes of several records.
func mayBeRecord(data []byte) bool {
	rest := bytes.NewReader(data)
	var inflated io.Reader
	if isGzip(data) {
		z, err := gzip.NewReader(rest)
		if err != nil {
			return true
		}
		z.Multistream(false)
		inflated = z
	} else {
		inflated, _ = zlib.NewReader(rest) // isZlib has read its header
	}
	head := make([]byte, headBytes)
	n, err := io.ReadFull(inflated, head)
	if head = head[:n]; n > 0 && !isCompressed(head) && !beginsEnvelope(head) {
		return false
	}
	if err == nil {
		// As much as a record may inflate to by default; what is larger than it may be is for
		// the formatter to say.
		_, err = io.CopyN(io.Discard, inflated, apigateway.DefaultMaxInflatedBytes)
	}
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	return !ended || rest.Len() == 0
}

// beginsEnvelope tells an envelope from log lines in JSON and from what wraps records.
func beginsEnvelope(head []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte("{")) &&
		(bytes.Contains(head, []byte(`"messageType"`)) || bytes.Contains(head, []byte(`"logGroup"`)))
}
