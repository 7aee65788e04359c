package cwlogs

import (
	"cmp"
	"context"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

type createGroupIn struct {
	LogGroupName  string `json:"logGroupName"`
	LogGroupClass string `json:"logGroupClass"`
}

func (in *createGroupIn) target() wire.Target { return wire.Target{Name: in.LogGroupName} }

func (s *Service) createLogGroup(_ context.Context, in *createGroupIn) (*wire.Empty, error) {
	if err := checkGroupName(in.LogGroupName); err != nil {
		return nil, err
	}
	if in.LogGroupClass != "" && in.LogGroupClass != "STANDARD" {
		return nil, invalid("Log group class %s is not supported by this local endpoint: only STANDARD groups have subscriptions.", in.LogGroupClass)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups[in.LogGroupName] != nil {
		return nil, wire.Errorf("ResourceAlreadyExistsException", "The specified log group already exists")
	}
	s.groups[in.LogGroupName] = &group{name: in.LogGroupName, created: s.cfg.Now(), streams: map[string]*logStream{}}
	return &wire.Empty{}, nil
}

type groupIn struct {
	LogGroupName string `json:"logGroupName"`
}

func (in *groupIn) target() wire.Target { return wire.Target{Name: in.LogGroupName} }

func (s *Service) deleteLogGroup(_ context.Context, in *groupIn) (*wire.Empty, error) {
	g, err := s.group(in.LogGroupName)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups[g.name] == g {
		delete(s.groups, g.name)
	}
	return &wire.Empty{}, nil
}

type retentionIn struct {
	LogGroupName    string `json:"logGroupName"`
	RetentionInDays int    `json:"retentionInDays"`
}

func (in *retentionIn) target() wire.Target { return wire.Target{Name: in.LogGroupName} }

var retentionDays = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

func (s *Service) putRetentionPolicy(_ context.Context, in *retentionIn) (*wire.Empty, error) {
	if !slices.Contains(retentionDays, in.RetentionInDays) {
		return nil, invalid("retentionInDays %d is not one of %v.", in.RetentionInDays, retentionDays)
	}
	return s.setRetention(in.LogGroupName, in.RetentionInDays)
}

func (s *Service) deleteRetentionPolicy(_ context.Context, in *groupIn) (*wire.Empty, error) {
	return s.setRetention(in.LogGroupName, 0)
}

func (s *Service) setRetention(name string, days int) (*wire.Empty, error) {
	g, err := s.group(name)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.retention = days
	return &wire.Empty{}, nil
}

const maxDescribed = 50

func pageSize(asked *int, most int) (int, error) {
	if asked == nil {
		return most, nil
	}
	if *asked < 1 || *asked > most {
		return 0, invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value between 1 and %d", *asked, most)
	}
	return *asked, nil
}

type describeGroupsIn struct {
	Prefix    string `json:"logGroupNamePrefix"`
	Pattern   string `json:"logGroupNamePattern"`
	Limit     *int   `json:"limit"`
	NextToken string `json:"nextToken"`
}

type groupOut struct {
	LogGroupName    string `json:"logGroupName"`
	ARN             string `json:"arn"`
	LogGroupARN     string `json:"logGroupArn"`
	CreationTime    int64  `json:"creationTime"`
	RetentionInDays int    `json:"retentionInDays,omitzero"`
	LogGroupClass   string `json:"logGroupClass"`
	StoredBytes     int64  `json:"storedBytes"`
}

type describeGroupsOut struct {
	LogGroups []groupOut `json:"logGroups"`
	NextToken string     `json:"nextToken,omitempty"`
}

func (s *Service) describeLogGroups(_ context.Context, in *describeGroupsIn) (*describeGroupsOut, error) {
	limit, err := pageSize(in.Limit, maxDescribed)
	if err != nil {
		return nil, err
	}
	if in.Prefix != "" && in.Pattern != "" {
		return nil, invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := &describeGroupsOut{LogGroups: []groupOut{}}
	for _, name := range slices.Sorted(maps.Keys(s.groups)) {
		if name <= in.NextToken || !strings.HasPrefix(name, in.Prefix) || !strings.Contains(strings.ToLower(name), strings.ToLower(in.Pattern)) {
			continue
		}
		if len(out.LogGroups) == limit {
			out.NextToken = out.LogGroups[limit-1].LogGroupName
			break
		}
		g := s.groups[name]
		g.mu.RLock()
		arn := s.groupARN(name)
		out.LogGroups = append(out.LogGroups, groupOut{
			LogGroupName: name, ARN: arn + ":*", LogGroupARN: arn, CreationTime: g.created.UnixMilli(),
			RetentionInDays: g.retention, LogGroupClass: "STANDARD",
		})
		g.mu.RUnlock()
	}
	return out, nil
}

type streamIn struct {
	LogGroupName  string `json:"logGroupName"`
	LogStreamName string `json:"logStreamName"`
}

func (in *streamIn) target() wire.Target { return wire.Target{Name: in.LogGroupName} }

func (s *Service) createLogStream(_ context.Context, in *streamIn) (*wire.Empty, error) {
	g, err := s.group(in.LogGroupName)
	if err != nil {
		return nil, err
	}
	if !streamName.MatchString(in.LogStreamName) {
		return nil, invalid("1 validation error detected: Value '%s' at 'logStreamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [^:*]*, with 1 to 512 characters", in.LogStreamName)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.streams[in.LogStreamName] != nil {
		return nil, wire.Errorf("ResourceAlreadyExistsException", "The specified log stream already exists")
	}
	h := fnv.New64a()
	h.Write([]byte(g.name + "\x00" + in.LogStreamName))
	g.streams[in.LogStreamName] = &logStream{name: in.LogStreamName, created: s.cfg.Now(), hash: h.Sum64()}
	return &wire.Empty{}, nil
}

func (s *Service) deleteLogStream(_ context.Context, in *streamIn) (*wire.Empty, error) {
	g, err := s.group(in.LogGroupName)
	if err != nil {
		return nil, err
	}
	if _, err := g.stream(in.LogStreamName); err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.streams, in.LogStreamName)
	return &wire.Empty{}, nil
}

type describeStreamsIn struct {
	LogGroupName       string `json:"logGroupName"`
	LogGroupIdentifier string `json:"logGroupIdentifier"`
	Prefix             string `json:"logStreamNamePrefix"`
	OrderBy            string `json:"orderBy"`
	Descending         bool   `json:"descending"`
	Limit              *int   `json:"limit"`
	NextToken          string `json:"nextToken"`
}

type streamOut struct {
	LogStreamName       string `json:"logStreamName"`
	ARN                 string `json:"arn"`
	CreationTime        int64  `json:"creationTime"`
	FirstEventTimestamp int64  `json:"firstEventTimestamp,omitzero"`
	LastEventTimestamp  int64  `json:"lastEventTimestamp,omitzero"`
	LastIngestionTime   int64  `json:"lastIngestionTime,omitzero"`
	UploadSequenceToken string `json:"uploadSequenceToken"`
	StoredBytes         int64  `json:"storedBytes"`
}

type describeStreamsOut struct {
	LogStreams []streamOut `json:"logStreams"`
	NextToken  string      `json:"nextToken,omitempty"`
}

func (s *Service) describeLogStreams(_ context.Context, in *describeStreamsIn) (*describeStreamsOut, error) {
	limit, err := pageSize(in.Limit, maxDescribed)
	if err != nil {
		return nil, err
	}
	byTime := in.OrderBy == "LastEventTime"
	if in.OrderBy != "" && in.OrderBy != "LogStreamName" && !byTime {
		return nil, invalid("orderBy %s is neither LogStreamName nor LastEventTime.", in.OrderBy)
	}
	if byTime && in.Prefix != "" {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	g, err := s.group(cmp.Or(in.LogGroupIdentifier, in.LogGroupName))
	if err != nil {
		return nil, err
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	var all []streamOut
	for name, st := range g.streams {
		if strings.HasPrefix(name, in.Prefix) {
			all = append(all, st.describe(s.groupARN(g.name)))
		}
	}
	slices.SortFunc(all, func(a, b streamOut) int {
		c := cmp.Compare(a.LogStreamName, b.LogStreamName)
		if byTime {
			c = cmp.Or(cmp.Compare(a.LastEventTimestamp, b.LastEventTimestamp), c)
		}
		if in.Descending {
			return -c
		}
		return c
	})
	if in.NextToken != "" {
		i := slices.IndexFunc(all, func(o streamOut) bool { return o.LogStreamName == in.NextToken })
		if i < 0 {
			return nil, invalid("The specified nextToken is invalid.")
		}
		all = all[i+1:]
	}
	out := &describeStreamsOut{LogStreams: all[:min(limit, len(all))]}
	if out.LogStreams == nil {
		out.LogStreams = []streamOut{}
	}
	if len(all) > limit {
		out.NextToken = all[limit-1].LogStreamName
	}
	return out, nil
}

func (st *logStream) describe(groupARN string) streamOut {
	st.mu.Lock()
	defer st.mu.Unlock()
	out := streamOut{
		LogStreamName: st.name, ARN: groupARN + ":log-stream:" + st.name, CreationTime: st.created.UnixMilli(),
		FirstEventTimestamp: st.first, LastEventTimestamp: st.last, UploadSequenceToken: sequenceToken,
	}
	if !st.ingested.Equal(time.Time{}) {
		out.LastIngestionTime = st.ingested.UnixMilli()
	}
	return out
}
