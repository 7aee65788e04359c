package workflows

import (
	"time"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

// PollOptions are the settings of a starter process that the workflows around
// PollShard need as timeouts. Each PollShard returns those of its process, so a
// changed setting takes effect with the next lease.
type PollOptions struct {
	// HeartbeatTimeout: a starter silent for this long loses its shards.
	HeartbeatTimeout time.Duration `json:"heartbeatTimeout"`
	// Lease: how long one PollShard keeps the shard.
	Lease time.Duration `json:"lease"`
	// WindowMaxAge: how much longer it may take to complete the open window.
	WindowMaxAge time.Duration `json:"windowMaxAge"`
	// OnGap: what follows where records may be missing.
	OnGap GapPolicy `json:"onGap,omitempty"`
}

// GapPolicy says what a ShardReader does at a gap.
type GapPolicy string

// Either reading goes on behind the gap at once, or somebody has to say so first, by
// the signal skip-gap.
const (
	GapContinue GapPolicy = "continue"
	GapFail     GapPolicy = "fail"
)

// ReaderStart is a shard that is to have a ShardReader.
type ReaderStart struct {
	ShardID string `json:"shardId"`
	// Position is where reading begins if it was never read.
	Position string `json:"position"`
}

// StartReadersInput asks for the ShardReaders of some shards.
type StartReadersInput struct {
	Pipeline string        `json:"pipeline"`
	Stream   string        `json:"stream"`
	Poll     PollOptions   `json:"poll"`
	Readers  []ReaderStart `json:"readers"`
}

// StartReadersResult says of each, in the same order, whether the shard is being read
// now or was drained before.
type StartReadersResult struct {
	States []ShardState `json:"states"`
}

// ListShardsInput asks for shards of the stream.
type ListShardsInput struct {
	Stream string `json:"stream"`
	// After is the shard behind which the listing begins; empty for all shards.
	After string `json:"after,omitempty"`
	// Created is when the stream was made that the pipeline began with; zero at first.
	Created time.Time `json:"created,omitzero"`
}

// ListShardsResult holds shards that Kinesis lists, in the order of their ids, closed
// ones too.
type ListShardsResult struct {
	Shards []Shard `json:"shards"`
	// More: there are more behind the last of these.
	More bool `json:"more,omitempty"`
	// At is the time of Kinesis' clock, in whole seconds.
	At time.Time `json:"at,omitzero"`
	// Created is when the stream was made.
	Created time.Time `json:"created,omitzero"`
	// OpenWindows of the pipeline, as the pollers of this process last counted them, and
	// how many there may be before they pause.
	OpenWindows    int64 `json:"openWindows,omitempty"`
	MaxOpenWindows int64 `json:"maxOpenWindows,omitempty"`
	// Waiting are the windows and readers that do not get on, nil where nobody counted.
	Waiting *WaitingCounts `json:"waiting,omitempty"`
}

// WaitingCounts are what of a pipeline does not get on, as Temporal's list of workflows
// tells, which is some seconds behind.
type WaitingCounts struct {
	// Parked windows wait for an operator, Retrying ones for what time can mend.
	Parked   int64 `json:"parked"`
	Retrying int64 `json:"retrying"`
	// Gaps are the shards whose reading has stopped at one.
	Gaps int64 `json:"gaps"`
	// At is when they were counted, by the clock of the starter.
	At time.Time `json:"at"`
}

// Shard is one shard of a stream.
type Shard struct {
	ID string `json:"id"`
	// Parents are the shards this one came from by a split or a merge, listed or
	// expired.
	Parents []string `json:"parents,omitempty"`
	// Closed shards take no more records.
	Closed bool `json:"closed,omitempty"`
}

// StartKind is how the beginning of a shard's chain of windows is expressed.
type StartKind string

// The kinds of start, named after the iterator types of Kinesis.
const (
	StartAtSequenceNumber    StartKind = "AT_SEQUENCE_NUMBER"
	StartAfterSequenceNumber StartKind = "AFTER_SEQUENCE_NUMBER"
	StartAtTimestamp         StartKind = "AT_TIMESTAMP"
)

// ChainStart is where the chain of a shard begins. It always means the same
// record, whoever reads from it and when: two pollers that start from it see the
// same first record.
type ChainStart struct {
	Kind           StartKind             `json:"kind"`
	SequenceNumber window.SequenceNumber `json:"sequenceNumber,omitempty"`
	Timestamp      time.Time             `json:"timestamp,omitzero"`
}

// ResolveStartInput asks where the chain of a shard begins.
type ResolveStartInput struct {
	Pipeline string `json:"pipeline"`
	Stream   string `json:"stream"`
	ShardID  string `json:"shardId"`
	// Position is TRIM_HORIZON or a time in RFC 3339.
	Position string `json:"position"`
	// AfterGap: what the stage remembers of the shard is not to be gone by.
	AfterGap bool `json:"afterGap,omitempty"`
	// Margin is how far from the oldest record of the shard the chain begins at least,
	// so that what was found is still there when it is read.
	Margin time.Duration `json:"margin,omitempty"`
}

// ResolveStartResult is where the chain of a shard begins, and how far it was read
// already as the stage remembers it.
type ResolveStartResult struct {
	Start ChainStart `json:"chainStart"`
	Progress
	// Drained: the stage remembers that the shard was read to its end.
	Drained bool `json:"drained,omitempty"`
	// Gone: Kinesis no longer has the shard.
	Gone bool `json:"gone,omitempty"`
}

// Progress is how far a shard is known to be read.
type Progress struct {
	// Checkpoint is the last record of the last window that was accepted; empty
	// before the first window. It may be stale: the chain of windows leads on.
	Checkpoint window.SequenceNumber `json:"checkpoint,omitempty"`
	// CheckpointAt is when this was known to be the last window, by the clock of the
	// process that read.
	CheckpointAt time.Time `json:"checkpointAt,omitzero"`
	// CompleteUntil: every record that arrived before, by Kinesis' clock, is in a window.
	CompleteUntil time.Time `json:"completeUntil,omitzero"`
}

// GapKind says why records may be missing, or be in two windows.
type GapKind string

// The kinds of gaps.
const (
	// GapTrimmed: Kinesis has deleted the record at which reading was to go on, and
	// whatever came after it until its retention.
	GapTrimmed GapKind = "trimmed"
	// GapPosition: Kinesis does not know the sequence number, as when a stream is deleted
	// and made again under its name.
	GapPosition GapKind = "position"
	// GapShardGone: Kinesis no longer has the shard.
	GapShardGone GapKind = "shard_gone"
	// GapForgotten: the checkpoint is older than the retention of the Temporal
	// namespace. Nothing is missing, but windows after it may have been forgotten, and
	// their records are put into windows again.
	GapForgotten GapKind = "forgotten"
)

// Gap is a range of a shard whose records are not known to be in exactly one window.
type Gap struct {
	Kind GapKind `json:"kind"`
	// After is the last record before the gap that is in a window; empty where the gap
	// begins before the first window.
	After window.SequenceNumber `json:"after,omitempty"`
	// Every record that arrived before From is in a window, and Kinesis still has every
	// record that arrived after To. Zero where that is not known.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
}

// GapsMemo is what the memo of a ShardReader tells of gaps.
type GapsMemo struct {
	// Gaps that reading has met, and the last of them.
	Gaps int `json:"gaps"`
	Last Gap `json:"last"`
	// At is when the last one was met, by Temporal's clock.
	At time.Time `json:"at"`
}

// PollShardInput is one lease of one shard.
type PollShardInput struct {
	Pipeline string     `json:"pipeline"`
	Stream   string     `json:"stream"`
	ShardID  string     `json:"shardId"`
	Start    ChainStart `json:"chainStart"`
	Progress
	// WindowsBefore and RecordsBefore were accepted by the leases before this one.
	WindowsBefore int `json:"windowsBefore,omitempty"`
	RecordsBefore int `json:"recordsBefore,omitempty"`
}

// PollShardResult is what one lease achieved.
type PollShardResult struct {
	Progress
	// Drained: the shard is closed, and all its records are in windows.
	Drained bool `json:"drained,omitempty"`
	// Children are the shards that a drained shard was split or merged into.
	Children []Shard `json:"children,omitempty"`
	// Gap is where reading has stopped, nil where it has not met one.
	Gap *Gap `json:"gap,omitempty"`
	// Windows and Records accepted during the lease.
	Windows int `json:"windows"`
	Records int `json:"records"`
	// Starter is the identity of the process that held the lease.
	Starter string `json:"starter"`
	// Ended says why the lease ended: "lease", "stop", "pause", "drained" or "gap".
	Ended string `json:"ended"`
	// Options of that process.
	Options PollOptions `json:"options"`
	// MillisBehindLatest is how far the last read was behind the tip of the shard, and
	// Waiting why the shard was not being read at the end, empty where it was.
	MillisBehindLatest int64  `json:"millisBehindLatest,omitempty"`
	Waiting            string `json:"waiting,omitempty"`
	Clocks
}

// Clocks are by how many milliseconds the clocks that a lease goes by are ahead of
// Temporal's, negative where they are behind; 0 where that is not known. They are right to
// about two seconds: answers take their time, and Kinesis tells whole seconds.
type Clocks struct {
	// StarterAheadMillis is about the process that holds the lease.
	StarterAheadMillis int64 `json:"starterAheadMillis,omitempty"`
	// KinesisAheadMillis is about Kinesis, whose clock sets the times of arrival.
	KinesisAheadMillis int64 `json:"kinesisAheadMillis,omitempty"`
}

// PollShardHeartbeat is what a PollShard reports while it runs. The next attempt
// goes on from it.
type PollShardHeartbeat struct {
	Progress
	Windows            int    `json:"windows"`
	Records            int    `json:"records"`
	MillisBehindLatest int64  `json:"millisBehindLatest"`
	Starter            string `json:"starter"`
	// Waiting says why the shard is not being read at the moment; empty where it is.
	Waiting string `json:"waiting,omitempty"`
	// WaitingFor is what is waited for; empty where nothing is, or by a starter of an
	// earlier version.
	WaitingFor WaitingFor `json:"waitingFor,omitempty"`
	// At is when this was true, by Temporal's clock: while a call takes long, the last
	// heartbeat is repeated.
	At time.Time `json:"at,omitzero"`
	// WindowsBefore and RecordsBefore are those of the input.
	WindowsBefore int `json:"windowsBefore,omitempty"`
	RecordsBefore int `json:"recordsBefore,omitempty"`
	Clocks
}

// WaitingFor is why a shard that is leased is not being read.
type WaitingFor string

// What a lease can wait for.
const (
	// WaitingForRoom: max_open_windows windows are open.
	WaitingForRoom WaitingFor = "room"
	// WaitingForMemory: the starter holds as many answers as read_memory allows.
	WaitingForMemory WaitingFor = "memory"
	// WaitingForThrottle: Kinesis asks to be asked less often.
	WaitingForThrottle WaitingFor = "throttle"
	// WaitingForStream: Kinesis does not answer.
	WaitingForStream WaitingFor = "stream"
)
