package apigateway

// batch collects events as the members of a JSON array that never exceeds its
// limits. Events are written in place: begin, append to buf, commit.
type batch struct {
	maxBytes, maxEvents int

	buf    []byte // the array without its closing bracket
	events int
	mark   int // where the event being written begins
}

// verdict is what commit says of an event.
type verdict uint8

const (
	fits     verdict = iota
	overflow         // the batch has to be taken first
	tooLarge         // no batch can hold the event
)

func (b *batch) reset() {
	b.buf = append(b.buf[:0], '[')
	b.events = 0
	b.mark = len(b.buf)
}

func (b *batch) begin() {
	if b.events > 0 {
		b.buf = append(b.buf, ',')
	}
	b.mark = len(b.buf)
}

// commit takes the event that was appended to buf. One that does not fit stays
// in buf: it is to be carried over after an overflow, or discarded.
func (b *batch) commit() verdict {
	const brackets = 2
	switch {
	case len(b.buf)-b.mark+brackets > b.maxBytes:
		return tooLarge
	case len(b.buf)+1 > b.maxBytes:
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
		b.buf = b.buf[:b.mark-1] // the comma
	}
	b.mark = len(b.buf)
}

// takeBefore closes the array after the last event that fitted. The event that
// did not is at event; it is to be put into the next batch by carryOver.
func (b *batch) takeBefore() (body []byte) {
	b.buf[b.mark-1] = ']' // the comma
	return b.buf[:b.mark]
}

// carryOver begins the next batch with the event that did not fit.
func (b *batch) carryOver() {
	n := copy(b.buf[1:], b.buf[b.mark:])
	b.buf[0] = '['
	b.buf = b.buf[:1+n]
	b.events = 0
	b.mark = 1
}

// take closes the array.
func (b *batch) take() (body []byte) {
	b.buf = append(b.buf, ']')
	return b.buf
}
