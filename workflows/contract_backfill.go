package workflows

import "time"

// BackfillKeys says under which idempotency keys a backfill delivers.
type BackfillKeys string

// Own keys have the name of the run: the destination takes everything once more. Original
// keys are those under which live windows were delivered: a destination that honours them
// takes only what it does not have.
const (
	BackfillOwn      BackfillKeys = "own"
	BackfillOriginal BackfillKeys = "original"
)

// BackfillInput is a run: what is to be delivered again, and how fast.
type BackfillInput struct {
	Pipeline string `json:"pipeline"`
	Stream   string `json:"stream"`
	Run      string `json:"run"`
	// From and To bound the arrival of the records, To excluded.
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	// Shards are the ids of the shards to read; all that Kinesis lists if there are none.
	Shards []string     `json:"shards,omitempty"`
	Keys   BackfillKeys `json:"keys"`
	// Rate is how many events are delivered in a second, 0 for no limit.
	Rate float64 `json:"rate,omitempty"`
	// MaxOpen is how many windows of the run may be open at once.
	MaxOpen int `json:"maxOpen"`

	// Planned: Progress has all shards.
	Planned  bool               `json:"planned,omitempty"`
	Progress []BackfillProgress `json:"progress,omitempty"`
}

// BackfillResult is what a run has delivered.
type BackfillResult struct {
	Shards  int `json:"shards"`
	Windows int `json:"windows"`
	Records int `json:"records"`
	// Events of the windows that have ended.
	Events int `json:"events"`
}

// BackfillState is what the query state tells.
type BackfillState struct {
	Progress []BackfillProgress `json:"progress"`
}

// BackfillRequest is what a run was asked for. It is in the memo of its workflow, so that the
// same command finds it and another one is refused.
type BackfillRequest struct {
	From   time.Time    `json:"from"`
	To     time.Time    `json:"to"`
	Shards []string     `json:"shards,omitempty"`
	Keys   BackfillKeys `json:"keys"`
	Rate   float64      `json:"rate,omitempty"`
}

// MemoBackfill holds the BackfillRequest of a run.
const MemoBackfill = "backfill"

// PlanBackfillInput asks which shards a run has to read.
type PlanBackfillInput struct {
	Stream string    `json:"stream"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Shards []string  `json:"shards,omitempty"`
}

// PlanBackfillResult are the ids of these shards.
type PlanBackfillResult struct {
	Shards []string `json:"shards"`
}

// BackfillShardInput is a part of the work on one shard.
type BackfillShardInput struct {
	Pipeline string       `json:"pipeline"`
	Stream   string       `json:"stream"`
	Run      string       `json:"run"`
	From     time.Time    `json:"from"`
	To       time.Time    `json:"to"`
	Keys     BackfillKeys `json:"keys"`
	// Rate and MaxOpen are this shard's share of those of the run.
	Rate     float64          `json:"rate,omitempty"`
	MaxOpen  int              `json:"maxOpen"`
	Progress BackfillProgress `json:"progress"`
}

// BackfillProgress is how far a run has come with one shard. It is the heartbeat of
// BackfillShard, too.
type BackfillProgress struct {
	ShardID string `json:"shardId"`
	Progress
	// Open are the workflow ids of windows that are not known to have ended.
	Open    []string `json:"open,omitempty"`
	Windows int      `json:"windows,omitempty"`
	Records int      `json:"records,omitempty"`
	// Events of the windows that have ended, and Formatted the records in these.
	Events    int `json:"events,omitempty"`
	Formatted int `json:"formatted,omitempty"`
	// Done: all of the range is delivered. Failed says why it is not and will not be.
	Done   bool   `json:"done,omitempty"`
	Failed string `json:"failed,omitempty"`
	// Waiting says what keeps it from going on, empty if nothing does.
	Waiting string `json:"waiting,omitempty"`
}
