package apigateway

import "github.com/log-event-pipeline/logpipe/internal/framing"

// Framer is a [Sink] that says what stands around the events of its batches. Those of
// any other sink are JSON arrays.
type Framer interface {
	// Frame is that of the batch of the index, the same on every call.
	Frame(index int) framing.Frame
}

// batch collects events in a frame that never exceeds its limits. Events are written
// in place: begin, append to buf, commit.
type batch struct {
	maxBytes, maxEvents int

	frame  framing.Frame
	buf    []byte // all but the end of the frame
	events int
	mark   int    // where the event being written begins
	over   []byte // the event that did not fit
}

// verdict is what commit says of an event.
type verdict uint8

const (
	fits     verdict = iota
	overflow         // the batch has to be taken first
	tooLarge         // no batch can hold the event
)

func (b *batch) reset(frame framing.Frame) {
	b.frame = frame
	b.buf = append(b.buf[:0], frame.Before...)
	b.events = 0
	b.mark = len(b.buf)
}

func (b *batch) begin() {
	if b.events > 0 {
		b.buf = append(b.buf, b.frame.Between...)
	}
	b.mark = len(b.buf)
}

// commit takes the event that was appended to buf. One that does not fit stays
// in buf: it is to be carried over after an overflow, or discarded.
func (b *batch) commit() verdict {
	switch {
	case len(b.frame.Before)+len(b.buf)-b.mark+len(b.frame.After) > b.maxBytes:
		return tooLarge
	case len(b.buf)+len(b.frame.After) > b.maxBytes:
		return overflow
	}
	b.events++
	b.mark = len(b.buf)
	return fits
}

// full tells that no further event may be added.
func (b *batch) full() bool { return b.events >= b.maxEvents }

// discard removes the event that was appended since begin.
func (b *batch) discard() {
	b.buf = b.buf[:b.mark]
	if b.events > 0 {
		b.buf = b.buf[:b.mark-len(b.frame.Between)]
	}
	b.mark = len(b.buf)
}

// takeBefore ends the body behind the last event that fitted. The one that did not is
// to be put into the next batch by carryOver.
func (b *batch) takeBefore() (body []byte) {
	b.over = append(b.over[:0], b.buf[b.mark:]...)
	b.discard()
	return b.take()
}

// carryOver begins the next batch with the event that did not fit.
func (b *batch) carryOver(frame framing.Frame) {
	b.reset(frame)
	b.buf = append(b.buf, b.over...)
}

// take ends the body.
func (b *batch) take() (body []byte) {
	b.buf = append(b.buf, b.frame.After...)
	return b.buf
}
