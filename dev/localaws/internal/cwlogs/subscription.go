package cwlogs

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

// filter is a subscription filter. It is replaced, not changed, by an update.
type filter struct {
	name         string
	text         string
	pattern      pattern
	destination  string
	role         string
	distribution string
	created      time.Time
}

const (
	maxFilters = 2

	byLogStream = "ByLogStream"
	randomly    = "Random"

	// recordLimit bounds data and partition key of a record; larger ones are an option of the stream that the
	// service's subscriptions do not use.
	recordLimit     = 1 << 20
	partitionKeyLen = 32
)

var kinesisARN = regexp.MustCompile(`^arn:aws[a-z-]*:kinesis:[^:]+:[^:]+:stream/.+$`)

type putFilterIn struct {
	LogGroupName           string   `json:"logGroupName"`
	FilterName             string   `json:"filterName"`
	FilterPattern          *string  `json:"filterPattern"`
	DestinationARN         string   `json:"destinationArn"`
	RoleARN                string   `json:"roleArn"`
	Distribution           string   `json:"distribution"`
	ApplyOnTransformedLogs bool     `json:"applyOnTransformedLogs"`
	EmitSystemFields       []string `json:"emitSystemFields"`
	FieldSelectionCriteria string   `json:"fieldSelectionCriteria"`
}

func (in *putFilterIn) target() wire.Target { return wire.Target{Name: in.LogGroupName} }

func (in *putFilterIn) validate() error {
	switch {
	case in.FilterName == "" || len(in.FilterName) > 512 || strings.ContainsAny(in.FilterName, ":*"):
		return invalid("1 validation error detected: Value '%s' at 'filterName' failed to satisfy constraint: Member must satisfy regular expression pattern: [^:*]*, with 1 to 512 characters", in.FilterName)
	case in.FilterPattern == nil:
		return invalid("1 validation error detected: Value null at 'filterPattern' failed to satisfy constraint: Member must not be null")
	case !kinesisARN.MatchString(in.DestinationARN):
		return invalid("destinationArn %q is not supported by this local endpoint: give the ARN of a Kinesis stream.", in.DestinationARN)
	case in.RoleARN == "":
		return invalid("destinationArn for vendor kinesis requires a roleArn; any role's ARN will do here.")
	case in.Distribution != "" && in.Distribution != byLogStream && in.Distribution != randomly:
		return invalid("1 validation error detected: Value '%s' at 'distribution' failed to satisfy constraint: Member must satisfy enum value set: [Random, ByLogStream]", in.Distribution)
	case in.ApplyOnTransformedLogs || len(in.EmitSystemFields) > 0 || in.FieldSelectionCriteria != "":
		return invalid("applyOnTransformedLogs, emitSystemFields and fieldSelectionCriteria are not supported by this local endpoint.")
	}
	return nil
}

func (s *Service) putSubscriptionFilter(ctx context.Context, in *putFilterIn) (*wire.Empty, error) {
	if err := in.validate(); err != nil {
		return nil, err
	}
	g, err := s.group(in.LogGroupName)
	if err != nil {
		return nil, err
	}
	p, err := parsePattern(*in.FilterPattern)
	if err != nil {
		return nil, err
	}
	f := &filter{
		name: in.FilterName, text: *in.FilterPattern, pattern: p, destination: in.DestinationARN, role: in.RoleARN,
		distribution: in.Distribution, created: s.cfg.Now(),
	}
	if f.distribution == "" {
		f.distribution = byLogStream
	}
	if err := g.hasRoomFor(f.name); err != nil {
		return nil, err
	}
	if err := s.checkHealth(ctx, f); err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	filters := slices.Clone(g.filters) // PutLogEvents reads the old slice without the lock
	if i := slices.IndexFunc(filters, func(o *filter) bool { return o.name == f.name }); i >= 0 {
		f.created = filters[i].created
		filters[i] = f
	} else if len(filters) == maxFilters {
		return nil, errTooManyFilters()
	} else {
		filters = append(filters, f)
	}
	g.filters = filters
	return &wire.Empty{}, nil
}

func errTooManyFilters() error {
	return wire.Errorf("LimitExceededException", "Resource limit exceeded: a log group has at most %d subscription filters.", maxFilters)
}

func (g *group) hasRoomFor(name string) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if len(g.filters) < maxFilters || slices.ContainsFunc(g.filters, func(f *filter) bool { return f.name == name }) {
		return nil
	}
	return errTooManyFilters()
}

// checkHealth writes the control message that the service writes to a new destination.
func (s *Service) checkHealth(ctx context.Context, f *filter) error {
	e := envelope{
		MessageType: controlMessage, Owner: controlOwner,
		LogEvents: []event{{Timestamp: s.cfg.Now().UnixMilli(), Message: controlText}},
	}
	data, err := e.compress()
	if err != nil {
		return err
	}
	if err := s.cfg.Sink.Put(ctx, f.destination, partitionKey("", "", true), data); err != nil {
		return invalid("Could not deliver test message to specified Kinesis stream. Check if the given kinesis stream is in ACTIVE state. (%v)", err)
	}
	return nil
}

type deleteFilterIn struct {
	LogGroupName string `json:"logGroupName"`
	FilterName   string `json:"filterName"`
}

func (in *deleteFilterIn) target() wire.Target { return wire.Target{Name: in.LogGroupName} }

func (s *Service) deleteSubscriptionFilter(_ context.Context, in *deleteFilterIn) (*wire.Empty, error) {
	g, err := s.group(in.LogGroupName)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	rest := slices.DeleteFunc(slices.Clone(g.filters), func(f *filter) bool { return f.name == in.FilterName })
	if len(rest) == len(g.filters) {
		return nil, wire.Errorf("ResourceNotFoundException", "The specified subscription filter does not exist.")
	}
	g.filters = rest
	return &wire.Empty{}, nil
}

type describeFiltersIn struct {
	LogGroupName     string `json:"logGroupName"`
	FilterNamePrefix string `json:"filterNamePrefix"`
	Limit            *int   `json:"limit"`
	NextToken        string `json:"nextToken"`
}

func (in *describeFiltersIn) target() wire.Target { return wire.Target{Name: in.LogGroupName} }

type filterOut struct {
	FilterName     string `json:"filterName"`
	LogGroupName   string `json:"logGroupName"`
	FilterPattern  string `json:"filterPattern"`
	DestinationARN string `json:"destinationArn"`
	RoleARN        string `json:"roleArn"`
	Distribution   string `json:"distribution"`
	CreationTime   int64  `json:"creationTime"`
}

type describeFiltersOut struct {
	SubscriptionFilters []filterOut `json:"subscriptionFilters"`
	NextToken           string      `json:"nextToken,omitempty"`
}

func (s *Service) describeSubscriptionFilters(_ context.Context, in *describeFiltersIn) (*describeFiltersOut, error) {
	limit, err := pageSize(in.Limit, maxDescribed)
	if err != nil {
		return nil, err
	}
	g, err := s.group(in.LogGroupName)
	if err != nil {
		return nil, err
	}
	g.mu.RLock()
	filters := slices.Clone(g.filters)
	g.mu.RUnlock()
	slices.SortFunc(filters, func(a, b *filter) int { return strings.Compare(a.name, b.name) })
	out := &describeFiltersOut{SubscriptionFilters: []filterOut{}}
	for _, f := range filters {
		if f.name <= in.NextToken || !strings.HasPrefix(f.name, in.FilterNamePrefix) {
			continue
		}
		if len(out.SubscriptionFilters) == limit {
			out.NextToken = out.SubscriptionFilters[limit-1].FilterName
			break
		}
		out.SubscriptionFilters = append(out.SubscriptionFilters, filterOut{
			f.name, g.name, f.text, f.destination, f.role, f.distribution, f.created.UnixMilli(),
		})
	}
	return out, nil
}

// forward queues the events that filters match. The log stream is locked.
func (s *Service) forward(g *group, st *logStream, filters []*filter, events []event) {
	matched := make([]bool, len(events))
	type due struct {
		filter *filter
		events []event
	}
	var dues []due
	for _, f := range filters {
		d := due{filter: f}
		for i := range events {
			if f.pattern.matches(events[i].Message) {
				matched[i] = true
				d.events = append(d.events, events[i])
			}
		}
		if len(d.events) > 0 {
			dues = append(dues, d)
		}
	}
	if s.cfg.OnForward != nil {
		for i, e := range events {
			if matched[i] {
				s.cfg.OnForward(Forwarded{s.cfg.Account, g.name, st.name, e.ID, e.Timestamp})
			}
		}
	}
	for _, d := range dues {
		s.dispatch(g, st, d.filter, d.events)
	}
}

// dispatch compresses events for one filter and queues the records. Compressing here, not when they are delivered,
// keeps a backlog small and lets the writers of logs pay for it.
func (s *Service) dispatch(g *group, st *logStream, f *filter, events []event) {
	e := envelope{
		MessageType: dataMessage, Owner: s.cfg.Account, LogGroup: g.name, LogStream: st.name,
		SubscriptionFilters: []string{f.name}, LogEvents: events,
	}
	records, tooLarge, err := e.pack(recordLimit - partitionKeyLen)
	if err != nil {
		s.delivery.lost.Add(int64(len(events)))
		s.cfg.Logger.Error("events could not be compressed and are lost", "log_group", g.name, "events", len(events), "error", err)
		return
	}
	if len(tooLarge) > 0 {
		s.delivery.lost.Add(int64(len(tooLarge)))
		s.cfg.Logger.Warn("events do not fit a record even alone and are lost", "log_group", g.name, "log_stream", st.name, "events", len(tooLarge))
	}
	parcels := make([]parcel, len(records))
	for i, r := range records {
		parcels[i] = parcel{f.destination, partitionKey(g.name, st.name, f.distribution == randomly), r.data, r.events}
	}
	s.delivery.enqueue(queueKey{f, st}, parcels...)
}
