// Package visibility names the search attributes by which the pipeline's
// workflows are found in the Temporal Web UI and CLI, and registers them where a
// namespace lacks them.
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
	"go.temporal.io/sdk/temporal"
	"google.golang.org/grpc"
)

// The search attributes. Temporal on SQL has room for only three Int attributes
// in a namespace, which Events, Bytes and Attempts fill; so the HTTP status is a
// Keyword, like the words it is queried with.
var (
	// Pipeline is the name of the pipeline, on all its workflows.
	Pipeline = temporal.NewSearchAttributeKeyKeyword("LogpipePipeline")
	// Shard is the short id of the shard, on ShardReader and FlushWindow.
	Shard = temporal.NewSearchAttributeKeyKeyword("LogpipeShard")
	// Status is one of the Status… constants, on FlushWindow and ShardReader.
	Status = temporal.NewSearchAttributeKeyKeyword("LogpipeStatus")
	// Events is the number of events that the window holds for the destination.
	Events = temporal.NewSearchAttributeKeyInt64("LogpipeEvents")
	// Bytes is the size of the window's formatted batches.
	Bytes = temporal.NewSearchAttributeKeyInt64("LogpipeBytes")
	// Attempts is the number of requests made to the destination for the window.
	Attempts = temporal.NewSearchAttributeKeyInt64("LogpipeAttempts")
	// HTTPStatus is the destination's last answer to the window.
	HTTPStatus = temporal.NewSearchAttributeKeyKeyword("LogpipeHTTPStatus")
	// FirstArrival is when Kinesis took in the window's first record.
	FirstArrival = temporal.NewSearchAttributeKeyTime("LogpipeFirstArrival")
)

// The values of the Status attribute on ShardReader.
const (
	StatusReading = "reading" // or waiting for a starter to read it
	StatusGap     = "gap"     // stopped at a gap: waits for skip-gap
)

// The values of the Status attribute on FlushWindow.
const (
	StatusFormatting = "formatting" // the staged records are being made into batches
	StatusDelivering = "delivering" // batches are on their way to the destination
	StatusRetrying   = "retrying"   // the stage, the token or the destination is away: tried again by itself
	StatusParked     = "parked"     // refused for good: waits for redrive or discard
	StatusDelivered  = "delivered"  // the destination has accepted every batch
	StatusDiscarded  = "discarded"  // an operator gave up what was parked
)

// Types lists the search attributes with their types.
func Types() map[string]enumspb.IndexedValueType {
	types := map[string]enumspb.IndexedValueType{}
	for _, key := range []temporal.SearchAttributeKey{Pipeline, Shard, Status, Events, Bytes, Attempts, HTTPStatus, FirstArrival} {
		types[key.GetName()] = key.GetValueType()
	}
	return types
}

// Columns are the attributes that tell a flush at a glance, in the order in
// which a list of workflows shows them best.
func Columns() []string {
	return []string{
		Shard.GetName(), Status.GetName(), Events.GetName(), Bytes.GetName(),
		Attempts.GetName(), HTTPStatus.GetName(), FirstArrival.GetName(),
	}
}

// Operator is the part of Temporal's operator service that Ensure needs;
// client.Client.OperatorService has it.
type Operator interface {
	ListSearchAttributes(context.Context, *operatorservice.ListSearchAttributesRequest, ...grpc.CallOption) (*operatorservice.ListSearchAttributesResponse, error)
	AddSearchAttributes(context.Context, *operatorservice.AddSearchAttributesRequest, ...grpc.CallOption) (*operatorservice.AddSearchAttributesResponse, error)
}

// Ensure registers the search attributes that the namespace lacks. Doing so
// twice, or from several processes at once, is fine. An error names the
// attributes and the command that an administrator can run instead.
func Ensure(ctx context.Context, operator Operator, namespace string) error {
	missing, err := lacking(ctx, operator, namespace)
	if err != nil || len(missing) == 0 {
		return err
	}
	_, err = operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: missing})
	if _, exists := errors.AsType[*serviceerror.AlreadyExists](err); exists {
		// Somebody else has been registering them meanwhile. A server that refuses one
		// has taken none of ours, so what counts is what is there now.
		var still map[string]enumspb.IndexedValueType
		if still, err = lacking(ctx, operator, namespace); err != nil || len(still) == 0 {
			return err
		}
		missing = still
		_, err = operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: missing})
	}
	if err != nil {
		return fmt.Errorf("register search attributes in namespace %q (an administrator can: %s): %w", namespace, Command(namespace, missing), err)
	}
	return nil
}

// lacking returns the search attributes that the namespace does not have.
func lacking(ctx context.Context, operator Operator, namespace string) (map[string]enumspb.IndexedValueType, error) {
	have, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return nil, fmt.Errorf("list the search attributes of namespace %q: %w", namespace, err)
	}
	missing := map[string]enumspb.IndexedValueType{}
	types := Types()
	for _, name := range slices.Sorted(maps.Keys(types)) {
		want := types[name]
		got, ok := have.GetCustomAttributes()[name]
		switch {
		case !ok:
			missing[name] = want
		case got != want:
			return nil, fmt.Errorf("search attribute %s of namespace %q has type %s, want %s: remove it there or use another namespace", name, namespace, got, want)
		}
	}
	return missing, nil
}

// Command is the Temporal CLI command that registers the attributes.
func Command(namespace string, attributes map[string]enumspb.IndexedValueType) string {
	var flags []string
	for name, kind := range attributes {
		flags = append(flags, fmt.Sprintf("--name %s --type %s", name, kind))
	}
	slices.Sort(flags)
	return fmt.Sprintf("temporal operator search-attribute create --namespace %s %s", namespace, strings.Join(flags, " "))
}
