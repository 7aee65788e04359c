package apigateway

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/apigateway/envelope"
	"github.com/log-event-pipeline/logpipe/internal/apigateway/execution"
	"github.com/log-event-pipeline/logpipe/internal/framing"
)

// maxRetained is the largest buffer that is kept for the next call.
const maxRetained = 4 << 20

// hopeless is how long a message has to be at least that is not even tried: formatting
// takes many times its memory. CloudWatch Logs takes messages of at most 1 MiB, and in
// JSON they become twice as long if they are to become any shorter again.
const hopeless = 2 << 20

// run is one call of Format. It is the envelope decoder's handler, and reused
// for the sake of its buffers.
type run struct {
	options *Options
	decoder *envelope.Decoder
	writer  *eventWriter
	batch   batch
	piece   []byte

	assembler *execution.Assembler
	line      []byte // text of the line being held

	ctx     context.Context // of the call
	sink    Sink
	record  *Record
	summary Summary
}

var _ envelope.Handler = (*run)(nil)

func newRun(options *Options, templates groupTemplates) *run {
	r := &run{
		options: options,
		decoder: envelope.NewDecoder(envelope.Limits{
			MaxInflatedBytes: options.MaxInflatedBytes,
			MaxInflateRatio:  options.MaxInflateRatio,
		}),
		writer: newEventWriter(options, templates),
		batch:  batch{maxBytes: options.BatchMaxBytes, maxEvents: options.BatchMaxEvents},
	}
	r.assembler = execution.NewAssembler(options.MaxHeldBytes, max(options.BatchMaxBytes, minMaxRequest), r.handInteraction)
	return r
}

func (r *run) begin(ctx context.Context, sink Sink) {
	r.ctx, r.sink = ctx, sink
	r.summary = Summary{}
	r.batch.reset(r.frame())
}

// release lets go of the caller's memory and of outsized buffers.
func (r *run) release() {
	r.ctx, r.sink, r.record = nil, nil, nil
	r.summary = Summary{}
	if most := max(maxRetained, 2*r.options.BatchMaxBytes); cap(r.batch.buf) > most || cap(r.batch.over) > most {
		r.batch.buf, r.batch.over = nil, nil
	}
	if cap(r.piece) > maxRetained {
		r.piece = nil
	}
	if cap(r.line) > maxRetained {
		r.line = nil
	}
	r.assembler.Reset()
	r.writer.release()
}

// frame is that of the next batch.
func (r *run) frame() framing.Frame {
	if f, ok := r.sink.(Framer); ok {
		return f.Frame(r.summary.Batches)
	}
	return framing.Array.Frame(framing.Origin{})
}

func (r *run) formatAll(records iter.Seq2[Record, error]) error {
	for record, err := range records {
		if err != nil {
			return fmt.Errorf("read record %d: %w", r.summary.Records, err)
		}
		if err := r.ctx.Err(); err != nil {
			return fmt.Errorf("format record %s: %w", record.SequenceNumber, err)
		}
		if err := r.format(&record); err != nil {
			return fmt.Errorf("format record %s: %w", record.SequenceNumber, err)
		}
	}
	return r.finish()
}

func (r *run) format(record *Record) error {
	r.record = record
	r.writer.startRecord(record)
	stats, err := r.decoder.Decode(record.Data, r)
	r.summary.Records++
	r.summary.StoredBytes += int64(len(record.Data))
	r.summary.InflatedBytes += stats.InflatedBytes
	r.summary.ControlMessages += stats.ControlMessages
	if stats.ControlEnvelopes > 0 && stats.ControlEnvelopes == stats.Envelopes && stats.Faults == 0 {
		r.summary.ControlRecords++
	}
	return err
}

// HandleEvent implements [envelope.Handler].
func (r *run) HandleEvent(ev *envelope.Event) error {
	if !r.record.Origin.place(ev) {
		r.summary.Repeated++
		return nil
	}
	from := recordPlace{r.record.SequenceNumber, r.record.Arrival, r.record.Origin.UserRecord}
	if len(ev.Message) > max(hopeless, 2*r.options.BatchMaxBytes) {
		return r.quarantineEvent(ev, from)
	}
	if held, err := r.hold(ev); held || err != nil {
		return err
	}
	return r.writeEvent(ev, from)
}

// recordPlace is where something was that goes to quarantine.
type recordPlace struct {
	sequenceNumber string
	arrival        time.Time
	userRecord     string // see [Origin]
}

// writeEvent writes an event that was there.
func (r *run) writeEvent(ev *envelope.Event, from recordPlace) error {
	r.batch.begin()
	var written writtenEvent
	r.batch.buf, written = r.writer.append(r.batch.buf, ev)
	taken, err := r.commit(written)
	if taken || err != nil {
		return err
	}
	return r.quarantineEvent(ev, from)
}

// quarantineEvent hands an event to the sink that no batch can hold.
func (r *run) quarantineEvent(ev *envelope.Event, from recordPlace) error {
	r.piece = ev.AppendEnvelope(r.piece[:0])
	return r.quarantine(envelope.Fault{
		Reason: ReasonEventTooLarge, UserRecord: ev.UserRecord, Offset: ev.Offset, Shift: ev.EnvelopeShift(), Data: r.piece, Events: 1,
	}, from)
}

// commit takes the event that was appended to the batch, and delivers the batch if
// it is full. It returns false if no batch can hold the event, which is discarded.
func (r *run) commit(written writtenEvent) (bool, error) {
	verdict := r.batch.commit()
	if verdict == overflow {
		if err := r.deliver(r.batch.takeBefore()); err != nil {
			return false, err
		}
		r.batch.carryOver(r.frame())
		verdict = r.batch.commit()
	}
	if verdict == tooLarge {
		r.batch.discard()
		return false, nil
	}
	r.summary.count(written)
	if !r.batch.full() {
		return true, nil
	}
	if err := r.deliver(r.batch.take()); err != nil {
		return false, err
	}
	r.batch.reset(r.frame())
	return true, nil
}

// deliver hands a batch to the sink.
func (r *run) deliver(body []byte) error {
	b := Batch{Index: r.summary.Batches, Events: r.batch.events, Body: body}
	if err := r.sink.Batch(r.ctx, b); err != nil {
		return fmt.Errorf("take batch %d: %w", b.Index, err)
	}
	r.summary.Batches++
	r.summary.BatchBytes += int64(len(body))
	return nil
}

// HandleFault implements [envelope.Handler].
func (r *run) HandleFault(f envelope.Fault) error {
	if !r.record.Origin.placeFault(&f) {
		r.summary.Repeated += f.Events
		return nil
	}
	return r.quarantine(f, recordPlace{r.record.SequenceNumber, r.record.Arrival, r.record.Origin.UserRecord})
}

// quarantine hands a part to the sink. Its place is that in the whole record.
func (r *run) quarantine(f envelope.Fault, from recordPlace) error {
	origin := originOf(&f, from.userRecord)
	q := Quarantined{
		SequenceNumber: from.sequenceNumber,
		Arrival:        from.arrival,
		UserRecord:     origin.number(),
		Offset:         f.Offset,
		Reason:         f.Reason,
		Events:         f.Events,
		Stored:         f.Stored,
		Origin:         origin,
		Data:           f.Data,
	}
	if err := r.sink.Quarantine(r.ctx, q); err != nil {
		return fmt.Errorf("quarantine at byte %d: %w", q.Offset, err)
	}
	r.summary.Quarantined++
	r.summary.QuarantinedEvents += q.Events
	if r.summary.Reasons == nil {
		r.summary.Reasons = make(map[string]int)
	}
	r.summary.Reasons[q.Reason.Code]++
	return nil
}
