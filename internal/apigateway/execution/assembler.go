package execution

import (
	"cmp"
	"slices"
	"unsafe"
)

// Group is what the lines of a log group have in common.
type Group struct {
	// Owner is the account that the log group belongs to.
	Owner string
	// Name is the log group's name.
	Name string
	// API and Stage are the API and the stage that the log group is for.
	API, Stage string
}

// Source is where a line comes from. An [Assembler] keeps strings and copies bytes.
type Source struct {
	// Stream is the log stream.
	Stream string
	// ID is the id of the log event, empty if it has none.
	ID []byte
	// Millis is the time of the log event in milliseconds since 1970, or that of its
	// arrival if HasTime is false. Seconds tells that it was given in seconds.
	Millis           int64
	HasTime, Seconds bool
	// Account and Region are those of the log event, empty if it does not tell.
	Account, Region []byte
	// ExtractedFields is a JSON object that came with the log event, if any, and
	// OnlySystemFields tells that it has nothing else than account and region.
	ExtractedFields  []byte
	OnlySystemFields bool

	// Record, UserRecord and Offset say where the log event stood, Arrival when that
	// arrived, in milliseconds since 1970, or 0.
	Record     string
	UserRecord string
	Offset     int64
	Arrival    int64
}

// Assembler holds lines and puts those of a request together. The zero value is of
// no use: see [NewAssembler]. It is not safe for concurrent use.
//
// A request is known by the owner and name of the log group and by its id. Lines are
// put in the order of their ids, which are the order in which API Gateway wrote them,
// or else of their arrival. A client can give the same id to several requests, so an
// id that has an extended request id already begins a further interaction when it
// gets another one.
type Assembler struct {
	maxBytes   int64
	maxRequest int
	emit       func(*Interaction) error

	groups  map[Group]*group
	names   int    // bytes of the names of groups
	last    *group // the one that was used last
	open    map[key]*request
	running queue // of requests that have not ended
	ended   queue // of requests that have, in the order in which they did
	began   uint64
	bytes   int64      // that open requests are charged
	free    []*request // to be used again
	spare   int64      // memory of free
	excess  int64      // memory of open requests beyond what they are charged, from before

	interaction Interaction
	line        Line // being added
	order       []*request
}

// group is a log group that lines came from.
type group struct {
	Group
	number uint32
}

// key tells requests apart.
type key struct {
	group  uint32
	length uint8
	id     [maxIDLength]byte
}

// request is the lines of one request id.
type request struct {
	key   key
	group *group
	began uint64 // counts requests

	text  []byte // of the lines, and what came with them
	lines []heldLine

	excess     int64 // memory that it had when it began beyond what it was charged
	ended      bool
	queue      *queue
	prev, next *request
}

// heldLine is a line of a request. Its bytes are in the request's text.
type heldLine struct {
	stream, record, userRecord              string
	millis, arrival, offset                 int64
	id, message, account, region, extracted span
	repeats                                 int32 // how often the line came again
	hasTime, seconds, onlySystemFields      bool
}

// span is a part of a request's text.
type span struct{ start, end int32 }

const (
	heldLineBytes = int64(unsafe.Sizeof(heldLine{}))
	requestBytes  = int64(unsafe.Sizeof(request{})) + int64(unsafe.Sizeof(key{})) + 16
	// firstText and firstLines are room for a request of a stage that logs no data.
	firstText, firstLines = 2 << 10, 16
	// maxSpare is the largest text of a request that is used again.
	maxSpare = 64 << 10
	// maxGroups bounds the log groups that are remembered, maxNames their names.
	maxGroups = 10_000
	maxNames  = 1 << 20
	// maxHeld and maxMessage keep the text of a request within 31 bits.
	maxHeld    = 1 << 30
	maxMessage = 1 << 28
)

// NewAssembler returns an assembler that holds at most maxBytes, or 1 GiB, and hands
// interactions to emit. A request whose lines exceed maxRequest bytes is handed over at
// once, since there is no end to what a client can do under one id. What emit is handed
// is valid only during the call; its error ends the call that it was made from.
func NewAssembler(maxBytes int64, maxRequest int, emit func(*Interaction) error) *Assembler {
	return &Assembler{
		maxBytes: min(maxBytes, maxHeld), maxRequest: maxRequest,
		emit:   emit,
		groups: make(map[Group]*group),
		open:   make(map[key]*request),
	}
}

// Add adds a line. It returns false if the line has no request id that it could be
// held under: then it is the caller's.
//
// When more would be held than the assembler may, it hands over requests that have
// ended, those first that ended first, and then the oldest of the others as they are.
func (a *Assembler) Add(g Group, source *Source, message []byte) (bool, error) {
	line := &a.line
	line.parse(message)
	if len(line.RequestID) == 0 || len(message) > maxMessage {
		return false, nil
	}
	r := a.request(g, line.RequestID)
	before := r.charge()
	r.add(source, message)
	a.bytes += r.charge() - before
	a.move(r, line.Kind)
	if len(r.text) > a.maxRequest {
		if err := a.hand(r); err != nil {
			return true, err
		}
	}
	for a.bytes > a.maxBytes {
		oldest := cmp.Or(a.ended.first, a.running.first)
		if err := a.hand(oldest); err != nil {
			return true, err
		}
	}
	for a.bytes+a.spare > a.maxBytes && len(a.free) > 0 {
		a.takeFree()
	}
	return true, nil
}

// Flush hands over all that is held, in the order in which requests began.
func (a *Assembler) Flush() error {
	a.order = a.order[:0]
	for _, q := range []*queue{&a.running, &a.ended} {
		for r := q.first; r != nil; r = r.next {
			a.order = append(a.order, r)
		}
	}
	slices.SortFunc(a.order, func(x, y *request) int { return cmp.Compare(x.began, y.began) })
	defer clear(a.order)
	for _, r := range a.order {
		if err := a.hand(r); err != nil {
			return err
		}
	}
	return nil
}

// Reset drops all that is held.
func (a *Assembler) Reset() {
	for _, q := range []*queue{&a.running, &a.ended} {
		for q.first != nil {
			a.drop(q.first)
		}
	}
	a.line = Line{}
	a.interaction.Release()
	if len(a.groups) > maxGroups || a.names > maxNames {
		clear(a.groups)
		a.last, a.names = nil, 0
	}
}

// request is the one that an id belongs to.
func (a *Assembler) request(g Group, id []byte) *request {
	if a.last == nil || a.last.Group != g {
		known := a.groups[g]
		if known == nil {
			known = &group{Group: g, number: uint32(len(a.groups))}
			a.names += len(g.Name) + len(g.Owner)
			a.groups[g] = known
		}
		a.last = known
	}
	k := key{group: a.last.number, length: uint8(len(id))}
	copy(k.id[:], id)
	if r := a.open[k]; r != nil {
		return r
	}
	r := a.take()
	r.key, r.group, r.began = k, a.last, a.began
	a.began++
	a.open[k] = r
	a.bytes += r.charge()
	r.excess = r.size() - r.charge()
	a.excess += r.excess
	a.running.push(r)
	return r
}

// move puts a request into the queue where it belongs after a line of the kind.
func (a *Assembler) move(r *request, kind Kind) {
	switch {
	case kind.ends():
		r.ended = true
	case kind == KindExtendedRequestID && r.ended && len(r.lines) > 1:
		r.ended = false // the same id again, or lines out of order
	default:
		return
	}
	target := &a.running
	if r.ended {
		target = &a.ended
	}
	if r.queue != target {
		r.queue.remove(r)
		target.push(r)
	}
}

// hand hands a request over and forgets it.
func (a *Assembler) hand(r *request) error {
	err := a.interaction.each(r, a.emit)
	a.drop(r)
	return err
}

func (a *Assembler) drop(r *request) {
	r.queue.remove(r)
	delete(a.open, r.key)
	a.bytes -= r.charge()
	a.excess -= r.excess
	clear(r.lines) // lets go of strings
	r.text, r.lines, r.ended, r.group = r.text[:0], r.lines[:0], false, nil
	if size := r.size(); cap(r.text) <= maxSpare && a.bytes+a.spare+size <= a.maxBytes {
		a.spare += size
		a.free = append(a.free, r)
	}
}

// take returns an empty request. One that has more memory than it is charged is used
// only as long as all of them together have little of it.
func (a *Assembler) take() *request {
	if len(a.free) > 0 && a.excess <= a.maxBytes/4 {
		return a.takeFree()
	}
	return &request{text: make([]byte, 0, firstText), lines: make([]heldLine, 0, firstLines)}
}

// takeFree takes a request off those that are to be used again.
func (a *Assembler) takeFree() *request {
	n := len(a.free) - 1
	r := a.free[n]
	a.free[n] = nil
	a.free = a.free[:n]
	a.spare -= r.size()
	return r
}

// size is the memory that a request takes.
func (r *request) size() int64 {
	return requestBytes + int64(cap(r.text)) + int64(cap(r.lines))*heldLineBytes
}

// charge is what a request counts as: about the memory that it takes, but by its lines
// alone. What is handed over when must not depend on what the memory was used for before,
// or the same lines would give other interactions at another time.
func (r *request) charge() int64 {
	return requestBytes + room(len(r.text), firstText) + room(len(r.lines), firstLines)*heldLineBytes
}

// room is that of a slice that began with some and was doubled until it held n.
func room(n, first int) int64 {
	room := int64(first)
	for room < int64(n) {
		room *= 2
	}
	return room
}

func (r *request) add(source *Source, message []byte) {
	r.lines = append(r.lines, heldLine{
		stream: source.Stream, record: source.Record,
		millis: source.Millis, arrival: source.Arrival, offset: source.Offset,
		id: r.keep(source.ID), message: r.keep(message),
		account: r.keep(source.Account), region: r.keep(source.Region), extracted: r.keep(source.ExtractedFields),
		userRecord: source.UserRecord,
		hasTime:    source.HasTime, seconds: source.Seconds, onlySystemFields: source.OnlySystemFields,
	})
}

func (r *request) keep(text []byte) span {
	start := len(r.text)
	r.text = append(r.text, text...)
	return span{int32(start), int32(len(r.text))}
}

func (r *request) bytes(s span) []byte { return r.text[s.start:s.end:s.end] }

// queue is a list of requests in the order in which they were pushed.
type queue struct{ first, last *request }

func (q *queue) push(r *request) {
	r.queue, r.prev, r.next = q, q.last, nil
	if q.last == nil {
		q.first = r
	} else {
		q.last.next = r
	}
	q.last = r
}

func (q *queue) remove(r *request) {
	if r.prev == nil {
		q.first = r.next
	} else {
		r.prev.next = r.next
	}
	if r.next == nil {
		q.last = r.prev
	} else {
		r.next.prev = r.prev
	}
	r.queue, r.prev, r.next = nil, nil, nil
}
