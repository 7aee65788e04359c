package workflows

import (
	"time"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

// KeepDiscardedInput is a window that an operator has given up, or quarantined pieces of
// one that were formatted again.
type KeepDiscardedInput struct {
	Pipeline            string                `json:"pipeline"`
	ShardID             string                `json:"shardId"`
	FirstSequenceNumber window.SequenceNumber `json:"firstSequenceNumber"`
	LastSequenceNumber  window.SequenceNumber `json:"lastSequenceNumber"`
	// Retry: it was the retry of RetryGroup, not the window itself.
	Retry      bool `json:"retry,omitempty"`
	RetryGroup int  `json:"retryGroup,omitempty"`
	// Events of the window, those that were delivered included.
	Events int `json:"events"`
	// At is when it ended.
	At time.Time `json:"at"`
}

// Discarded is what the note in the stage is about.
func (in KeepDiscardedInput) Discarded() window.Discarded {
	return window.Discarded{
		Window:  window.Range{ShardID: in.ShardID, First: in.FirstSequenceNumber, Last: in.LastSequenceNumber},
		IsRetry: in.Retry, Group: in.RetryGroup, At: in.At,
	}
}

// SweepStageInput names the pipeline whose stage is swept.
type SweepStageInput struct {
	Pipeline string `json:"pipeline"`
	// AsOf is the time by Temporal's clock, as are those at which windows were discarded.
	// Without it no discarded window is swept.
	AsOf time.Time `json:"asOf,omitzero"`
}

// SweepStageResult is what a sweep of the stage has found. Objects that are younger than
// the setting are not counted.
type SweepStageResult struct {
	// Swept objects were needed by nobody and are deleted; Bytes is their size.
	Swept int   `json:"swept"`
	Bytes int64 `json:"bytes"`
	// Kept objects belong to windows that are open.
	Kept int `json:"kept"`
	// Discarded objects belong to windows that an operator has given up, not long ago.
	Discarded int `json:"discarded,omitempty"`
	// Foreign objects have keys that the pipeline does not make. They are left alone.
	Foreign int `json:"foreign,omitempty"`
}
