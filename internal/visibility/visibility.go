// Package visibility names the search attributes by which the pipeline's
// workflows are found in the Temporal Web UI and CLI, and registers them where a
// namespace lacks them.
package visibility

import (
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
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
	// Quarantined is how many pieces of a window that has ended could not be read; only on
	// those that have some. A Keyword for the same reason.
	Quarantined = temporal.NewSearchAttributeKeyKeyword("LogpipeQuarantined")
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
	StatusPaused     = "paused"     // an operator has paused delivery: waits for the end of that
	StatusParked     = "parked"     // refused for good: waits for redrive or discard
	StatusDelivered  = "delivered"  // the destination has accepted every batch
	StatusDiscarded  = "discarded"  // an operator gave up what was parked
)

// Types lists the search attributes with their types.
func Types() map[string]enumspb.IndexedValueType {
	types := map[string]enumspb.IndexedValueType{}
	for _, key := range []temporal.SearchAttributeKey{Pipeline, Shard, Status, Events, Bytes, Attempts, HTTPStatus, Quarantined, FirstArrival} {
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
