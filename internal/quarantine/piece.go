// Package quarantine is the staged form of what could not be formatted: a header that
// says what it is and why it is here, and the data, which can be formatted again at any
// time.
package quarantine

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/apigateway"
)

// Magic begins every staged piece. Its header follows as JSON on one line, then its data.
const Magic = "logpipe-quarantine-1\n"

// maxHeader bounds the line with the header.
const maxHeader = 16 << 10

// ErrCorrupt is wrapped by every error for bytes that are not a staged piece.
var ErrCorrupt = errors.New("quarantined piece is damaged")

// Header is what is known of a piece beside its data. It holds nothing of the log's
// content.
type Header struct {
	// SequenceNumber and Arrival are those of the record that the piece is of.
	SequenceNumber string    `json:"sequence_number"`
	Arrival        time.Time `json:"arrival,omitzero"`
	// UserRecord is the user record that the piece is of, see [apigateway.Origin].
	UserRecord string `json:"user_record,omitempty"`
	// Offset is where the piece begins, in bytes of the inflated record or user record.
	Offset int64 `json:"offset"`
	// Reason is the code of the reason.
	Reason string `json:"reason"`
	// Events counts the log events in the piece, as far as they could be told apart.
	Events int `json:"events"`
	// Stored: the data is the whole record or user record, of which everything before
	// Offset was delivered.
	Stored bool `json:"stored,omitempty"`
	// Shift is added to an offset in the data for that in the record or user record.
	Shift int64 `json:"shift,omitempty"`
	// Done is the offset before which nothing is left to be delivered.
	Done int64 `json:"done,omitempty"`
}

// HeaderOf is the header of a part that the formatter sets apart.
func HeaderOf(q apigateway.Quarantined) Header {
	arrival := q.Arrival.UTC()
	if arrival.Year() > 9999 {
		arrival = time.Time{} // JSON has no such time, and neither have events
	}
	return Header{
		SequenceNumber: q.SequenceNumber,
		Arrival:        arrival,
		UserRecord:     q.Origin.UserRecord,
		Offset:         q.Offset,
		Reason:         q.Reason.Code,
		Events:         q.Events,
		Stored:         q.Stored,
		Shift:          q.Origin.Shift,
		Done:           q.Origin.Done,
	}
}

// Record is what the formatter takes to format the piece again.
func (h Header) Record(data []byte) apigateway.Record {
	return apigateway.Record{
		SequenceNumber: h.SequenceNumber,
		Arrival:        h.Arrival,
		Data:           data,
		Origin:         apigateway.Origin{UserRecord: h.UserRecord, Shift: h.Shift, Done: h.Done},
	}
}

// digestBytes of a SHA-256 tell the pieces apart that have one number.
const digestBytes = 6

// Digest is that of the piece and its place, whatever it is here for: a piece that fails
// again has the key that it had, even for another reason.
func (h Header) Digest(data []byte) string {
	sum := sha256.New()
	for _, part := range []string{h.SequenceNumber, h.UserRecord, strconv.FormatInt(h.Shift, 10)} {
		_, _ = io.WriteString(sum, part+"\x00") // a hash takes everything
	}
	_, _ = sum.Write(data)
	return hex.EncodeToString(sum.Sum(nil)[:digestBytes])
}

// Append appends the staged form of a piece to dst.
func Append(dst []byte, h Header, data []byte) ([]byte, error) {
	line, err := json.Marshal(h)
	if err != nil {
		return dst, fmt.Errorf("write the header of a quarantined piece: %w", err)
	}
	dst = append(dst, Magic...)
	dst = append(append(dst, line...), '\n')
	return append(dst, data...), nil
}

// Parse takes a staged piece apart. The data is part of staged.
func Parse(staged []byte) (Header, []byte, error) {
	rest, ok := bytes.CutPrefix(staged, []byte(Magic))
	line, data, cut := bytes.Cut(rest, []byte{'\n'})
	if !ok || !cut {
		return Header{}, nil, noHeader(nil)
	}
	h, err := parseHeader(line)
	return h, data, err
}

// ReadHeader reads the header of a staged piece and little of what follows.
func ReadHeader(r io.Reader) (Header, error) {
	head := bufio.NewReaderSize(r, maxHeader)
	if line, err := head.ReadSlice('\n'); err != nil || string(line) != Magic {
		return Header{}, noHeader(err)
	}
	line, err := head.ReadSlice('\n')
	if err != nil {
		return Header{}, noHeader(err)
	}
	return parseHeader(line)
}

// noHeader is damage unless reading has failed.
func noHeader(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, bufio.ErrBufferFull) {
		return fmt.Errorf("%w: it has no header", ErrCorrupt)
	}
	return fmt.Errorf("read the header of a quarantined piece: %w", err)
}

func parseHeader(line []byte) (Header, error) {
	var h Header
	if err := json.Unmarshal(line, &h); err != nil {
		return Header{}, fmt.Errorf("%w: its header cannot be read: %w", ErrCorrupt, err)
	}
	h.Arrival = h.Arrival.UTC()
	return h, nil
}
