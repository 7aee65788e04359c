package ssm

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

const maxLabels = 10

var validLabel = regexp.MustCompile(`^[a-zA-Z_.\-][a-zA-Z0-9_.\-]{0,99}$`)

func labelAllowed(label string) bool {
	lower := strings.ToLower(label)
	return validLabel.MatchString(label) && !strings.HasPrefix(lower, "aws") && !strings.HasPrefix(lower, "ssm")
}

type labelIn struct {
	Name             string
	ParameterVersion *int64
	Labels           []string
}

func (in *labelIn) target() wire.Target { return wire.Target{Name: in.Name} }

type labelOut struct {
	InvalidLabels    []string
	ParameterVersion int64
}

// labelVersion finds the version a label request is about, with the lock held.
func (s *Service) labelVersion(in *labelIn) (*parameter, *version, error) {
	if len(in.Labels) == 0 || len(in.Labels) > maxLabels {
		return nil, nil, wire.Invalid("labels", len(in.Labels), "have length between 1 and 10")
	}
	p := s.params[s.resolve(in.Name)]
	if p == nil {
		return nil, nil, wire.Errorf("ParameterNotFound", "Parameter %s not found.", in.Name)
	}
	if in.ParameterVersion == nil {
		return p, p.latest(), nil
	}
	v := p.numbered(*in.ParameterVersion)
	if v == nil {
		return nil, nil, wire.Errorf("ParameterVersionNotFound", "Systems Manager could not find version %d of %s. Verify the version and try again.", *in.ParameterVersion, in.Name)
	}
	return p, v, nil
}

func (s *Service) labelParameterVersion(_ context.Context, in *labelIn) (*labelOut, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, v, err := s.labelVersion(in)
	if err != nil {
		return nil, err
	}
	out := &labelOut{InvalidLabels: []string{}, ParameterVersion: v.number}
	labels := slices.Clone(v.labels)
	var added []string
	for _, l := range in.Labels {
		switch {
		case !labelAllowed(l):
			out.InvalidLabels = append(out.InvalidLabels, l)
		case !slices.Contains(labels, l):
			labels, added = append(labels, l), append(added, l)
		}
	}
	if len(labels) > maxLabels {
		return nil, wire.Errorf("ParameterVersionLabelLimitExceeded", "A parameter version can have at most %d labels.", maxLabels)
	}
	for _, other := range p.versions { // a label is on one version of a parameter only
		other.labels = slices.DeleteFunc(other.labels, func(l string) bool { return slices.Contains(added, l) })
	}
	v.labels = labels
	return out, nil
}

type unlabelOut struct {
	InvalidLabels []string
	RemovedLabels []string
}

func (s *Service) unlabelParameterVersion(_ context.Context, in *labelIn) (*unlabelOut, error) {
	if in.ParameterVersion == nil {
		return nil, wire.Missing("parameterVersion")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, v, err := s.labelVersion(in)
	if err != nil {
		return nil, err
	}
	out := &unlabelOut{[]string{}, []string{}}
	for _, l := range in.Labels {
		i := slices.Index(v.labels, l)
		if i < 0 {
			out.InvalidLabels = append(out.InvalidLabels, l)
			continue
		}
		v.labels = slices.Delete(v.labels, i, i+1)
		out.RemovedLabels = append(out.RemovedLabels, l)
	}
	return out, nil
}
