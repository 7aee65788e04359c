package loginput

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// MaxValue is the longest line or JSON value that is held in memory, in bytes.
const MaxValue = 64 << 20

// lookahead reads an input piece by piece and looks ahead as far as a decision needs.
// It holds one line or JSON value at a time.
type lookahead struct {
	src    io.Reader
	buf    []byte
	start  int   // of what is not consumed, in buf
	err    error // of src; io.EOF at the end
	line   int   // of start, from 1
	offset int64 // of start, in the input after decompression
	limit  int
}

var errTooLong = errors.New("a line or JSON value is too long to be held in memory")

func newLookahead(src io.Reader) *lookahead {
	return &lookahead{src: src, line: 1, limit: MaxValue}
}

// rest is what was read and is not consumed.
func (w *lookahead) rest() []byte { return w.buf[w.start:] }

// at returns the byte n after the start, reading as far as needed. ok is false at the
// end of the input.
func (w *lookahead) at(n int) (c byte, ok bool, err error) {
	for w.start+n >= len(w.buf) {
		if err := w.more(); err != nil {
			if errors.Is(err, io.EOF) {
				return 0, false, nil
			}
			return 0, false, err
		}
	}
	return w.buf[w.start+n], true, nil
}

const readSize = 64 << 10

// more looks further ahead by one read.
func (w *lookahead) more() error {
	if w.err != nil {
		return w.err
	}
	if len(w.buf)-w.start > w.limit {
		return fmt.Errorf("%w: more than %d bytes", errTooLong, w.limit)
	}
	if w.start > 0 {
		w.buf = append(w.buf[:0], w.buf[w.start:]...)
		w.start = 0
	}
	if cap(w.buf)-len(w.buf) < readSize {
		grown := make([]byte, len(w.buf), 2*cap(w.buf)+readSize)
		copy(grown, w.buf)
		w.buf = grown
	}
	n, err := w.src.Read(w.buf[len(w.buf):cap(w.buf)])
	w.buf = w.buf[:len(w.buf)+n]
	if err != nil {
		w.err = err
		if n > 0 {
			return nil
		}
		return err
	}
	return nil
}

// consume moves the start over n bytes that were looked at.
func (w *lookahead) consume(n int) {
	w.line += bytes.Count(w.buf[w.start:w.start+n], []byte{'\n'})
	w.offset += int64(n)
	w.start += n
}

// lineEnd returns the length of the line from n on, without its newline; ok is
// false where the input ends before one.
func (w *lookahead) lineEnd(n int) (end int, ok bool, err error) {
	for {
		if _, more, err := w.at(n); err != nil || !more {
			return n, false, err
		}
		rest := w.rest()
		if i := bytes.IndexByte(rest[n:], '\n'); i >= 0 {
			return n + i, true, nil
		}
		n = len(rest)
	}
}

// valueScan is where a search for the end of a JSON object or array has come to.
type valueScan struct {
	n        int // bytes looked at
	depth    int
	inString bool
	escaped  bool
}

type scanEnd int

const (
	valueClosed    scanEnd = iota // the value is the first n bytes
	valueAtNewline                // a newline was met before the end of the value
	valueAtEnd                    // the input ended before the value
)

// scan goes on to the end of the value or the next newline. It looks at brackets and
// strings only: whether the value is JSON is for its caller to check.
func (w *lookahead) scan(s *valueScan) (scanEnd, error) {
	for {
		if _, ok, err := w.at(s.n); err != nil || !ok {
			return valueAtEnd, err
		}
		for _, c := range w.rest()[s.n:] {
			s.n++
			switch {
			case c == '\n':
				return valueAtNewline, nil
			case s.escaped:
				s.escaped = false
			case s.inString:
				s.escaped = c == '\\'
				s.inString = c != '"'
			case c == '"':
				s.inString = true
			case c == '{' || c == '[':
				s.depth++
			case c == '}' || c == ']':
				if s.depth--; s.depth == 0 {
					return valueClosed, nil
				}
			}
		}
	}
}
