package window

import "time"

// Record is one Kinesis record as it was read from a shard.
type Record struct {
	// SequenceNumber is the record's place in the shard.
	SequenceNumber SequenceNumber
	// Arrival is when Kinesis took the record in (ApproximateArrivalTimestamp).
	Arrival time.Time
	// Received is when this process read the record. The age of an open window
	// counts from here: comparing Arrival with the local clock would let a clock
	// that is minutes off cut every record into a window of its own, or none.
	Received time.Time
	// Data is the record's payload as stored, usually gzip.
	Data []byte
}

// Limits say when a window closes. The zero value of a limit means no limit.
type Limits struct {
	// MaxBytes of record data as stored in Kinesis. One record that is larger
	// forms a window of its own.
	MaxBytes int
	// MaxRecords in one window.
	MaxRecords int
	// MaxAge is both the longest span between the arrival of a window's first
	// and last record, and the longest time that the first record waits for more
	// while the reader is at the tip of the shard.
	MaxAge time.Duration
}

// Reason says why a window was closed.
type Reason string

// The reasons, in the words that history, metrics and the Web UI show.
const (
	ReasonBytes     Reason = "bytes"     // the next record would not fit MaxBytes
	ReasonRecords   Reason = "records"   // MaxRecords reached
	ReasonSpan      Reason = "span"      // the next record arrived MaxAge after the first
	ReasonAge       Reason = "age"       // at the tip, and the first record waited MaxAge
	ReasonShardEnd  Reason = "shard_end" // the shard is closed and read to its end
	ReasonDrain     Reason = "drain"     // the reader hands the shard over
	ReasonRecovered Reason = "recovered" // found in the stage after Temporal's database was lost
	ReasonBackfill  Reason = "backfill"  // cut where a window of the chain was
	ReasonRetry     Reason = "retry"     // made of quarantined pieces to be formatted again
)

// Reasons are all of them.
func Reasons() []Reason {
	return []Reason{ReasonBytes, ReasonRecords, ReasonSpan, ReasonAge, ReasonShardEnd, ReasonDrain, ReasonRecovered, ReasonRetry}
}

// Situation is what the reader knows beside the records themselves.
type Situation struct {
	// Now is the reader's clock.
	Now time.Time
	// AtTip: the last read left nothing behind in the shard.
	AtTip bool
	// AtEnd: the shard is closed and all its records have been read.
	AtEnd bool
	// Draining: the reader is about to stop and hands everything over.
	Draining bool
}

// Cut returns how many of the records at the front form the next window, and
// why it closes. It returns 0 while the window stays open. The records are in
// the order of the shard.
//
// A limit closes the window before the record that would exceed it, as soon as
// that record is known, so a backlog is cut into full windows whatever the clock
// says.
func (l Limits) Cut(records []Record, s Situation) (n int, why Reason) {
	if len(records) == 0 {
		return 0, ""
	}
	var bytes int
	first := records[0]
	for i, r := range records {
		if i > 0 {
			switch {
			case l.MaxBytes > 0 && bytes+len(r.Data) > l.MaxBytes:
				return i, ReasonBytes
			case l.MaxAge > 0 && r.Arrival.Sub(first.Arrival) >= l.MaxAge:
				return i, ReasonSpan
			}
		}
		bytes += len(r.Data)
		switch {
		case l.MaxRecords > 0 && i+1 == l.MaxRecords:
			return i + 1, ReasonRecords
		case l.MaxBytes > 0 && bytes >= l.MaxBytes:
			return i + 1, ReasonBytes
		}
	}
	switch {
	case s.AtEnd:
		return len(records), ReasonShardEnd
	case s.Draining:
		return len(records), ReasonDrain
	case s.AtTip && l.MaxAge > 0 && s.Now.Sub(first.Received) >= l.MaxAge:
		return len(records), ReasonAge
	}
	return 0, ""
}

// After returns the records that come after last: what is left to cut once the
// window that ends at last was accepted. The result shares memory with records.
func After(records []Record, last SequenceNumber) []Record {
	for i, r := range records {
		if r.SequenceNumber.Compare(last) > 0 {
			return records[i:]
		}
	}
	return nil
}

// StoredBytes is the size of the records' data as stored in Kinesis.
func StoredBytes(records []Record) int {
	var n int
	for _, r := range records {
		n += len(r.Data)
	}
	return n
}
