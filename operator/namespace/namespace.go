// Package namespace prepares a Temporal namespace for pipelines: it registers the search
// attributes by which their workflows are found.
package namespace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
)

// Namespaces is the part of Temporal's workflow service that Setup needs;
// client.Client.WorkflowService has it.
type Namespaces interface {
	DescribeNamespace(context.Context, *workflowservice.DescribeNamespaceRequest, ...grpc.CallOption) (*workflowservice.DescribeNamespaceResponse, error)
	RegisterNamespace(context.Context, *workflowservice.RegisterNamespaceRequest, ...grpc.CallOption) (*workflowservice.RegisterNamespaceResponse, error)
}

// Setup prepares one namespace. Running it again, or twice at once, is fine.
type Setup struct {
	Name       string
	Namespaces Namespaces
	Operator   visibility.Operator
	// Retention is that of a namespace that is made.
	Retention time.Duration
	// Patience is how long it may take until what was registered is seen: Temporal's
	// frontends look for changes of namespaces every few seconds.
	Patience time.Duration
}

// ErrNoNamespace is wrapped where the namespace does not exist.
var ErrNoNamespace = errors.New("no such namespace")

// State of a search attribute.
type State string

// The states.
const (
	Present    State = "present"    // it was there
	Missing    State = "missing"    // it is not there
	Registered State = "registered" // it is there now
	Mistyped   State = "mistyped"   // it is there with another type
)

// Attribute is one search attribute.
type Attribute struct {
	Name string
	Type enumspb.IndexedValueType
	// Has is the type that a mistyped one has.
	Has   enumspb.IndexedValueType
	State State
}

// Plan is what is to be done.
type Plan struct {
	// Create the namespace first.
	Create bool
	// Attributes are all that a pipeline needs, in the order of their names.
	Attributes []Attribute
}

// Missing are the attributes that are to be registered, with their types.
func (p Plan) Missing() map[string]enumspb.IndexedValueType {
	missing := map[string]enumspb.IndexedValueType{}
	for _, a := range p.Attributes {
		if a.State == Missing {
			missing[a.Name] = a.Type
		}
	}
	return missing
}

// Mistyped reports whether an attribute is there with another type. Nobody can change
// that but by removing it.
func (p Plan) Mistyped() bool {
	return slices.ContainsFunc(p.Attributes, func(a Attribute) bool { return a.State == Mistyped })
}

// Plan looks at the namespace and changes nothing. Errors wrap ErrNoNamespace where it is
// not there and is not to be made.
func (s Setup) Plan(ctx context.Context, create bool) (Plan, error) {
	_, err := s.Namespaces.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: s.Name})
	switch {
	case missing(err) && create:
		return Plan{Create: true, Attributes: attributes(visibility.Comparison{Missing: visibility.Types()})}, nil
	case missing(err):
		return Plan{}, fmt.Errorf("namespace %q: %w", s.Name, ErrNoNamespace)
	case err != nil:
		return Plan{}, fmt.Errorf("describe namespace %q: %w", s.Name, err)
	}
	compared, err := visibility.Compare(ctx, s.Operator, s.Name)
	if err != nil {
		return Plan{}, err
	}
	return Plan{Attributes: attributes(compared)}, nil
}

func missing(err error) bool {
	_, ofNamespace := errors.AsType[*serviceerror.NamespaceNotFound](err)
	_, ofAnything := errors.AsType[*serviceerror.NotFound](err)
	return ofNamespace || ofAnything
}

func attributes(compared visibility.Comparison) []Attribute {
	var all []Attribute
	types := visibility.Types()
	for _, name := range slices.Sorted(maps.Keys(types)) {
		a := Attribute{Name: name, Type: types[name], State: Present}
		if _, ok := compared.Missing[name]; ok {
			a.State = Missing
		}
		if has, ok := compared.Mistyped[name]; ok {
			a.State, a.Has = Mistyped, has
		}
		all = append(all, a)
	}
	return all
}

// pause between two looks for something that was asked for a moment ago.
const pause = 500 * time.Millisecond

// Create makes the namespace. One that somebody else has made meanwhile is fine.
func (s Setup) Create(ctx context.Context) error {
	_, err := s.Namespaces.RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace: s.Name, WorkflowExecutionRetentionPeriod: durationpb.New(s.Retention),
		Description: "log event pipelines",
	})
	if _, exists := errors.AsType[*serviceerror.NamespaceAlreadyExists](err); err != nil && !exists {
		return fmt.Errorf("create namespace %q: %w", s.Name, err)
	}
	return nil
}

// Register registers what the plan calls missing, and waits until the namespace has it. A
// namespace that was just made is not known to all of Temporal at once.
func (s Setup) Register(ctx context.Context, plan Plan) error {
	missingOnes := plan.Missing()
	if len(missingOnes) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.Patience, fmt.Errorf("not taken notice of within %s", s.Patience))
	defer cancel()
	for {
		err := visibility.Register(ctx, s.Operator, s.Name, missingOnes)
		if err == nil {
			break
		}
		if !plan.Create || !missing(err) {
			return err
		}
		if waitErr := wait(ctx); waitErr != nil {
			return fmt.Errorf("%w; %w: run it again", err, waitErr)
		}
	}
	for {
		compared, err := visibility.Compare(ctx, s.Operator, s.Name)
		if err == nil && len(compared.Missing) == 0 {
			return compared.Fault(s.Name)
		}
		if waitErr := wait(ctx); waitErr != nil {
			return fmt.Errorf("the search attributes are registered, but not to be seen yet: %w: run it again", waitErr)
		}
	}
}

func wait(ctx context.Context) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
