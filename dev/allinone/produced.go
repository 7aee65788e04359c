package allinone

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/dev/localaws"
)

// produced knows every event that CloudWatch Logs has taken in and forwards, by
// the id that it must arrive with. It is filled by the local AWS, so it does not
// depend on anything the pipeline says of itself.
type produced struct {
	mu     sync.Mutex
	events map[analytics.ID]time.Time // when it was put
}

func newProduced() *produced { return &produced{events: map[analytics.ID]time.Time{}} }

func (p *produced) add(e localaws.ForwardedEvent) {
	id := analytics.ID(sha256.Sum256([]byte(e.Owner + "\x00" + e.LogGroup + "\x00" + e.LogStream + "\x00" + e.ID)))
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events[id] = now
}

func (p *produced) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.events)
}
