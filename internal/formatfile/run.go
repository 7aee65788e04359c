package formatfile

import (
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/log-event-pipeline/logpipe/internal/apigateway"
)

// Formatter makes events of records; *apigateway.Formatter does.
type Formatter interface {
	Format(ctx context.Context, records iter.Seq2[apigateway.Record, error], sink apigateway.Sink) (apigateway.Summary, error)
}

// windowBytes of record data are formatted together. Log events that belong to one
// request are looked for within them, as within a window, and held in memory meanwhile.
const windowBytes = 64 << 20

// Problem is something that has become no event.
type Problem struct {
	// At is where it stands: the input with line or record, where these are known.
	At string
	// Quarantined is what the formatter has set apart, nil if it is Err that tells why an
	// input could not be read on.
	Quarantined *apigateway.Quarantined
	Err         error
}

// String is one line for people, without anything of the log's content.
func (p Problem) String() string {
	if p.Quarantined == nil {
		return p.Err.Error()
	}
	q := p.Quarantined
	text := fmt.Sprintf("%s: quarantined: %s at byte %d", p.At, q.Reason.Code, q.Offset)
	if q.UserRecord > 0 {
		text += fmt.Sprintf(" of user record %d", q.UserRecord)
	}
	if q.Events > 0 {
		text += fmt.Sprintf(", log events in it: %d", q.Events)
	}
	return text + ": " + q.Reason.Text
}

// Total is what was found in all inputs.
type Total struct {
	// Inputs that were begun, and those that could not be read to their end.
	Inputs, Unreadable int
	Records            int
	Events             int
	Kinds              map[apigateway.Kind]int
	ControlMessages    int
	// Quarantined pieces by reason, and the log events known to be in them.
	Quarantined       int
	QuarantinedEvents int
	Reasons           map[string]int
}

// Failed tells whether anything has become no event.
func (t Total) Failed() bool { return t.Quarantined+t.Unreadable > 0 }

func (t *Total) add(s apigateway.Summary) {
	t.Records += s.Records
	t.Events += s.Events
	t.ControlMessages += s.ControlMessages
	t.Quarantined += s.Quarantined
	t.QuarantinedEvents += s.QuarantinedEvents
	for kind, n := range s.Kinds {
		t.Kinds[kind] += n
	}
	for reason, n := range s.Reasons {
		t.Reasons[reason] += n
	}
}

// String is one line for people.
func (t Total) String() string {
	text := fmt.Sprintf("inputs: %d, records: %d, events: %d%s, control messages: %d, quarantined: %d%s",
		t.Inputs, t.Records, t.Events, counts(t.Kinds), t.ControlMessages, t.Quarantined, counts(t.Reasons))
	if t.QuarantinedEvents > 0 {
		text += fmt.Sprintf(" with %d log events", t.QuarantinedEvents)
	}
	if t.Unreadable > 0 {
		text += fmt.Sprintf(", not read to their end: %d", t.Unreadable)
	}
	return text
}

// counts are numbers by name, as in " (access 3, text 1)".
func counts[K ~string](byName map[K]int) string {
	if len(byName) == 0 {
		return ""
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, byName[name]))
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// Run formats the inputs one after the other and prints the events. What cannot be
// formatted is reported, and never costs what stands beside it. An error comes from the
// printer or the context.
func Run(ctx context.Context, f Formatter, inputs iter.Seq[Input], p *Printer, report func(Problem)) (Total, error) {
	r := &run{printer: p, report: report, total: Total{Kinds: map[apigateway.Kind]int{}, Reasons: map[string]int{}}}
	next, stop := iter.Pull(r.items(inputs))
	defer stop()
	for more := true; more; {
		window := func(yield func(apigateway.Record, error) bool) {
			for size := 0; size < windowBytes; {
				var it item
				if it, more = next(); !more {
					return
				}
				if it.fault != nil {
					r.total.Unreadable++
					report(Problem{At: it.position.String(), Err: it.fault})
					continue
				}
				r.position = it.position
				size += len(it.record.Data)
				if !yield(it.record, nil) {
					return
				}
			}
		}
		summary, err := f.Format(ctx, window, r)
		r.total.add(summary)
		if err != nil {
			return r.total, err
		}
	}
	return r.total, p.Flush()
}

type run struct {
	printer  *Printer
	report   func(Problem)
	position position // of the record that is being formatted
	total    Total
}

var _ apigateway.Sink = (*run)(nil)

// items are those of all inputs. What was printed is flushed before an input is waited
// for, so that a person sees what becomes of a pipe.
func (r *run) items(inputs iter.Seq[Input]) iter.Seq[item] {
	return func(yield func(item) bool) {
		for in := range inputs {
			r.total.Inputs++
			in.Data = flushing{in.Data, r.printer}
			if !in.read(yield) {
				return
			}
		}
	}
}

type flushing struct {
	io.Reader
	printer *Printer
}

func (f flushing) Read(p []byte) (int, error) {
	if err := f.printer.Flush(); err != nil {
		return 0, err
	}
	return f.Reader.Read(p)
}

// Batch implements apigateway.Sink.
func (r *run) Batch(_ context.Context, b apigateway.Batch) error { return r.printer.print(b.Body) }

// Quarantine implements apigateway.Sink.
func (r *run) Quarantine(_ context.Context, q apigateway.Quarantined) error {
	r.report(Problem{At: r.position.String(), Quarantined: &q})
	return nil
}
