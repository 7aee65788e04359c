package fleet

import (
	"context"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// readersQuery finds all runs of the readers of all shards.
var readersQuery = fmt.Sprintf("WorkflowType = '%s' AND %s = '%s'", workflows.ShardReaderName, visibility.Pipeline.GetName(), Pipeline)

// Gaps reads back from Temporal where the readers of shards have reported that records
// may be missing, in words.
func (f *Fleet) Gaps(ctx context.Context) ([]string, error) {
	runs, err := f.list(ctx, readersQuery)
	if err != nil {
		return nil, fmt.Errorf("list readers: %w", err)
	}
	var gaps []string
	for _, run := range runs {
		found, err := f.gapsOf(ctx, run)
		if err != nil {
			return nil, fmt.Errorf("read the history of %s: %w", run.GetExecution().GetWorkflowId(), err)
		}
		gaps = append(gaps, found...)
	}
	return gaps, nil
}

// gapsOf looks at what the activities of a reader have answered.
func (f *Fleet) gapsOf(ctx context.Context, run *workflowpb.WorkflowExecutionInfo) ([]string, error) {
	id := run.GetExecution().GetWorkflowId()
	var gaps []string
	activities := map[int64]string{} // by the event that scheduled them
	history := f.Client.GetWorkflowHistory(ctx, id, run.GetExecution().GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		if err != nil {
			return nil, err
		}
		if scheduled := event.GetActivityTaskScheduledEventAttributes(); scheduled != nil {
			activities[event.GetEventId()] = scheduled.GetActivityType().GetName()
		}
		completed := event.GetActivityTaskCompletedEventAttributes()
		if completed == nil {
			continue
		}
		switch activities[completed.GetScheduledEventId()] {
		case workflows.PollShardName:
			var result workflows.PollShardResult
			if err := converter.GetDefaultDataConverter().FromPayloads(completed.GetResult(), &result); err != nil {
				return nil, err
			}
			if g := result.Gap; g != nil {
				gaps = append(gaps, fmt.Sprintf("%s: gap of kind %s after %s, arrived from %s to %s", id, g.Kind, g.After, g.From, g.To))
			}
		case workflows.ResolveStartName:
			var result workflows.ResolveStartResult
			if err := converter.GetDefaultDataConverter().FromPayloads(completed.GetResult(), &result); err != nil {
				return nil, err
			}
			if result.Gone {
				gaps = append(gaps, id+": Kinesis does not have the shard any more")
			}
		}
	}
	return gaps, nil
}

// Workflows lists the runs of all workflows, by Temporal's visibility, which is a little
// behind.
func (f *Fleet) Workflows(ctx context.Context) ([]*workflowpb.WorkflowExecutionInfo, error) {
	runs, err := f.list(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("list workflows: %w", err)
	}
	return runs, nil
}

// list lists workflows, page by page.
func (f *Fleet) list(ctx context.Context, query string) ([]*workflowpb.WorkflowExecutionInfo, error) {
	var found []*workflowpb.WorkflowExecutionInfo
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 1000}
	for {
		page, err := f.Client.ListWorkflow(ctx, request)
		if err != nil {
			return nil, err
		}
		found = append(found, page.GetExecutions()...)
		if len(page.GetNextPageToken()) == 0 {
			return found, nil
		}
		request.NextPageToken = page.GetNextPageToken()
	}
}
