package apigateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestNewRejectsNegativeOptions(t *testing.T) {
	t.Parallel()
	_, err := New(Options{MaxInflatedBytes: -1, MaxInflateRatio: -2, BatchMaxBytes: -3, BatchMaxEvents: -4})
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{"max inflated bytes is -1", "max inflate ratio is -2", "batch max bytes is -3", "batch max events is -4"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q does not say %q", err, name)
		}
	}
}

// Batches keep to their limits, whatever these are, and hold the same events.
func TestBatchLimits(t *testing.T) {
	t.Parallel()
	var messages []string
	for i := range 60 {
		messages = append(messages, strings.Repeat("x", i*i%700))
	}
	data := envelopeOf(t, group, messages...)
	all, _ := format(t, Options{}, record(data))
	longest := 0
	for _, event := range all.events {
		longest = max(longest, len(event))
	}
	for _, options := range []Options{
		{BatchMaxEvents: 1}, {BatchMaxEvents: 7}, {BatchMaxEvents: 60}, {BatchMaxBytes: longest + 2},
		{BatchMaxBytes: longest + 3}, {BatchMaxBytes: 2000, BatchMaxEvents: 2}, {BatchMaxBytes: 5000}, {BatchMaxBytes: len(all.batches[0])},
	} {
		k, summary := format(t, options, record(data))
		if len(k.events) != len(messages) || summary.Quarantined != 0 {
			t.Fatalf("%+v: %d events, %+v", options, len(k.events), summary)
		}
		for i := range k.events {
			if !bytes.Equal(k.events[i], all.events[i]) {
				t.Fatalf("%+v: event %d differs", options, i)
			}
		}
	}
	k, _ := format(t, Options{BatchMaxBytes: len(all.batches[0])}, record(data))
	if len(k.batches) != 1 {
		t.Errorf("%d batches of what fits into one exactly", len(k.batches))
	}
}

// An event that no batch can hold goes to quarantine, from where it can be
// formatted again, and its neighbours are delivered.
func TestEventTooLarge(t *testing.T) {
	t.Parallel()
	messages := []string{"first", strings.Repeat("x", 5000), "third", strings.Repeat("\u0001", 900), "{" + required + `,"big":"` + strings.Repeat("y", 3000) + `"}`}
	data := envelopeOf(t, group, messages...)
	all, _ := format(t, Options{}, record(data))
	k, summary := format(t, Options{BatchMaxBytes: 2000}, record(data))
	if summary.Events != 2 || summary.Quarantined != 3 || summary.Reasons["event_too_large"] != 3 || summary.QuarantinedEvents != 3 {
		t.Fatalf("%+v", summary)
	}
	for i, q := range k.quarantined {
		again, summary := format(t, Options{}, record(q.Data))
		want := all.events[[]int{1, 3, 4}[i]]
		if summary.Events != 1 || !bytes.Equal(again.events[0], want) || q.Stored || q.Offset == 0 || q.SequenceNumber == "" {
			t.Errorf("quarantined %d at %d formatted again gives %s, want %s", i, q.Offset, again.events, want)
		}
	}
	// Nothing fits at all.
	k, summary = format(t, Options{BatchMaxBytes: 1}, record(data))
	if summary.Events != 0 || summary.Batches != 0 || len(k.quarantined) != len(messages) {
		t.Errorf("%+v", summary)
	}
}

// One bad record costs none of its neighbours.
func TestBadRecordAmongGood(t *testing.T) {
	t.Parallel()
	good := record(envelopeOf(t, group, "a", "b"))
	bad := record([]byte("\x1f\x8bnonsense"))
	control := record([]byte(`{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","logEvents":[{"id":"","timestamp":1,"message":"m"}]}`))
	_, summary := format(t, Options{}, good, bad, control, good, record(nil), good)
	want := Summary{
		Records: 6, StoredBytes: summary.StoredBytes, InflatedBytes: summary.InflatedBytes, ControlRecords: 1, ControlMessages: 1,
		Events: 6, Batches: 1, BatchBytes: summary.BatchBytes, Quarantined: 2,
		Kinds: map[Kind]int{KindText: 6}, Reasons: map[string]int{"corrupt_compression": 1, "empty_record": 1},
		FirstEvent: time.UnixMilli(1725544035523).UTC(), LastEvent: time.UnixMilli(1725544035524).UTC(),
	}
	if fmt.Sprintf("%+v", summary) != fmt.Sprintf("%+v", want) {
		t.Errorf("summary is  %+v\nwant %+v", summary, want)
	}
}

// The identity of an event depends on what it is and on nothing else.
func TestRecordUID(t *testing.T) {
	t.Parallel()
	message := []string{"a"}
	one, _ := format(t, Options{}, record(envelopeOf(t, "g", message...)))
	other, _ := format(t, Options{Region: "eu-west-1"}, Record{SequenceNumber: "2", Data: envelopeOf(t, "g", message...)})
	elsewhere, _ := format(t, Options{}, record(envelopeOf(t, "h", message...)))
	const uid = `"log.record.uid":"`
	get := func(k *keeper) string {
		_, rest, _ := strings.Cut(k.batches[0], uid)
		return rest[:64]
	}
	// printf '123456789012\0g\0stream\0%056d' 0 | sha256sum
	const want = "f9fecf98a66c435f21f2f39a4682d4b97382177c6ab7ef429fcf716127fc8029"
	if get(one) != want || get(other) != want || get(elsewhere) == want {
		t.Errorf("uids %s, %s, %s", get(one), get(other), get(elsewhere))
	}
	if strings.Contains(other.batches[0], "observed_timestamp") {
		t.Errorf("observed_timestamp of a record without arrival: %s", other.batches[0])
	}
}

// failing is a sink that fails.
type failing struct{ batch, quarantine error }

func (f failing) Batch(context.Context, Batch) error            { return f.batch }
func (f failing) Quarantine(context.Context, Quarantined) error { return f.quarantine }

func TestFormatErrors(t *testing.T) {
	t.Parallel()
	formatter, err := New(Options{BatchMaxEvents: 1})
	if err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	good, bad := record(envelopeOf(t, group, "canary-7391", "canary-7391")), record([]byte("canary-7391"))
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	tests := map[string]struct {
		ctx     context.Context
		records []Record
		source  error
		sink    Sink
		want    string
	}{
		"batch":      {t.Context(), []Record{good}, nil, failing{batch: boom}, "format record " + good.SequenceNumber + ": take batch 0: boom"},
		"quarantine": {t.Context(), []Record{bad}, nil, failing{quarantine: boom}, "format record " + good.SequenceNumber + ": quarantine at byte 0: boom"},
		"source":     {t.Context(), []Record{good}, boom, discard{}, "read record 1: boom"},
		"context":    {cancelled, []Record{good}, nil, discard{}, "format record " + good.SequenceNumber + ": context canceled"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			records := func(yield func(Record, error) bool) {
				for _, r := range tt.records {
					if !yield(r, nil) {
						return
					}
				}
				if tt.source != nil {
					yield(Record{}, tt.source)
				}
			}
			_, err := formatter.Format(tt.ctx, records, tt.sink)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			if tt.source == nil && tt.ctx.Err() == nil && !errors.Is(err, boom) {
				t.Errorf("%v does not wrap the cause", err)
			}
		})
	}
}

// Calls that follow one another or run at once do not disturb each other, also
// after one that failed halfway.
func TestFormatConcurrently(t *testing.T) {
	t.Parallel()
	records, _ := logText(t, 1500, accessLine)
	formatter, err := New(Options{BatchMaxBytes: 50_000})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := formatter.Format(t.Context(), sequence(records...), failing{batch: errors.New("boom")}); err == nil {
		t.Fatal("no error")
	}
	var group sync.WaitGroup
	results := make([][]string, 4)
	for i := range results {
		group.Go(func() {
			k := &keeper{tb: t, maxBytes: 50_000, maxEvents: DefaultBatchMaxEvents}
			if _, err := formatter.Format(t.Context(), sequence(records...), k); err != nil {
				t.Error(err)
			}
			results[i] = k.batches
		})
	}
	group.Wait()
	for _, batches := range results[1:] {
		if len(batches) < 10 || !slices.Equal(batches, results[0]) {
			t.Errorf("%d batches differ from the first call's %d", len(batches), len(results[0]))
		}
	}
}
