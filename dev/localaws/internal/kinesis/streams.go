package kinesis

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

type modeDetails struct{ StreamMode string }

type createStreamIn struct {
	streamRef
	ShardCount                 *int
	StreamModeDetails          *modeDetails
	MaxRecordSizeInKiB         *int
	RecordDistributionStrategy string
	WarmThroughputMiBps        *int
	Tags                       map[string]string
}

func (s *Service) createStream(_ context.Context, in *createStreamIn) (*wire.Empty, error) {
	if in.StreamName == "" {
		return nil, wire.Missing("streamName")
	}
	if !streamName.MatchString(in.StreamName) {
		return nil, wire.Invalid("streamName", in.StreamName, "satisfy regular expression pattern: [a-zA-Z0-9_.-]+, with 1 to 128 characters")
	}
	mode := modeProvisioned
	if in.StreamModeDetails != nil {
		mode = in.StreamModeDetails.StreamMode
	}
	var count int
	switch {
	case mode == modeOnDemand && in.ShardCount != nil:
		return nil, wire.Errorf("ValidationException", "ShardCount must not be given for a stream in mode ON_DEMAND.")
	case mode == modeOnDemand:
		count = onDemandShards
	case mode != modeProvisioned:
		return nil, wire.Invalid("streamModeDetails.streamMode", mode, "satisfy enum value set: [PROVISIONED, ON_DEMAND]")
	case in.ShardCount == nil:
		return nil, wire.Errorf("ValidationException", "ShardCount must be given for a stream in mode PROVISIONED.")
	case *in.ShardCount < 1:
		return nil, wire.Invalid("shardCount", *in.ShardCount, "have value greater than or equal to 1")
	default:
		count = *in.ShardCount
	}
	maxRecord := defaultMaxRecordKiB
	if in.MaxRecordSizeInKiB != nil {
		maxRecord = *in.MaxRecordSizeInKiB
	}
	if err := validMaxRecord(maxRecord); err != nil {
		return nil, err
	}
	if in.RecordDistributionStrategy != "" && in.RecordDistributionStrategy != "USER_PARTITION_KEY" {
		return nil, wire.Errorf("InvalidArgumentException", "RecordDistributionStrategy %s is not supported by this local endpoint; only USER_PARTITION_KEY is.", in.RecordDistributionStrategy)
	}
	if in.WarmThroughputMiBps != nil {
		return nil, wire.Errorf("InvalidArgumentException", "WarmThroughputMiBps is not supported by this local endpoint.")
	}
	if err := s.withinShardLimit(count); err != nil {
		return nil, err
	}
	s.reapDeleted(in.StreamName)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams[in.StreamName] != nil {
		return nil, wire.Errorf("ResourceInUseException", "Stream %s under account %s already exists.", in.StreamName, s.cfg.Account)
	}
	now := s.cfg.Now()
	s.next++
	st := &stream{
		number: s.next, name: in.StreamName, created: now.Truncate(time.Millisecond), listing: s.listBucket(),
		arn:  fmt.Sprintf("arn:aws:kinesis:%s:%s:stream/%s", s.cfg.Region, s.cfg.Account, in.StreamName),
		mode: mode, retention: defaultRetention, maxRecordKiB: maxRecord,
		tags: map[string]string{}, consumers: map[string]*consumer{},
	}
	maps.Copy(st.tags, in.Tags)
	for i, r := range evenRanges(count) {
		st.addLocked(newShard(uint32(i), r, now, s.cfg.Throttle))
	}
	st.transitLocked(statusCreating, s.cfg.StateDelay)
	s.streams[st.name] = st
	s.byNum[st.number] = st
	return &wire.Empty{}, nil
}

// reapDeleted makes a name free whose stream is deleted.
func (s *Service) reapDeleted(name string) {
	s.mu.RLock()
	st := s.streams[name]
	s.mu.RUnlock()
	if st != nil && st.gone() {
		s.forget(st)
	}
}

type deleteStreamIn struct {
	streamRef
	EnforceConsumerDeletion bool
}

func (s *Service) deleteStream(_ context.Context, in *deleteStreamIn) (*wire.Empty, error) {
	st, err := s.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(st.consumers) > 0 && !in.EnforceConsumerDeletion {
		return nil, wire.Errorf("ResourceInUseException", "Stream %s under account %s has %d registered consumers; deregister them or set EnforceConsumerDeletion.", st.name, s.cfg.Account, len(st.consumers))
	}
	if st.deleting {
		return &wire.Empty{}, nil
	}
	st.deleting = true
	st.transitLocked(statusDeleting, s.cfg.StateDelay)
	for _, sh := range st.shards {
		sh.end(s.cfg.Now())
	}
	return &wire.Empty{}, nil
}

type summaryIn struct{ streamRef }

type metricsOut struct{ ShardLevelMetrics []string }

type summaryOut struct {
	StreamDescriptionSummary summary
}

type summary struct {
	StreamName              string
	StreamARN               string
	StreamStatus            string
	StreamModeDetails       modeDetails
	RetentionPeriodHours    int
	StreamCreationTimestamp wire.Time
	EnhancedMonitoring      []metricsOut
	EncryptionType          string
	OpenShardCount          int
	ConsumerCount           int
	MaxRecordSizeInKiB      int
}

func (s *Service) describeStreamSummary(_ context.Context, in *summaryIn) (*summaryOut, error) {
	st, err := s.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	st.mu.RLock()
	defer st.mu.RUnlock()
	return &summaryOut{summary{
		StreamName: st.name, StreamARN: st.arn, StreamStatus: st.statusLocked(),
		StreamModeDetails: modeDetails{st.mode}, RetentionPeriodHours: st.retention,
		StreamCreationTimestamp: wire.TimeOf(st.created), EnhancedMonitoring: []metricsOut{{[]string{}}},
		EncryptionType: "NONE", OpenShardCount: len(st.open), ConsumerCount: len(st.consumers),
		MaxRecordSizeInKiB: st.maxRecordKiB,
	}}, nil
}

type describeStreamIn struct {
	streamRef
	Limit                 *int
	ExclusiveStartShardId string
}

type describeStreamOut struct {
	StreamDescription description
}

type description struct {
	StreamName              string
	StreamARN               string
	StreamStatus            string
	StreamModeDetails       modeDetails
	Shards                  []shardOut
	HasMoreShards           bool
	RetentionPeriodHours    int
	StreamCreationTimestamp wire.Time
	EnhancedMonitoring      []metricsOut
	EncryptionType          string
}

func (s *Service) describeStream(_ context.Context, in *describeStreamIn) (*describeStreamOut, error) {
	limit := 100
	if in.Limit != nil {
		if limit = *in.Limit; limit < 1 || limit > 10000 {
			return nil, wire.Invalid("limit", limit, "have value between 1 and 10000")
		}
	}
	st, err := s.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	st.mu.RLock()
	defer st.mu.RUnlock()
	status := st.statusLocked()
	d := description{
		StreamName: st.name, StreamARN: st.arn, StreamStatus: status, StreamModeDetails: modeDetails{st.mode},
		Shards: []shardOut{}, RetentionPeriodHours: st.retention, StreamCreationTimestamp: wire.TimeOf(st.created),
		EnhancedMonitoring: []metricsOut{{[]string{}}}, EncryptionType: "NONE",
	}
	if status == statusCreating {
		return &describeStreamOut{d}, nil
	}
	shards, err := followingShards(st.knownLocked(s.cfg.Now()), in.ExclusiveStartShardId)
	if err != nil {
		return nil, err
	}
	if len(shards) > limit {
		shards, d.HasMoreShards = shards[:limit], true
	}
	for _, sh := range shards {
		d.Shards = append(d.Shards, describeShard(sh))
	}
	return &describeStreamOut{d}, nil
}

type listStreamsIn struct {
	Limit                    *int
	ExclusiveStartStreamName string
	NextToken                string
}

type streamSummary struct {
	StreamName              string
	StreamARN               string
	StreamStatus            string
	StreamModeDetails       modeDetails
	StreamCreationTimestamp wire.Time
}

type listStreamsOut struct {
	StreamNames     []string
	StreamSummaries []streamSummary
	HasMoreStreams  bool
	NextToken       string `json:",omitempty"`
}

func (s *Service) listStreams(_ context.Context, in *listStreamsIn) (*listStreamsOut, error) {
	limit := 100
	if in.Limit != nil {
		if limit = *in.Limit; limit < 1 || limit > 10000 {
			return nil, wire.Invalid("limit", limit, "have value between 1 and 10000")
		}
	}
	after := in.ExclusiveStartStreamName
	if in.NextToken != "" {
		after = in.NextToken
	}
	out := &listStreamsOut{StreamNames: []string{}, StreamSummaries: []streamSummary{}}
	for _, st := range s.existing() {
		if st.name <= after {
			continue
		}
		if len(out.StreamNames) == limit {
			out.HasMoreStreams, out.NextToken = true, out.StreamNames[limit-1]
			break
		}
		st.mu.RLock()
		out.StreamNames = append(out.StreamNames, st.name)
		out.StreamSummaries = append(out.StreamSummaries, streamSummary{
			st.name, st.arn, st.statusLocked(), modeDetails{st.mode}, wire.TimeOf(st.created),
		})
		st.mu.RUnlock()
	}
	return out, nil
}

type limitsOut struct {
	ShardLimit               int
	OpenShardCount           int
	OnDemandStreamCount      int
	OnDemandStreamCountLimit int
}

func (s *Service) describeLimits(context.Context, *wire.Empty) (*limitsOut, error) {
	out := &limitsOut{ShardLimit: s.cfg.ShardLimit, OpenShardCount: s.openShards(), OnDemandStreamCountLimit: 50}
	for _, st := range s.existing() {
		st.mu.RLock()
		if st.mode == modeOnDemand {
			out.OnDemandStreamCount++
		}
		st.mu.RUnlock()
	}
	return out, nil
}
