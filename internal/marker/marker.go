// Package marker keeps, beside the windows in the stage, how far each shard was
// read. A marker is a second, coarser copy of what the ShardReader workflow knows: it
// lags by up to Interval, and it is only read where Temporal has no memory of a
// shard. A shard that is read on from a marker can have records in two windows, and
// loses none.
package marker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

// Interval is how often a poller writes the marker of a shard whose windows go on.
const Interval = 30 * time.Second

// Marker says how far a shard was read.
type Marker struct {
	Stream  string `json:"stream"`
	ShardID string `json:"shardId"`
	// Start is where the chain of windows of the shard begins.
	Start Start `json:"chainStart"`
	// Checkpoint is the last record of the last window; empty before the first.
	Checkpoint window.SequenceNumber `json:"checkpoint,omitempty"`
	// CompleteUntil: every record that arrived before is in a window.
	CompleteUntil time.Time `json:"completeUntil,omitzero"`
	// Drained: the shard is closed, and all its records are in windows.
	Drained bool `json:"drained,omitempty"`
	// WrittenAt is the time of the writer's clock.
	WrittenAt time.Time `json:"writtenAt"`
}

// Start is the fixed position where a chain of windows begins, in the terms of
// GetShardIterator.
type Start struct {
	// Kind is AT_SEQUENCE_NUMBER, AFTER_SEQUENCE_NUMBER or AT_TIMESTAMP.
	Kind           string                `json:"kind"`
	SequenceNumber window.SequenceNumber `json:"sequenceNumber,omitempty"`
	Timestamp      time.Time             `json:"timestamp,omitzero"`
}

func (s Start) equal(other Start) bool {
	return s.Kind == other.Kind && s.SequenceNumber == other.SequenceNumber && s.Timestamp.Equal(other.Timestamp)
}

// behind reports whether other has read more of the shard than m. The chain of other may
// have begun anew, behind a gap: then m has to be behind its beginning.
func (m Marker) behind(other Marker) bool {
	if !m.Start.equal(other.Start) && m.Checkpoint.Compare(other.Start.SequenceNumber) < 0 {
		return true
	}
	if c := m.Checkpoint.Compare(other.Checkpoint); c != 0 {
		return c < 0
	}
	if m.Drained != other.Drained {
		return other.Drained
	}
	return m.CompleteUntil.Before(other.CompleteUntil)
}

// Stage is where markers are kept; *stage.Stage is one.
type Stage interface {
	Put(ctx context.Context, key string, body []byte) error
	Get(ctx context.Context, key string) ([]byte, error)
	List(ctx context.Context, prefix string) iter.Seq2[stage.Object, error]
}

// Store holds the markers of one pipeline.
type Store struct {
	Stage    Stage
	Pipeline string
}

func (s Store) prefix() string { return s.Pipeline + "/marker/" }

func (s Store) key(shardID string) string { return s.prefix() + window.ShortShard(shardID) }

// Get returns the marker of a shard, and false where there is none.
func (s Store) Get(ctx context.Context, shardID string) (Marker, bool, error) {
	m, err := s.read(ctx, s.key(shardID))
	if errors.Is(err, stage.ErrNotFound) {
		return Marker{}, false, nil
	}
	return m, err == nil, err
}

func (s Store) read(ctx context.Context, key string) (Marker, error) {
	body, err := s.Stage.Get(ctx, key)
	if err != nil {
		return Marker{}, err
	}
	var m Marker
	if err := json.Unmarshal(body, &m); err != nil {
		return Marker{}, fmt.Errorf("read marker %s: %w", key, err)
	}
	for _, seq := range []window.SequenceNumber{m.Start.SequenceNumber, m.Checkpoint} {
		if seq == "" {
			continue
		}
		if _, err := window.ParseSequenceNumber(string(seq)); err != nil {
			return Marker{}, fmt.Errorf("read marker %s: %w", key, err)
		}
	}
	return m, nil
}

// Advance writes the marker unless the one that is there has come further: a poller
// that was asleep must not set the shard back.
func (s Store) Advance(ctx context.Context, m Marker) error {
	there, found, err := s.Get(ctx, m.ShardID)
	if err != nil {
		return err
	}
	if found && m.behind(there) {
		return nil
	}
	return s.Replace(ctx, m)
}

// Replace writes the marker whatever is there, as after a gap.
func (s Store) Replace(ctx context.Context, m Marker) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("write marker of shard %s: %w", m.ShardID, err)
	}
	return s.Stage.Put(ctx, s.key(m.ShardID), append(body, '\n'))
}

// All returns the markers of all shards, in the order of their keys.
func (s Store) All(ctx context.Context) ([]Marker, error) {
	var all []Marker
	for object, err := range s.Stage.List(ctx, s.prefix()) {
		if err != nil {
			return nil, err
		}
		key := object.Key
		m, err := s.read(ctx, key)
		if errors.Is(err, stage.ErrNotFound) {
			continue // deleted since it was listed
		}
		if err != nil {
			return nil, err
		}
		if want := strings.TrimPrefix(key, s.prefix()); window.ShortShard(m.ShardID) != want {
			return nil, fmt.Errorf("read marker %s: it is of shard %q", key, m.ShardID)
		}
		all = append(all, m)
	}
	return all, nil
}

// Any reports whether there is a marker, be it a damaged one.
func (s Store) Any(ctx context.Context) (bool, error) {
	for _, err := range s.Stage.List(ctx, s.prefix()) {
		return err == nil, err
	}
	return false, nil
}
