package cwlogs

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

const (
	firstBackoff = 20 * time.Millisecond
	maxBackoff   = time.Second
)

// delivery brings records to the sink: in order for each filter and log stream, trying again for as long as the
// sink throttles.
type delivery struct {
	sink   Sink
	logger *slog.Logger
	ctx    context.Context // ends with the service
	cancel context.CancelFunc
	lost   atomic.Int64
	wg     sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	queues  map[queueKey]*[]parcel
	pending int
	idle    chan struct{} // closed when pending reaches 0; nil while nobody waits
}

type queueKey struct {
	filter *filter
	stream *logStream
}

type parcel struct {
	streamARN    string
	partitionKey string
	data         []byte
	events       int
}

func newDelivery(sink Sink, logger *slog.Logger) *delivery {
	ctx, cancel := context.WithCancel(context.Background())
	return &delivery{sink: sink, logger: logger, ctx: ctx, cancel: cancel, queues: map[queueKey]*[]parcel{}}
}

// enqueue adds parcels behind those of the same key. A key's goroutine lives as long as its queue holds anything.
func (d *delivery) enqueue(key queueKey, parcels ...parcel) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || len(parcels) == 0 {
		return
	}
	d.pending += len(parcels)
	if q := d.queues[key]; q != nil {
		*q = append(*q, parcels...)
		return
	}
	q := append([]parcel{}, parcels...)
	d.queues[key] = &q
	d.wg.Go(func() { d.drain(key, &q) })
}

func (d *delivery) drain(key queueKey, q *[]parcel) {
	for {
		d.mu.Lock()
		if len(*q) == 0 {
			delete(d.queues, key)
			d.mu.Unlock()
			return
		}
		p := (*q)[0]
		(*q)[0] = parcel{}
		*q = (*q)[1:]
		d.mu.Unlock()
		d.deliver(p)
		d.done()
	}
}

func (d *delivery) done() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pending--; d.pending == 0 && d.idle != nil {
		close(d.idle)
		d.idle = nil
	}
}

func (d *delivery) deliver(p parcel) {
	backoff := firstBackoff
	for d.ctx.Err() == nil {
		err := d.sink.Put(d.ctx, p.streamARN, p.partitionKey, p.data)
		if err == nil {
			return
		}
		var refused *wire.Error
		if errors.As(err, &refused) && !refused.Retryable() {
			d.lost.Add(int64(p.events))
			d.logger.Warn("subscription destination refused a record for good; its events are lost",
				"destination", p.streamARN, "events", p.events, "error", err)
			return
		}
		select {
		case <-d.ctx.Done():
		case <-time.After(backoff):
			backoff = min(2*backoff, maxBackoff)
		}
	}
}

func (d *delivery) flush(ctx context.Context) error {
	d.mu.Lock()
	if d.pending == 0 {
		d.mu.Unlock()
		return nil
	}
	if d.idle == nil {
		d.idle = make(chan struct{})
	}
	idle := d.idle
	d.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *delivery) close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.cancel()
	d.wg.Wait()
}
