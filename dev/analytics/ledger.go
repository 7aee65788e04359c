package analytics

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash/maphash"
	"iter"
	"math"
	"sync"
	"time"
)

// uidMember is the member of an event that tells it from all others.
const uidMember = "log.record.uid"

// ID tells one event from all others. It is the decoded "log.record.uid" where
// that is a lower-case hexadecimal SHA-256, and the SHA-256 of its text otherwise.
type ID [sha256.Size]byte

// String gives the ID in lower-case hexadecimal, as events carry it.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

func eventID(text []byte) ID {
	var id ID
	if len(text) == hex.EncodedLen(len(id)) && !bytes.ContainsAny(text, "ABCDEF") {
		if _, err := hex.Decode(id[:], text); err == nil {
			return id
		}
	}
	return sha256.Sum256(text)
}

// Receipt says how a log event arrived, in an event of its own or in one that stands
// for several. A batch that was sent again under its idempotency key is not received
// again.
type Receipt struct {
	First time.Time // when its first batch was accepted, to the millisecond
	Count int       // in how many events it was accepted
}

// ledger counts events and batches. Everything that one batch changes is changed
// under one lock, so that no reader sees half a batch. The lock is held for map
// operations only: parsing is done before it is taken.
type ledger struct {
	seed  maphash.Seed
	epoch time.Time

	mu sync.Mutex
	// logEvents are the log events that events were made from, by first byte, so that
	// iteration can copy a part at a time.
	logEvents [256]map[ID]arrivals
	// interactions are the events that were made from several.
	interactions map[ID]struct{}

	batches  map[string]known
	totals   Stats
	recent   [][]byte // ring, next is the oldest
	next     int
	first    time.Time
	last     time.Time
	statuses map[int]uint64
	tokens   map[int]uint64
}

// arrivals is kept small: benchmarks send millions of events.
type arrivals struct {
	firstMillis uint32 // since the epoch of the ledger; enough for 49 days
	count       uint32
}

// fingerprint tells a repeated body from another one under the same key. The hash
// is seeded at random in each process: 64 bits are ample where nobody can aim.
type fingerprint struct {
	hash   uint64
	length int
}

// known is a batch that was accepted.
type known struct {
	fingerprint
	answer partialAnswer
}

func newLedger(now time.Time, recent int) *ledger {
	l := &ledger{
		seed:         maphash.MakeSeed(),
		epoch:        now,
		interactions: map[ID]struct{}{},
		batches:      map[string]known{},
		recent:       make([][]byte, recent),
		statuses:     map[int]uint64{},
		tokens:       map[int]uint64{},
	}
	for i := range l.logEvents {
		l.logEvents[i] = map[ID]arrivals{}
	}
	return l
}

// outcome is what the ledger made of a batch.
type outcome int

const (
	accepted outcome = iota
	replayed         // same key and body as before: acknowledged, counted as a replay only
	conflict         // same key, another body
)

// accept counts a batch. With the empty key every batch is new. The answer returned is
// that to the batch that came with the key first.
func (l *ledger) accept(key string, body []byte, b batch, now time.Time) (outcome, partialAnswer) {
	offered := fingerprint{length: len(body)}
	answer := partialAnswer{Accepted: b.size(), Failed: b.failed}
	if key != "" {
		offered.hash = maphash.Bytes(l.seed, body)
	}
	latest := make([][]byte, len(b.latest))
	for i, raw := range b.latest {
		latest[i] = displayed(raw)
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	if key != "" {
		if before, ok := l.batches[key]; ok {
			if before.fingerprint != offered {
				l.totals.Conflicts++
				return conflict, partialAnswer{}
			}
			l.totals.Replays++
			return replayed, before.answer
		}
		l.batches[key] = known{offered, answer}
	}
	at := uint32(min(max(now.Sub(l.epoch).Milliseconds(), 0), math.MaxUint32))
	for _, id := range b.ids {
		l.arrived(!l.received(id, at))
	}
	for _, e := range b.interactions {
		_, known := l.interactions[e.id]
		l.interactions[e.id] = struct{}{}
		l.arrived(!known)
		for _, id := range e.logEvents {
			l.received(id, at)
		}
	}
	l.totals.Events += uint64(b.size())
	l.totals.FailedEvents += uint64(len(b.failed))
	l.totals.Unidentified += uint64(b.unidentified)
	l.totals.Batches++
	l.totals.Bytes += uint64(len(body))
	if l.first.IsZero() {
		l.first = now
	}
	l.last = now
	for _, raw := range latest {
		l.recent[l.next] = raw
		l.next = (l.next + 1) % len(l.recent)
	}
	return accepted, answer
}

// received counts a log event and tells whether it was known.
func (l *ledger) received(id ID, at uint32) bool {
	part := l.logEvents[id[0]]
	a, known := part[id]
	if !known {
		a.firstMillis = at
		l.totals.LogEvents++
	}
	a.count++
	part[id] = a
	return known
}

// arrived counts an event with an id.
func (l *ledger) arrived(first bool) {
	if first {
		l.totals.Distinct++
	} else {
		l.totals.Duplicates++
	}
}

// maxDisplayed bounds what is kept of one event for display, in bytes.
const maxDisplayed = 64 << 10

// displayed copies an event out of the request's buffer.
func displayed(raw []byte) []byte {
	if len(raw) > maxDisplayed {
		return []byte(`{"omitted":"the event is larger than is kept for display"}`)
	}
	return append([]byte(nil), raw...)
}

// latest returns up to limit events, the newest first.
func (l *ledger) latest(limit int) [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	events := [][]byte{}
	for i := range l.recent {
		raw := l.recent[(l.next-1-i+2*len(l.recent))%len(l.recent)]
		if raw == nil || len(events) == limit {
			break
		}
		events = append(events, raw)
	}
	return events
}

// all yields the id of every log event with its receipt, in no order. It takes the lock for
// one part at a time only, so batches accepted meanwhile may show in part.
func (l *ledger) all() iter.Seq2[ID, Receipt] {
	type entry struct {
		id ID
		arrivals
	}
	return func(yield func(ID, Receipt) bool) {
		var part []entry
		for i := range l.logEvents {
			part = part[:0]
			l.mu.Lock()
			for id, a := range l.logEvents[i] {
				part = append(part, entry{id, a})
			}
			l.mu.Unlock()
			for _, e := range part {
				first := l.epoch.Add(time.Duration(e.firstMillis) * time.Millisecond)
				if !yield(e.id, Receipt{First: first, Count: int(e.count)}) {
					return
				}
			}
		}
	}
}

// receipt returns how one log event arrived; ok is false where it did not.
func (l *ledger) receipt(id ID) (r Receipt, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, ok := l.logEvents[id[0]][id]
	if !ok {
		return Receipt{}, false
	}
	return Receipt{First: l.epoch.Add(time.Duration(a.firstMillis) * time.Millisecond), Count: int(a.count)}, true
}
