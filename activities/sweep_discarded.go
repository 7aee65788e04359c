package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

// What an operator has discarded is kept by a note in the stage, because Temporal forgets
// closed workflows sooner. A note stays until nothing is left of what it is about: as
// long as there is a raw window, a recovery must not take it for one to be delivered.

// keeps reports whether the note is younger than what is kept. Two clocks have to agree
// that it is not: Temporal's, by which the window was discarded, and that of this
// process, for when the note was written by the storage's. So one that is wrong, or
// was, deletes nothing early.
func (w *sweeping) keeps(note window.Discarded, written time.Time) bool {
	if w.KeepDiscarded == 0 || w.asOf.IsZero() {
		return true
	}
	return w.asOf.Before(note.At.Add(w.KeepDiscarded)) || w.now.Before(written.Add(w.KeepDiscarded))
}

// rememberNotes reads what was discarded not long ago, so that most of it costs no
// question for each window.
func (w *sweeping) rememberNotes(ctx context.Context) error {
	for object, err := range w.Stage.List(ctx, window.DiscardedPrefix(w.pipeline)) {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return newStageUnavailable(err)
		}
		activity.RecordHeartbeat(ctx, w.progress)
		if len(w.noted) == keptRemembered {
			return nil
		}
		if note, err := window.ParseNoteKey(w.pipeline, object.Key); err == nil && w.keeps(note, object.ModTime) {
			w.noted[note.NotesPrefix(w.pipeline)] = true
		}
	}
	return nil
}

// discarded reports whether a note keeps what the owner has.
func (w *sweeping) discarded(ctx context.Context, o owner) (bool, error) {
	for object, err := range w.Stage.List(ctx, o.notes) {
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case err != nil:
			return false, newStageUnavailable(err)
		}
		if note, err := window.ParseNoteKey(w.pipeline, object.Key); err == nil && w.keeps(note, object.ModTime) {
			return true, nil
		}
	}
	return false, nil
}

// sweepNotes deletes the notes that keep nothing any more.
func (w *sweeping) sweepNotes(ctx context.Context) error {
	for object, err := range w.Stage.List(ctx, window.DiscardedPrefix(w.pipeline)) {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return newStageUnavailable(err)
		}
		activity.RecordHeartbeat(ctx, w.progress)
		if object.Key <= w.progress.Key {
			continue
		}
		note, err := window.ParseNoteKey(w.pipeline, object.Key)
		switch {
		case err != nil && object.ModTime.Before(w.before):
			w.foreign(ctx, object.Key)
		case err != nil || w.keeps(note, object.ModTime):
		default:
			if err := w.sweepNote(ctx, note, object); err != nil {
				return err
			}
		}
		w.done(ctx, object.Key)
	}
	return nil
}

// sweepNote deletes an old note unless something of its window is left: what is younger
// than a sweep takes, or the raw window, which this sweep has not come to yet.
func (w *sweeping) sweepNote(ctx context.Context, note window.Discarded, object stage.Object) error {
	for _, prefix := range note.StagePrefixes(w.pipeline) {
		for _, err := range w.Stage.List(ctx, prefix) {
			if err != nil {
				return newStageUnavailable(err)
			}
			return nil
		}
	}
	return w.delete(ctx, object)
}
