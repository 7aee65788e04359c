package kinesis

import (
	"context"
	"strconv"
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

// AppendJSON implements wire.JSONAppender. An answer may hold 10 MiB, which encoding/json would copy several times.
func (o *getRecordsOut) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"MillisBehindLatest":`...)
	dst = strconv.AppendInt(dst, o.MillisBehindLatest, 10)
	if o.NextShardIterator != "" {
		dst = append(dst, `,"NextShardIterator":"`...)
		dst = append(append(dst, o.NextShardIterator...), '"')
	}
	if len(o.ChildShards) > 0 {
		dst = append(dst, `,"ChildShards":`...)
		dst = appendChildren(dst, o.ChildShards)
	}
	dst = append(dst, `,"Records":`...)
	dst = appendRecords(dst, o.Records)
	return append(dst, '}')
}

func appendChildren(dst []byte, children []childOut) []byte {
	dst = append(dst, '[')
	for i, c := range children {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"ShardId":`...)
		dst = wire.AppendString(dst, c.ShardId)
		dst = append(dst, `,"ParentShards":[`...)
		for j, p := range c.ParentShards {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = wire.AppendString(dst, p)
		}
		dst = append(dst, `],"HashKeyRange":{"StartingHashKey":`...)
		dst = wire.AppendString(dst, c.HashKeyRange.StartingHashKey)
		dst = append(dst, `,"EndingHashKey":`...)
		dst = wire.AppendString(dst, c.HashKeyRange.EndingHashKey)
		dst = append(dst, '}', '}')
	}
	return append(dst, ']')
}

func appendRecords(dst []byte, records []recordOut) []byte {
	dst = append(dst, '[')
	for i := range records {
		r := &records[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"SequenceNumber":"`...)
		dst = append(dst, r.SequenceNumber...)
		dst = append(dst, `","ApproximateArrivalTimestamp":`...)
		dst = wire.AppendEpochSeconds(dst, r.ApproximateArrivalTimestamp.UnixMilli())
		dst = append(dst, `,"PartitionKey":`...)
		dst = wire.AppendString(dst, r.PartitionKey)
		dst = append(dst, `,"Data":`...)
		dst = wire.AppendBase64(dst, r.Data)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// JSONSize estimates the length of AppendJSON's output, so that its buffer is made once.
func (o *getRecordsOut) JSONSize() int {
	n := 1024 + 512*len(o.ChildShards)
	for i := range o.Records {
		n += len(o.Records[i].Data)*4/3 + 2*len(o.Records[i].PartitionKey) + 192
	}
	return n
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
	if it.expired(now) {
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
