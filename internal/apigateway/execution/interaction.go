package execution

import (
	"bytes"
	"crypto/sha256"
	"math"
	"slices"
)

// Interaction is a request with what came of it, as far as its lines tell. It is
// made by an [Assembler] or by [Interaction.ReadLine].
type Interaction struct {
	group     Group
	requestID []byte
	request   *request
	lines     []heldLine

	parsed  []Line
	slots   [phases][kindCount]*Line
	extra   []*Line // lines that no member is made from
	missing []Kind
	written memberWriter
}

// phase is the part of a request's execution that a line belongs to. The authorizer
// and the integration have lines with the same labels.
type phase uint8

const (
	execution phase = iota
	authorizer
	phases
)

// Group is what the lines of the interaction's log group have in common.
func (in *Interaction) Group() *Group { return &in.group }

// RequestID is the id of the request, empty if a single line has none.
func (in *Interaction) RequestID() []byte { return in.requestID }

// ID identifies the interaction, from whichever of its lines it was made: the
// SHA-256 of owner and name of the log group and of the request id, separated by
// zero bytes. Requests to which a client gave the same id share it.
func (in *Interaction) ID() [sha256.Size]byte {
	w := &in.written
	w.scratch = append(append(w.scratch[:0], in.group.Owner...), 0)
	w.scratch = append(append(w.scratch, in.group.Name...), 0)
	w.scratch = append(w.scratch, in.requestID...)
	return sha256.Sum256(w.scratch)
}

// Len is the number of lines, Folded that with lines counted as often as they came.
func (in *Interaction) Len() int { return len(in.lines) }

// Folded is the number of log events that the interaction stands for. One that came
// several times has one line.
func (in *Interaction) Folded() int {
	n := len(in.lines)
	for i := range in.lines {
		n += int(in.lines[i].repeats)
	}
	return n
}

// Source is where a line comes from. It refers to the interaction's memory.
func (in *Interaction) Source(i int) Source {
	h, r := &in.lines[i], in.request
	return Source{
		Stream: h.stream, Record: h.record, UserRecord: h.userRecord, Offset: h.offset, Arrival: h.arrival,
		Millis: h.millis, HasTime: h.hasTime, Seconds: h.seconds,
		ID: r.bytes(h.id), Account: r.bytes(h.account), Region: r.bytes(h.region), ExtractedFields: r.bytes(h.extracted),
		OnlySystemFields: h.onlySystemFields,
	}
}

// Message is the message of a line as it was added.
func (in *Interaction) Message(i int) []byte { return in.request.bytes(in.lines[i].message) }

// Repeats is how often a line came again.
func (in *Interaction) Repeats(i int) int { return int(in.lines[i].repeats) }

// Times are the times of the earliest and the latest line, in milliseconds since
// 1970. Lines without a time count only where all are.
func (in *Interaction) Times() (first, last int64) {
	first, last = math.MaxInt64, math.MinInt64
	known := false
	for i := range in.lines {
		h := &in.lines[i]
		if h.hasTime && !known {
			first, last, known = h.millis, h.millis, true
		} else if h.hasTime == known {
			first, last = min(first, h.millis), max(last, h.millis)
		}
	}
	return first, last
}

// Missing lists the kinds of lines that the interaction lacks, by what is there. It
// is complete if there are none.
func (in *Interaction) Missing() []Kind { return in.missing }

// each makes interactions of a request's lines, in general one, and hands them to
// emit.
func (in *Interaction) each(r *request, emit func(*Interaction) error) error {
	lines, ordered := r.sort()
	in.parsed = slices.Grow(in.parsed[:0], len(lines))[:len(lines)]
	for i := range lines {
		in.parsed[i].parse(r.bytes(lines[i].message))
	}
	in.group, in.request = r.group.Group, r
	for first := 0; first < len(lines); {
		end := first + in.extent(in.parsed[first:], ordered)
		in.lines = lines[first:end]
		in.requestID = in.parsed[first].RequestID
		in.fold(in.parsed[first:end])
		if err := emit(in); err != nil {
			return err
		}
		first = end
	}
	return nil
}

// ReadLine makes the interaction stand for one line alone. It refers to the message.
func (in *Interaction) ReadLine(g Group, message []byte) Kind {
	in.group, in.request, in.lines = g, nil, nil
	in.parsed = slices.Grow(in.parsed[:0], 1)[:1]
	in.parsed[0].parse(message)
	in.requestID = in.parsed[0].RequestID
	in.fold(in.parsed)
	return in.parsed[0].Kind
}

// Release lets go of all memory that the interaction refers to.
func (in *Interaction) Release() {
	const maxParsed = 1024
	clear(in.parsed[:cap(in.parsed)])
	if cap(in.parsed) > maxParsed {
		in.parsed = nil
	}
	in.slots = [phases][kindCount]*Line{}
	clear(in.extra[:cap(in.extra)])
	in.extra = in.extra[:0]
	in.request, in.lines, in.requestID = nil, nil, nil
	in.written.release()
}

// sort puts the lines in order and counts those that came again. It tells whether
// the order is that of ids.
func (r *request) sort() ([]heldLine, bool) {
	for i := range r.lines {
		if !isNumber(r.bytes(r.lines[i].id)) {
			return r.lines, false
		}
	}
	byID := func(a, b heldLine) int { return compareNumbers(r.bytes(a.id), r.bytes(b.id)) }
	if !slices.IsSortedFunc(r.lines, byID) {
		slices.SortStableFunc(r.lines, byID)
	}
	kept := r.lines[:0]
	for _, h := range r.lines {
		again := false
		for i := len(kept) - 1; i >= 0 && byID(kept[i], h) == 0 && !again; i-- {
			if kept[i].stream == h.stream && bytes.Equal(r.bytes(kept[i].message), r.bytes(h.message)) {
				kept[i].repeats++
				again = true
			}
		}
		if !again {
			kept = append(kept, h)
		}
	}
	r.lines = kept
	return kept, true
}

func isNumber(text []byte) bool {
	for _, c := range text {
		if !isDigit(c) {
			return false
		}
	}
	return len(text) > 0
}

// compareNumbers compares whole numbers of any length.
func compareNumbers(a, b []byte) int {
	a, b = bytes.TrimLeft(a, "0"), bytes.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return bytes.Compare(a, b)
}

// extent is how many of the lines belong to the first one's request. All have the
// same request id.
func (in *Interaction) extent(lines []Line, ordered bool) int {
	var extendedID []byte
	ended := KindOther
	for i := range lines {
		line := &lines[i]
		switch {
		case line.Kind == KindExtendedRequestID:
			if extendedID != nil && !bytes.Equal(extendedID, line.Value) {
				return i
			}
			extendedID = line.Value
		case ordered && follows(ended, line.Kind):
			return i
		}
		if line.Kind.ends() && ended != KindCompleted {
			ended = line.Kind
		}
	}
	return len(lines)
}

// follows tells that a line of the kind belongs to another request than the one that
// has ended with the other.
func follows(ended, kind Kind) bool {
	switch ended {
	case KindOther:
		return false
	case KindCompleted:
		return !kind.trails()
	}
	switch kind {
	case KindAuthorizerStart, KindUsagePlanVerify, KindStart, KindHTTPMethod:
		return true
	}
	return false
}

// fold finds the place of each line.
func (in *Interaction) fold(lines []Line) {
	in.slots = [phases][kindCount]*Line{}
	in.extra = in.extra[:0]
	inAuthorizer := beginsInAuthorizer(lines)
	for i := range lines {
		line := &lines[i]
		switch line.Kind {
		case KindAuthorizerStart:
			inAuthorizer = true
		case KindAuthorizerDone, KindUnauthorized, KindUsagePlanVerify, KindStart, KindHTTPMethod,
			KindRequestPath, KindRequestQuery, KindRequestHeaders, KindRequestBody, KindGatewayResponse, KindCompleted:
			inAuthorizer = false
		}
		part := execution
		if inAuthorizer && line.Kind.isEndpoint() {
			part = authorizer
		}
		place := &in.slots[part][line.Kind]
		if line.Kind == KindOther || *place != nil {
			in.extra = append(in.extra, line)
			continue
		}
		*place = line
		if line.Kind < KindHTTPMethod && len(line.Mentioned) > 0 && !bytes.Equal(line.Mentioned, in.requestID) {
			in.extra = append(in.extra, line) // the id that it mentions has no member
		}
	}
	in.findMissing()
}

// beginsInAuthorizer tells that the lines begin while the authorizer runs, because
// those before are not there.
func beginsInAuthorizer(lines []Line) bool {
	for i := range lines {
		switch lines[i].Kind {
		case KindAuthorizerIdentity, KindAuthorizerResult, KindAuthorizerPolicy, KindAuthorizerDone:
			return true
		case KindAuthorizerStart, KindUsagePlanVerify, KindStart, KindHTTPMethod, KindCompleted,
			KindRequestPath, KindRequestQuery, KindRequestHeaders, KindRequestBody:
			return false
		}
	}
	return false
}

// line is the line of a kind, or nil.
func (in *Interaction) line(kind Kind) *Line { return in.slots[execution][kind] }

func (in *Interaction) has(of ...Kind) bool {
	for _, kind := range of {
		if in.slots[execution][kind] != nil {
			return true
		}
	}
	return false
}

// hasEndpoint tells whether a phase has lines of its endpoint.
func (in *Interaction) hasEndpoint(part phase) bool {
	for kind := KindIntegrationURI; kind <= KindIntegrationResponseBody; kind++ {
		if in.slots[part][kind] != nil {
			return true
		}
	}
	return false
}

// isWebSocket tells whether the interaction is one of a WebSocket API. Requests of
// these have extended ids; those of others have UUIDs.
func (in *Interaction) isWebSocket() bool {
	if in.has(KindWebSocketConnect, KindWebSocketMessage, KindWebSocketRoute) {
		return true
	}
	id := in.requestID
	return len(id) > 0 && id[len(id)-1] == '='
}
