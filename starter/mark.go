package starter

import (
	"context"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/marker"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

const (
	// markerQuiet is how often the marker of a shard is written in which nothing comes,
	// to say that nothing has come.
	markerQuiet = time.Hour
	// markerTimeout bounds reading and writing the marker. A stage that does not answer
	// must not keep the shard from being read, and a process that was stopped in between
	// must not set the marker back when it goes on.
	markerTimeout = 10 * time.Second
	// markerRetry is when to try again what the stage did not take.
	markerRetry = 5 * time.Second
)

// marks is what a lease knows of the shard's marker in the stage.
type marks struct {
	known      bool
	checkpoint window.SequenceNumber
	next       time.Time // not before then
	quiet      time.Time // at the latest
}

// mark writes the marker when it is time to. Reading does not depend on it: what the
// stage does not take is tried again, and only matters should Temporal lose its memory.
func (l *lease) mark(ctx context.Context) {
	now := time.Now()
	moved := l.progress.Checkpoint != l.marks.checkpoint
	if now.Before(l.marks.next) || l.marks.known && !moved && now.Before(l.marks.quiet) {
		return
	}
	if !l.marks.known {
		l.readMarker(ctx)
		return
	}
	l.writeMarker(ctx, false)
}

// markLast writes the marker at the end of a lease in which it has changed.
func (l *lease) markLast(ctx context.Context, drained bool) {
	if drained || l.progress.Checkpoint != l.marks.checkpoint {
		l.writeMarker(ctx, drained)
	}
}

// readMarker finds out what the last lease has written.
func (l *lease) readMarker(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, markerTimeout)
	defer cancel()
	m, found, err := l.Markers.Get(ctx, l.in.ShardID)
	if err != nil {
		l.marks.next = time.Now().Add(markerRetry)
		l.log.Warn("the shard's marker in the stage cannot be read", "error", err)
		return
	}
	l.marks.known = true
	if found {
		l.marks.checkpoint = m.Checkpoint
		// By how old it is: its writer went by Temporal's clock.
		written := time.Now().Add(-max(0, l.now().Sub(m.WrittenAt)))
		l.marks.next, l.marks.quiet = written.Add(marker.Interval), written.Add(markerQuiet)
	}
}

func (l *lease) writeMarker(ctx context.Context, drained bool) {
	m := markerOf(l.in.Stream, l.in.ShardID, l.in.Start, l.progress)
	m.Drained = drained
	now := time.Now()
	ctx, cancel := context.WithTimeout(ctx, markerTimeout)
	defer cancel()
	if err := l.Markers.Advance(ctx, m); err != nil {
		l.marks.next = now.Add(markerRetry)
		l.log.Warn("the shard's marker in the stage cannot be written", "error", err)
		return
	}
	l.marks = marks{known: true, checkpoint: m.Checkpoint, next: now.Add(marker.Interval), quiet: now.Add(markerQuiet)}
}

// markerOf and progressOf translate between what the workflow and the stage remember.
func markerOf(stream, shardID string, start workflows.ChainStart, p workflows.Progress) marker.Marker {
	return marker.Marker{
		Stream: stream, ShardID: shardID,
		Start:      marker.Start{Kind: string(start.Kind), SequenceNumber: start.SequenceNumber, Timestamp: start.Timestamp},
		Checkpoint: p.Checkpoint, CompleteUntil: p.CompleteUntil, WrittenAt: p.CheckpointAt,
	}
}

func progressOf(m marker.Marker) workflows.Progress {
	return workflows.Progress{Checkpoint: m.Checkpoint, CheckpointAt: m.WrittenAt, CompleteUntil: m.CompleteUntil}
}

func startOf(m marker.Marker) workflows.ChainStart {
	return workflows.ChainStart{Kind: workflows.StartKind(m.Start.Kind), SequenceNumber: m.Start.SequenceNumber, Timestamp: m.Start.Timestamp}
}

func sameStart(a, b workflows.ChainStart) bool {
	return a.Kind == b.Kind && a.SequenceNumber == b.SequenceNumber && a.Timestamp.Equal(b.Timestamp)
}
