package envelope

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/log-event-pipeline/logpipe/internal/kinesis/aggregate/aggregatetest"
)

func TestDecodeAggregate(t *testing.T) {
	t.Parallel()
	text := func(s string) []byte { return []byte(s) }
	nested := aggregatetest.Pack(text(data("n", "1")))
	whole := aggregatetest.Pack(
		compress(t, data("a", "1", "2"), control),
		text(data("b", "3")+`17`+data("b", "4")),
		nested,
		nil,
		nested[:len(nested)-1],
		aggregatetest.Seal(text("x")),
		text(data("c", "5")[:150]),
		text(data("d", "6")),
	)
	c, stats := decode(t, whole)
	if want := slices.Concat(lines("a", "1", "2"), lines("b", "3"), lines("b", "4"), lines("d", "6")); !slices.Equal(c.events, want) {
		t.Errorf("events %q, want %q", c.events, want)
	}
	want := []struct {
		userRecord int
		reason     Reason
		offset     int64
	}{
		{2, ReasonNotAnEnvelope, int64(len(data("b", "3")))},
		{3, ReasonAggregateNested, 0},
		{4, ReasonEmptyRecord, 0},
		{5, ReasonAggregateChecksum, 0},
		{6, ReasonAggregateMalformed, 0},
		{7, ReasonTruncatedJSON, int64(strings.Index(data("c", "5"), `{"id"`))},
	}
	if len(c.faults) != len(want) {
		t.Fatalf("faults %+v", c.faults)
	}
	for i, f := range c.faults {
		if f.UserRecord != want[i].userRecord || f.Reason != want[i].reason || f.Offset != want[i].offset {
			t.Errorf("fault %+v, want %+v", f, want[i])
		}
	}
	if stats.ControlEnvelopes != 1 || stats.Envelopes != 6 {
		t.Errorf("stats %+v", stats)
	}

	// What was set aside is decoded one level deeper.
	again, _ := decode(t, c.faults[1].Data)
	if !slices.Equal(again.events, lines("n", "1")) || len(again.faults) != 0 {
		t.Errorf("the nested aggregate alone: events %q, faults %+v", again.events, again.faults)
	}
}

// The limits hold for each user record, as they would if it were a record.
func TestDecodeAggregateLimits(t *testing.T) {
	t.Parallel()
	text := data("g", "1") + strings.Repeat(" ", 5000)
	c := new(collector)
	small, large := compress(t, text), compress(t, text+" ")
	stats, err := NewDecoder(Limits{int64(len(text)), 200}).Decode(aggregatetest.Pack(small, large, small), c)
	if err != nil || len(c.events) != 3 || len(c.faults) != 1 || c.faults[0].Reason != ReasonInflatedLimit || c.faults[0].UserRecord != 2 {
		t.Errorf("events %q, faults %+v, error %v", c.events, c.faults, err)
	}
	if stats.InflatedBytes != int64(3*len(text)) {
		t.Errorf("stats %+v", stats)
	}
}

func TestDecodeAggregateHandlerError(t *testing.T) {
	t.Parallel()
	c := &collector{failure: errors.New("full")}
	_, err := NewDecoder(testLimits).Decode(aggregatetest.Pack([]byte(data("g", "1")), []byte(data("g", "2"))), c)
	if !errors.Is(err, c.failure) || len(c.events) != 1 || len(c.faults) != 0 {
		t.Errorf("error %v after %d events and %d faults", err, len(c.events), len(c.faults))
	}
}
