package starter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// modelShard is a shard, and what its ShardReader workflow knows.
type modelShard struct {
	id      string
	parents []*modelShard
	records []window.Record
	put     []time.Time // when each record has come; the arrival that it shows is about that
	begin   int         // no record has this number or a lower one
	tip     int         // the highest sequence number given out
	closed  time.Time   // zero while it is open
	// remade is how many records were in the shard when the stream was deleted and made
	// anew under its name: they are gone, and so are their numbers.
	remade int
	rules  *rules

	reader modelShardReader
	marked time.Time // when a poller last wrote the marker
}

func (w *world) addShard(parents ...*modelShard) {
	s := &modelShard{id: fmt.Sprintf("shardId-%012d", len(w.shards)), parents: parents, rules: &w.rules}
	for _, p := range parents {
		if p.closed.IsZero() {
			p.closed = time.Now()
		}
		s.begin = max(s.begin, p.tip)
	}
	s.tip = s.begin
	s.reader = modelShardReader{w: w, shard: s}
	w.shards = append(w.shards, s)
}

func (s *modelShard) isOpen() bool { return s.closed.IsZero() }

// arrive puts a record at the tip of the shard. What it shows as its arrival is only
// about the time.
func (s *modelShard) arrive(gap int, wrong time.Duration, size int) {
	s.tip += gap
	s.put = append(s.put, time.Now())
	s.records = append(s.records, window.Record{
		SequenceNumber: window.SequenceNumber(strconv.Itoa(s.tip)),
		Arrival:        time.Now().Add(wrong),
		Data:           fmt.Appendf(nil, "%d%*s", s.tip, size, ""),
	})
}

// trimmed is how many records Kinesis has deleted.
func (s *modelShard) trimmed() int { return s.trimmedAt(time.Now()) }

func (s *modelShard) trimmedAt(at time.Time) int {
	keeps := at.Add(-s.rules.retention - s.rules.lag)
	return max(s.remade, sort.Search(len(s.put), func(i int) bool { return !s.put[i].Before(keeps) }))
}

// trims is when Kinesis deletes a record.
func (s *modelShard) trims(i int) time.Time {
	return s.put[i].Add(s.rules.retention + s.rules.lag)
}

// gone: Kinesis forgets a closed shard with its last record.
func (s *modelShard) gone() bool {
	return !s.isOpen() && time.Since(s.closed) > s.rules.retention+s.rules.lag
}

// index is that of the first record at a position, deleted or not.
func (s *modelShard) index(at kinesis.Position) int {
	first := slices.IndexFunc(s.records, func(r window.Record) bool {
		c := r.SequenceNumber.Compare(at.SequenceNumber)
		return c > 0 || c == 0 && workflows.StartKind(at.Kind) == workflows.StartAtSequenceNumber
	})
	if workflows.StartKind(at.Kind) == workflows.StartAtTimestamp {
		first = slices.IndexFunc(s.put, func(put time.Time) bool { return !put.Before(at.Timestamp) })
	}
	if first < 0 {
		return len(s.records)
	}
	return first
}

// find is index with what Kinesis refuses.
func (s *modelShard) find(at kinesis.Position) (int, error) {
	switch {
	case s.gone():
		return 0, kinesis.ErrNoShard
	case s.remade > 0 && at.SequenceNumber != "" && at.SequenceNumber.Compare(window.SequenceNumber(strconv.Itoa(s.begin))) < 0:
		return 0, kinesis.ErrPosition
	}
	return s.index(at), nil
}

// modelReader reads a shard in pages of any size.
type modelReader struct {
	p    *modelPoller
	next kinesis.Position
	due  time.Time
}

// idleLongest is how long a poller waits at the tip of a shard.
const idleLongest = time.Second

func (r *modelReader) Due() time.Time { return r.due }

// Next goes on at the oldest record, and says nothing, where its place was trimmed.
func (r *modelReader) Next(ctx context.Context) (kinesis.Batch, error) {
	var b kinesis.Batch
	asked := time.Now()
	err := r.p.ask(ctx, "read", func(t turn) error {
		s := r.p.shard
		at, err := s.find(r.next)
		if err != nil {
			return err
		}
		left := s.records[max(at, s.trimmed()):]
		b.Records = slices.Clone(left[:min(t.page, len(left))])
		for i := range b.Records {
			b.Records[i].Received = time.Now().Add(-t.clockJump)
		}
		behind := len(left) - len(b.Records)
		if behind > 0 {
			b.Behind = max(time.Since(left[len(b.Records)].Arrival), time.Millisecond)
		}
		b.End = !s.isOpen() && behind == 0 && !t.endLater
		b.At = time.Now().Truncate(time.Second)
		if behind == 0 {
			r.due = time.Now().Add(idleLongest)
		}
		r.p.sees(b, asked)
		return nil
	})
	if err != nil {
		r.due = time.Now().Add(idleLongest)
		return kinesis.Batch{}, err
	}
	if n := len(b.Records); n > 0 {
		r.next = kinesis.After(b.Records[n-1].SequenceNumber)
	}
	return b, nil
}

// sight is what a poller could know of its shard.
type sight struct {
	tip time.Time // when it had read all there was
	end time.Time // when all there was was in windows, up to its checkpoint
}

// told is what the next poller could know.
func (s sight) told() sight { return sight{tip: s.end, end: s.end} }

// sees notes what a read tells. That the chain ends is known of when it was asked for.
func (p *modelPoller) sees(b kinesis.Batch, asked time.Time) {
	p.before, p.lastRead = p.saw, time.Now()
	if n := len(b.Records); n > 0 {
		p.read = b.Records[n-1].SequenceNumber
	}
	if b.Behind > 0 {
		return
	}
	p.saw.tip = time.Now()
	if len(window.After(p.shard.records, p.checkpoint)) == 0 {
		p.saw.end = asked
	}
}

// modelHorizon is what Kinesis still has.
type modelHorizon struct{ p *modelPoller }

func (h modelHorizon) Retention(ctx context.Context) (time.Duration, error) {
	err := h.p.ask(ctx, "describe stream", func(turn) error { return nil })
	return h.p.w.rules.retention, err
}

func (h modelHorizon) Holds(ctx context.Context, _ string, record window.SequenceNumber) (bool, error) {
	var holds bool
	err := h.p.ask(ctx, "look for "+string(record), func(turn) error {
		at, err := h.p.shard.find(kinesis.At(record))
		if errors.Is(err, kinesis.ErrPosition) {
			return nil
		}
		holds = err == nil && h.p.shard.holds(at, record)
		return err
	})
	return holds, err
}

func (s *modelShard) holds(at int, record window.SequenceNumber) bool {
	return at < len(s.records) && at >= s.trimmed() && s.records[at].SequenceNumber == record
}

// hasStill reports whether Kinesis still has the record.
func (s *modelShard) hasStill(record window.SequenceNumber) bool {
	return !s.gone() && s.holds(s.index(kinesis.At(record)), record)
}
