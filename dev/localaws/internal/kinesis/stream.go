package kinesis

import (
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/limit"
	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

// Stream states as the API names them.
const (
	statusCreating = "CREATING"
	statusActive   = "ACTIVE"
	statusUpdating = "UPDATING"
	statusDeleting = "DELETING"
)

// Capacity modes.
const (
	modeProvisioned = "PROVISIONED"
	modeOnDemand    = "ON_DEMAND"
)

const (
	onDemandShards      = 4
	defaultRetention    = 24
	minRetention        = 24
	maxRetention        = 8760
	defaultMaxRecordKiB = 1024
	maxMaxRecordKiB     = 10240
)

// stream is one stream. A change of topology happens at once; the state shows CREATING or UPDATING for the
// configured time after it, as in the service, where readers and writers go on meanwhile.
type stream struct {
	number  uint64 // tells a stream from an earlier one of the same name
	name    string
	arn     string
	created time.Time
	listing *limit.Bucket // ListShards calls

	mu           sync.RWMutex
	transition   string    // state shown until settledAt
	settledAt    time.Time // by the machine's clock, not the configured one
	deleting     bool
	mode         string
	retention    int // hours
	maxRecordKiB int
	shards       []*shard // by index, closed ones included
	open         []*shard // by hash range
	tags         map[string]string
	consumers    map[string]*consumer
}

func (st *stream) statusLocked() string {
	switch {
	case st.deleting:
		return statusDeleting
	case time.Now().Before(st.settledAt):
		return st.transition
	}
	return statusActive
}

func (st *stream) transitLocked(state string, delay time.Duration) {
	st.transition = state
	st.settledAt = time.Now().Add(delay)
}

// gone reports whether a deletion is over.
func (st *stream) gone() bool {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return st.deleting && !time.Now().Before(st.settledAt)
}

// trimHorizonLocked is the moment before which records are no longer kept.
func (st *stream) trimHorizonLocked(now time.Time) time.Time {
	return now.Add(-time.Duration(st.retention) * time.Hour)
}

// shardAt finds the open shard for a hash key.
func (st *stream) shardAtLocked(k hashKey) *shard {
	i := sort.Search(len(st.open), func(i int) bool { return st.open[i].hashes.hi.compare(k) >= 0 })
	return st.open[i]
}

// knownLocked lists the shards that the service still tells of, by index.
func (st *stream) knownLocked(now time.Time) []*shard {
	horizon := st.trimHorizonLocked(now)
	known := make([]*shard, 0, len(st.shards))
	for _, s := range st.shards {
		if !s.expired(horizon) {
			known = append(known, s)
		}
	}
	return known
}

// shard finds a shard by id. Errors are as the service words them.
func (st *stream) shard(id, account string, now time.Time) (*shard, error) {
	index, ok := parseShardID(id)
	if !ok {
		return nil, wire.Errorf("ResourceNotFoundException", "Could not find shard %s in stream %s under account %s.", id, st.name, account)
	}
	st.mu.RLock()
	defer st.mu.RUnlock()
	missing := int(index) >= len(st.shards) || st.statusLocked() == statusCreating || st.deleting
	if missing || st.shards[index].expired(st.trimHorizonLocked(now)) {
		return nil, wire.Errorf("ResourceNotFoundException", "Shard %s in stream %s under account %s does not exist", shardID(index), st.name, account)
	}
	return st.shards[index], nil
}

// horizon is the trim horizon under the stream's lock.
func (st *stream) horizon(now time.Time) time.Time {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return st.trimHorizonLocked(now)
}

// childrenLocked lists the shards that follow s and are still known.
func (st *stream) childrenLocked(s *shard, now time.Time) []*shard {
	var out []*shard
	for _, c := range st.knownLocked(now) {
		if c.parent == s || c.adjacent == s {
			out = append(out, c)
		}
	}
	return out
}

func (st *stream) addLocked(s *shard) {
	st.shards = append(st.shards, s)
	i, _ := slices.BinarySearchFunc(st.open, s, func(a, b *shard) int { return a.hashes.lo.compare(b.hashes.lo) })
	st.open = slices.Insert(st.open, i, s)
}

func (st *stream) closeLocked(s *shard, now time.Time) {
	s.closedAt = now.Truncate(time.Millisecond)
	s.end(now)
	st.open = slices.DeleteFunc(st.open, func(o *shard) bool { return o == s })
}

// splitLocked replaces an open shard by two; at is where the second begins.
func (st *stream) splitLocked(s *shard, at hashKey, now time.Time, throttle bool) {
	st.closeLocked(s, now)
	for _, r := range []hashRange{{s.hashes.lo, at.previous()}, {at, s.hashes.hi}} {
		st.addLocked(s.child(uint32(len(st.shards)), r, now, throttle))
	}
}

// mergeLocked replaces two neighbours by one.
func (st *stream) mergeLocked(s, adjacent *shard, now time.Time, throttle bool) {
	low, high := s, adjacent
	if high.hashes.lo.compare(low.hashes.lo) < 0 {
		low, high = high, low
	}
	st.closeLocked(s, now)
	st.closeLocked(adjacent, now)
	m := s.child(uint32(len(st.shards)), hashRange{low.hashes.lo, high.hashes.hi}, now, throttle)
	m.adjacent = adjacent
	m.secs = max(m.secs, adjacent.secs+1)
	st.addLocked(m)
}

// rescaleLocked brings the open shards to n even ranges: splits first, so that every wanted boundary is there, then
// merges over the others.
func (st *stream) rescaleLocked(n int, now time.Time, throttle bool) {
	wanted := evenRanges(n)
	for _, r := range wanted {
		if s := st.shardAtLocked(r.lo); s.hashes.lo != r.lo {
			st.splitLocked(s, r.lo, now, throttle)
		}
	}
	for _, r := range wanted {
		for {
			s := st.shardAtLocked(r.lo)
			if s.hashes.hi == r.hi {
				break
			}
			st.mergeLocked(s, st.shardAtLocked(s.hashes.hi.next()), now, throttle)
		}
	}
}
