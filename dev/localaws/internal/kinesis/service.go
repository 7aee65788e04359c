package kinesis

import (
	"cmp"
	"crypto/rand"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/limit"
	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

// TargetPrefix is the service's name in X-Amz-Target.
const TargetPrefix = "Kinesis_20131202"

// Config is what the service needs to know. All fields but the functions RecordFault and OnStore are required.
type Config struct {
	Region, Account string
	Now             func() time.Time
	StateDelay      time.Duration // how long CREATING, UPDATING and DELETING last
	ShardLimit      int           // open shards in the account
	Throttle        bool          // enforce the quotas of shards and ListShards
	// RecordFault, if set, may refuse single records of PutRecords.
	RecordFault func(stream, shard string) *wire.Error
	// OnStore, if set, is called for each record that was stored, in the order of each shard.
	OnStore func(Stored)
}

// Stored is a record that a shard holds.
type Stored struct {
	Stream         string
	ShardID        string
	SequenceNumber string
	Arrival        time.Time // to the millisecond
}

// Service is the Kinesis endpoint. Its methods are safe for concurrent use.
type Service struct {
	cfg      Config
	tokenKey [32]byte
	closed   chan struct{}
	close    func()

	mu      sync.RWMutex
	streams map[string]*stream
	byNum   map[uint64]*stream
	next    uint64
	subs    subscriptions

	// expireBefore ends the iterators that were given out before it, in milliseconds since the epoch.
	expireBefore atomic.Int64
}

// New makes a service without streams.
func New(cfg Config) *Service {
	s := &Service{cfg: cfg, streams: map[string]*stream{}, byNum: map[uint64]*stream{}, closed: make(chan struct{})}
	s.close = sync.OnceFunc(func() { close(s.closed) })
	if _, err := rand.Read(s.tokenKey[:]); err != nil {
		panic(err) // crypto/rand does not fail
	}
	return s
}

// Close ends the subscriptions that are open. Calling it twice is fine.
func (s *Service) Close() { s.close() }

// ExpireIterators ends every shard iterator given out so far, long before its time.
func (s *Service) ExpireIterators() { s.expireBefore.Store(s.cfg.Now().UnixMilli()) }

// streamRef is how requests name a stream.
type streamRef struct {
	StreamName string `json:",omitempty"`
	StreamARN  string `json:",omitempty"`
}

func (r streamRef) name() string {
	if r.StreamName != "" {
		return r.StreamName
	}
	_, name, _ := strings.Cut(r.StreamARN, ":stream/")
	return name
}

// StreamNameOf is the name in a stream's ARN; empty if it is none.
func StreamNameOf(arn string) string { return streamRef{StreamARN: arn}.name() }

func (r streamRef) target() wire.Target { return wire.Target{Stream: r.name()} }

var (
	streamName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)
	streamARN  = regexp.MustCompile(`^arn:aws[a-z-]*:kinesis:([^:]*):([^:]*):stream/([a-zA-Z0-9_.-]{1,128})$`)
)

func (s *Service) notFound(name string) error {
	return wire.Errorf("ResourceNotFoundException", "Stream %s under account %s not found.", name, s.cfg.Account)
}

// stream finds the stream a request names, by name, ARN or both.
func (s *Service) stream(ref streamRef) (*stream, error) {
	name := ref.StreamName
	switch {
	case name == "" && ref.StreamARN == "":
		return nil, wire.Errorf("InvalidArgumentException", "Either StreamName or StreamARN must be given.")
	case name != "" && !streamName.MatchString(name):
		return nil, wire.Invalid("streamName", name, "satisfy regular expression pattern: [a-zA-Z0-9_.-]+, with 1 to 128 characters")
	}
	if ref.StreamARN != "" {
		m := streamARN.FindStringSubmatch(ref.StreamARN)
		switch {
		case m == nil:
			return nil, wire.Invalid("streamARN", ref.StreamARN, `satisfy regular expression pattern: arn:aws.*:kinesis:.*:\d{12}:stream/\S+`)
		case name != "" && name != m[3]:
			return nil, wire.Errorf("InvalidArgumentException", "StreamName %s and StreamARN %s name different streams.", name, ref.StreamARN)
		case m[1] != s.cfg.Region || m[2] != s.cfg.Account:
			return nil, wire.Errorf("ResourceNotFoundException", "Stream %s not found: this endpoint is account %s in region %s.", ref.StreamARN, s.cfg.Account, s.cfg.Region)
		}
		name = m[3]
	}
	s.mu.RLock()
	st := s.streams[name]
	s.mu.RUnlock()
	if st == nil {
		return nil, s.notFound(name)
	}
	if st.gone() {
		s.forget(st)
		return nil, s.notFound(name)
	}
	return st, nil
}

// forget drops a stream whose deletion is over.
func (s *Service) forget(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams[st.name] == st {
		delete(s.streams, st.name)
	}
	delete(s.byNum, st.number)
}

// existing lists the streams by name, those whose deletion is over left out.
func (s *Service) existing() []*stream {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := slices.DeleteFunc(slices.Collect(maps.Values(s.streams)), (*stream).gone)
	slices.SortFunc(all, func(a, b *stream) int { return cmp.Compare(a.name, b.name) })
	return all
}

// modifiable checks that a stream is ACTIVE, as changes require, with its lock held.
func (s *Service) modifiable(st *stream) error {
	if status := st.statusLocked(); status != statusActive {
		return wire.Errorf("ResourceInUseException", "Stream %s under account %s not ACTIVE, instead in state %s", st.name, s.cfg.Account, status)
	}
	return nil
}

func (s *Service) provisioned(st *stream, operation string) error {
	if st.mode != modeProvisioned {
		return wire.Errorf("ValidationException", "%s is not supported for stream %s in mode %s.", operation, st.name, st.mode)
	}
	return nil
}

func (s *Service) openShards() int {
	n := 0
	for _, st := range s.existing() {
		st.mu.RLock()
		n += len(st.open)
		st.mu.RUnlock()
	}
	return n
}

func (s *Service) withinShardLimit(more int) error {
	if open := s.openShards(); open+more > s.cfg.ShardLimit {
		return wire.Errorf("LimitExceededException",
			"This request would exceed the shard limit for the account %s in %s. Current shard count for the account: %d. Limit: %d. Number of additional shards that would have resulted from this request: %d.",
			s.cfg.Account, s.cfg.Region, open, s.cfg.ShardLimit, more)
	}
	return nil
}

// listShardsPerSecond is the quota of a stream, by the service's documentation.
const listShardsPerSecond = 1000

func (s *Service) listBucket() *limit.Bucket {
	if !s.cfg.Throttle {
		return nil
	}
	return limit.PerSecond(listShardsPerSecond)
}

// Operations is the service's API.
func (s *Service) Operations() wire.Table {
	return wire.NewTable(
		wire.Op("AddTagsToStream", (*addTagsIn).target, s.addTagsToStream),
		wire.Op("CreateStream", (*createStreamIn).target, s.createStream),
		wire.Op("DecreaseStreamRetentionPeriod", (*retentionIn).target, s.decreaseRetention),
		wire.Op("DeleteStream", (*deleteStreamIn).target, s.deleteStream),
		wire.Op("DeregisterStreamConsumer", nil, s.deregisterConsumer),
		wire.Op("DescribeLimits", nil, s.describeLimits),
		wire.Op("DescribeStream", (*describeStreamIn).target, s.describeStream),
		wire.Op("DescribeStreamConsumer", nil, s.describeConsumer),
		wire.Op("DescribeStreamSummary", (*summaryIn).target, s.describeStreamSummary),
		wire.Op("GetRecords", s.getRecordsTarget, s.getRecords),
		wire.Op("GetShardIterator", (*iteratorIn).target, s.getShardIterator),
		wire.Op("IncreaseStreamRetentionPeriod", (*retentionIn).target, s.increaseRetention),
		wire.Op("ListShards", (*listShardsIn).target, s.listShards),
		wire.Op("ListStreamConsumers", nil, s.listConsumers),
		wire.Op("ListStreams", nil, s.listStreams),
		wire.Op("ListTagsForStream", (*listTagsIn).target, s.listTagsForStream),
		wire.Op("MergeShards", (*mergeIn).target, s.mergeShards),
		wire.Op("PutRecord", (*putRecordIn).target, s.putRecord),
		wire.Op("PutRecords", (*putRecordsIn).target, s.putRecords),
		wire.Op("RegisterStreamConsumer", nil, s.registerConsumer),
		wire.Op("RemoveTagsFromStream", (*removeTagsIn).target, s.removeTagsFromStream),
		wire.Op("SplitShard", (*splitIn).target, s.splitShard),
		wire.Op("SubscribeToShard", subscribeTarget, s.subscribeToShard),
		wire.Op("UpdateMaxRecordSize", (*maxRecordSizeIn).target, s.updateMaxRecordSize),
		wire.Op("UpdateShardCount", (*shardCountIn).target, s.updateShardCount),
		wire.Op("UpdateStreamMode", (*streamModeIn).target, s.updateStreamMode),
	)
}
