package activities

import (
	"context"
	"encoding/json"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// discardedNote is what the note about a discarded window holds, for people and their
// scripts. The pipeline itself goes by its key.
type discardedNote struct {
	ShardID             string                `json:"shard_id"`
	FirstSequenceNumber window.SequenceNumber `json:"first_sequence_number"`
	LastSequenceNumber  window.SequenceNumber `json:"last_sequence_number"`
	DiscardedAt         time.Time             `json:"discarded_at"`
	// Events of the window, those that were delivered included.
	Events int `json:"events"`
	// Staged are prefixes of the stage keys of all that is kept.
	Staged []string `json:"staged"`
}

// KeepDiscarded notes in the stage that a window was given up, so that it is kept for the
// time that is set and not started again when Temporal's database is lost.
func (d *Discard) KeepDiscarded(ctx context.Context, in workflows.KeepDiscardedInput) error {
	about := in.Discarded()
	body, err := json.Marshal(discardedNote{
		ShardID: in.ShardID, FirstSequenceNumber: in.FirstSequenceNumber, LastSequenceNumber: in.LastSequenceNumber,
		DiscardedAt: in.At.UTC(), Events: in.Events, Staged: about.StagePrefixes(in.Pipeline),
	})
	if err == nil {
		err = d.Stage.Put(ctx, about.NoteKey(in.Pipeline), append(body, '\n'))
	}
	if err != nil {
		return newStageUnavailable(err)
	}
	told(d.Metrics).Finished(ctx, true)
	return nil
}
