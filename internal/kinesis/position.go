package kinesis

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

// Position is a place in a shard. Unlike TRIM_HORIZON and LATEST it does not move
// with time: whoever reads from it, whenever, reads the same records.
type Position struct {
	// Kind is AT_SEQUENCE_NUMBER, AFTER_SEQUENCE_NUMBER or AT_TIMESTAMP.
	Kind           types.ShardIteratorType
	SequenceNumber window.SequenceNumber
	Timestamp      time.Time
	// Arrival is when the record AT_SEQUENCE_NUMBER arrived, where that is known. It
	// says nothing about the place.
	Arrival time.Time
}

// At is the position of a record.
func At(s window.SequenceNumber) Position {
	return Position{Kind: types.ShardIteratorTypeAtSequenceNumber, SequenceNumber: s}
}

// After is the position behind a record.
func After(s window.SequenceNumber) Position {
	return Position{Kind: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: s}
}

// AtTime is the position of the first record that arrived then or later. Kinesis knows
// milliseconds, and refuses a time that is still to come.
func AtTime(t time.Time) Position {
	return Position{Kind: types.ShardIteratorTypeAtTimestamp, Timestamp: t.UTC().Truncate(time.Millisecond)}
}

// horizon is where the oldest record is now. It moves, so it never leaves this package.
var horizon = Position{Kind: types.ShardIteratorTypeTrimHorizon}

func (p Position) String() string {
	switch {
	case p.Kind == types.ShardIteratorTypeAtTimestamp:
		return fmt.Sprintf("%s %s", p.Kind, p.Timestamp.UTC().Format(time.RFC3339Nano))
	case p.SequenceNumber == "":
		return string(p.Kind)
	}
	return fmt.Sprintf("%s %s", p.Kind, p.SequenceNumber)
}

// before reports whether the record lies before the position, so that reading from
// there must not give it.
func (p Position) before(rec window.Record) bool {
	switch p.Kind {
	case types.ShardIteratorTypeAtSequenceNumber:
		return rec.SequenceNumber.Compare(p.SequenceNumber) < 0
	case types.ShardIteratorTypeAfterSequenceNumber:
		return rec.SequenceNumber.Compare(p.SequenceNumber) <= 0
	case types.ShardIteratorTypeAtTimestamp:
		return rec.Arrival.Before(p.Timestamp)
	}
	return false
}
