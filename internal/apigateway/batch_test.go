package apigateway

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/log-event-pipeline/logpipe/internal/framing"
)

// framed is a sink that has its batches in a format.
type framed struct {
	format framing.Format
	bodies []string
	events []int
}

func (f *framed) Frame(index int) framing.Frame {
	// The frames of batches differ in length.
	return f.format.Frame(framing.Origin{Pipeline: "p", Window: strings.Repeat("w", index), Batch: index})
}

func (f *framed) Batch(_ context.Context, b Batch) error {
	f.bodies, f.events = append(f.bodies, string(b.Body)), append(f.events, b.Events)
	return nil
}

func (*framed) Quarantine(context.Context, Quarantined) error { return nil }

// TestFramedBatches: in every format the same events are delivered, and no body is longer
// than it may be, its frame included.
func TestFramedBatches(t *testing.T) {
	t.Parallel()
	var messages []string
	for i := range 60 {
		messages = append(messages, strings.Repeat("x", i*i%700), "{\n\"a\":\n[1,\n"+fmt.Sprint(i)+"]\n}")
	}
	data := envelopeOf(t, group, messages...)
	all, _ := format(t, Options{}, record(data))
	for _, f := range []framing.Format{framing.Array, framing.NDJSON, framing.Object} {
		for _, options := range []Options{{}, {BatchMaxBytes: 1500}, {BatchMaxBytes: 4000}, {BatchMaxEvents: 1}, {BatchMaxBytes: 4000, BatchMaxEvents: 7}} {
			formatter, err := New(options)
			if err != nil {
				t.Fatal(err)
			}
			sink := &framed{format: f}
			summary, err := formatter.Format(t.Context(), sequence(record(data)), sink)
			if err != nil {
				t.Fatal(err)
			}
			if options.BatchMaxBytes != 1500 && summary.Quarantined > 0 {
				t.Errorf("%s %+v: %+v", f, options, summary)
			}
			found, written := 0, int64(0)
			for i, text := range sink.bodies {
				if len(text) > formatter.options.BatchMaxBytes {
					t.Errorf("%s %+v: batch %d has %d bytes", f, options, i, len(text))
				}
				written += int64(len(text))
				frame := sink.Frame(i)
				inner, ok := strings.CutPrefix(text, frame.Before)
				inner, closed := strings.CutSuffix(inner, frame.After)
				body, err := framing.Parse(f.ContentType(), []byte(text))
				if err != nil || !ok || !closed || body.Len() != sink.events[i] {
					t.Fatalf("%s %+v: batch %d of %d events: %.200q, %v", f, options, i, body.Len(), text, err)
				}
				for _, event := range splitEvents(inner, frame.Between, body.Len()) {
					for summary.Quarantined > 0 && event != string(all.events[found]) {
						found++
					}
					if event != string(all.events[found]) {
						t.Fatalf("%s %+v: event %d is %s", f, options, found, event)
					}
					found++
				}
			}
			if summary.BatchBytes != written || summary.Batches != len(sink.bodies) || summary.Quarantined == 0 && found != len(all.events) {
				t.Errorf("%s %+v: %d events, %+v", f, options, found, summary)
			}
		}
	}
}

// splitEvents cuts text between events, each of which begins with its schema.
func splitEvents(text, between string, n int) []string {
	const begin = `{"schema":`
	events := strings.Split(text, between+begin)
	for i := 1; i < len(events); i++ {
		events[i] = begin + events[i]
	}
	if len(events) != n {
		return nil
	}
	return events
}
