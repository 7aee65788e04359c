package envelope

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestDecodeLimits(t *testing.T) {
	t.Parallel()
	text := data("g", "1") + strings.Repeat(" ", 5000)
	limit := int64(len(text))
	exact, beyond := new(collector), new(collector)
	if _, err := NewDecoder(Limits{limit, 200}).Decode(compress(t, text), exact); err != nil || len(exact.faults) > 0 {
		t.Errorf("data of exactly the limit: faults %+v, error %v", exact.faults, err)
	}
	stats, err := NewDecoder(Limits{limit - 1, 200}).Decode(compress(t, text), beyond)
	if err != nil || len(beyond.faults) != 1 || beyond.faults[0].Reason != ReasonInflatedLimit || !beyond.faults[0].Stored {
		t.Errorf("data beyond the limit: faults %+v, error %v", beyond.faults, err)
	}
	if !slices.Equal(beyond.events, lines("g", "1")) || stats.InflatedBytes != limit-1 {
		t.Errorf("before the limit: events %q, stats %+v", beyond.events, stats)
	}
}

// A bomb is given up on early, and costs memory by what may be inflated, not by its size.
//
//nolint:paralleltest // what other tests allocate would be counted
func TestDecodeBomb(t *testing.T) {
	const size = 16 << 20
	for name, bomb := range map[string]string{
		"one long string": head("g") + `[{"id":"1","message":"` + strings.Repeat("a", size),
		"blanks":          strings.Repeat(" ", size),
		"many arrays":     strings.Repeat("[", size),
	} {
		t.Run(name, func(t *testing.T) {
			stored := compress(t, data("g", "1")+bomb)
			c := new(collector)
			var stats Stats
			allocated := allocated(func() {
				stats, _ = NewDecoder(Limits{MaxInflatedBytes: 64 << 20, MaxInflateRatio: 200}).Decode(stored, c)
			})
			if len(c.faults) != 1 || !slices.Equal(c.events, lines("g", "1")) {
				t.Fatalf("events %q, %d faults", c.events, len(c.faults))
			}
			if reason := c.faults[0].Reason; reason != ReasonRatioLimit && name != "many arrays" {
				t.Errorf("reason %v", reason)
			}
			allowed := 200 * len(stored)
			if stats.InflatedBytes > int64(allowed) {
				t.Errorf("inflated %d bytes, allowed are %d", stats.InflatedBytes, allowed)
			}
			// A buffer that doubles until it holds the value has been
			// allocated four times over.
			if allocated > uint64(8*allowed) {
				t.Errorf("allocated %d bytes where %d may be inflated", allocated, allowed)
			}
		})
	}
}

// A layer of nothing but empty layers costs no more than the limits allow, though
// nothing comes out of it.
func TestDecodeBombOfLayers(t *testing.T) {
	t.Parallel()
	empty := string(compress(t, ""))
	for name, c := range map[string]struct {
		limits Limits
		want   Reason
	}{
		"ratio": {Limits{MaxInflatedBytes: 64 << 20, MaxInflateRatio: 200}, ReasonRatioLimit},
		"size":  {Limits{MaxInflatedBytes: 1 << 20, MaxInflateRatio: 2000}, ReasonInflatedLimit},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bomb := compress(t, strings.Repeat(empty, 4<<20/len(empty)))
			got := new(collector)
			stats, err := NewDecoder(c.limits).Decode(bomb, got)
			if err != nil || len(got.faults) != 1 || got.faults[0].Reason != c.want || stats.InflatedBytes != 0 {
				t.Errorf("faults %+v, stats %+v, error %v", got.faults, stats, err)
			}
		})
	}
}

// What is too long to be held is given up on where it begins. What stands before it was
// delivered, and what comes behind is in quarantine with it.
func TestDecodeLongValues(t *testing.T) {
	t.Parallel()
	fits, long := strings.Repeat("x", maxEvent/2-100), strings.Repeat("x", maxEvent/2) // each is in id and message
	many := `"` + strings.Repeat("y", maxHeld/2) + `"`
	unowned := `{"messageType":"DATA_MESSAGE","logGroup":"g","logStream":"s","logEvents":[` + many + "," + many + `],"owner":"1"}`
	for name, c := range map[string]struct {
		data   string
		before int // events
		fails  bool
	}{
		"as long as it may be":    {data("g", "1", fits, "2"), 4, false},
		"event":                   {data("g", "1", long, "2"), 1, true},
		"events before the owner": {unowned, 0, true},
		"unknown member":          {`{"a":` + many + `,"b":` + many + strings.TrimPrefix(data("g", "1"), "{"), 0, true},
		"no envelope":             {"[" + many + "," + many + "]", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := new(collector)
			_, err := NewDecoder(Limits{MaxInflatedBytes: 64 << 20, MaxInflateRatio: 10_000}).Decode(compress(t, c.data+data("g", "3")), got)
			if err != nil || len(got.events) != c.before || len(got.faults) > 0 != c.fails {
				t.Fatalf("%d events, %d faults, %v", len(got.events), len(got.faults), err)
			}
			if c.fails && (got.faults[0].Reason != ReasonValueLimit || !got.faults[0].Stored) {
				t.Errorf("%v at %d", got.faults[0].Reason, got.faults[0].Offset)
			}
		})
	}
}

// Streaming needs no more memory for a large record than for a small one.
//
//nolint:paralleltest // what other tests allocate would be counted
func TestDecodeMemory(t *testing.T) {
	list := make([]string, 100_000)
	for i := range list {
		list[i] = fmt.Sprintf("%056d", i)
	}
	stored := compress(t, data("g", list...))
	var stats Stats
	allocated := allocated(func() {
		stats, _ = NewDecoder(Limits{MaxInflatedBytes: 64 << 20, MaxInflateRatio: 200}).Decode(stored, countingHandler{})
	})
	if stats.Events != len(list) || stats.Faults != 0 {
		t.Fatalf("stats %+v", stats)
	}
	if allocated > 1<<20 {
		t.Errorf("allocated %d bytes for %d inflated", allocated, stats.InflatedBytes)
	}
}

// allocated is how many bytes are allocated while f runs.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

type countingHandler struct{}

func (countingHandler) HandleEvent(*Event) error { return nil }
func (countingHandler) HandleFault(Fault) error  { return nil }
