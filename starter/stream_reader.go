package starter

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/pausing"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// ensureStreamReader starts the pipeline's StreamReader where it does not run, and
// refuses one that reads another stream.
func (s *Starter) ensureStreamReader(ctx context.Context) error {
	remembered, err := s.refuseForgotten(ctx)
	if err != nil {
		return err
	}
	position := s.config.StartPosition
	if remembered {
		// Should it not run, it is not the first one of the pipeline.
		position = othersBeginAt(position)
	}
	id := window.StreamReaderID(s.config.Pipeline)
	last, err := findStreamReader(ctx, s.temporal, s.config.Pipeline)
	if err != nil {
		return err
	}
	if err := startStreamReader(ctx, s.temporal, s.config, position, nil, last); err != nil {
		return err
	}
	described, err := s.temporal.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return fmt.Errorf("describe workflow %s: %w", id, err)
	}
	var reads string
	payload := described.GetWorkflowExecutionInfo().GetMemo().GetFields()[workflows.MemoStream]
	if err := converter.GetDefaultDataConverter().FromPayload(payload, &reads); err != nil {
		return fmt.Errorf("read the memo %s of workflow %s: %w", workflows.MemoStream, id, err)
	}
	if reads != s.config.Stream {
		return fmt.Errorf("pipeline %s reads stream %s, LOGPIPE_STREAM is %s: set it to the same text, or LOGPIPE_PIPELINE to a new name", s.config.Pipeline, reads, s.config.Stream)
	}
	return nil
}

// readerInterval is how often a starter looks whether the StreamReader still runs.
const readerInterval = time.Minute

// keepStreamReader starts the StreamReader again should somebody have terminated it: new
// shards would not be read, and nobody would notice.
func (s *Starter) keepStreamReader(ctx context.Context) {
	ticker := time.NewTicker(readerInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if err := s.ensureStreamReader(ctx); err != nil && ctx.Err() == nil {
				s.logger.Error("the pipeline's StreamReader cannot be started", "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// refuseForgotten refuses to begin a pipeline anew that the stage remembers and
// Temporal does not: a start position of LATEST would leave out, in silence, what
// arrived since its database was lost, and nobody would look after the windows that
// are still staged. It reports whether the stage remembers anything.
func (s *Starter) refuseForgotten(ctx context.Context) (remembered bool, err error) {
	// The markers come first. They are written only while there is a StreamReader, so
	// whoever sees those of another starter's pollers sees that workflow, too.
	remembered, err = s.markers.Any(ctx)
	if err != nil || !remembered {
		return false, err
	}
	known, err := findStreamReader(ctx, s.temporal, s.config.Pipeline)
	if err != nil || known != nil {
		return true, err
	}
	return true, fmt.Errorf("the stage remembers how far pipeline %[1]s was read, and Temporal does not know workflow %[2]s: its database was lost, or TEMPORAL_ADDRESS or TEMPORAL_NAMESPACE names another one; run logpipe recover, or, to begin anew at LOGPIPE_START_POSITION, delete %[1]s/marker/ from the stage",
		s.config.Pipeline, window.StreamReaderID(s.config.Pipeline))
}

// findStreamReader returns what Temporal knows of the pipeline's StreamReader, open or
// closed, and nil where it knows none.
func findStreamReader(ctx context.Context, c client.Client, pipeline string) (*workflowpb.WorkflowExecutionInfo, error) {
	id := window.StreamReaderID(pipeline)
	described, err := c.DescribeWorkflowExecution(ctx, id, "")
	if _, unknown := errors.AsType[*serviceerror.NotFound](err); unknown {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describe workflow %s: %w", id, err)
	}
	return described.GetWorkflowExecutionInfo(), nil
}

// startStreamReader starts the pipeline's StreamReader where it does not run. It knows
// of the shards that were being read, beside those that Kinesis lists. What was paused
// stays so though the last one, which Temporal may know, was terminated.
func startStreamReader(ctx context.Context, c client.Client, cfg config.Config, position config.StartPosition, begun []workflows.KnownShard, last *workflowpb.WorkflowExecutionInfo) error {
	id := window.StreamReaderID(cfg.Pipeline)
	in := workflows.StreamReaderInput{
		Pipeline: cfg.Pipeline, Stream: cfg.Stream,
		Position: position.String(), Poll: pollOptions(cfg), Shards: begun,
	}
	memo := map[string]any{workflows.MemoStream: cfg.Stream}
	for what, paused := range map[pausing.What]**pausing.Pause{pausing.Reading: &in.PausedReading, pausing.Delivery: &in.PausedDelivery} {
		var err error
		if *paused, err = pausing.Of(last.GetMemo(), what); err != nil {
			return fmt.Errorf("workflow %s: %w", id, err)
		}
		if *paused != nil {
			memo[what.Memo()] = *paused
		}
	}
	_, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       id,
		TaskQueue:                window.WorkerQueue(cfg.Pipeline),
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		Memo:                     memo,
		StaticSummary:            "reads " + cfg.Stream,
		TypedSearchAttributes:    temporal.NewSearchAttributes(visibility.Pipeline.ValueSet(cfg.Pipeline)),
	}, workflows.StreamReaderName, in)
	if err != nil {
		return fmt.Errorf("start workflow %s: %w", id, err)
	}
	return nil
}

// pollOptions are the settings that the workflows around PollShard need.
func pollOptions(cfg config.Config) workflows.PollOptions {
	return workflows.PollOptions{
		HeartbeatTimeout: cfg.HeartbeatTimeout,
		Lease:            cfg.PollLease,
		WindowMaxAge:     cfg.WindowMaxAge,
		OnGap:            workflows.GapPolicy(cfg.OnGap),
	}
}
