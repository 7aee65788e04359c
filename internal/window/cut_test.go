package window_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// records makes one record for each size, a second apart.
func records(sizes ...int) []window.Record {
	out := make([]window.Record, len(sizes))
	for i, size := range sizes {
		at := epoch.Add(time.Duration(i) * time.Second)
		out[i] = window.Record{
			SequenceNumber: window.SequenceNumber(strconv.Itoa(100 + i)),
			Arrival:        at, Received: at, Data: make([]byte, size),
		}
	}
	return out
}

func TestCut(t *testing.T) {
	t.Parallel()
	limits := window.Limits{MaxBytes: 100, MaxRecords: 5, MaxAge: time.Minute}
	late := records(1, 1)
	late[1].Arrival = late[0].Arrival.Add(time.Minute)
	skewed := records(1)
	skewed[0].Arrival = epoch.Add(-time.Hour) // the clock of Kinesis is behind ours

	for _, c := range []struct {
		name    string
		records []window.Record
		at      window.Situation
		n       int
		why     window.Reason
	}{
		{"nothing to cut", nil, window.Situation{AtEnd: true, Draining: true}, 0, ""},
		{"open", records(50, 49), window.Situation{Now: epoch, AtTip: true}, 0, ""},
		{"exactly full", records(50, 50, 1), window.Situation{}, 2, window.ReasonBytes},
		{"next would not fit", records(50, 49, 2), window.Situation{}, 2, window.ReasonBytes},
		{"a giant alone", records(1000, 1), window.Situation{}, 1, window.ReasonBytes},
		{"before a giant", records(1, 1000), window.Situation{}, 1, window.ReasonBytes},
		{"empty records count", records(0, 0, 0, 0, 0, 0), window.Situation{}, 5, window.ReasonRecords},
		{"span of arrival, even far from the tip", late, window.Situation{Now: epoch}, 1, window.ReasonSpan},
		{"old at the tip", records(1, 1), window.Situation{Now: epoch.Add(time.Minute), AtTip: true}, 2, window.ReasonAge},
		{"old but not at the tip", records(1, 1), window.Situation{Now: epoch.Add(time.Hour)}, 0, ""},
		{"age counts from reading", skewed, window.Situation{Now: epoch.Add(time.Second), AtTip: true}, 0, ""},
		{"end of the shard", records(1, 1), window.Situation{AtEnd: true}, 2, window.ReasonShardEnd},
		{"drain", records(1, 1), window.Situation{Draining: true}, 2, window.ReasonDrain},
		{"full before drain", records(99, 2), window.Situation{Draining: true}, 1, window.ReasonBytes},
	} {
		n, why := limits.Cut(c.records, c.at)
		if n != c.n || why != c.why {
			t.Errorf("%s: Cut = %d, %q, want %d, %q", c.name, n, why, c.n, c.why)
		}
	}
}

func TestCutWithoutLimits(t *testing.T) {
	t.Parallel()
	n, _ := window.Limits{}.Cut(records(1<<20, 1<<20), window.Situation{Now: epoch.Add(1000 * time.Hour), AtTip: true})
	if n != 0 {
		t.Errorf("Cut = %d without a limit, want 0", n)
	}
}

func TestAfter(t *testing.T) {
	t.Parallel()
	all := records(1, 1, 1)
	for _, c := range []struct {
		last window.SequenceNumber
		left int
	}{{"", 3}, {"99", 3}, {"100", 2}, {"101", 1}, {"102", 0}, {"1000", 0}} {
		if got := len(window.After(all, c.last)); got != c.left {
			t.Errorf("After(%q) leaves %d records, want %d", c.last, got, c.left)
		}
	}
}
