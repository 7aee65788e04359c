package cwlogs

import (
	"context"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

// TargetPrefix is the service's name in X-Amz-Target.
const TargetPrefix = "Logs_20140328"

// Sink takes the records of subscriptions. Its errors are wire errors, which tell whether trying again helps.
type Sink interface {
	Put(ctx context.Context, streamARN, partitionKey string, data []byte) error
}

// Forwarded is one event that PutLogEvents accepted and at least one subscription filter matched.
type Forwarded struct {
	Owner, LogGroup, LogStream string
	ID                         string // 56 digits
	Timestamp                  int64  // milliseconds since the epoch
}

// Config is what the service needs to know. OnForward may be nil; all other fields are required.
type Config struct {
	Region, Account string
	Now             func() time.Time
	Sink            Sink
	Logger          *slog.Logger
	// AcceptOldEvents takes events of any timestamp, so that old samples can be replayed.
	AcceptOldEvents bool
	// OnForward is called for each forwarded event, once however many filters match, before it is delivered. It is
	// called with the log stream locked and must not call back.
	OnForward func(Forwarded)
}

// Service is the CloudWatch Logs endpoint. Its methods are safe for concurrent use.
type Service struct {
	cfg      Config
	batches  atomic.Uint64 // number of the last batch, part of the event ids
	delivery *delivery

	mu     sync.RWMutex
	groups map[string]*group
}

// New makes a service without log groups. Close ends its deliveries.
func New(cfg Config) *Service {
	return &Service{cfg: cfg, groups: map[string]*group{}, delivery: newDelivery(cfg.Sink, cfg.Logger)}
}

// Close stops the deliveries; what is still waiting is lost. Calling it twice is fine.
func (s *Service) Close() { s.delivery.close() }

// Flush waits until every event accepted so far is delivered or given up. The error is the context's.
func (s *Service) Flush(ctx context.Context) error { return s.delivery.flush(ctx) }

// Undelivered is the number of events given up because their destination refused them for good.
func (s *Service) Undelivered() int64 { return s.delivery.lost.Load() }

// nextBatch numbers a batch: larger than any before, also across restarts, as long as the clock does not go back.
func (s *Service) nextBatch(now time.Time) uint64 {
	for {
		last := s.batches.Load()
		next := max(last+1, uint64(now.UnixNano()))
		if s.batches.CompareAndSwap(last, next) {
			return next
		}
	}
}

type group struct {
	name    string
	created time.Time

	mu        sync.RWMutex
	retention int // days, 0 for ever
	streams   map[string]*logStream
	filters   []*filter
}

type logStream struct {
	name    string
	created time.Time

	mu       sync.Mutex
	hash     uint64
	kept     []event // by arrival
	keptSize int
	first    int64 // oldest and newest timestamp put, 0 while empty
	last     int64
	ingested time.Time
}

// event is a log event as it is kept and as an envelope carries it, ingestion left out.
type event struct {
	ID        string `json:"id"`
	Timestamp int64  `json:"timestamp"`
	Message   string `json:"message"`
	ingestion int64
}

var (
	groupName  = regexp.MustCompile(`^[.\-_/#A-Za-z0-9]{1,512}$`)
	streamName = regexp.MustCompile(`^[^:*]{1,512}$`)
	groupARN   = regexp.MustCompile(`^arn:aws[a-z-]*:logs:[^:]*:[^:]*:log-group:([^:]+)(?::\*)?$`)
)

func invalid(format string, args ...any) error {
	return wire.Errorf("InvalidParameterException", format, args...)
}

func checkGroupName(name string) error {
	if !groupName.MatchString(name) {
		return invalid("1 validation error detected: Value '%s' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+, with 1 to 512 characters", name)
	}
	return nil
}

// group finds a log group by name or ARN.
func (s *Service) group(ref string) (*group, error) {
	if m := groupARN.FindStringSubmatch(ref); m != nil {
		ref = m[1]
	}
	if err := checkGroupName(ref); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	g := s.groups[ref]
	if g == nil {
		return nil, wire.Errorf("ResourceNotFoundException", "The specified log group does not exist.")
	}
	return g, nil
}

func (g *group) stream(name string) (*logStream, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	st := g.streams[name]
	if st == nil {
		return nil, wire.Errorf("ResourceNotFoundException", "The specified log stream does not exist.")
	}
	return st, nil
}

func (s *Service) groupARN(name string) string {
	return strings.Join([]string{"arn:aws:logs", s.cfg.Region, s.cfg.Account, "log-group", name}, ":")
}

// Operations is the service's API.
func (s *Service) Operations() wire.Table {
	return wire.NewTable(
		wire.Op("CreateLogGroup", (*createGroupIn).target, s.createLogGroup),
		wire.Op("CreateLogStream", (*streamIn).target, s.createLogStream),
		wire.Op("DeleteLogGroup", (*groupIn).target, s.deleteLogGroup),
		wire.Op("DeleteLogStream", (*streamIn).target, s.deleteLogStream),
		wire.Op("DeleteRetentionPolicy", (*groupIn).target, s.deleteRetentionPolicy),
		wire.Op("DeleteSubscriptionFilter", (*deleteFilterIn).target, s.deleteSubscriptionFilter),
		wire.Op("DescribeLogGroups", nil, s.describeLogGroups),
		wire.Op("DescribeLogStreams", nil, s.describeLogStreams),
		wire.Op("DescribeSubscriptionFilters", (*describeFiltersIn).target, s.describeSubscriptionFilters),
		wire.Op("FilterLogEvents", nil, s.filterLogEvents),
		wire.Op("GetLogEvents", nil, s.getLogEvents),
		wire.Op("PutLogEvents", (*putEventsIn).target, s.putLogEvents),
		wire.Op("PutRetentionPolicy", (*retentionIn).target, s.putRetentionPolicy),
		wire.Op("PutSubscriptionFilter", (*putFilterIn).target, s.putSubscriptionFilter),
	)
}
