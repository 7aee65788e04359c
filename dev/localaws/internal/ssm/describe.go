package ssm

import (
	"context"
	"slices"
	"strings"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

type describeIn struct {
	Filters          []filterIn
	ParameterFilters []filterIn
	MaxResults       *int
	NextToken        string
}

type metadataOut struct {
	Name             string
	ARN              string
	Type             string
	KeyId            string `json:",omitempty"`
	LastModifiedDate wire.Time
	LastModifiedUser string
	Description      string `json:",omitempty"`
	AllowedPattern   string `json:",omitempty"`
	Version          int64
	Tier             string
	Policies         []struct{}
	DataType         string
}

type describeOut struct {
	Parameters []metadataOut
	NextToken  string `json:",omitempty"`
}

func (s *Service) describeParameters(_ context.Context, in *describeIn) (*describeOut, error) {
	limit, err := pageSize(in.MaxResults, 50)
	if err != nil {
		return nil, err
	}
	matches, err := compileFilters(append(in.Filters, in.ParameterFilters...))
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	page, next, err := s.page(in.NextToken, limit, matches)
	if err != nil {
		return nil, err
	}
	out := &describeOut{Parameters: []metadataOut{}, NextToken: next}
	for _, p := range page {
		v := p.latest()
		out.Parameters = append(out.Parameters, metadataOut{
			Name: p.name, ARN: s.arn(p.name), Type: v.kind, KeyId: v.keyID, LastModifiedDate: wire.TimeOf(v.modified),
			LastModifiedUser: "arn:aws:iam::" + s.cfg.Account + ":user/local", Description: v.description,
			AllowedPattern: v.allowedPattern, Version: v.number, Tier: v.tier, Policies: []struct{}{}, DataType: v.dataType,
		})
	}
	return out, nil
}

// compileFilters turns filters into one condition: every filter must hold, by any of its values.
func compileFilters(filters []filterIn) (func(*parameter) bool, error) {
	var conditions []func(*parameter) bool
	for _, f := range filters {
		one, err := compileFilter(f)
		if err != nil {
			return nil, err
		}
		if len(f.Values) == 0 {
			return nil, wire.Errorf("InvalidFilterValue", "Filter %s has no value.", f.Key)
		}
		conditions = append(conditions, func(p *parameter) bool {
			return slices.ContainsFunc(f.Values, func(value string) bool { return one(p, value) })
		})
	}
	return func(p *parameter) bool {
		return !slices.ContainsFunc(conditions, func(c func(*parameter) bool) bool { return !c(p) })
	}, nil
}

func compileFilter(f filterIn) (func(p *parameter, value string) bool, error) {
	compare := func(field func(*parameter) string) (func(*parameter, string) bool, error) {
		switch f.Option {
		case "", "Equals":
			return func(p *parameter, value string) bool { return field(p) == value }, nil
		case "BeginsWith":
			return func(p *parameter, value string) bool { return strings.HasPrefix(field(p), value) }, nil
		case "Contains":
			return func(p *parameter, value string) bool { return strings.Contains(field(p), value) }, nil
		}
		return nil, wire.Errorf("InvalidFilterOption", "Option %s is not valid for filter %s: use Equals, BeginsWith or Contains.", f.Option, f.Key)
	}
	switch f.Key {
	case "Name":
		return compare(func(p *parameter) string { return p.name })
	case "Type":
		return compare(func(p *parameter) string { return p.latest().kind })
	case "KeyId":
		return compare(func(p *parameter) string { return p.latest().keyID })
	case "Tier":
		return compare(func(p *parameter) string { return p.latest().tier })
	case "DataType":
		return compare(func(p *parameter) string { return p.latest().dataType })
	case "Label":
		return func(p *parameter, value string) bool { return p.labelled(value) != nil }, nil
	case "Path":
		if f.Option != "" && f.Option != "Recursive" && f.Option != "OneLevel" {
			return nil, wire.Errorf("InvalidFilterOption", "Option %s is not valid for filter Path: use Recursive or OneLevel.", f.Option)
		}
		recursive := f.Option == "Recursive"
		return func(p *parameter, value string) bool { return under(p.name, value, recursive) }, nil
	}
	return nil, wire.Errorf("InvalidFilterKey", "Filter key %s is not supported by this local endpoint: use Name, Type, KeyId, Tier, DataType, Label or Path.", f.Key)
}
