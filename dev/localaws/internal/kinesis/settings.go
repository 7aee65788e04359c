package kinesis

import (
	"context"
	"maps"
	"slices"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

type retentionIn struct {
	streamRef
	RetentionPeriodHours *int
}

func (s *Service) increaseRetention(_ context.Context, in *retentionIn) (*wire.Empty, error) {
	return s.setRetention(in, func(st *stream, hours int) error {
		if hours < st.retention {
			return wire.Errorf("InvalidArgumentException",
				"Requested retention period (%d hours) for stream %s can not be shorter than existing retention period (%d hours). Use DecreaseRetentionPeriod API.", hours, st.name, st.retention)
		}
		return nil
	})
}

func (s *Service) decreaseRetention(_ context.Context, in *retentionIn) (*wire.Empty, error) {
	return s.setRetention(in, func(st *stream, hours int) error {
		if hours > st.retention {
			return wire.Errorf("InvalidArgumentException",
				"Requested retention period (%d hours) for stream %s can not be longer than existing retention period (%d hours). Use IncreaseRetentionPeriod API.", hours, st.name, st.retention)
		}
		return nil
	})
}

func (s *Service) setRetention(in *retentionIn, allowed func(*stream, int) error) (*wire.Empty, error) {
	if in.RetentionPeriodHours == nil {
		return nil, wire.Missing("retentionPeriodHours")
	}
	hours := *in.RetentionPeriodHours
	if hours < minRetention || hours > maxRetention {
		return nil, wire.Errorf("InvalidArgumentException", "Retention period %d hours is not within %d and %d.", hours, minRetention, maxRetention)
	}
	return s.change(in.streamRef, func(st *stream) error {
		if err := allowed(st, hours); err != nil {
			return err
		}
		st.retention = hours
		return nil
	})
}

// change runs f on an ACTIVE stream under its lock and leaves the stream UPDATING for a while.
func (s *Service) change(ref streamRef, f func(*stream) error) (*wire.Empty, error) {
	st, err := s.stream(ref)
	if err != nil {
		return nil, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if err := s.modifiable(st); err != nil {
		return nil, err
	}
	if err := f(st); err != nil {
		return nil, err
	}
	st.transitLocked(statusUpdating, s.cfg.StateDelay)
	return &wire.Empty{}, nil
}

func validMaxRecord(kib int) error {
	if kib < defaultMaxRecordKiB || kib > maxMaxRecordKiB {
		return wire.Invalid("maxRecordSizeInKiB", kib, "have value between 1024 and 10240")
	}
	return nil
}

type maxRecordSizeIn struct {
	streamRef
	MaxRecordSizeInKiB *int
}

func (s *Service) updateMaxRecordSize(_ context.Context, in *maxRecordSizeIn) (*wire.Empty, error) {
	if in.MaxRecordSizeInKiB == nil {
		return nil, wire.Missing("maxRecordSizeInKiB")
	}
	if err := validMaxRecord(*in.MaxRecordSizeInKiB); err != nil {
		return nil, err
	}
	return s.change(in.streamRef, func(st *stream) error {
		st.maxRecordKiB = *in.MaxRecordSizeInKiB
		return nil
	})
}

type streamModeIn struct {
	streamRef
	StreamModeDetails *modeDetails
}

func (s *Service) updateStreamMode(_ context.Context, in *streamModeIn) (*wire.Empty, error) {
	if in.StreamModeDetails == nil {
		return nil, wire.Missing("streamModeDetails")
	}
	mode := in.StreamModeDetails.StreamMode
	if mode != modeProvisioned && mode != modeOnDemand {
		return nil, wire.Invalid("streamModeDetails.streamMode", mode, "satisfy enum value set: [PROVISIONED, ON_DEMAND]")
	}
	return s.change(in.streamRef, func(st *stream) error {
		st.mode = mode
		return nil
	})
}

const maxTags = 50

type addTagsIn struct {
	streamRef
	Tags map[string]string
}

func (s *Service) addTagsToStream(_ context.Context, in *addTagsIn) (*wire.Empty, error) {
	if len(in.Tags) == 0 {
		return nil, wire.Missing("tags")
	}
	st, err := s.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	merged := maps.Clone(st.tags)
	maps.Copy(merged, in.Tags)
	if len(merged) > maxTags {
		return nil, wire.Errorf("InvalidArgumentException", "Stream %s would have %d tags; at most %d are allowed.", st.name, len(merged), maxTags)
	}
	st.tags = merged
	return &wire.Empty{}, nil
}

type removeTagsIn struct {
	streamRef
	TagKeys []string
}

func (s *Service) removeTagsFromStream(_ context.Context, in *removeTagsIn) (*wire.Empty, error) {
	if len(in.TagKeys) == 0 {
		return nil, wire.Missing("tagKeys")
	}
	st, err := s.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, k := range in.TagKeys {
		delete(st.tags, k)
	}
	return &wire.Empty{}, nil
}

type listTagsIn struct {
	streamRef
	ExclusiveStartTagKey string
	Limit                *int
}

type tag struct{ Key, Value string }

type listTagsOut struct {
	Tags        []tag
	HasMoreTags bool
}

func (s *Service) listTagsForStream(_ context.Context, in *listTagsIn) (*listTagsOut, error) {
	limit := maxTags
	if in.Limit != nil {
		if limit = *in.Limit; limit < 1 || limit > maxTags {
			return nil, wire.Invalid("limit", limit, "have value between 1 and 50")
		}
	}
	st, err := s.stream(in.streamRef)
	if err != nil {
		return nil, err
	}
	st.mu.RLock()
	defer st.mu.RUnlock()
	out := &listTagsOut{Tags: []tag{}}
	for _, k := range slices.Sorted(maps.Keys(st.tags)) {
		if k <= in.ExclusiveStartTagKey {
			continue
		}
		if len(out.Tags) == limit {
			out.HasMoreTags = true
			break
		}
		out.Tags = append(out.Tags, tag{k, st.tags[k]})
	}
	return out, nil
}
