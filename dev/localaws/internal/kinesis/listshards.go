package kinesis

import (
	"context"
	"errors"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

type hashRangeOut struct{ StartingHashKey, EndingHashKey string }

type seqRangeOut struct {
	StartingSequenceNumber string
	EndingSequenceNumber   string `json:",omitempty"`
}

type shardOut struct {
	ShardId               string
	ParentShardId         string `json:",omitempty"`
	AdjacentParentShardId string `json:",omitempty"`
	HashKeyRange          hashRangeOut
	SequenceNumberRange   seqRangeOut
}

func describeHashes(r hashRange) hashRangeOut { return hashRangeOut{r.lo.String(), r.hi.String()} }

// describeShard needs the stream's lock.
func describeShard(s *shard) shardOut {
	out := shardOut{
		ShardId: s.id, HashKeyRange: describeHashes(s.hashes),
		SequenceNumberRange: seqRangeOut{StartingSequenceNumber: s.starting().String()},
	}
	if s.parent != nil {
		out.ParentShardId = s.parent.id
	}
	if s.adjacent != nil {
		out.AdjacentParentShardId = s.adjacent.id
	}
	if !s.open() {
		out.SequenceNumberRange.EndingSequenceNumber = s.ending().String()
	}
	return out
}

// followingShards cuts a list, ordered by index, to what follows the shard with this id; "" keeps all.
func followingShards(shards []*shard, after string) ([]*shard, error) {
	if after == "" {
		return shards, nil
	}
	index, ok := parseShardID(after)
	if !ok {
		return nil, wire.Errorf("InvalidArgumentException", "Shard id %s is not of the form shardId-000000000000.", after)
	}
	for i, s := range shards {
		if s.index > index {
			return shards[i:], nil
		}
	}
	return nil, nil
}

type shardFilter struct {
	Type      string
	ShardId   string     `json:",omitempty"`
	Timestamp *wire.Time `json:",omitempty"`
}

type listShardsIn struct {
	streamRef
	NextToken               string
	ExclusiveStartShardId   string
	MaxResults              *int
	StreamCreationTimestamp *wire.Time
	ShardFilter             *shardFilter
}

type listShardsOut struct {
	Shards    []shardOut
	NextToken string `json:",omitempty"`
}

// listToken is what a NextToken of ListShards holds.
type listToken struct {
	Stream  uint64
	After   string // the last shard listed
	Filter  *shardFilter
	Horizon int64 // trim horizon of the first page, so that filters mean the same on all of them
	Issued  int64
}

const (
	maxListResults = 1000
	tokenLife      = 5 * time.Minute
)

func (s *Service) listShards(_ context.Context, in *listShardsIn) (*listShardsOut, error) {
	limit := maxListResults
	if in.MaxResults != nil {
		if *in.MaxResults < 1 || *in.MaxResults > 10000 {
			return nil, wire.Invalid("maxResults", *in.MaxResults, "have value between 1 and 10000")
		}
		limit = min(limit, *in.MaxResults)
	}
	now := s.cfg.Now()
	st, tok, err := s.listPosition(in, now)
	if err != nil {
		return nil, err
	}
	if !st.listing.Take(now, 1) {
		return nil, wire.Errorf("LimitExceededException", "Rate exceeded for stream %s under account %s.", st.name, s.cfg.Account)
	}
	st.mu.RLock()
	defer st.mu.RUnlock()
	if status := st.statusLocked(); status != statusActive && status != statusUpdating {
		return nil, wire.Errorf("ResourceInUseException", "Stream %s under account %s not ACTIVE or UPDATING, instead in state %s", st.name, s.cfg.Account, status)
	}
	shards, err := followingShards(st.knownLocked(now), tok.After)
	if err != nil {
		return nil, err
	}
	out := &listShardsOut{Shards: []shardOut{}}
	for _, sh := range shards {
		if !tok.Filter.keeps(sh, max(tok.Horizon, st.created.UnixMilli())) {
			continue
		}
		if len(out.Shards) == limit {
			tok.After = out.Shards[limit-1].ShardId
			tok.Issued = now.UnixMilli()
			if out.NextToken, err = s.sealJSON(tok); err != nil {
				return nil, err
			}
			break
		}
		out.Shards = append(out.Shards, describeShard(sh))
	}
	return out, nil
}

// listPosition finds the stream and the place in its list that a request stands for.
func (s *Service) listPosition(in *listShardsIn, now time.Time) (*stream, listToken, error) {
	var tok listToken
	if in.NextToken == "" {
		st, err := s.stream(in.streamRef)
		if err != nil {
			return nil, tok, err
		}
		if t := in.StreamCreationTimestamp; t != nil && !t.Truncate(time.Second).Equal(st.created.Truncate(time.Second)) {
			return nil, tok, s.notFound(st.name)
		}
		if err := in.ShardFilter.validate(now); err != nil {
			return nil, tok, err
		}
		tok = listToken{Stream: st.number, After: in.ExclusiveStartShardId, Filter: in.ShardFilter, Horizon: st.horizon(now).UnixMilli()}
		if f := in.ShardFilter; f != nil && f.Type == "AFTER_SHARD_ID" {
			tok.After = f.ShardId
		}
		return st, tok, nil
	}
	if in.StreamName != "" || in.StreamARN != "" || in.StreamCreationTimestamp != nil || in.ExclusiveStartShardId != "" || in.ShardFilter != nil {
		return nil, tok, wire.Errorf("InvalidArgumentException", "NextToken and a stream, ExclusiveStartShardId, StreamCreationTimestamp or ShardFilter cannot be provided together.")
	}
	raw, err := s.unseal(tokenList, in.NextToken)
	if err == nil {
		err = json.Unmarshal(raw, &tok)
	}
	if err != nil {
		return nil, tok, wire.Errorf("InvalidArgumentException", "Invalid NextToken.")
	}
	if now.UnixMilli()-tok.Issued > tokenLife.Milliseconds() {
		return nil, tok, wire.Errorf("ExpiredNextTokenException", "The NextToken has expired: it was created at %s and is valid for %s.", time.UnixMilli(tok.Issued).UTC().Format(time.RFC3339), tokenLife)
	}
	st, err := s.streamNumber(tok.Stream)
	return st, tok, err
}

func (s *Service) sealJSON(v any) (string, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	return s.seal(tokenList, raw), nil
}

func (f *shardFilter) validate(now time.Time) error {
	if f == nil {
		return nil
	}
	switch f.Type {
	case "AFTER_SHARD_ID":
		if f.ShardId == "" {
			return wire.Errorf("InvalidArgumentException", "ShardFilter of type AFTER_SHARD_ID needs a ShardId.")
		}
	case "AT_TIMESTAMP", "FROM_TIMESTAMP":
		if f.Timestamp == nil {
			return wire.Errorf("InvalidArgumentException", "ShardFilter of type %s needs a Timestamp.", f.Type)
		}
		// The clock of a client may be a little ahead; the service tolerates that here.
		if f.Timestamp.After(now.Add(time.Minute)) {
			return wire.Errorf("InvalidArgumentException", "Timestamp %s of ShardFilter is in the future.", f.Timestamp.UTC().Format(time.RFC3339))
		}
	case "AT_TRIM_HORIZON", "FROM_TRIM_HORIZON", "AT_LATEST":
	default:
		return wire.Invalid("shardFilter.type", f.Type, "satisfy enum value set: [AFTER_SHARD_ID, AT_TRIM_HORIZON, FROM_TRIM_HORIZON, AT_LATEST, AT_TIMESTAMP, FROM_TIMESTAMP]")
	}
	return nil
}

// keeps decides about one shard. horizon is the oldest moment the stream has data of, in milliseconds; timestamps
// before it stand for it.
func (f *shardFilter) keeps(s *shard, horizon int64) bool {
	if f == nil {
		return true
	}
	closedBefore := func(ms int64) bool { return !s.open() && s.closedAt.UnixMilli() < ms }
	openAt := func(ms int64) bool { return s.created.UnixMilli() <= ms && !closedBefore(ms) }
	switch f.Type {
	case "AT_LATEST":
		return s.open()
	case "AT_TRIM_HORIZON":
		return openAt(horizon)
	case "AT_TIMESTAMP":
		return openAt(max(f.Timestamp.UnixMilli(), horizon))
	case "FROM_TIMESTAMP":
		return !closedBefore(max(f.Timestamp.UnixMilli(), horizon))
	}
	return true // AFTER_SHARD_ID is in the position already, FROM_TRIM_HORIZON is everything known
}

var errToken = errors.New("token was not made here")
