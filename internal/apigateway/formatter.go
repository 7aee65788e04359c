package apigateway

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/envelope"
	"github.com/log-event-pipeline/logpipe/internal/apigateway/redact"
)

// Defaults of [Options].
const (
	DefaultMaxInflatedBytes = 64 << 20
	DefaultMaxInflateRatio  = 200
	DefaultBatchMaxBytes    = 1_000_000
	DefaultBatchMaxEvents   = 5000
	DefaultMaxHeldBytes     = 16 << 20
)

// Options of a [Formatter]. Zero stands for the default of each.
type Options struct {
	// MaxInflatedBytes is the most a record may inflate to.
	MaxInflatedBytes int64
	// MaxInflateRatio is the most a record may inflate by; records that
	// inflate to less than 1 MiB are not held to it.
	MaxInflateRatio int
	// BatchMaxBytes is the most bytes of text in a batch, those around and between
	// the events included.
	BatchMaxBytes int
	// BatchMaxEvents is the most events in a batch.
	BatchMaxEvents int
	// Region is the AWS region of the log groups, for events that do not name
	// theirs. It may be empty.
	Region string
	// Executions says what becomes of execution logs, interactions by default.
	Executions Executions
	// MaxHeldBytes bounds the memory of the lines of execution logs that are held
	// until their requests are put together. What exceeds it is handed on early: an
	// interaction may then come in several events.
	MaxHeldBytes int64
	// AccessLogTemplates are the access log templates of log groups, as they are
	// configured in API Gateway, by the log group's name or a glob for it, in
	// which * stands for any text and ? for one character. A name goes before a
	// glob, and a glob with more text before one with less. The forms that the
	// console offers are known without a template.
	AccessLogTemplates map[string]string
	// Redactor takes secrets out of the events. There is no redaction without.
	Redactor *redact.Redactor
	// Bodies says how much is kept of the bodies of requests and responses.
	Bodies redact.Bodies
}

func (o *Options) setDefaults() {
	if o.MaxInflatedBytes == 0 {
		o.MaxInflatedBytes = DefaultMaxInflatedBytes
	}
	if o.MaxInflateRatio == 0 {
		o.MaxInflateRatio = DefaultMaxInflateRatio
	}
	if o.BatchMaxBytes == 0 {
		o.BatchMaxBytes = DefaultBatchMaxBytes
	}
	if o.BatchMaxEvents == 0 {
		o.BatchMaxEvents = DefaultBatchMaxEvents
	}
	if o.Executions == "" {
		o.Executions = ExecutionsInteractions
	}
	if o.MaxHeldBytes == 0 {
		o.MaxHeldBytes = DefaultMaxHeldBytes
	}
}

func (o *Options) validate() error {
	var errs []error
	check := func(name string, value int64) {
		if value < 0 {
			errs = append(errs, fmt.Errorf("%s is %d: must not be negative", name, value))
		}
	}
	check("max inflated bytes", o.MaxInflatedBytes)
	check("max inflate ratio", int64(o.MaxInflateRatio))
	check("batch max bytes", int64(o.BatchMaxBytes))
	check("batch max events", int64(o.BatchMaxEvents))
	check("max held bytes", o.MaxHeldBytes)
	switch o.Executions {
	case "", ExecutionsInteractions, ExecutionsLines:
	default:
		errs = append(errs, fmt.Errorf("executions is %q: must be %q or %q", o.Executions, ExecutionsInteractions, ExecutionsLines))
	}
	return errors.Join(errs...)
}

// Record is a Kinesis record.
type Record struct {
	// SequenceNumber is the record's in its shard.
	SequenceNumber string
	// Arrival is when Kinesis received the record. It becomes the events'
	// observed_timestamp, which they lack if it is zero.
	Arrival time.Time
	// Data is the record's data as stored. The formatter does not change it
	// and does not keep it beyond the record's turn.
	Data []byte
	// Origin is where Data was cut out of the record, zero for a whole record. Set it to
	// that of a [Quarantined] to format its Data again.
	Origin Origin
}

// Batch is the body of one request to the analytics API.
type Batch struct {
	// Index counts the batches of a call from 0.
	Index int
	// Events is how many events the body has, at least one.
	Events int
	// Body has the events in the frame of the sink, see [Framer]. It is valid only
	// during the call and must not be changed.
	Body []byte
}

// Reason says why something was quarantined, in constant words without
// anything of the log's content.
type Reason = envelope.Reason

// ReasonEventTooLarge is given for an event that would need more than a whole
// batch. The other reasons are those of package envelope.
var ReasonEventTooLarge = Reason{
	Code: "event_too_large",
	Text: "the formatted event is larger than a batch may be",
}

// Reasons are all of them.
func Reasons() []Reason { return append(envelope.Reasons(), ReasonEventTooLarge) }

// Quarantined is a part of a record that cannot be delivered.
type Quarantined struct {
	// SequenceNumber and Arrival are the record's.
	SequenceNumber string
	Arrival        time.Time
	// UserRecord says which user record of an aggregate the part is of, counting
	// from 1; 0 for a record that is none, or an aggregate as a whole.
	UserRecord int
	// Offset is where the part begins, in bytes of the inflated record or user
	// record.
	Offset int64
	Reason Reason
	// Events counts the log events in the part, as far as they could be told
	// apart.
	Events int
	// Stored tells that Data is the whole record or user record as stored,
	// because the part could not be cut out of it; what stands before Offset was
	// delivered.
	Stored bool
	// Origin is to be given with Data when it is formatted again.
	Origin Origin
	// Data is the part, in a form that can be formatted again as a record's
	// data. It is valid only during the call and must not be changed.
	Data []byte
}

// Sink takes what a [Formatter] makes of records, in their order. An error
// ends the formatting.
type Sink interface {
	// Batch takes a finished batch.
	Batch(context.Context, Batch) error
	// Quarantine takes a part of a record that cannot be delivered.
	Quarantine(context.Context, Quarantined) error
}

// Formatter formats records. It may be used by several goroutines at once.
type Formatter struct {
	options Options
	runs    sync.Pool // of *run
}

// New returns a formatter. The error names every option that is out of range and
// every template that cannot be compiled.
func New(options Options) (*Formatter, error) {
	templates, err := compileTemplates(options.AccessLogTemplates)
	if err := errors.Join(options.validate(), err); err != nil {
		return nil, fmt.Errorf("formatter options: %w", err)
	}
	options.setDefaults()
	f := &Formatter{options: options}
	f.runs.New = func() any { return newRun(&f.options, templates) }
	return f, nil
}

// Format formats records until there are no more, and hands what it makes of
// them to the sink. Nothing in the data causes an error: it comes from the
// records' source, the sink, or the context, and tells which. The summary then
// covers what was done before.
func (f *Formatter) Format(ctx context.Context, records iter.Seq2[Record, error], sink Sink) (Summary, error) {
	r := f.runs.Get().(*run)
	defer func() {
		r.release()
		f.runs.Put(r)
	}()
	r.begin(ctx, sink)
	err := r.formatAll(records)
	return r.summary, err
}
