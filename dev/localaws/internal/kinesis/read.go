package kinesis

import (
	"context"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/fault"
	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

const (
	maxReadRecords = 10000
	maxReadBytes   = 10 << 20
)

type getRecordsIn struct {
	ShardIterator string
	Limit         *int
	StreamARN     string
	DryRun        bool
}

type recordOut struct {
	SequenceNumber              string
	ApproximateArrivalTimestamp wire.Time
	Data                        []byte
	PartitionKey                string
}

type childOut struct {
	ShardId      string
	ParentShards []string
	HashKeyRange hashRangeOut
}

type getRecordsOut struct {
	Records            []recordOut
	NextShardIterator  string `json:",omitempty"`
	MillisBehindLatest int64
	ChildShards        []childOut `json:",omitempty"`
}

func (s *Service) getRecordsTarget(in *getRecordsIn) wire.Target {
	it, err := s.unsealIterator(in.ShardIterator)
	if err != nil {
		return wire.Target{}
	}
	t := wire.Target{Shard: shardID(it.shard)}
	if st, err := s.streamNumber(it.stream); err == nil {
		t.Stream = st.name
	}
	return t
}

const iteratorTime = "Mon Jan 02 15:04:05 UTC 2006"

func (s *Service) getRecords(ctx context.Context, in *getRecordsIn) (*getRecordsOut, error) {
	limit := maxReadRecords
	if in.Limit != nil {
		if limit = *in.Limit; limit < 1 || limit > maxReadRecords {
			return nil, wire.Errorf("InvalidArgumentException", "Limit %d is not between 1 and %d.", limit, maxReadRecords)
		}
	}
	if in.ShardIterator == "" {
		return nil, wire.Missing("shardIterator")
	}
	it, err := s.unsealIterator(in.ShardIterator)
	if err != nil {
		return nil, wire.Errorf("InvalidArgumentException", "Invalid ShardIterator.")
	}
	now := s.cfg.Now()
	if s.expired(it, now) {
		return nil, wire.Errorf("ExpiredIteratorException",
			"Iterator expired. The iterator was created at time %s while right now it is %s which is further in the future than the tolerated delay of %d milliseconds.",
			time.UnixMilli(it.issued).UTC().Format(iteratorTime), now.UTC().Format(iteratorTime), tokenLife.Milliseconds())
	}
	st, err := s.streamNumber(it.stream)
	if err != nil {
		return nil, err
	}
	if in.StreamARN != "" && in.StreamARN != st.arn {
		return nil, wire.Errorf("InvalidArgumentException", "StreamARN %s does not match the stream of the ShardIterator.", in.StreamARN)
	}
	sh, err := st.shard(shardID(it.shard), s.cfg.Account, now)
	if err != nil {
		return nil, err
	}
	if !sh.readBytes.Open(now) || !sh.reads.Take(now, 1) {
		return nil, s.rateExceeded(st, sh)
	}
	if in.DryRun {
		return nil, errDryRun()
	}
	if fault.EmptyPage(ctx) {
		return &getRecordsOut{
			Records: []recordOut{}, MillisBehindLatest: sh.read(it.pos, 1, 0, now, st.horizon(now)).behindOr(1),
			NextShardIterator: s.sealIterator(iterator{it.stream, it.shard, it.pos, now.UnixMilli()}),
		}, nil
	}
	p := sh.read(it.pos, limit, maxReadBytes, now, st.horizon(now))
	out := &getRecordsOut{Records: sh.describe(p), MillisBehindLatest: p.behind}
	size := 0
	for i := range p.records {
		size += len(p.records[i].data)
	}
	sh.readBytes.Charge(now, float64(size))
	if p.atEnd {
		out.ChildShards = st.describeChildren(sh, now)
		return out, nil
	}
	out.NextShardIterator = s.sealIterator(iterator{it.stream, it.shard, p.next, now.UnixMilli()})
	return out, nil
}

// behindOr is the page's distance from the tip, or the least one that tells a reader to come back.
func (p page) behindOr(least int64) int64 { return max(p.behind, least) }

// describe shapes a page's records for an answer.
func (s *shard) describe(p page) []recordOut {
	out := make([]recordOut, len(p.records))
	for i := range p.records {
		r := &p.records[i]
		out[i] = recordOut{
			SequenceNumber:              s.seqnoAt(p.from+uint64(i), r).String(),
			ApproximateArrivalTimestamp: wire.Time{Time: time.UnixMilli(r.arrival)},
			Data:                        r.data,
			PartitionKey:                r.key,
		}
	}
	return out
}

func (st *stream) describeChildren(sh *shard, now time.Time) []childOut {
	st.mu.RLock()
	defer st.mu.RUnlock()
	var out []childOut
	for _, c := range st.childrenLocked(sh, now) {
		parents := []string{c.parent.id}
		if c.adjacent != nil {
			parents = append(parents, c.adjacent.id)
		}
		out = append(out, childOut{c.id, parents, describeHashes(c.hashes)})
	}
	return out
}
