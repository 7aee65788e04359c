package kinesis

import (
	"context"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

const (
	maxPutRecords    = 500
	maxPutBytes      = 5 << 20
	maxPutBytesLarge = 10 << 20 // where the stream takes records above 1 MiB
	maxPartitionKey  = 256
)

type putEntry struct {
	Data            []byte
	PartitionKey    string
	ExplicitHashKey string
}

type putRecordIn struct {
	streamRef
	putEntry
	SequenceNumberForOrdering string
	DryRun                    bool
}

type putRecordOut struct {
	ShardId        string
	SequenceNumber string
	EncryptionType string
}

type putRecordsIn struct {
	streamRef
	Records []putEntry
	DryRun  bool
}

type putResult struct {
	SequenceNumber string `json:",omitempty"`
	ShardId        string `json:",omitempty"`
	ErrorCode      string `json:",omitempty"`
	ErrorMessage   string `json:",omitempty"`
}

type putRecordsOut struct {
	FailedRecordCount int
	Records           []putResult
	EncryptionType    string
}

// place checks an entry against the stream's limits and finds its hash key.
func (st *stream) place(e *putEntry, prefix string) (hashKey, error) {
	switch n := utf8.RuneCountInString(e.PartitionKey); {
	case n == 0:
		return hashKey{}, wire.Invalid(prefix+"partitionKey", "", "have length greater than or equal to 1")
	case n > maxPartitionKey:
		return hashKey{}, wire.Invalid(prefix+"partitionKey", e.PartitionKey, "have length less than or equal to 256")
	}
	if e.Data == nil {
		return hashKey{}, wire.Missing(prefix + "data")
	}
	if size, most := len(e.Data)+len(e.PartitionKey), st.maxRecordKiB<<10; size > most {
		return hashKey{}, wire.Errorf("ValidationException",
			"1 validation error detected: Value at '%sdata' failed to satisfy constraint: data and partition key are %d bytes, the stream's maximum record size is %d", prefix, size, most)
	}
	if e.ExplicitHashKey == "" {
		return hashOf(e.PartitionKey), nil
	}
	k, ok := parseHashKey(e.ExplicitHashKey)
	if !ok {
		return hashKey{}, wire.Errorf("InvalidArgumentException", "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was %s", e.ExplicitHashKey)
	}
	return k, nil
}

// writable checks that a stream takes records, with its lock held.
func (s *Service) writable(st *stream) error {
	if status := st.statusLocked(); status != statusActive && status != statusUpdating {
		return s.notFound(st.name)
	}
	return nil
}

// admit applies the shard's write quotas to one record. A record above the rate of a whole second is let through
// when the shard is idle, as large records are in the service.
func (s *Service) admit(sh *shard, size int) bool {
	if !s.cfg.Throttle {
		return true
	}
	now := s.cfg.Now()
	if size > putBytesPerSecond {
		if !sh.putBytes.Open(now) || !sh.writes.Take(now, 1) {
			return false
		}
		sh.putBytes.Charge(now, float64(size))
		return true
	}
	return sh.putBytes.Take(now, float64(size)) && sh.writes.Take(now, 1)
}

// put stores one record, or reports the error it is refused with. It needs the stream's lock for reading.
func (s *Service) put(st *stream, e *putEntry, k hashKey) (*shard, seqno, *wire.Error) {
	sh := st.shardAtLocked(k)
	if !s.admit(sh, len(e.Data)+len(e.PartitionKey)) {
		return sh, seqno{}, s.rateExceeded(st, sh)
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := s.cfg.Now()
	n := sh.appendLocked(e.Data, e.PartitionKey, now, st.trimHorizonLocked(now))
	if s.cfg.OnStore != nil {
		// Under the shard's lock, so that the calls have the order of the records.
		s.cfg.OnStore(Stored{Stream: st.name, ShardID: sh.id, SequenceNumber: n.String(), Arrival: time.UnixMilli(sh.newest)})
	}
	return sh, n, nil
}

func (s *Service) putRecord(_ context.Context, in *putRecordIn) (*putRecordOut, error) {
	st, err := s.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	if in.SequenceNumberForOrdering != "" {
		if _, err := parseSeqno(in.SequenceNumberForOrdering); err != nil {
			return nil, wire.Errorf("InvalidArgumentException", "ExclusiveMinimumSequenceNumber %s used in PutRecord on stream %s under account %s is invalid.", in.SequenceNumberForOrdering, st.name, s.cfg.Account)
		}
	}
	st.mu.RLock()
	defer st.mu.RUnlock()
	if err := s.writable(st); err != nil {
		return nil, err
	}
	k, err := st.place(&in.putEntry, "")
	if err != nil {
		return nil, err
	}
	if in.DryRun {
		return nil, errDryRun()
	}
	sh, n, refused := s.put(st, &in.putEntry, k)
	if refused != nil {
		return nil, refused
	}
	return &putRecordOut{sh.id, n.String(), "NONE"}, nil
}

func (s *Service) putRecords(_ context.Context, in *putRecordsIn) (*putRecordsOut, error) {
	switch n := len(in.Records); {
	case n == 0:
		return nil, wire.Invalid("records", "[]", "have length greater than or equal to 1")
	case n > maxPutRecords:
		return nil, wire.Errorf("ValidationException", "1 validation error detected: Value at 'records' failed to satisfy constraint: Member must have length less than or equal to %d, not %d", maxPutRecords, n)
	}
	st, err := s.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	st.mu.RLock()
	defer st.mu.RUnlock()
	if err := s.writable(st); err != nil {
		return nil, err
	}
	keys := make([]hashKey, len(in.Records))
	size := 0
	for i := range in.Records {
		e := &in.Records[i]
		if keys[i], err = st.place(e, "records."+strconv.Itoa(i+1)+".member."); err != nil {
			return nil, err
		}
		size += len(e.Data) + len(e.PartitionKey)
	}
	most := maxPutBytes
	if st.maxRecordKiB > defaultMaxRecordKiB {
		most = maxPutBytesLarge
	}
	if size > most {
		return nil, wire.Errorf("InvalidArgumentException", "Records size exceeds %d MB limit", most>>20)
	}
	if in.DryRun {
		return nil, errDryRun()
	}
	out := &putRecordsOut{Records: make([]putResult, len(in.Records)), EncryptionType: "NONE"}
	for i := range in.Records {
		e := &in.Records[i]
		var refused *wire.Error
		if s.cfg.RecordFault != nil {
			refused = s.cfg.RecordFault(st.name, st.shardAtLocked(keys[i]).id)
		}
		var sh *shard
		var n seqno
		if refused == nil {
			sh, n, refused = s.put(st, e, keys[i])
		}
		if refused != nil {
			out.FailedRecordCount++
			out.Records[i] = putResult{ErrorCode: refused.Code, ErrorMessage: refused.Message}
			continue
		}
		out.Records[i] = putResult{SequenceNumber: n.String(), ShardId: sh.id}
	}
	return out, nil
}

// Put stores one record by stream ARN, subject to the same checks as a PutRecord request.
func (s *Service) Put(ctx context.Context, streamARN, partitionKey string, data []byte) error {
	_, err := s.putRecord(ctx, &putRecordIn{streamRef: streamRef{StreamARN: streamARN}, putEntry: putEntry{Data: data, PartitionKey: partitionKey}})
	return err
}
