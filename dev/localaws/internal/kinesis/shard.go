package kinesis

import (
	"sync"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/limit"
)

// shard is one shard of a stream. Its place in the stream (index, range, lineage) is fixed; closedAt is guarded by
// the stream's lock, the log and what belongs to it by its own.
type shard struct {
	index    uint32
	id       string
	hashes   hashRange
	parent   *shard
	adjacent *shard // second parent of a merged shard
	created  time.Time
	secs     int64     // second of creation as its sequence numbers state it
	closedAt time.Time // zero while open

	mu      sync.Mutex
	log     recordLog
	ended   bool
	endSecs int64
	newest  int64         // arrival of the newest record, in milliseconds
	wake    chan struct{} // closed when something is appended or the shard ends; nil while nobody waits

	reads     *limit.Bucket // GetRecords calls
	readBytes *limit.Bucket
	writes    *limit.Bucket // records
	putBytes  *limit.Bucket
	iterators *limit.Bucket // GetShardIterator calls
}

// Quotas of a shard, by the service's documentation.
const (
	readsPerSecond     = 5
	readBytesPerSecond = 2 << 20
	writesPerSecond    = 1000
	putBytesPerSecond  = 1 << 20
)

func newShard(index uint32, hashes hashRange, now time.Time, throttle bool) *shard {
	s := &shard{
		index: index, id: shardID(index), hashes: hashes,
		created: now.Truncate(time.Millisecond), secs: now.Unix(), log: newRecordLog(),
	}
	if throttle {
		s.reads = limit.PerSecond(readsPerSecond)
		s.readBytes = limit.PerSecond(readBytesPerSecond)
		s.writes = limit.PerSecond(writesPerSecond)
		s.putBytes = limit.PerSecond(putBytesPerSecond)
		s.iterators = limit.PerSecond(readsPerSecond)
	}
	return s
}

// child makes a shard that follows this one. Its sequence numbers are larger than the parent's, which needs a later
// second of creation.
func (s *shard) child(index uint32, hashes hashRange, now time.Time, throttle bool) *shard {
	c := newShard(index, hashes, now, throttle)
	c.parent = s
	c.secs = max(c.secs, s.secs+1)
	return c
}

func (s *shard) open() bool { return s.closedAt.IsZero() }

// expired reports whether a closed shard has outlived the stream's retention and is no longer known.
func (s *shard) expired(trimHorizon time.Time) bool {
	return !s.open() && s.closedAt.Before(trimHorizon)
}

func (s *shard) starting() seqno { return makeSeqno(s.secs, s.index, 0, s.secs) }
func (s *shard) ending() seqno   { return makeSeqno(s.secs, s.index, lastIndex, s.endSecs) }

// seqnoAt is the sequence number of the record at a position.
func (s *shard) seqnoAt(pos uint64, r *record) seqno {
	return makeSeqno(s.secs, s.index, pos, r.arrival/1000)
}

// appendLocked stores a record and returns its sequence number. The caller holds mu and has seen that the shard is
// open. What is older than the horizon goes, so that a stream nobody reads does not grow for ever.
func (s *shard) appendLocked(data []byte, key string, now, horizon time.Time) seqno {
	s.log.trim(horizon.UnixMilli())
	s.newest = max(s.newest, now.UnixMilli()) // a clock set back must not break the order by arrival
	r := record{data: data, key: key, arrival: s.newest}
	pos := s.log.append(r)
	s.wakeLocked()
	return s.seqnoAt(pos, &r)
}

func (s *shard) wakeLocked() {
	if s.wake != nil {
		close(s.wake)
		s.wake = nil
	}
}

// end closes the log for good.
func (s *shard) end(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.endSecs = max(now.Unix(), s.newest/1000)
	s.wakeLocked()
}

// after is the position a reader continues at that asks for what follows n (or, with inclusive, for n itself). The
// number need not be one that was given out.
func (s *shard) after(n seqno, inclusive bool) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	pos := n.index()
	held := s.log.first <= pos && pos < s.log.next
	switch {
	case pos == 0: // the shard's starting sequence number
		return 1
	case !held && inclusive:
		return pos
	case !held:
		return pos + 1
	}
	if c := s.seqnoAt(pos, s.log.at(pos)).compare(n); c < 0 || c == 0 && !inclusive {
		return pos + 1
	}
	return pos
}

// page is what one read finds.
type page struct {
	from    uint64
	records []record
	next    uint64 // where the reader continues
	atEnd   bool   // nothing follows, ever
	trimmed bool   // the position was older than the retention
	behind  int64  // milliseconds behind the tip, 0 at the tip
}

// read returns the records at pos: at most limit of them, and of maxBytes of data, but always one if there is any.
func (s *shard) read(pos uint64, limit, maxBytes int, now, horizon time.Time) page {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.trim(horizon.UnixMilli())
	if pos < s.log.first {
		return page{from: pos, next: s.log.first, trimmed: true, behind: now.Sub(horizon).Milliseconds()}
	}
	p := page{from: pos, next: pos}
	if pos < s.log.next {
		p.records = make([]record, 0, min(s.log.next-pos, uint64(limit)))
	}
	for size := 0; p.next < s.log.next && len(p.records) < limit; p.next++ {
		r := s.log.at(p.next)
		if size += len(r.data); size > maxBytes && len(p.records) > 0 {
			break
		}
		p.records = append(p.records, *r)
	}
	if p.next < s.log.next {
		p.behind = max(1, now.UnixMilli()-s.log.at(p.next).arrival)
	} else {
		p.atEnd = s.ended
	}
	return p
}

// waiting returns a channel that is closed when there is something to read at pos or the shard has ended; nil if
// that is so already.
func (s *shard) waiting(pos uint64) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pos < s.log.next || s.ended {
		return nil
	}
	if s.wake == nil {
		s.wake = make(chan struct{})
	}
	return s.wake
}
