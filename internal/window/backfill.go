package window

import (
	"fmt"
	"strconv"
	"strings"
)

// Backfill names a window that is delivered beside the chain, by a run of a backfill. No
// id and no stage key of it is one of the chain's.
type Backfill struct {
	// Run is the name of the run: 1 to 64 of a-z, 0-9 and -, as that of a pipeline.
	Run    string
	Window Range
}

// BackfillPrefix begins the workflow ids and the stage keys of all backfills of a
// pipeline.
func BackfillPrefix(pipeline string) string { return pipeline + "/backfill/" }

// BackfillID is the workflow id of a run.
func BackfillID(pipeline, run string) string { return BackfillPrefix(pipeline) + run }

// BackfillQueue is the task queue of the starter processes for reading what is delivered
// again. It has slots of its own: the shards that are read live must not wait for it.
func BackfillQueue(pipeline string) string { return pipeline + "/backfill" }

// WorkflowID is the id of the window's workflow. Like that of a window of the chain it
// depends on where the window begins and not on where it ends.
func (b Backfill) WorkflowID(pipeline string) string {
	return BackfillID(pipeline, b.Run) + "/" + ShortShard(b.Window.ShardID) + "/" + b.Window.First.Short()
}

func (b Backfill) prefix(pipeline string) string {
	return BackfillID(pipeline, b.Run) + "/" + b.Window.key() + "/"
}

// RawKey is the stage key of the window's records, as Range.RawKey.
func (b Backfill) RawKey(pipeline string) string { return b.prefix(pipeline) + "raw" }

// BatchKey is the stage key of the nth batch (from 0), as Range.BatchKey.
func (b Backfill) BatchKey(pipeline string, n int, digest string) string {
	return fmt.Sprintf("%s%04d-%s", b.prefix(pipeline), n, digest)
}

// IdempotencyKey identifies the nth batch (from 0) to the destination. It has the name of
// the run, so the destination takes what it has taken before.
func (b Backfill) IdempotencyKey(pipeline string, n int, digest string) string {
	return fmt.Sprintf("%s/%d-%s", b.WorkflowID(pipeline), n, digest)
}

// ParseBackfillKey returns the window that an object was staged for, and fails for every
// key that neither Backfill.RawKey nor Backfill.BatchKey makes.
func ParseBackfillKey(pipeline, key string) (Backfill, error) {
	name, ok := strings.CutPrefix(key, BackfillPrefix(pipeline))
	parts := strings.Split(name, "/") // run, shard, ends, object
	if !ok || len(parts) != 4 || parts[0] == "" {
		return Backfill{}, notAKey(key, "window of a backfill")
	}
	r, err := parseRange(parts[1] + "/" + parts[2])
	if err != nil {
		return Backfill{}, notAKey(key, "window of a backfill")
	}
	b := Backfill{Run: parts[0], Window: r}
	if key == b.RawKey(pipeline) {
		return b, nil
	}
	number, digest, _ := strings.Cut(parts[3], "-")
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || digest == "" || b.BatchKey(pipeline, n, digest) != key {
		return Backfill{}, notAKey(key, "window of a backfill")
	}
	return b, nil
}
