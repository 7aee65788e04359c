package kinesis

import "sort"

// record is one record as stored. Neither data nor key is ever written again, so readers share them.
type record struct {
	data    []byte
	key     string
	arrival int64 // milliseconds since the epoch
}

const chunkSize = 1024

// recordLog is an append-only log with positions that never change. It grows by chunks, so that neither an append
// nor a trim moves what is stored.
type recordLog struct {
	chunks [][]record
	base   uint64 // position of the first slot of chunks[0]
	first  uint64 // oldest position kept
	next   uint64 // position of the next append
}

// newRecordLog starts at position 1; position 0 stands for the beginning of the shard.
func newRecordLog() recordLog { return recordLog{base: 1, first: 1, next: 1} }

func (l *recordLog) append(r record) uint64 {
	if slot := l.next - l.base; slot == uint64(len(l.chunks))*chunkSize {
		l.chunks = append(l.chunks, make([]record, 0, chunkSize))
	}
	last := len(l.chunks) - 1
	l.chunks[last] = append(l.chunks[last], r)
	l.next++
	return l.next - 1
}

// at returns the record at a position, which must be in [first, next).
func (l *recordLog) at(pos uint64) *record {
	slot := pos - l.base
	return &l.chunks[slot/chunkSize][slot%chunkSize]
}

// trim forgets the records that arrived before the given millisecond.
func (l *recordLog) trim(before int64) {
	for l.first < l.next {
		r := l.at(l.first)
		if r.arrival >= before {
			return
		}
		*r = record{}
		l.first++
		if l.first-l.base == chunkSize {
			l.chunks[0] = nil
			l.chunks = l.chunks[1:]
			l.base = l.first
		}
	}
}

// firstAt is the position of the first record that arrived at or after the given millisecond; next if none did.
// Arrivals never go back within a log.
func (l *recordLog) firstAt(ms int64) uint64 {
	n := sort.Search(int(l.next-l.first), func(i int) bool { return l.at(l.first+uint64(i)).arrival >= ms })
	return l.first + uint64(n)
}
