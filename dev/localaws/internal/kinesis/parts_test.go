package kinesis

import (
	"math/big"
	"math/rand/v2"
	"testing"
	"time"
)

func TestSequenceNumbersRoundTrip(t *testing.T) {
	t.Parallel()
	for _, secs := range []int64{1_400_000_000, 1_800_000_000} {
		for _, shard := range []uint32{0, 15, 16, 1<<31 - 1} {
			for _, index := range []uint64{0, 1, 1 << 47, 1<<48 + 5, lastIndex} {
				n := makeSeqno(secs, shard, index, secs+3)
				if len(n.String()) != 56 {
					t.Fatalf("%s has %d digits", n, len(n.String()))
				}
				back, err := parseSeqno(n.String())
				if err != nil || back != n {
					t.Fatalf("%s reads back as %s, %v", n, back, err)
				}
				if back.shardSecs() != secs || back.shard() != shard || back.index() != index || back.arrivalSecs() != secs+3 {
					t.Fatalf("%s holds %d %d %d %d", n, back.shardSecs(), back.shard(), back.index(), back.arrivalSecs())
				}
			}
		}
	}
}

// A sequence number that the service gave out, for a record that arrived at 07:09:13.6.
func TestSequenceNumberOfTheService(t *testing.T) {
	t.Parallel()
	n, err := parseSeqno("49647060812288014558888668248263847763900017820167045122")
	if err != nil {
		t.Fatal(err)
	}
	if when := time.Unix(n.arrivalSecs(), 0).UTC().Format(time.DateTime); n.shard() != 0 || when != "2023-12-05 07:09:12" {
		t.Fatalf("shard %d, arrived %s", n.shard(), when)
	}
}

func TestSequenceNumbersOrder(t *testing.T) {
	t.Parallel()
	parent := newShard(17, hashRange{hi: maxHashKey}, time.Unix(1_700_000_000, 0), false)
	child := parent.child(18, parent.hashes, time.Unix(1_700_000_000, 0), false)
	ordered := []seqno{parent.starting(), makeSeqno(parent.secs, 17, 1, 1_700_000_000), makeSeqno(parent.secs, 17, 2, 1_700_000_000), parent.ending(), child.starting()}
	for i := 1; i < len(ordered); i++ {
		if ordered[i-1].compare(ordered[i]) >= 0 || ordered[i-1].String() >= ordered[i].String() {
			t.Errorf("%s does not come before %s", ordered[i-1], ordered[i])
		}
	}
}

func FuzzParseSeqno(f *testing.F) {
	f.Add("49647060812288014558888668248263847763900017820167045122")
	f.Add("")
	f.Add("-1")
	f.Add("+49647060812288014558888668248263847763900017820167045122")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parseSeqno(s)
		if err != nil {
			return
		}
		want, ok := new(big.Int).SetString(s, 10)
		if !ok || n.String() != want.String() {
			t.Fatalf("%q reads as %s", s, n)
		}
	})
}

func TestEvenRangesCoverTheSpace(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3, 4, 7, 100, 500} {
		ranges := evenRanges(n)
		if len(ranges) != n || ranges[0].lo != (hashKey{}) || ranges[n-1].hi != maxHashKey {
			t.Fatalf("%d ranges: %v", n, ranges)
		}
		for i := 1; i < n; i++ {
			if ranges[i-1].hi.next() != ranges[i].lo || ranges[i-1].lo.compare(ranges[i-1].hi) > 0 {
				t.Fatalf("%d ranges: gap before %d", n, i)
			}
		}
	}
}

func TestHashKeys(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"0", "1", "340282366920938463463374607431768211455", "18446744073709551616"} {
		k, ok := parseHashKey(s)
		if !ok || k.String() != s {
			t.Errorf("%s reads as %s, %v", s, k, ok)
		}
	}
	for _, s := range []string{"", "00", "-1", "1.5", "340282366920938463463374607431768211456", "999999999999999999999999999999999999999999"} {
		if k, ok := parseHashKey(s); ok {
			t.Errorf("%q was taken as %s", s, k)
		}
	}
}

// However a stream is rescaled, its open shards divide the whole space, and each closed one has children.
func TestRescalingKeepsTheSpaceWhole(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	now := time.Unix(1_700_000_000, 0)
	st := &stream{retention: defaultRetention}
	for i, r := range evenRanges(3) {
		st.addLocked(newShard(uint32(i), r, now, false))
	}
	for range 200 {
		now = now.Add(time.Second)
		n := 1 + rng.IntN(12)
		st.rescaleLocked(n, now, false)
		if len(st.open) != n {
			t.Fatalf("%d open shards, want %d", len(st.open), n)
		}
		next := hashKey{}
		for i, s := range st.open {
			if s.hashes.lo != next || !s.open() {
				t.Fatalf("open shard %d begins at %s, want %s", i, s.hashes.lo, next)
			}
			next = s.hashes.hi.next()
		}
		if next != (hashKey{}) {
			t.Fatalf("the last shard ends before %s", next)
		}
	}
	for i, s := range st.shards {
		if s.id != shardID(uint32(i)) {
			t.Fatalf("shard %d is named %s", i, s.id)
		}
		if !s.open() && len(st.childrenLocked(s, now)) == 0 {
			t.Fatalf("closed shard %s has no child", s.id)
		}
	}
}

func TestLogTrimsAcrossChunks(t *testing.T) {
	t.Parallel()
	l := newRecordLog()
	const n = 3*chunkSize + 17
	for i := range n {
		if pos := l.append(record{arrival: int64(i)}); pos != uint64(i+1) {
			t.Fatalf("record %d is at %d", i, pos)
		}
	}
	for _, before := range []int64{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 3 * chunkSize, n - 1} {
		l.trim(before)
		if l.first != uint64(before+1) {
			t.Fatalf("trimmed before %d: first is %d", before, l.first)
		}
		if got := l.at(l.first).arrival; got != before {
			t.Fatalf("first record arrived at %d, want %d", got, before)
		}
		if got := l.firstAt(before + 5); got != min(uint64(before+6), l.next) {
			t.Fatalf("first at %d is %d", before+5, got)
		}
	}
	l.trim(n + 1)
	if l.first != l.next {
		t.Fatalf("%d records left", l.next-l.first)
	}
	if pos := l.append(record{arrival: n}); l.at(pos).arrival != n {
		t.Fatal("append after everything was trimmed")
	}
}
