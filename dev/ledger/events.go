package ledger

import (
	"iter"
	"sync"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/dev/localaws"
)

// Events knows every event that CloudWatch Logs has taken in and forwards, by the id
// that it must arrive with. It is filled by the local AWS, so it does not depend on
// anything the pipeline says of itself. It is safe for concurrent use.
type Events struct {
	mu  sync.Mutex
	put map[analytics.ID]int64 // milliseconds since 1970, which is small
}

// NewEvents makes an empty ledger.
func NewEvents() *Events { return &Events{put: map[analytics.ID]int64{}} }

// Add enters an event. It is a hook for [localaws.Config].
func (l *Events) Add(e localaws.ForwardedEvent) {
	l.AddAt(EventID(e), time.Now())
}

// AddAt enters an event that was put at a time.
func (l *Events) AddAt(id analytics.ID, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put[id] = at.UnixMilli()
}

// EventID is the id that the pipeline has to give an event.
func EventID(e localaws.ForwardedEvent) analytics.ID {
	return analytics.LogEventID(e.Owner, e.LogGroup, e.LogStream, e.ID)
}

// Count is the number of events so far.
func (l *Events) Count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.put)
}

// Delivery compares the events that were put with those that arrived.
type Delivery struct {
	Produced   int // put
	Delivered  int // of these, arrived
	Lost       int // of these, not arrived
	Duplicates int // arrivals of an event after its first, by itself or in another's
	Strangers  int // events that arrived and nobody put
	// Fresh is how long each delivered event took, in no order.
	Fresh []time.Duration
}

// Compare looks for every event among the receipts of the API, of which each log event
// has one, with the number of times that it was accepted. One that was folded into an
// interaction with others has its own receipt all the same.
func (l *Events) Compare(receipts iter.Seq2[analytics.ID, analytics.Receipt]) Delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := Delivery{Produced: len(l.put)}
	for id, receipt := range receipts {
		d.Duplicates += receipt.Count - 1
		put, known := l.put[id]
		if !known {
			d.Strangers++
			continue
		}
		d.Delivered++
		d.Fresh = append(d.Fresh, receipt.First.Sub(time.UnixMilli(put)))
	}
	d.Lost = d.Produced - d.Delivered
	return d
}
