package ssm

import (
	"context"

	"github.com/log-event-pipeline/logpipe/dev/localaws/internal/wire"
)

type nameIn struct{ Name string }

func (in *nameIn) target() wire.Target { return wire.Target{Name: in.Name} }

func (s *Service) deleteParameter(_ context.Context, in *nameIn) (*wire.Empty, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := s.resolve(in.Name)
	if s.params[name] == nil {
		return nil, wire.Errorf("ParameterNotFound", "Parameter %s not found.", in.Name)
	}
	delete(s.params, name)
	return &wire.Empty{}, nil
}

type deleteParametersIn struct{ Names []string }

type deleteParametersOut struct {
	DeletedParameters []string
	InvalidParameters []string
}

func (s *Service) deleteParameters(_ context.Context, in *deleteParametersIn) (*deleteParametersOut, error) {
	if err := checkNames(in.Names); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &deleteParametersOut{[]string{}, []string{}}
	for _, ref := range in.Names {
		name := s.resolve(ref)
		if s.params[name] == nil {
			out.InvalidParameters = append(out.InvalidParameters, ref)
			continue
		}
		delete(s.params, name)
		out.DeletedParameters = append(out.DeletedParameters, ref)
	}
	return out, nil
}
