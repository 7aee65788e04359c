package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

// leasesPerRun bounds the history of one run of a ShardReader: a lease is a few
// events, so a run stays far below Temporal's limit of 51,200.
const leasesPerRun = 200

// ShardReaderInput is one shard and what is known about it.
type ShardReaderInput struct {
	Pipeline string `json:"pipeline"`
	Stream   string `json:"stream"`
	ShardID  string `json:"shardId"`
	// Position is where reading begins if no start was resolved yet: TRIM_HORIZON,
	// LATEST or a time in RFC 3339.
	Position string      `json:"position"`
	Poll     PollOptions `json:"poll"`

	// Start and Checkpoint are what an earlier run has found and reached.
	Start      *ChainStart           `json:"chainStart,omitempty"`
	Checkpoint window.SequenceNumber `json:"checkpoint,omitempty"`
	Windows    int                   `json:"windows,omitempty"`
	Records    int                   `json:"records,omitempty"`
}

// ShardDrained is what a ShardReader tells its StreamReader at the end.
type ShardDrained struct {
	ShardID string `json:"shardId"`
}

// ShardReader has one shard polled, lease after lease, until it is closed and
// read to its end. Temporal hands each lease to some starter process; the
// checkpoint between two leases lives here.
func ShardReader(ctx workflow.Context, in ShardReaderInput) error {
	if in.Start == nil {
		// Recorded before the first poll: two pollers must never begin two chains.
		var start ChainStart
		err := workflow.ExecuteActivity(listShardsOptions(ctx, in.Pipeline), ResolveStartName,
			ResolveStartInput{Stream: in.Stream, ShardID: in.ShardID, Position: in.Position}).Get(ctx, &start)
		if err != nil {
			return err
		}
		in.Start = &start
	}
	for range leasesPerRun {
		describeReader(ctx, in, "")
		var lease PollShardResult
		summary := "from the start of the chain"
		if in.Checkpoint != "" {
			summary = "from " + in.Checkpoint.Short()
		}
		err := workflow.ExecuteActivity(pollShardOptions(ctx, in.Pipeline, summary, in.Poll), PollShardName, PollShardInput{
			Pipeline: in.Pipeline, Stream: in.Stream, ShardID: in.ShardID, Start: *in.Start, Checkpoint: in.Checkpoint,
		}).Get(ctx, &lease)
		if err != nil {
			return err
		}
		in.Checkpoint = lease.Checkpoint
		in.Windows += lease.Windows
		in.Records += lease.Records
		in.Poll = lease.Options
		if lease.Drained {
			describeReader(ctx, in, "drained")
			return reportDrained(ctx, in)
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			break
		}
	}
	return workflow.NewContinueAsNewError(ctx, ShardReaderName, in)
}

// reportDrained tells the StreamReader, which then starts the readers of the
// children. A StreamReader that is gone does not matter: the next one asks Temporal
// how the readers are that were started before it.
func reportDrained(ctx workflow.Context, in ShardReaderInput) error {
	err := workflow.SignalExternalWorkflow(ctx, window.StreamReaderID(in.Pipeline), "", SignalShardDrained, ShardDrained{ShardID: in.ShardID}).Get(ctx, nil)
	if _, gone := errors.AsType[*temporal.UnknownExternalWorkflowExecutionError](err); gone {
		workflow.GetLogger(ctx).Warn("no stream reader to tell that the shard is drained", "shard", in.ShardID)
		return nil
	}
	return err
}

func describeReader(ctx workflow.Context, in ShardReaderInput, end string) {
	details := fmt.Sprintf("%d windows, %d records", in.Windows, in.Records)
	if in.Checkpoint != "" {
		details += fmt.Sprintf(", the last one ends at `%s`", in.Checkpoint)
	}
	if end != "" {
		details += ", " + end
	}
	workflow.SetCurrentDetails(ctx, details)
}
