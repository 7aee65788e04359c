package starter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// longestWindow is the longest time between the arrivals of the first and of the last
// record of a window: the highest window_max_age.
const longestWindow = time.Hour

// findRanges finds the windows of the chain that begin in the range, from those that are
// not done. The key of a batch is made of where its window begins and of its text, so who
// wants the same keys has to cut where the chain did, and that only Temporal knows, for as
// long as it remembers the windows.
func (r *refill) findRanges(ctx context.Context) error {
	const exact = "2006-01-02T15:04:05.999999999Z07:00"
	query := fmt.Sprintf("WorkflowType = '%s' AND %s = '%s' AND %s = '%s' AND %s >= '%s' AND %s < '%s'",
		workflows.FlushWindowName, visibility.Pipeline.GetName(), r.Pipeline, visibility.Shard.GetName(), window.ShortShard(r.progress.ShardID),
		visibility.FirstArrival.GetName(), r.in.From.Add(-longestWindow).UTC().Format(exact), visibility.FirstArrival.GetName(), r.in.To.UTC().Format(exact))
	in := &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 500}
	prefix := r.Pipeline + "/flush/" + window.ShortShard(r.progress.ShardID) + "/"
	found := map[window.SequenceNumber]window.Range{}
	for {
		page, err := r.Temporal.ListWorkflow(ctx, in)
		if err != nil {
			return temporal.NewApplicationError(fmt.Sprintf("list the windows of the range: %v", err), ErrorWindowStart)
		}
		for _, info := range page.GetExecutions() {
			short, live := strings.CutPrefix(info.GetExecution().GetWorkflowId(), prefix)
			if !live { // of a backfill, or a retry
				continue
			}
			first, err := window.ParseShort(short)
			var last window.SequenceNumber
			if err == nil {
				err = converter.GetDefaultDataConverter().FromPayload(info.GetMemo().GetFields()[workflows.MemoLastSequenceNumber], &last)
			}
			if err != nil {
				return newRangeError("workflow %s does not tell where its window ends: %v", info.GetExecution().GetWorkflowId(), err)
			}
			var arrived time.Time
			_ = converter.GetDefaultDataConverter().FromPayload(info.GetSearchAttributes().GetIndexedFields()[visibility.FirstArrival.GetName()], &arrived) // it was found by it
			switch {
			case !arrived.Before(r.in.To): // the query leaves these out
			case arrived.Before(r.in.From):
				if last.Compare(r.before) > 0 {
					r.before = last
				}
			case last.Compare(r.progress.Checkpoint) > 0:
				found[first] = window.Range{ShardID: r.progress.ShardID, First: first, Last: last}
			}
		}
		if in.NextPageToken = page.GetNextPageToken(); len(in.NextPageToken) == 0 {
			break
		}
	}
	r.ranges = []window.Range{}
	for _, one := range found {
		r.ranges = append(r.ranges, one)
	}
	slices.SortFunc(r.ranges, func(a, b window.Range) int { return a.First.Compare(b.First) })
	return nil
}

// dueOf is the next window of the chain, when all its records were read.
func (r *refill) dueOf(next window.Range) (int, window.Reason, error) {
	if len(r.open) == 0 {
		return 0, "", nil
	}
	first := r.open[0]
	switch c := first.SequenceNumber.Compare(next.First); {
	case c < 0:
		return 0, "", r.unknown(first)
	case c > 0:
		return 0, "", newRangeError("record %s is missing, with which a window begins: Kinesis has deleted it; begin later", next.First)
	}
	for i, record := range r.open {
		switch c := record.SequenceNumber.Compare(next.Last); {
		case c == 0:
			return i + 1, window.ReasonBackfill, nil
		case c > 0:
			return 0, "", newRangeError("record %s is missing, with which a window ends", next.Last)
		}
	}
	if r.ended {
		return 0, "", newRangeError("record %s is missing, with which a window ends", next.Last)
	}
	return 0, "", nil
}

// unknown: a record lies in no window that Temporal remembers.
func (r *refill) unknown(record window.Record) error {
	return newRangeError("the window of record %s, which arrived at %s, is not known: Temporal has forgotten it, or it is not read yet; without it nobody knows the original keys: choose another range, or deliver it under keys of its own",
		record.SequenceNumber, stamp(record.Arrival))
}

// recordsOf is how many records a window has, as its memo says.
func (r *refill) recordsOf(ctx context.Context, id string) (int, error) {
	described, err := r.Temporal.DescribeWorkflowExecution(ctx, id, "")
	if _, forgotten := errors.AsType[*serviceerror.NotFound](err); forgotten {
		return 0, nil
	}
	if err != nil {
		return 0, temporal.NewApplicationError(fmt.Sprintf("describe workflow %s: %v", id, err), ErrorWindowStart)
	}
	var records int
	_ = converter.GetDefaultDataConverter().FromPayload(described.GetWorkflowExecutionInfo().GetMemo().GetFields()[workflows.MemoRecords], &records) // none, if it does not tell
	return records, nil
}
