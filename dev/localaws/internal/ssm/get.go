package ssm

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

type parameterOut struct {
	Name             string
	Type             string
	Value            string
	Version          int64
	Selector         string `json:",omitempty"`
	LastModifiedDate wire.Time
	ARN              string
	DataType         string
}

func (s *Service) describe(p *parameter, v *version, selector string, decrypt bool) parameterOut {
	value := v.value
	if v.kind == kindSecureString && !decrypt {
		value = v.cipher
	}
	return parameterOut{p.name, v.kind, value, v.number, selector, wire.TimeOf(v.modified), s.arn(p.name), v.dataType}
}

type getIn struct {
	Name           string
	WithDecryption bool
}

func (in *getIn) target() wire.Target {
	name, _ := splitSelector(in.Name)
	return wire.Target{Name: name}
}

type getOut struct{ Parameter parameterOut }

func (s *Service) getParameter(_ context.Context, in *getIn) (*getOut, error) {
	if in.Name == "" {
		return nil, wire.Missing("name")
	}
	if !s.gets.Take(s.cfg.Now(), 1) {
		return nil, throttled()
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	p, v, selector, err := s.find(in.Name)
	if err != nil {
		return nil, err
	}
	return &getOut{s.describe(p, v, selector, in.WithDecryption)}, nil
}

const maxNames = 10

type getParametersIn struct {
	Names          []string
	WithDecryption bool
}

type getParametersOut struct {
	Parameters        []parameterOut
	InvalidParameters []string
}

func checkNames(names []string) error {
	if len(names) == 0 || len(names) > maxNames {
		return wire.Invalid("names", len(names), "have length between 1 and 10")
	}
	return nil
}

func (s *Service) getParameters(_ context.Context, in *getParametersIn) (*getParametersOut, error) {
	if err := checkNames(in.Names); err != nil {
		return nil, err
	}
	if !s.gets.Take(s.cfg.Now(), 1) {
		return nil, throttled()
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := &getParametersOut{[]parameterOut{}, []string{}}
	for _, name := range in.Names {
		p, v, selector, err := s.find(name)
		if err != nil {
			out.InvalidParameters = append(out.InvalidParameters, name)
			continue
		}
		out.Parameters = append(out.Parameters, s.describe(p, v, selector, in.WithDecryption))
	}
	return out, nil
}

type filterIn struct {
	Key    string
	Option string
	Values []string
}

type byPathIn struct {
	Path             string
	Recursive        bool
	WithDecryption   bool
	MaxResults       *int
	NextToken        string
	ParameterFilters []filterIn
}

func (in *byPathIn) target() wire.Target { return wire.Target{Name: in.Path} }

type byPathOut struct {
	Parameters []parameterOut
	NextToken  string `json:",omitempty"`
}

// under reports whether name lies below path in the hierarchy: at any depth, or directly.
func under(name, path string, recursive bool) bool {
	rest, ok := strings.CutPrefix(name, strings.TrimSuffix(path, "/")+"/")
	return ok && rest != "" && (recursive || !strings.Contains(rest, "/"))
}

func (s *Service) getParametersByPath(_ context.Context, in *byPathIn) (*byPathOut, error) {
	if !strings.HasPrefix(in.Path, "/") {
		return nil, wire.Errorf("ValidationException", "The parameter path %q must begin with a forward slash.", in.Path)
	}
	limit, err := pageSize(in.MaxResults, 10)
	if err != nil {
		return nil, err
	}
	for _, f := range in.ParameterFilters {
		if f.Key != "Type" && f.Key != "KeyId" && f.Key != "Label" {
			return nil, wire.Errorf("InvalidFilterKey", "Filter key %s is not valid for GetParametersByPath: use Type, KeyId or Label.", f.Key)
		}
	}
	matches, err := compileFilters(in.ParameterFilters)
	if err != nil {
		return nil, err
	}
	if !s.gets.Take(s.cfg.Now(), 1) {
		return nil, throttled()
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	page, next, err := s.page(in.NextToken, limit, func(p *parameter) bool {
		return under(p.name, in.Path, in.Recursive) && matches(p)
	})
	if err != nil {
		return nil, err
	}
	out := &byPathOut{Parameters: []parameterOut{}, NextToken: next}
	for _, p := range page {
		out.Parameters = append(out.Parameters, s.describe(p, p.latest(), "", in.WithDecryption))
	}
	return out, nil
}

func pageSize(asked *int, most int) (int, error) {
	if asked == nil {
		return most, nil
	}
	if *asked < 1 || *asked > most {
		return 0, wire.Invalid("maxResults", *asked, "have value between 1 and "+strconv.Itoa(most))
	}
	return *asked, nil
}

const tokenPrefix = "after:"

// page returns the next parameters by name that match, and the token for what follows them. It needs the lock.
func (s *Service) page(token string, limit int, matches func(*parameter) bool) (page []*parameter, next string, err error) {
	after, ok := strings.CutPrefix(token, tokenPrefix)
	if token != "" && !ok {
		return nil, "", wire.Errorf("InvalidNextToken", "The specified token isn't valid.")
	}
	for _, name := range slices.Sorted(maps.Keys(s.params)) {
		p := s.params[name]
		if name <= after || !matches(p) {
			continue
		}
		if len(page) == limit {
			return page, tokenPrefix + page[limit-1].name, nil
		}
		page = append(page, p)
	}
	return page, "", nil
}

type historyIn struct {
	Name           string
	WithDecryption bool
	MaxResults     *int
	NextToken      string
}

func (in *historyIn) target() wire.Target { return wire.Target{Name: in.Name} }

type historyOut struct {
	Parameters []historyEntry
	NextToken  string `json:",omitempty"`
}

type historyEntry struct {
	Name             string
	Type             string
	KeyId            string `json:",omitempty"`
	LastModifiedDate wire.Time
	LastModifiedUser string
	Description      string `json:",omitempty"`
	Value            string
	AllowedPattern   string `json:",omitempty"`
	Version          int64
	Labels           []string
	Tier             string
	Policies         []struct{}
	DataType         string
}

func (s *Service) getParameterHistory(_ context.Context, in *historyIn) (*historyOut, error) {
	limit, err := pageSize(in.MaxResults, 50)
	if err != nil {
		return nil, err
	}
	after := int64(0)
	if in.NextToken != "" {
		if after, err = strconv.ParseInt(strings.TrimPrefix(in.NextToken, tokenPrefix), 10, 64); err != nil {
			return nil, wire.Errorf("InvalidNextToken", "The specified token isn't valid.")
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	p := s.params[s.resolve(in.Name)]
	if p == nil {
		return nil, wire.Errorf("ParameterNotFound", "Parameter %s not found.", in.Name)
	}
	out := &historyOut{Parameters: []historyEntry{}}
	for _, v := range p.versions {
		if v.number <= after {
			continue
		}
		if len(out.Parameters) == limit {
			out.NextToken = tokenPrefix + strconv.FormatInt(out.Parameters[limit-1].Version, 10)
			break
		}
		out.Parameters = append(out.Parameters, historyEntry{
			Name: p.name, Type: v.kind, KeyId: v.keyID, LastModifiedDate: wire.TimeOf(v.modified),
			LastModifiedUser: "arn:aws:iam::" + s.cfg.Account + ":user/local", Description: v.description,
			Value: s.describe(p, v, "", in.WithDecryption).Value, AllowedPattern: v.allowedPattern, Version: v.number,
			Labels: append([]string{}, v.labels...), Tier: v.tier, Policies: []struct{}{}, DataType: v.dataType,
		})
	}
	return out, nil
}
