package window

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Discarded is a window that an operator has given up, or pieces of one that were
// formatted again in vain, as the key of its note in the stage tells. What is staged of
// it is kept for a time after At.
type Discarded struct {
	Window Range
	// IsRetry: it was the retry of Group, not the window itself.
	IsRetry bool
	Group   int
	// At is when it ended, by Temporal's clock. Keys hold it in whole seconds, rounded
	// up: what is kept for a time after it is not deleted a moment early.
	At time.Time
}

// discardedTime is At in a key. It sorts as the times do.
const discardedTime = "20060102T150405Z"

// DiscardedPrefix is the beginning of the stage keys of all notes of a pipeline.
func DiscardedPrefix(pipeline string) string { return pipeline + "/discarded/" }

// NotesPrefix is the beginning of the stage keys of all notes about the same window or
// retry. A retry can be discarded several times.
func (d Discarded) NotesPrefix(pipeline string) string {
	what := "window-"
	if d.IsRetry {
		what = fmt.Sprintf("retry-%d-", d.Group)
	}
	return DiscardedPrefix(pipeline) + d.Window.key() + "/" + what
}

// NoteKey is the stage key of the note. Each decision has a key of its own, so that a
// note that is deleted because it is old can never be one that was written just now.
func (d Discarded) NoteKey(pipeline string) string {
	at := d.At.UTC()
	if whole := at.Truncate(time.Second); !whole.Equal(at) {
		at = whole.Add(time.Second)
	}
	return d.NotesPrefix(pipeline) + at.Format(discardedTime)
}

// StagePrefixes are the beginnings of the stage keys of all that is kept.
func (d Discarded) StagePrefixes(pipeline string) []string {
	if d.IsRetry {
		return []string{Retry{Window: d.Window, Group: d.Group}.WorkflowID(pipeline) + "/"}
	}
	return []string{BatchPrefix(pipeline) + d.Window.key() + "/", d.Window.RawKey(pipeline)}
}

// ParseNoteKey is the inverse of Discarded.NoteKey. Every other key is an error.
func ParseNoteKey(pipeline, key string) (Discarded, error) {
	fail := notAKey(key, "note about a discarded window")
	name, ok := strings.CutPrefix(key, DiscardedPrefix(pipeline))
	at := strings.LastIndexByte(name, '/')
	if !ok || at < 0 {
		return Discarded{}, fail
	}
	r, err := parseRange(name[:at])
	if err != nil {
		return Discarded{}, fail
	}
	d := Discarded{Window: r}
	what := name[at+1:]
	cut := strings.LastIndexByte(what, '-')
	if cut < 0 {
		return Discarded{}, fail
	}
	if d.At, err = time.Parse(discardedTime, what[cut+1:]); err != nil {
		return Discarded{}, fail
	}
	if group, retry := strings.CutPrefix(what[:cut], "retry-"); retry {
		d.IsRetry = true
		if d.Group, err = strconv.Atoi(group); err != nil || d.Group < 0 {
			return Discarded{}, fail
		}
	}
	if d.NoteKey(pipeline) != key {
		return Discarded{}, fail
	}
	return d, nil
}
