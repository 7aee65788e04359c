package starter

import (
	"context"
	"fmt"
	"sync"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

// Leases are those that a process has now, and what each waits for. A nil *Leases remembers
// none.
type Leases struct {
	mu   sync.Mutex
	held map[*lease]bool
}

func (a *Leases) begin(l *lease) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held == nil {
		a.held = make(map[*lease]bool)
	}
	a.held[l] = true
}

func (a *Leases) end(l *lease) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.held, l)
}

// Check says how many shards are read, and why others are not. That a shard has to wait is
// for Kinesis, Temporal or people to mend: another process would wait, too.
func (a *Leases) Check(context.Context) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	waiting, shard, why := 0, "", ""
	for l := range a.held {
		state := l.state.Load()
		if state == nil || state.Waiting == "" {
			continue
		}
		waiting++
		if id := window.ShortShard(l.in.ShardID); shard == "" || id < shard {
			shard, why = id, state.Waiting
		}
	}
	says := fmt.Sprintf("%d of the %d shards that this starter holds", len(a.held)-waiting, len(a.held))
	if waiting > 0 {
		says += fmt.Sprintf("; shard %s waits: %s", shard, why)
	}
	return says, nil
}
