package window

import "fmt"

// Range names the records of one window: all records of the shard from First
// to Last, both included.
type Range struct {
	ShardID string
	First   SequenceNumber
	Last    SequenceNumber
}

// Validate reports a range that cannot be a window.
func (r Range) Validate() error {
	switch {
	case r.ShardID == "":
		return fmt.Errorf("window %s: no shard id", r)
	case r.First == "" || r.Last == "":
		return fmt.Errorf("window %s: both ends must be given", r)
	case r.First.Compare(r.Last) > 0:
		return fmt.Errorf("window %s: the last record comes before the first", r)
	}
	return nil
}

func (r Range) String() string {
	return fmt.Sprintf("%s[%s..%s]", r.ShardID, r.First, r.Last)
}

// key is the part of a stage key that names the range. It holds both ends,
// so a cut that lost the race never overwrites the one that was accepted.
func (r Range) key() string {
	return ShortShard(r.ShardID) + "/" + r.First.Short() + "-" + r.Last.Short()
}

// RawKey is the stage key of the window's records as they were read.
func (r Range) RawKey(pipeline string) string {
	return RawPrefix(pipeline) + r.key()
}

// BatchKey is the stage key of the window's nth formatted batch (from 0). The
// digest of the body is part of it: a formatter that runs twice with different
// settings writes different objects instead of mixing them.
func (r Range) BatchKey(pipeline string, n int, digest string) string {
	return fmt.Sprintf("%s%s/%04d-%s", BatchPrefix(pipeline), r.key(), n, digest)
}

// QuarantineKey is the stage key of the nth piece of the window (from 0) that
// could not be formatted.
func (r Range) QuarantineKey(pipeline string, n int, digest string) string {
	return fmt.Sprintf("%s%s/%04d-%s", QuarantinePrefix(pipeline), r.key(), n, digest)
}

// IdempotencyKey identifies the window's nth batch (from 0) to the destination.
// It depends on the window, the position and the content, so every attempt to
// deliver these bytes carries it and no other batch ever does.
func (r Range) IdempotencyKey(pipeline string, n int, digest string) string {
	return fmt.Sprintf("%s/%s/%s/%d-%s", pipeline, ShortShard(r.ShardID), r.First.Short(), n, digest)
}
