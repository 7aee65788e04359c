package cwlogs

import (
	"cmp"
	"context"
	"slices"
	"strings"
)

type getEventsIn struct {
	LogGroupName       string `json:"logGroupName"`
	LogGroupIdentifier string `json:"logGroupIdentifier"`
	LogStreamName      string `json:"logStreamName"`
	StartTime          *int64 `json:"startTime"`
	EndTime            *int64 `json:"endTime"`
	NextToken          string `json:"nextToken"`
	Limit              *int   `json:"limit"`
	StartFromHead      bool   `json:"startFromHead"`
}

type eventOut struct {
	Timestamp     int64  `json:"timestamp"`
	Message       string `json:"message"`
	IngestionTime int64  `json:"ingestionTime"`
}

type getEventsOut struct {
	Events            []eventOut `json:"events"`
	NextForwardToken  string     `json:"nextForwardToken"`
	NextBackwardToken string     `json:"nextBackwardToken"`
}

// inOrder returns the kept events of a time range, in the order of their ids.
func (st *logStream) inOrder(start, end *int64) []event {
	st.mu.Lock()
	defer st.mu.Unlock()
	var out []event
	for _, e := range st.kept {
		if (start == nil || e.Timestamp >= *start) && (end == nil || e.Timestamp < *end) {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b event) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

const (
	forward  = "f/"
	backward = "b/"
)

func (s *Service) getLogEvents(_ context.Context, in *getEventsIn) (*getEventsOut, error) {
	limit, err := pageSize(in.Limit, 10000)
	if err != nil {
		return nil, err
	}
	g, err := s.group(cmp.Or(in.LogGroupIdentifier, in.LogGroupName))
	if err != nil {
		return nil, err
	}
	st, err := g.stream(in.LogStreamName)
	if err != nil {
		return nil, err
	}
	all := st.inOrder(in.StartTime, in.EndTime)
	after := func(id string) int {
		i, found := slices.BinarySearchFunc(all, id, func(e event, id string) int { return cmp.Compare(e.ID, id) })
		if found {
			return i + 1
		}
		return i
	}
	// from and to bound the page; a token names the event it goes on from.
	var from, to int
	switch {
	case strings.HasPrefix(in.NextToken, forward):
		from = after(in.NextToken[len(forward):])
		to = min(from+limit, len(all))
	case strings.HasPrefix(in.NextToken, backward):
		to, _ = slices.BinarySearchFunc(all, in.NextToken[len(backward):], func(e event, id string) int { return cmp.Compare(e.ID, id) })
		from = max(0, to-limit)
	case in.NextToken != "":
		return nil, invalid("The specified nextToken is invalid.")
	case in.StartFromHead:
		to = min(limit, len(all))
	default:
		from, to = max(0, len(all)-limit), len(all)
	}
	out := &getEventsOut{Events: []eventOut{}, NextForwardToken: cmp.Or(in.NextToken, forward), NextBackwardToken: cmp.Or(in.NextToken, backward)}
	for _, e := range all[from:to] {
		out.Events = append(out.Events, eventOut{e.Timestamp, e.Message, e.ingestion})
	}
	if from < to {
		out.NextForwardToken, out.NextBackwardToken = forward+all[to-1].ID, backward+all[from].ID
	}
	return out, nil
}

type filterEventsIn struct {
	LogGroupName        string   `json:"logGroupName"`
	LogGroupIdentifier  string   `json:"logGroupIdentifier"`
	LogStreamNames      []string `json:"logStreamNames"`
	LogStreamNamePrefix string   `json:"logStreamNamePrefix"`
	FilterPattern       string   `json:"filterPattern"`
	StartTime           *int64   `json:"startTime"`
	EndTime             *int64   `json:"endTime"`
	Limit               *int     `json:"limit"`
	NextToken           string   `json:"nextToken"`
}

type filteredOut struct {
	EventID       string `json:"eventId"`
	LogStreamName string `json:"logStreamName"`
	Timestamp     int64  `json:"timestamp"`
	Message       string `json:"message"`
	IngestionTime int64  `json:"ingestionTime"`
}

type filterEventsOut struct {
	Events             []filteredOut `json:"events"`
	SearchedLogStreams []struct{}    `json:"searchedLogStreams"`
	NextToken          string        `json:"nextToken,omitempty"`
}

func (s *Service) filterLogEvents(_ context.Context, in *filterEventsIn) (*filterEventsOut, error) {
	limit, err := pageSize(in.Limit, 10000)
	if err != nil {
		return nil, err
	}
	if len(in.LogStreamNames) > 0 && in.LogStreamNamePrefix != "" {
		return nil, invalid("logStreamNamePrefix and logStreamNames are mutually exclusive.")
	}
	g, err := s.group(cmp.Or(in.LogGroupIdentifier, in.LogGroupName))
	if err != nil {
		return nil, err
	}
	p, err := parsePattern(in.FilterPattern)
	if err != nil {
		return nil, err
	}
	g.mu.RLock()
	var streams []*logStream
	for name, st := range g.streams {
		if (len(in.LogStreamNames) == 0 || slices.Contains(in.LogStreamNames, name)) && strings.HasPrefix(name, in.LogStreamNamePrefix) {
			streams = append(streams, st)
		}
	}
	g.mu.RUnlock()
	found := []filteredOut{}
	for _, st := range streams {
		for _, e := range st.inOrder(in.StartTime, in.EndTime) {
			if e.ID > in.NextToken && p.matches(e.Message) {
				found = append(found, filteredOut{e.ID, st.name, e.Timestamp, e.Message, e.ingestion})
			}
		}
	}
	slices.SortFunc(found, func(a, b filteredOut) int { return cmp.Compare(a.EventID, b.EventID) })
	out := &filterEventsOut{Events: found, SearchedLogStreams: []struct{}{}}
	if len(found) > limit {
		out.Events, out.NextToken = found[:limit], found[limit-1].EventID
	}
	return out, nil
}
