package envelope

import (
	"bytes"
	"errors"
	"io"
)

// ratioFloor is the inflated size below which the ratio is not looked at:
// small and very regular records compress to almost nothing and do no harm.
const ratioFloor = 1 << 20

// What is held in memory of a record does not depend on how large it is: a log event at a
// time, which CloudWatch Logs lets have 1 MiB of text and JSON can make six times that,
// and of an envelope what stands before its log events, or all of them where the header
// comes after.
const (
	maxEvent = 8 << 20
	maxHeld  = 12 << 20
)

var (
	errInflatedLimit = errors.New("inflated size limit reached")
	errRatioLimit    = errors.New("inflation ratio limit reached")
	errValueLimit    = errors.New("value size limit reached")
)

// source reads the inflated bytes of one record, or of one user record of an
// aggregate. It enforces the limits, keeps the error that ended the data, and
// records what it hands out while asked to.
type source struct {
	compressed bytes.Reader
	layers     layers

	reader io.Reader
	limit  int64 // most bytes that may be read
	reason error // why more than that is refused
	read   int64 // including what is ahead
	held   int64 // up to where may be handed out before what is held is let go
	err    error // sticky, io.EOF at the regular end

	lookAhead int // most that is ahead
	buffer    []byte
	end       int    // of what is ahead, in the buffer
	ahead     []byte // was read and not handed out
	aheadErr  error  // what err becomes when nothing is ahead any more
	prefix    string // is handed out before that, and no part of the data

	recording bool
	record    []byte
	base      int64 // offset of record[0] in the inflated data
}

// open prepares the source for a record. A non-zero Reason means that the
// record's encoding is not one of those known.
func (s *source) open(data []byte, limits Limits) Reason {
	s.compressed.Reset(data)
	s.read, s.err = 0, nil
	s.ahead, s.aheadErr, s.prefix = nil, nil, ""
	s.hold(0, maxHeld)
	s.recording, s.record = false, s.record[:0]

	s.limit, s.reason = limits.MaxInflatedBytes, errInflatedLimit
	ratioLimit := max(ratioFloor, int64(len(data))*int64(limits.MaxInflateRatio))
	if ratioLimit < s.limit {
		s.limit, s.reason = ratioLimit, errRatioLimit
	}

	trimmed := bytes.TrimLeft(data, " \t\r\n")
	if len(trimmed) == 0 {
		return ReasonEmptyRecord
	}
	inflated, err := s.layers.open(&s.compressed, data, s.limit, s.reason)
	switch {
	case err != nil:
		return ReasonCorruptCompression
	case inflated != nil:
		s.reader = inflated
	case trimmed[0] == '{':
		s.reader = &s.compressed
	default:
		return ReasonUnknownEncoding
	}
	return Reason{}
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if s.prefix != "" {
		n := copy(p, s.prefix)
		s.prefix = s.prefix[n:]
		return n, nil
	}
	if s.err != nil {
		return 0, s.err
	}
	offset := s.offset()
	if offset >= s.held {
		s.err = errValueLimit
		return 0, s.err
	}
	p = p[:min(int64(len(p)), s.held-offset)]
	var n int
	if len(s.ahead) > 0 {
		n = copy(p, s.ahead)
		s.advance(n)
	} else {
		n, s.err = s.inflate(p)
	}
	if s.recording {
		s.record = append(s.record, p[:n]...)
	}
	return n, s.err
}

// inflate reads from the reader. One byte beyond the limit is asked for, so that
// data of exactly the limit's size is accepted.
func (s *source) inflate(p []byte) (int, error) {
	p = p[:min(int64(len(p)), s.limit-s.read+1)]
	n, err := s.reader.Read(p)
	s.read += int64(n)
	if s.read > s.limit {
		n--
		s.read--
		err = s.reason
	}
	return n, err
}

// offset is how much was handed out.
func (s *source) offset() int64 { return s.read - int64(len(s.ahead)) }

// takeBack puts what was handed out last, and is left unread, before what is ahead. It
// returns false, and does nothing, where that is more than may be ahead.
func (s *source) takeBack(unread []byte) bool {
	if s.buffer == nil {
		s.buffer = make([]byte, s.lookAhead)
	}
	end := s.end
	if len(s.ahead) == 0 { // what was handed out need not be from the buffer
		end = len(unread)
		copy(s.buffer, unread)
	}
	start := end - len(s.ahead) - len(unread)
	if start < 0 || end > len(s.buffer) {
		return false
	}
	s.ahead, s.end = s.buffer[start:end], end
	if s.err != nil {
		s.err, s.aheadErr = nil, s.err
	}
	return true
}

// more reads ahead as far as the buffer allows, and tells whether there was more. What was
// ahead is in another place then.
func (s *source) more() bool {
	if s.err != nil || s.aheadErr != nil || len(s.ahead) == len(s.buffer) {
		return false
	}
	before := copy(s.buffer, s.ahead)
	s.end = before
	for s.end < len(s.buffer) && s.aheadErr == nil {
		var n int
		n, s.aheadErr = s.inflate(s.buffer[s.end:])
		s.end += n
	}
	s.ahead = s.buffer[:s.end]
	return s.end > before
}

// advance takes the next n bytes of what is ahead for handed out.
func (s *source) advance(n int) {
	s.ahead = s.ahead[n:]
	if len(s.ahead) == 0 {
		s.err, s.aheadErr = s.aheadErr, nil
	}
}

// hold tells that what begins at an offset is held in memory, and how much that may be.
func (s *source) hold(offset, most int64) { s.held = offset + most }

// failure is the reason for which the data ended early, if it did.
func (s *source) failure() (Reason, bool) {
	switch {
	case s.err == nil || errors.Is(s.err, io.EOF):
		return Reason{}, false
	case errors.Is(s.err, errInflatedLimit):
		return ReasonInflatedLimit, true
	case errors.Is(s.err, errRatioLimit):
		return ReasonRatioLimit, true
	case errors.Is(s.err, errValueLimit):
		return ReasonValueLimit, true
	default:
		return ReasonCorruptCompression, true
	}
}

// startRecording keeps the data from offset on. Of that, unread has been read
// from the source already.
func (s *source) startRecording(offset int64, unread []byte) {
	s.recording = true
	s.base = offset
	s.record = append(s.record[:0], unread...)
}

func (s *source) stopRecording() {
	s.recording = false
	s.record = s.record[:0]
}

// recorded is the data from start to end, or nil where it was not recorded.
func (s *source) recorded(start, end int64) []byte {
	if !s.recording || start < s.base || end > s.base+int64(len(s.record)) {
		return nil
	}
	return s.record[start-s.base : end-s.base]
}

// release lets go of what refers to the record and of outsized buffers.
func (s *source) release() {
	s.compressed.Reset(nil)
	s.layers.release()
	s.reader = nil
	s.ahead = nil
	s.recording = false
	if cap(s.record) > maxRetained {
		s.record = nil
	}
}
