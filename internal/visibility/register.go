package visibility

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc"
)

// Operator is the part of Temporal's operator service that Compare and Register need;
// client.Client.OperatorService has it.
type Operator interface {
	ListSearchAttributes(context.Context, *operatorservice.ListSearchAttributesRequest, ...grpc.CallOption) (*operatorservice.ListSearchAttributesResponse, error)
	AddSearchAttributes(context.Context, *operatorservice.AddSearchAttributesRequest, ...grpc.CallOption) (*operatorservice.AddSearchAttributesResponse, error)
}

// Comparison is how the search attributes of a namespace differ from those of [Types].
type Comparison struct {
	// Missing are those that the namespace lacks, with the types that they should have.
	Missing map[string]enumspb.IndexedValueType
	// Mistyped are those that it has with the types that they should not have.
	Mistyped map[string]enumspb.IndexedValueType
}

// Compare looks at what the namespace has, and changes nothing.
func Compare(ctx context.Context, operator Operator, namespace string) (Comparison, error) {
	have, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return Comparison{}, fmt.Errorf("list the search attributes of namespace %q: %w", namespace, err)
	}
	c := Comparison{Missing: map[string]enumspb.IndexedValueType{}, Mistyped: map[string]enumspb.IndexedValueType{}}
	for name, want := range Types() {
		got, ok := have.GetCustomAttributes()[name]
		switch {
		case !ok:
			c.Missing[name] = want
		case got != want:
			c.Mistyped[name] = got
		}
	}
	return c, nil
}

// Fault is what is wrong with the types, or nil.
func (c Comparison) Fault(namespace string) error {
	var faults []error
	types := Types()
	for _, name := range slices.Sorted(maps.Keys(c.Mistyped)) {
		faults = append(faults, fmt.Errorf("search attribute %s of namespace %q has type %s, want %s: remove it there or use another namespace",
			name, namespace, c.Mistyped[name], types[name]))
	}
	return errors.Join(faults...)
}

// Ensure registers the search attributes that the namespace lacks. Doing so
// twice, or from several processes at once, is fine. An error names the
// attributes and the command that an administrator can run instead.
func Ensure(ctx context.Context, operator Operator, namespace string) error {
	missing, err := lacking(ctx, operator, namespace)
	if err != nil || len(missing) == 0 {
		return err
	}
	if err := Register(ctx, operator, namespace, missing); err != nil {
		return fmt.Errorf("%w; an administrator can, by `logpipe setup` or: %s; in Temporal Cloud: %s",
			err, Command(namespace, missing), CloudCommand(namespace, missing))
	}
	return nil
}

// Register registers search attributes that the namespace lacks. What somebody else has
// registered meanwhile is fine.
func Register(ctx context.Context, operator Operator, namespace string, missing map[string]enumspb.IndexedValueType) error {
	_, err := operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: missing})
	if _, exists := errors.AsType[*serviceerror.AlreadyExists](err); exists {
		// Somebody else has been registering them meanwhile. A server that refuses one
		// has taken none of ours, so what counts is what is there now.
		var still map[string]enumspb.IndexedValueType
		if still, err = lacking(ctx, operator, namespace); err != nil || len(still) == 0 {
			return err
		}
		_, err = operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: still})
	}
	if err != nil {
		return fmt.Errorf("register search attributes in namespace %q: %w", namespace, err)
	}
	return nil
}

// lacking returns the search attributes that the namespace does not have.
func lacking(ctx context.Context, operator Operator, namespace string) (map[string]enumspb.IndexedValueType, error) {
	c, err := Compare(ctx, operator, namespace)
	if err != nil {
		return nil, err
	}
	return c.Missing, c.Fault(namespace)
}

// Command is the Temporal CLI command that registers the attributes with a Temporal
// service of one's own.
func Command(namespace string, attributes map[string]enumspb.IndexedValueType) string {
	return command("temporal operator search-attribute create --namespace "+namespace, attributes, "--name %s --type %s")
}

// CloudCommand is the command that registers them in Temporal Cloud, where the Temporal
// CLI and SDKs cannot.
func CloudCommand(namespace string, attributes map[string]enumspb.IndexedValueType) string {
	return command("tcld namespace search-attributes add --namespace "+namespace, attributes, "--search-attribute %s=%s")
}

// command has a flag, or two, for each attribute.
func command(begin string, attributes map[string]enumspb.IndexedValueType, flag string) string {
	words := []string{begin}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		words = append(words, fmt.Sprintf(flag, name, attributes[name]))
	}
	return strings.Join(words, " ")
}
