package kinesis

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

const (
	subscriptionLife   = 5 * time.Minute
	subscriptionHold   = 5 * time.Second // during which a second one is refused
	subscriptionIdle   = 5 * time.Second // after which an empty event tells that all is well
	subscriptionEvent  = 2 << 20         // data bytes in one event
	subscriptionLength = 10000           // records in one event
)

// subscriptions keeps at most one open per consumer and shard; a later one takes over.
type subscriptions struct {
	mu   sync.Mutex
	open map[string]*subscription
}

type subscription struct {
	key     string
	started time.Time
	done    chan struct{}
	end     func()
}

func (s *subscriptions) begin(key string) (*subscription, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if old := s.open[key]; old != nil {
		if now.Sub(old.started) < subscriptionHold {
			return nil, false
		}
		old.end()
	}
	sub := &subscription{key: key, started: now, done: make(chan struct{})}
	sub.end = sync.OnceFunc(func() { close(sub.done) })
	if s.open == nil {
		s.open = map[string]*subscription{}
	}
	s.open[key] = sub
	return sub, true
}

func (s *subscriptions) forget(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[sub.key] == sub {
		delete(s.open, sub.key)
	}
}

// endOf ends all subscriptions of a consumer.
func (s *subscriptions) endOf(consumerARN string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, sub := range s.open {
		if strings.HasPrefix(key, consumerARN+" ") {
			sub.end()
		}
	}
}

type subscribeIn struct {
	ConsumerARN      string
	ShardId          string
	StartingPosition *startingPosition
	DryRun           bool
}

type startingPosition struct {
	Type           string
	SequenceNumber string
	Timestamp      *wire.Time
}

func subscribeTarget(in *subscribeIn) wire.Target {
	t := wire.Target{Shard: in.ShardId}
	if m := consumerARN.FindStringSubmatch(in.ConsumerARN); m != nil {
		t.Stream = streamRef{StreamARN: m[1]}.name()
	}
	return t
}

// subscribeOut streams records as they come; it is a wire.Streamer.
type subscribeOut struct {
	svc   *Service
	st    *stream
	shard *shard
	pos   uint64
	sub   *subscription
}

func (s *Service) subscribeToShard(_ context.Context, in *subscribeIn) (*subscribeOut, error) {
	if in.StartingPosition == nil {
		return nil, wire.Missing("startingPosition")
	}
	st, c, err := s.findConsumer(consumerRef{ConsumerARN: in.ConsumerARN})
	if err != nil {
		return nil, err
	}
	if c.status() != statusActive {
		return nil, wire.Errorf("ResourceInUseException", "Consumer %s is not ACTIVE.", c.name)
	}
	now := s.cfg.Now()
	sh, err := st.shard(in.ShardId, s.cfg.Account, now)
	if err != nil {
		return nil, err
	}
	p := in.StartingPosition
	pos, err := s.position(st, sh, p.Type, p.SequenceNumber, p.Timestamp, now)
	if err != nil {
		return nil, err
	}
	if in.DryRun {
		return nil, errDryRun()
	}
	sub, ok := s.subs.begin(c.arn + " " + sh.id)
	if !ok {
		return nil, wire.Errorf("ResourceInUseException", "Another active subscription exists for this consumer: %s, shard %s.", c.name, sh.id)
	}
	return &subscribeOut{s, st, sh, pos, sub}, nil
}

type subscribeEvent struct {
	Records                    []recordOut
	ContinuationSequenceNumber string `json:",omitempty"`
	MillisBehindLatest         int64
	ChildShards                []childOut `json:",omitempty"`
}

// Stream implements wire.Streamer: records as they arrive, until the shard's end, five minutes, or the client goes.
func (o *subscribeOut) Stream(w http.ResponseWriter, r *http.Request, c wire.Codec) {
	defer o.svc.subs.forget(o.sub)
	w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	events := eventWriter{w: w, c: c, flush: http.NewResponseController(w), enc: eventstream.NewEncoder()}
	if events.send("initial-response", &wire.Empty{}) != nil {
		return
	}
	over := time.NewTimer(subscriptionLife)
	defer over.Stop()
	idle := time.NewTicker(subscriptionIdle)
	defer idle.Stop()
	ready := make(chan struct{})
	close(ready)
	// What was seen last, so that an event without records can say where to continue.
	last := o.shard.starting()
	if o.pos > 1 {
		last = makeSeqno(o.shard.secs, o.shard.index, o.pos-1, o.svc.cfg.Now().Unix())
	}
	for {
		now := o.svc.cfg.Now()
		p := o.shard.read(o.pos, subscriptionLength, subscriptionEvent, now, o.st.horizon(now))
		ev := &subscribeEvent{Records: o.shard.describe(p), MillisBehindLatest: p.behind}
		if n := len(p.records); n > 0 {
			last = o.shard.seqnoAt(p.next-1, &p.records[n-1])
		}
		o.pos = p.next
		if p.atEnd {
			ev.ChildShards = o.st.describeChildren(o.shard, now)
		} else {
			ev.ContinuationSequenceNumber = last.String()
		}
		if events.send("SubscribeToShardEvent", ev) != nil || p.atEnd {
			return
		}
		wake := o.shard.waiting(o.pos)
		if wake == nil {
			wake = ready
		}
		select {
		case <-over.C:
			return
		default:
		}
		select {
		case <-wake:
		case <-idle.C:
		case <-over.C:
			return
		case <-o.sub.done:
			return
		case <-o.svc.closed:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// eventWriter frames events and sends each at once.
type eventWriter struct {
	w     http.ResponseWriter
	c     wire.Codec
	flush *http.ResponseController
	enc   *eventstream.Encoder
}

func (e *eventWriter) send(kind string, payload any) error {
	var body bytes.Buffer
	if err := e.c.Encode(&body, payload); err != nil {
		return err
	}
	var m eventstream.Message
	m.Headers.Set(":message-type", eventstream.StringValue("event"))
	m.Headers.Set(":event-type", eventstream.StringValue(kind))
	m.Headers.Set(":content-type", eventstream.StringValue(e.c.ContentType))
	m.Payload = body.Bytes()
	if err := e.enc.Encode(e.w, m); err != nil {
		return err
	}
	return e.flush.Flush()
}
