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
}

// FindReaderInput names the ShardReader of a shard.
type FindReaderInput struct {
	Pipeline string `json:"pipeline"`
	ShardID  string `json:"shardId"`
}

// FindReaderResult is how a ShardReader is that was started before.
type FindReaderResult struct {
	// Status is the status of its workflow, such as Running or Completed.
	Status string `json:"status"`
	// State is what that means for the shard.
	State ShardState `json:"state"`
}

// ListShardsInput names the stream.
type ListShardsInput struct {
	Stream string `json:"stream"`
}

// ListShardsResult holds every shard that Kinesis still lists, in its order.
type ListShardsResult struct {
	Shards []Shard `json:"shards"`
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
	Stream  string `json:"stream"`
	ShardID string `json:"shardId"`
	// Position is TRIM_HORIZON, LATEST or a time in RFC 3339.
	Position string `json:"position"`
}

// PollShardInput is one lease of one shard.
type PollShardInput struct {
	Pipeline string     `json:"pipeline"`
	Stream   string     `json:"stream"`
	ShardID  string     `json:"shardId"`
	Start    ChainStart `json:"chainStart"`
	// Checkpoint is the last record of the last window that was accepted; empty
	// before the first window. It may be stale: the chain of windows leads on.
	Checkpoint window.SequenceNumber `json:"checkpoint,omitempty"`
}

// PollShardResult is what one lease achieved.
type PollShardResult struct {
	Checkpoint window.SequenceNumber `json:"checkpoint,omitempty"`
	// Drained: the shard is closed, and all its records are in windows.
	Drained bool `json:"drained,omitempty"`
	// Windows and Records accepted during the lease.
	Windows int `json:"windows"`
	Records int `json:"records"`
	// Starter is the identity of the process that held the lease.
	Starter string `json:"starter"`
	// Ended says why the lease ended: "lease", "stop" or "drained".
	Ended string `json:"ended"`
	// Options of that process.
	Options PollOptions `json:"options"`
}

// PollShardHeartbeat is what a PollShard reports while it runs. The next attempt
// goes on from it.
type PollShardHeartbeat struct {
	Checkpoint         window.SequenceNumber `json:"checkpoint,omitempty"`
	Windows            int                   `json:"windows"`
	Records            int                   `json:"records"`
	MillisBehindLatest int64                 `json:"millisBehindLatest"`
	Starter            string                `json:"starter"`
}
