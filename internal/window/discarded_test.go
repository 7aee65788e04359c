package window_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

var decided = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func TestNoteKeysAreReadBack(t *testing.T) {
	t.Parallel()
	seen := map[string]window.Discarded{}
	for _, r := range []window.Range{
		{ShardID: "shardId-000000000000", First: "0", Last: "0"},
		{ShardID: "shardId-000000000012", First: "7", Last: seq56},
		{ShardID: "a.shard_of-another", First: "1", Last: window.SequenceNumber(strings.Repeat("9", 129))},
	} {
		for _, want := range []window.Discarded{
			{Window: r, At: decided},
			{Window: r, At: decided.Add(time.Second)},
			{Window: r, At: decided, IsRetry: true},
			{Window: r, At: decided, IsRetry: true, Group: 1},
			{Window: r, At: decided, IsRetry: true, Group: 12},
		} {
			key := want.NoteKey("p")
			if got, err := window.ParseNoteKey("p", key); err != nil || got != want {
				t.Errorf("ParseNoteKey(%q) = %v, %v, want %v", key, got, err, want)
			}
			if other, twice := seen[key]; twice {
				t.Errorf("%v and %v have one key, %q", other, want, key)
			}
			seen[key] = want
		}
	}
	// A note is about one window or retry, and is not found among those of another.
	for key, d := range seen {
		for _, other := range seen {
			same := other.Window == d.Window && other.IsRetry == d.IsRetry && other.Group == d.Group
			if found := strings.HasPrefix(key, other.NotesPrefix("p")); found != same {
				t.Errorf("note %q among those with %q: %v, want %v", key, other.NotesPrefix("p"), found, same)
			}
		}
	}
}

// What is kept for a time after the note is not deleted before that time is over.
func TestNotesAreNeverEarly(t *testing.T) {
	t.Parallel()
	r := window.Range{ShardID: "shardId-000000000007", First: "1", Last: "2"}
	for _, after := range []time.Duration{0, 1, time.Millisecond, time.Second - 1, time.Second} {
		at := decided.Add(after).In(time.FixedZone("there", 3600))
		got, err := window.ParseNoteKey("p", window.Discarded{Window: r, At: at}.NoteKey("p"))
		if err != nil || got.At.Before(at) || got.At.Sub(at) >= time.Second {
			t.Errorf("a window that was discarded at %s has a note of %s: %v", at, got.At, err)
		}
	}
}

func TestOtherKeysAreNoNotes(t *testing.T) {
	t.Parallel()
	r := window.Range{ShardID: "shardId-000000000007", First: "1", Last: "2"}
	good := window.Discarded{Window: r, At: decided}.NoteKey("p")
	retry := window.Discarded{Window: r, At: decided, IsRetry: true, Group: 3}.NoteKey("p")
	for _, key := range []string{
		"", "p/discarded/", r.RawKey("p"), strings.TrimPrefix(good, "p"), "q" + good[1:], good + "/", good + "-", good + "0",
		good[:len(good)-1], strings.ToLower(good), strings.Replace(good, "window-", "", 1), strings.Replace(good, "window-", "other-", 1),
		strings.Replace(good, "/7/", "/07/", 1), strings.Replace(good, "20260304", "20260230", 1),
		strings.Replace(retry, "retry-3-", "retry-03-", 1), strings.Replace(retry, "retry-3-", "retry--3-", 1), strings.Replace(retry, "retry-3-", "retry-", 1),
		"p/discarded/7/fileblob3141592653", good[:strings.LastIndex(good, "/")] + "/fileblob3141592653",
	} {
		if d, err := window.ParseNoteKey("p", key); err == nil {
			t.Errorf("key %q is taken for the note about %v", key, d)
		}
	}
}

// All that is staged of a window begins with what its note stands for, and nothing of
// another one does.
func TestNotesStandForWhatIsStaged(t *testing.T) {
	t.Parallel()
	r := window.Range{ShardID: "shardId-000000000007", First: "1", Last: seq56}
	another := window.Range{ShardID: "shardId-000000000007", First: "1", Last: "2"}
	staged := func(r window.Range) []string {
		return []string{r.RawKey("p"), r.BatchKey("p", 0, "a"), r.BatchKey("p", 12345, "b")}
	}
	retried := func(r window.Range, group int) string {
		return window.Retry{Window: r, Group: group}.BatchKey("p", 0, "a")
	}
	for _, c := range []struct {
		of       window.Discarded
		all, not []string
	}{
		{window.Discarded{Window: r}, staged(r), append(staged(another), retried(r, 0), r.QuarantineKey("p", 0, "a"))},
		{window.Discarded{Window: r, IsRetry: true, Group: 1}, []string{retried(r, 1)}, append(staged(r), retried(r, 0), retried(r, 12), retried(another, 1))},
	} {
		covers := func(key string) bool {
			return slices.ContainsFunc(c.of.StagePrefixes("p"), func(prefix string) bool { return strings.HasPrefix(key, prefix) })
		}
		for _, key := range c.all {
			if !covers(key) {
				t.Errorf("%v does not stand for %q", c.of, key)
			}
		}
		for _, key := range c.not {
			if covers(key) {
				t.Errorf("%v stands for %q", c.of, key)
			}
		}
	}
}

// FuzzParseNoteKey: what is read of a key makes the same key again.
func FuzzParseNoteKey(f *testing.F) {
	r := window.Range{ShardID: "shardId-000000000012", First: "7", Last: seq56}
	f.Add(window.Discarded{Window: r, At: decided}.NoteKey("p"))
	f.Add(window.Discarded{Window: r, At: decided, IsRetry: true, Group: 7}.NoteKey("p"))
	f.Fuzz(func(t *testing.T, key string) {
		d, err := window.ParseNoteKey("p", key)
		if err == nil && (d.NoteKey("p") != key || !strings.HasPrefix(key, d.NotesPrefix("p")) || d.Window.Validate() != nil) {
			t.Errorf("ParseNoteKey(%q) = %v", key, d)
		}
	})
}
