package failover

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/fleet"
	"github.com/log-event-pipeline/logpipe/dev/localaws"
)

// reads remembers who has read each shard, and since when. It is safe for concurrent
// use.
type reads struct {
	mu     sync.Mutex
	shards map[string][]tenure
}

// tenure is a time in which one process alone has read a shard.
type tenure struct {
	process string
	first   time.Time
	last    time.Time
}

func newReads() *reads { return &reads{shards: map[string][]tenure{}} }

// add is a hook for [localaws.Config].
func (r *reads) add(request localaws.Request) {
	if request.Operation != "GetRecords" || request.Shard == "" {
		return
	}
	process := fleet.AgentProcess(request.Agent)
	r.mu.Lock()
	defer r.mu.Unlock()
	tenures := r.shards[request.Shard]
	if n := len(tenures); n > 0 && tenures[n-1].process == process {
		tenures[n-1].last = request.Time
		return
	}
	r.shards[request.Shard] = append(tenures, tenure{process, request.Time, request.Time})
}

// current is how old the last read of a shard may be that still has a reader: at the
// tip a poller reads once a second.
const current = 3 * time.Second

// held lists the shards that each process reads.
func (r *reads) held(now time.Time) map[string][]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	held := map[string][]string{}
	for _, shard := range slices.Sorted(maps.Keys(r.shards)) {
		tenures := r.shards[shard]
		if last := tenures[len(tenures)-1]; now.Sub(last.last) <= current {
			held[last.process] = append(held[last.process], shard)
		}
	}
	return held
}

// takeover is when another process first read the shard after the time given; ok is
// false while none has.
func (r *reads) takeover(shard, from string, since time.Time) (at time.Time, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range r.shards[shard] {
		if t.process != from && t.first.After(since) {
			return t.first, true
		}
	}
	return time.Time{}, false
}
