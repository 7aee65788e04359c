package cwlogs

import (
	"context"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

// Limits of PutLogEvents, by the service's documentation.
const (
	maxBatchBytes  = 1 << 20
	eventOverhead  = 26
	maxBatchEvents = 10000
	maxBatchSpan   = 24 * time.Hour
	maxEventAge    = 14 * 24 * time.Hour
	maxEventLead   = 2 * time.Hour

	maxTimestamp = 253402300799999 // the last millisecond of the year 9999
)

// What is kept of a log stream to be read back.
const (
	maxKeptEvents = 10000
	maxKeptBytes  = 4 << 20
)

// sequenceToken is what PutLogEvents answers with; the service ignores it these days.
const sequenceToken = "49668239048890265212345678901234567890123456789012345678"

type inputEvent struct {
	Timestamp *int64  `json:"timestamp"`
	Message   *string `json:"message"`
}

type putEventsIn struct {
	LogGroupName  string       `json:"logGroupName"`
	LogStreamName string       `json:"logStreamName"`
	LogEvents     []inputEvent `json:"logEvents"`
}

func (in *putEventsIn) target() wire.Target { return wire.Target{Name: in.LogGroupName} }

type rejectedOut struct {
	TooNewLogEventStartIndex *int `json:"tooNewLogEventStartIndex,omitempty"`
	TooOldLogEventEndIndex   *int `json:"tooOldLogEventEndIndex,omitempty"`
	ExpiredLogEventEndIndex  *int `json:"expiredLogEventEndIndex,omitempty"`
}

type putEventsOut struct {
	NextSequenceToken     string       `json:"nextSequenceToken"`
	RejectedLogEventsInfo *rejectedOut `json:"rejectedLogEventsInfo,omitempty"`
}

// check applies the limits that refuse a batch as a whole.
func (in *putEventsIn) check() error {
	switch n := len(in.LogEvents); {
	case n == 0:
		return invalid("1 validation error detected: Value '[]' at 'logEvents' failed to satisfy constraint: Member must have length greater than or equal to 1")
	case n > maxBatchEvents:
		return invalid("1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must have length less than or equal to %d, not %d", maxBatchEvents, n)
	}
	size := 0
	for i, e := range in.LogEvents {
		switch {
		case e.Timestamp == nil || *e.Timestamp < 0:
			return invalid("1 validation error detected: Value at 'logEvents.%d.member.timestamp' failed to satisfy constraint: Member must have value greater than or equal to 0", i+1)
		case *e.Timestamp > maxTimestamp:
			return invalid("1 validation error detected: Value '%d' at 'logEvents.%d.member.timestamp' is not in milliseconds since the epoch: it lies beyond the year 9999", *e.Timestamp, i+1)
		case e.Message == nil || *e.Message == "":
			return invalid("1 validation error detected: Value at 'logEvents.%d.member.message' failed to satisfy constraint: Member must have length greater than or equal to 1", i+1)
		case i > 0 && *e.Timestamp < *in.LogEvents[i-1].Timestamp:
			return invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
		one := len(*e.Message) + eventOverhead
		if one > maxBatchBytes {
			return invalid("Log event too large: %d bytes exceeds limit of %d", one, maxBatchBytes)
		}
		size += one
	}
	if size > maxBatchBytes {
		return invalid("Upload too large: %d bytes exceeds limit of %d", size, maxBatchBytes)
	}
	return nil
}

// accept tells which events [from,to) of a batch in order are taken, and what to answer about the others.
func (s *Service) accept(events []inputEvent, retentionDays int, now time.Time) (from, to int, rejected *rejectedOut, err error) {
	to = len(events)
	if !s.cfg.AcceptOldEvents {
		var r rejectedOut
		oldest := now.Add(-maxEventAge).UnixMilli()
		newest := now.Add(maxEventLead).UnixMilli()
		expiry := int64(-1)
		if retentionDays > 0 {
			expiry = now.AddDate(0, 0, -retentionDays).UnixMilli()
		}
		tooOld, expired := 0, 0
		for i, e := range events {
			if *e.Timestamp < oldest {
				tooOld = i + 1
			}
			if *e.Timestamp < expiry {
				expired = i + 1
			}
			if *e.Timestamp > newest {
				to = i
				r.TooNewLogEventStartIndex = &to
				break
			}
		}
		if tooOld > 0 {
			r.TooOldLogEventEndIndex = &tooOld
		}
		if expired > 0 {
			r.ExpiredLogEventEndIndex = &expired
		}
		from = max(tooOld, expired)
		if r != (rejectedOut{}) {
			rejected = &r
		}
	}
	if from < to && *events[to-1].Timestamp-*events[from].Timestamp > maxBatchSpan.Milliseconds() {
		return 0, 0, nil, invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	return from, to, rejected, nil
}

// makeID makes the id of an event: its timestamp above 144 bits, its place in its batch in the last 16, and between
// them the batch's number and a hash of its log stream. So ids order the events of a log stream by time, then by
// arrival, and differ between log streams.
func makeID(timestamp int64, batch, hash uint64, index int) string {
	return wire.Decimal(uint64(timestamp)<<16|batch>>48, batch<<16|hash>>48, hash<<16|uint64(index)&0xffff, 56)
}

func (s *Service) putLogEvents(_ context.Context, in *putEventsIn) (*putEventsOut, error) {
	g, err := s.group(in.LogGroupName)
	if err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	st, err := g.stream(in.LogStreamName)
	if err != nil {
		return nil, err
	}
	g.mu.RLock()
	filters, retention := g.filters, g.retention
	g.mu.RUnlock()

	// The stream stays locked until the events are queued for delivery, which keeps ids and deliveries in one order.
	st.mu.Lock()
	defer st.mu.Unlock()
	now := s.cfg.Now()
	from, to, rejected, err := s.accept(in.LogEvents, retention, now)
	if err != nil {
		return nil, err
	}
	batch := s.nextBatch(now)
	events := make([]event, 0, to-from)
	for i := from; i < to; i++ {
		e := in.LogEvents[i]
		events = append(events, event{
			ID: makeID(*e.Timestamp, batch, st.hash, i), Timestamp: *e.Timestamp, Message: *e.Message, ingestion: now.UnixMilli(),
		})
	}
	if len(events) > 0 {
		st.keep(events, now)
		s.forward(g, st, filters, events)
	}
	return &putEventsOut{NextSequenceToken: sequenceToken, RejectedLogEventsInfo: rejected}, nil
}

// keep stores events to be read back and forgets the oldest beyond the bound.
func (st *logStream) keep(events []event, now time.Time) {
	st.ingested = now
	if first := events[0].Timestamp; st.first == 0 || first < st.first {
		st.first = first
	}
	st.last = max(st.last, events[len(events)-1].Timestamp)
	for _, e := range events {
		st.keptSize += len(e.Message)
	}
	st.kept = append(st.kept, events...)
	drop := 0
	for len(st.kept)-drop > maxKeptEvents || st.keptSize > maxKeptBytes && drop < len(st.kept)-1 {
		st.keptSize -= len(st.kept[drop].Message)
		drop++
	}
	if drop > 0 {
		st.kept = append(st.kept[:0:0], st.kept[drop:]...)
	}
}
