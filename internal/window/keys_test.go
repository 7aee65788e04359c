package window_test

import (
	"strings"
	"testing"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

func TestKeysAreReadBack(t *testing.T) {
	t.Parallel()
	for _, want := range []window.Range{
		{ShardID: "shardId-000000000000", First: "0", Last: "0"},
		{ShardID: "shardId-000000000012", First: "7", Last: seq56},
		{ShardID: "shardId-123456789012", First: seq56, Last: seq56 + "0"},
		{ShardID: "shardId-0000000000012", First: "1", Last: "2"}, // a digit more than Kinesis writes
		{ShardID: "a.shard_of-another", First: "1", Last: window.SequenceNumber(strings.Repeat("9", 129))},
	} {
		got, err := window.ParseRawKey("p", want.RawKey("p"))
		if err != nil || got != want {
			t.Errorf("ParseRawKey(%q) = %v, %v, want %v", want.RawKey("p"), got, err, want)
		}
		for _, n := range []int{0, 12, 12345} {
			key := want.BatchKey("p", n, "0123-abcd")
			got, err := window.ParseBatchKey("p", key)
			if err != nil || got != want {
				t.Errorf("ParseBatchKey(%q) = %v, %v, want %v", key, got, err, want)
			}
			key = want.QuarantineKey("p", n, "0123-abcd")
			piece, err := window.ParseQuarantineKey("p", key)
			if err != nil || piece != (window.Piece{Window: want, Number: n, Digest: "0123-abcd"}) {
				t.Errorf("ParseQuarantineKey(%q) = %v, %v, want piece %d of %v", key, piece, err, n, want)
			}
			retry := piece.Retry()
			key = retry.BatchKey("p", n, "0123-abcd")
			if got, err := window.ParseRetryBatchKey("p", key); err != nil || got != retry {
				t.Errorf("ParseRetryBatchKey(%q) = %v, %v, want %v", key, got, err, retry)
			}
		}
	}
}

// parsers by the part of a key that tells its kind.
var parsers = map[string]func(pipeline, key string) (window.Range, error){
	"raw":   window.ParseRawKey,
	"batch": window.ParseBatchKey,
	"quarantine": func(pipeline, key string) (window.Range, error) {
		p, err := window.ParseQuarantineKey(pipeline, key)
		return p.Window, err
	},
	"retry": func(pipeline, key string) (window.Range, error) {
		r, err := window.ParseRetryBatchKey(pipeline, key)
		return r.Window, err
	},
}

func TestOtherKeysAreRefused(t *testing.T) {
	t.Parallel()
	one, two := window.SequenceNumber("1").Short(), window.SequenceNumber("2").Short()
	for _, rest := range []string{
		"", "/", "7", "7/", "7/-", "7/" + one, "7/" + one + "-", "/" + one + "-" + two,
		"7/" + two + "-" + one,                    // backwards
		"07/" + one + "-" + two,                   // not the short form
		"shardId-000000000007/" + one + "-" + two, // nor this one
		"7/1-2", // not padded
		"7/" + one + "-" + strings.ToUpper(two+"A"),    // upper case
		"7/+" + one[1:] + "-" + two,                    // a sign
		"7/" + one + "-" + two + "-" + two,             // three ends
		"7/" + one + "-" + strings.Repeat("z", 100),    // more digits than a sequence number has
		"7/fileblob3141592653",                         // what a file:// stage leaves of a write that was cut short
		"7/" + one + "-" + two + "/",                   // no name
		"7/" + one + "-" + two + "/0000",               // no digest
		"7/" + one + "-" + two + "/0-abc",              // not padded
		"7/" + one + "-" + two + "/-001-abc",           // a sign
		"7/" + one + "-" + two + "/0000-abc/0000-abcd", // deeper
		"7/" + one + "-" + two + "/00/0000-abcd",       // padded
		"7/" + one + "-" + two + "/-1/0000-abcd",       // a sign
	} {
		for name, parse := range parsers {
			for _, pipeline := range []string{"p", "q"} {
				if r, err := parse("p", pipeline+"/"+name+"/"+rest); err == nil {
					t.Errorf("%s key %q is taken for one of %v", name, rest, r)
				}
			}
		}
	}
	r := window.Range{ShardID: "shardId-000000000007", First: "1", Last: "2"}
	if _, err := window.ParseRawKey("q", r.RawKey("p")); err == nil {
		t.Error("a key of another pipeline is taken")
	}
	if _, err := window.ParseBatchKey("p", r.QuarantineKey("p", 0, "abc")); err == nil {
		t.Error("a quarantined piece is taken for a batch")
	}
}

// FuzzParseKeys: what is read of a key makes the same key again.
func FuzzParseKeys(f *testing.F) {
	r := window.Range{ShardID: "shardId-000000000012", First: "7", Last: seq56}
	f.Add(r.RawKey("p"))
	f.Add(r.BatchKey("p", 3, "abc"))
	f.Add(r.QuarantineKey("p", 3, "abc"))
	f.Add(window.Retry{Window: r, Group: 7}.BatchKey("p", 3, "abc"))
	f.Add("p/raw/12/fileblob123")
	f.Fuzz(func(t *testing.T, key string) {
		if r, err := window.ParseRawKey("p", key); err == nil {
			if err := r.Validate(); err != nil || r.RawKey("p") != key {
				t.Errorf("ParseRawKey(%q) = %v, which is %q: %v", key, r, r.RawKey("p"), err)
			}
		}
		if piece, err := window.ParseQuarantineKey("p", key); err == nil && piece.Window.QuarantineKey("p", piece.Number, piece.Digest) != key {
			t.Errorf("ParseQuarantineKey(%q) = %v", key, piece)
		}
		if r, err := window.ParseRetryBatchKey("p", key); err == nil && !strings.HasPrefix(key, r.WorkflowID("p")+"/") {
			t.Errorf("ParseRetryBatchKey(%q) = %v", key, r)
		}
		if r, err := window.ParseBatchKey("p", key); err == nil {
			if err := r.Validate(); err != nil || !strings.HasPrefix(key, strings.Replace(r.RawKey("p"), "/raw/", "/batch/", 1)+"/") {
				t.Errorf("ParseBatchKey(%q) = %v: %v", key, r, err)
			}
		}
	})
}

func FuzzLongShardIsTheInverse(f *testing.F) {
	f.Add("shardId-000000000012")
	f.Add("shardId-000000000000")
	f.Add("another")
	f.Fuzz(func(t *testing.T, id string) {
		if short := window.ShortShard(id); short != id && window.LongShard(short) != id {
			t.Errorf("LongShard(%q) = %q, want %q", short, window.LongShard(short), id)
		}
	})
}

// Ids of retries are no ids of windows, and a piece is in one retry only.
func TestRetriesAreApart(t *testing.T) {
	t.Parallel()
	r := window.Range{ShardID: "shardId-000000000007", First: "1", Last: "2"}
	ids := map[string]bool{window.FlushWindowID("p", r.ShardID, r.First): true}
	for _, piece := range []window.Piece{
		{Window: r}, {Window: r, Number: window.RetrySize},
		{Window: window.Range{ShardID: r.ShardID, First: "1", Last: "3"}},
		{Window: window.Range{ShardID: "shardId-000000000008", First: "1", Last: "2"}},
	} {
		id := piece.Retry().WorkflowID("p")
		if ids[id] || !strings.HasPrefix(id, "p/retry/") {
			t.Errorf("%v is formatted again by %s, as another one is", piece, id)
		}
		ids[id] = true
	}
	if a, b := (window.Piece{Window: r, Digest: "a"}), (window.Piece{Window: r, Number: window.RetrySize - 1}); a.Retry() != b.Retry() {
		t.Errorf("%v and %v are not formatted together", a, b)
	}
}
