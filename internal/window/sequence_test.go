package window_test

import (
	"strings"
	"testing"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

const seq56 = "49590338271490256608559692538361571095921575989136588898"

func TestParseSequenceNumber(t *testing.T) {
	t.Parallel()
	for _, ok := range []string{"0", "7", seq56, strings.Repeat("9", 129)} {
		if got, err := window.ParseSequenceNumber(ok); err != nil || string(got) != ok {
			t.Errorf("ParseSequenceNumber(%q) = %q, %v", ok, got, err)
		}
	}
	for _, bad := range []string{"", "00", "012", "-1", "12a", " 1", "１", strings.Repeat("9", 130)} {
		if got, err := window.ParseSequenceNumber(bad); err == nil {
			t.Errorf("ParseSequenceNumber(%q) = %q, want an error", bad, got)
		}
	}
}

func TestCompareIsNumeric(t *testing.T) {
	t.Parallel()
	ordered := []window.SequenceNumber{"", "0", "9", "10", "99", "100", seq56, seq56 + "0"}
	for i, a := range ordered {
		for j, b := range ordered {
			got := a.Compare(b)
			if (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%q.Compare(%q) = %d", a, b, got)
			}
		}
	}
}

func TestShortSortsLikeTheNumber(t *testing.T) {
	t.Parallel()
	ordered := []window.SequenceNumber{"0", "1", "35", "36", seq56, "99999999999999999999999999999999999999999999999999999999"}
	last := ""
	for _, s := range ordered {
		short := s.Short()
		if len(short) != 36 {
			t.Errorf("%q.Short() = %q has %d digits, want 36", s, short, len(short))
		}
		if short <= last {
			t.Errorf("%q.Short() = %q does not sort after %q", s, short, last)
		}
		last = short
	}
}

func FuzzShortIsLossless(f *testing.F) {
	f.Add("0")
	f.Add(seq56)
	f.Add(strings.Repeat("9", 129))
	f.Fuzz(func(t *testing.T, text string) {
		s, err := window.ParseSequenceNumber(text)
		if err != nil {
			t.Skip()
		}
		back, err := window.ParseShort(s.Short())
		if err != nil || back != s {
			t.Fatalf("%q -> %q -> %q, %v", s, s.Short(), back, err)
		}
	})
}

func TestShortShardIsLossless(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for id, want := range map[string]string{
		"shardId-000000000000":  "0",
		"shardId-000000000012":  "12",
		"shardId-999999999999":  "999999999999",
		"shardId-0000000000012": "shardId-0000000000012",
		"shardId-00000000000a":  "shardId-00000000000a",
		"other":                 "other",
	} {
		got := window.ShortShard(id)
		if got != want {
			t.Errorf("ShortShard(%q) = %q, want %q", id, got, want)
		}
		if other, twice := seen[got]; twice {
			t.Errorf("%q and %q share the short form %q", id, other, got)
		}
		seen[got] = id
	}
}

func TestIdentifiers(t *testing.T) {
	t.Parallel()
	r := window.Range{ShardID: "shardId-000000000003", First: "36", Last: "71"}
	const first, last = "000000000000000000000000000000000010", "00000000000000000000000000000000001z"
	for _, c := range []struct{ got, want string }{
		{window.StreamReaderID("p"), "p/stream"},
		{window.ShardReaderID("p", r.ShardID), "p/shard/3"},
		{window.FlushWindowID("p", r.ShardID, r.First), "p/flush/3/" + first},
		{window.TokenKeeperID("p"), "p/token"},
		{window.StarterQueue("p"), "p/starter"},
		{window.WorkerQueue("p"), "p/worker"},
		{window.TokenQueue("p"), "p/token"},
		{window.DeliveryQueue("p"), "p/delivery"},
		{r.RawKey("p"), "p/raw/3/" + first + "-" + last},
		{r.BatchKey("p", 2, "abc"), "p/batch/3/" + first + "-" + last + "/0002-abc"},
		{r.QuarantineKey("p", 2, "abc"), "p/quarantine/3/" + first + "-" + last + "/0002-abc"},
		{r.IdempotencyKey("p", 2, "abc"), "p/3/" + first + "/2-abc"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestRangeValidate(t *testing.T) {
	t.Parallel()
	if err := (window.Range{ShardID: "s", First: "9", Last: "10"}).Validate(); err != nil {
		t.Errorf("a good range: %v", err)
	}
	for _, bad := range []window.Range{
		{First: "1", Last: "2"}, {ShardID: "s", Last: "2"}, {ShardID: "s", First: "1"}, {ShardID: "s", First: "10", Last: "9"},
	} {
		if bad.Validate() == nil {
			t.Errorf("%v was accepted", bad)
		}
	}
}
