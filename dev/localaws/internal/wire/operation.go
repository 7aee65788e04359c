package wire

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Target is what a request is about, as far as fault rules match on it. Fields that do not apply are empty.
type Target struct {
	Stream string // Kinesis stream name
	Shard  string // Kinesis shard id, where the request names one
	Name   string // parameter name or log group
}

// Operation is one call of a service's API.
type Operation struct {
	Name   string
	New    func() any
	Do     func(ctx context.Context, in any) (any, error)
	Target func(in any) Target // nil where nothing is matched but service and operation
}

// Op declares an operation from a function over its request and response structs. target may be nil.
func Op[In, Out any](name string, target func(*In) Target, do func(context.Context, *In) (*Out, error)) Operation {
	op := Operation{
		Name: name,
		New:  func() any { return new(In) },
		Do: func(ctx context.Context, in any) (any, error) {
			out, err := do(ctx, in.(*In))
			if err != nil {
				return nil, err
			}
			return out, nil
		},
	}
	if target != nil {
		op.Target = func(in any) Target { return target(in.(*In)) }
	}
	return op
}

// Empty is the response of operations that answer with no members.
type Empty struct{}

// Streamer is a response that writes itself, event by event, until the client goes or it has nothing left.
type Streamer interface {
	Stream(w http.ResponseWriter, r *http.Request, c Codec)
}

// Table holds a service's operations by name.
type Table map[string]Operation

// NewTable builds a Table and panics on a name given twice, which is a programming error.
func NewTable(ops ...Operation) Table {
	t := make(Table, len(ops))
	for _, op := range ops {
		if _, ok := t[op.Name]; ok {
			panic("operation declared twice: " + op.Name)
		}
		t[op.Name] = op
	}
	return t
}

// Names lists the operations, sorted, for error messages.
func (t Table) Names() string {
	return strings.Join(slices.Sorted(maps.Keys(t)), ", ")
}
