package aggregate

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the checksum that the format asks for; it protects against damage, not against anybody
	"errors"
	"fmt"
	"iter"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Magic is what the data of an aggregate begins with.
const Magic = "\xf3\x89\x9a\xc2"

// minSize is that of an aggregate of nothing.
const minSize = len(Magic) + md5.Size

// Numbers of the fields that are read.
const (
	fieldRecords protowire.Number = 3 // of AggregatedRecord
	fieldData    protowire.Number = 3 // of Record
)

// The errors of [Open]. They tell nothing of the data but positions.
var (
	// ErrNotAggregate is returned for data that does not begin with [Magic].
	ErrNotAggregate = errors.New("no aggregate")
	// ErrChecksum is returned for data that begins with [Magic] and does not end with
	// the checksum of what is in between. By the format it is no aggregate but any
	// data; most likely it was one and is damaged.
	ErrChecksum = errors.New("the checksum of the aggregate does not match")
	// ErrMalformed is returned for an aggregate with the right checksum whose message
	// cannot be read: its producer has made it so.
	ErrMalformed = errors.New("the aggregate is malformed")
)

// Aggregate is the content of a record that was found sound. The zero value is an
// aggregate without user records.
type Aggregate struct {
	message []byte
	records int
}

// Open checks the data of a record as a whole, so that afterwards either all of its
// user records can be had or none. The data must not change as long as the aggregate
// is used.
//
// It is lenient where a user record's data can be had for certain: unknown fields are
// skipped, keys may be missing, and a record without data, which encoders of proto3
// make of one that is empty, is empty.
func Open(data []byte) (Aggregate, error) {
	if !bytes.HasPrefix(data, []byte(Magic)) {
		return Aggregate{}, ErrNotAggregate
	}
	if len(data) < minSize {
		return Aggregate{}, fmt.Errorf("%w: %d bytes are too few for one", ErrChecksum, len(data))
	}
	message, sum := data[len(Magic):len(data)-md5.Size], data[len(data)-md5.Size:]
	if md5.Sum(message) != [md5.Size]byte(sum) { //nolint:gosec // see the import
		return Aggregate{}, ErrChecksum
	}
	a := Aggregate{message: message}
	for rest := message; len(rest) > 0; {
		record, found, after, err := next(rest, fieldRecords)
		if err == nil && found {
			a.records++
			_, err = userData(record)
		}
		if err != nil {
			return Aggregate{}, fmt.Errorf("%w: %w, in the field at byte %d", ErrMalformed, err, len(data)-md5.Size-len(rest))
		}
		rest = after
	}
	return a, nil
}

// Len is how many user records there are.
func (a Aggregate) Len() int { return a.records }

// UserRecords yields the data of each user record with its position in the aggregate,
// which counts from 0. The data is a part of what was given to [Open] and may be empty.
func (a Aggregate) UserRecords() iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		rest := a.message
		for n := 0; n < a.records; {
			// Open has come this way and met no error.
			record, found, after, _ := next(rest, fieldRecords)
			rest = after
			if !found {
				continue
			}
			data, _ := userData(record)
			if !yield(n, data) {
				return
			}
			n++
		}
	}
}

// userData is the data of a message Record. Of several the last counts, as in any
// protobuf message.
func userData(record []byte) (data []byte, err error) {
	for len(record) > 0 {
		value, found, after, err := next(record, fieldData)
		if err != nil {
			return nil, err
		}
		if found {
			data = value
		}
		record = after
	}
	return data, nil
}

var errWireType = errors.New("what should be bytes is of another type")

// next takes the first field off a message. If it is the one that is wanted, which
// holds bytes, these are its value.
func next(message []byte, wanted protowire.Number) (value []byte, found bool, after []byte, err error) {
	number, kind, n := protowire.ConsumeTag(message)
	if n < 0 {
		return nil, false, nil, protowire.ParseError(n)
	}
	field := message[n:]
	switch {
	case number != wanted:
		n = protowire.ConsumeFieldValue(number, kind, field)
	case kind != protowire.BytesType:
		return nil, false, nil, errWireType
	default:
		value, n = protowire.ConsumeBytes(field)
		found = true
	}
	if n < 0 {
		return nil, false, nil, protowire.ParseError(n)
	}
	// The value ends with its capacity, so that whoever appends to it does not write
	// into what follows.
	return slices.Clip(value), found, field[n:], nil
}
