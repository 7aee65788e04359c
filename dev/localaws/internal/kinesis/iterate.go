package kinesis

import (
	"context"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

type iteratorIn struct {
	streamRef
	ShardId                string
	ShardIteratorType      string
	StartingSequenceNumber string
	Timestamp              *wire.Time
	DryRun                 bool
}

func (in *iteratorIn) target() wire.Target {
	return wire.Target{Stream: in.name(), Shard: in.ShardId}
}

type iteratorOut struct{ ShardIterator string }

func (s *Service) getShardIterator(_ context.Context, in *iteratorIn) (*iteratorOut, error) {
	if in.ShardId == "" {
		return nil, wire.Missing("shardId")
	}
	if in.ShardIteratorType == "" {
		return nil, wire.Missing("shardIteratorType")
	}
	st, err := s.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	now := s.cfg.Now()
	sh, err := st.shard(in.ShardId, s.cfg.Account, now)
	if err != nil {
		return nil, err
	}
	pos, err := s.position(st, sh, in.ShardIteratorType, in.StartingSequenceNumber, in.Timestamp, now)
	if err != nil {
		return nil, err
	}
	if !sh.iterators.Take(now, 1) {
		return nil, s.rateExceeded(st, sh)
	}
	if in.DryRun {
		return nil, errDryRun()
	}
	return &iteratorOut{s.sealIterator(iterator{st.number, sh.index, pos, now.UnixMilli()})}, nil
}

func errDryRun() error {
	return wire.Errorf("DryRunOperationException", "Request would have succeeded, but DryRun flag is set.")
}

func (s *Service) rateExceeded(st *stream, sh *shard) *wire.Error {
	return wire.Errorf("ProvisionedThroughputExceededException", "Rate exceeded for shard %s in stream %s under account %s.", sh.id, st.name, s.cfg.Account)
}

// position resolves a starting point to a position in the shard.
func (s *Service) position(st *stream, sh *shard, kind, seq string, at *wire.Time, now time.Time) (uint64, error) {
	switch kind {
	case "AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER":
		if seq == "" {
			return 0, wire.Errorf("InvalidArgumentException", "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified %s and no StartingSequenceNumber.", kind)
		}
		n, err := s.sequenceOf(st, sh, seq)
		if err != nil {
			return 0, err
		}
		return sh.after(n, kind == "AT_SEQUENCE_NUMBER"), nil
	case "TRIM_HORIZON", "LATEST":
		if seq != "" {
			return 0, wire.Errorf("InvalidArgumentException", "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified %s and also a StartingSequenceNumber.", kind)
		}
	case "AT_TIMESTAMP":
		switch {
		case at == nil:
			return 0, wire.Errorf("InvalidArgumentException", "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.")
		case at.UnixMilli() > now.UnixMilli():
			return 0, wire.Errorf("InvalidArgumentException", "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: %d, currentTimestampInMillis: %d", at.UnixMilli(), now.UnixMilli())
		}
	default:
		return 0, wire.Invalid("shardIteratorType", kind, "satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]")
	}
	horizon := st.horizon(now)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.log.trim(horizon.UnixMilli())
	switch kind {
	case "TRIM_HORIZON":
		return sh.log.first, nil
	case "LATEST":
		return sh.log.next, nil
	}
	return sh.log.firstAt(at.UnixMilli()), nil
}

// sequenceOf reads a sequence number and checks that this shard can have given it out.
func (s *Service) sequenceOf(st *stream, sh *shard, seq string) (seqno, error) {
	n, err := parseSeqno(seq)
	if err != nil {
		return seqno{}, wire.Errorf("InvalidArgumentException", "StartingSequenceNumber %s used in GetShardIterator on shard %s in stream %s under account %s is invalid.", seq, sh.id, st.name, s.cfg.Account)
	}
	if n.shard() != sh.index {
		return seqno{}, wire.Errorf("InvalidArgumentException", "Invalid StartingSequenceNumber. It encodes %s, while it was used in a call to a shard with %s", shardID(n.shard()), sh.id)
	}
	if n.shardSecs() != sh.secs {
		return seqno{}, wire.Errorf("InvalidArgumentException", "StartingSequenceNumber %s used in GetShardIterator on shard %s in stream %s under account %s is invalid because it did not come from this stream.", seq, sh.id, st.name, s.cfg.Account)
	}
	return n, nil
}
