package status

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// failure is why an attempt of an activity has failed.
type failure struct {
	activity string
	// kind is the type of the error, Timeout where no process has reported one.
	kind    string
	message string
	since   time.Time // of the first attempt, or of this one
	at      time.Time
	attempt int32
}

// kindTimeout is shown as the type of a failure that no process reported.
const kindTimeout = "Timeout"

// failed reads a failure, nil for none.
func failed(f *failurepb.Failure) (failure, bool) {
	for f != nil {
		switch {
		case f.GetApplicationFailureInfo() != nil:
			return failure{kind: f.GetApplicationFailureInfo().GetType(), message: f.GetMessage()}, true
		case f.GetTimeoutFailureInfo() != nil:
			return failure{kind: kindTimeout, message: f.GetMessage()}, true
		case f.GetCause() == nil:
			return failure{kind: "Failure", message: f.GetMessage()}, true
		}
		f = f.GetCause()
	}
	return failure{}, false
}

// failureLife is how long the failure of an earlier attempt says something about one that
// runs.
const failureLife = time.Minute

// failing reads the last failure of a pending activity. It is current while the next
// attempt is waited for, and for some time in an attempt that has not been heard of.
func failing(a *workflowpb.PendingActivityInfo, now time.Time) (f failure, current bool) {
	f, ok := failed(a.GetLastFailure())
	if !ok {
		return failure{}, false
	}
	f.activity, f.attempt = a.GetActivityType().GetName(), a.GetAttempt()
	f.since, f.at = a.GetScheduledTime().AsTime(), a.GetLastAttemptCompleteTime().AsTime()
	if a.GetLastAttemptCompleteTime() == nil {
		f.at = a.GetLastStartedTime().AsTime()
	}
	if a.GetState() != enumspb.PENDING_ACTIVITY_STATE_STARTED {
		return f, true
	}
	heard := a.GetLastHeartbeatTime() != nil && a.GetLastHeartbeatTime().AsTime().After(a.GetLastStartedTime().AsTime())
	return f, !heard && now.Sub(f.at) < failureLife
}

// eventsLooked is how far back a history is read for what a workflow waits for.
const eventsLooked = 40

// latest are the last events of a workflow, the last one first.
func (g *gathered) latest(ctx context.Context, execution *commonpb.WorkflowExecution) ([]*historypb.HistoryEvent, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	history, err := g.Service.GetWorkflowExecutionHistoryReverse(ctx, &workflowservice.GetWorkflowExecutionHistoryReverseRequest{
		Namespace: g.Namespace, Execution: execution, MaximumPageSize: eventsLooked,
	})
	return history.GetHistory().GetEvents(), err
}

// first is the first event of a workflow, with its input.
func (g *gathered) first(ctx context.Context, execution *commonpb.WorkflowExecution) (*historypb.HistoryEvent, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	history, err := g.Service.GetWorkflowExecutionHistory(ctx, &workflowservice.GetWorkflowExecutionHistoryRequest{
		Namespace: g.Namespace, Execution: execution, MaximumPageSize: 1,
	})
	events := history.GetHistory().GetEvents()
	if err != nil || len(events) == 0 {
		return nil, err
	}
	return events[0], nil
}

// summary is that of the timer which an event starts, empty for none.
func summary(event *historypb.HistoryEvent) string {
	if event.GetTimerStartedEventAttributes() == nil {
		return ""
	}
	var text string
	_ = json.Unmarshal(event.GetUserMetadata().GetSummary().GetData(), &text) // a summary of another form is none
	return text
}

// failedEvent is the failure that an event tells of.
func failedEvent(event *historypb.HistoryEvent) (failure, bool) {
	from := event.GetActivityTaskFailedEventAttributes().GetFailure()
	if from == nil {
		from = event.GetActivityTaskTimedOutEventAttributes().GetFailure()
	}
	f, ok := failed(from)
	f.at, f.since = event.GetEventTime().AsTime(), event.GetEventTime().AsTime()
	return f, ok
}

// parkedReason finds in the summary of the timer of a parked window why it is.
func parkedReason(text string) (failure, bool) {
	if !strings.Contains(text, "parked until") {
		return failure{}, false
	}
	for kind := range causes {
		if _, message, ok := strings.Cut(text, ": "+kind+": "); ok {
			return failure{kind: kind, message: message}, true
		}
	}
	return failure{}, false
}

// retryingReason finds in the summary of a timer what a window waits for.
func retryingReason(text string) (failure, bool) {
	kind, rest, ok := strings.Cut(text, " since ")
	if _, known := causes[kind]; !ok || !known {
		return failure{}, false
	}
	f := failure{kind: kind, message: text}
	if at, _, ok := strings.Cut(rest, ","); ok {
		f.since, _ = time.Parse(time.RFC3339, at) // without it nothing is known of the time
	}
	return f, true
}

// reasonOf finds out why a window does not get on, from what needs no worker: its pending
// activities, and the end of its history.
func (g *gathered) reasonOf(ctx context.Context, execution *commonpb.WorkflowExecution, status string) (failure, bool, error) {
	parked := status == visibility.StatusParked
	if !parked {
		described, err := g.describe(ctx, execution.GetWorkflowId())
		if err != nil {
			return failure{}, false, err
		}
		g.noteWorkflowTask(described)
		for _, a := range described.GetPendingActivities() {
			if f, current := failing(a, g.now); current {
				return f, true, nil
			}
		}
	}
	if status != visibility.StatusParked && status != visibility.StatusRetrying {
		return failure{}, false, nil // what its history tells may be over
	}
	events, err := g.latest(ctx, execution)
	if err != nil {
		return failure{}, false, err
	}
	var waits failure
	var found bool
	for _, event := range events {
		text := summary(event)
		if parked {
			if f, ok := parkedReason(text); ok {
				return f, true, nil
			}
		} else if f, ok := retryingReason(text); ok && !found {
			waits, found = f, true
		}
		if f, ok := failedEvent(event); ok && (!found || f.kind == waits.kind) {
			if !waits.since.IsZero() {
				f.since = waits.since
			}
			return f, true, nil
		}
	}
	return waits, found, nil
}

// scheduledPoll is the input of the last PollShard that was scheduled.
func scheduledPoll(events []*historypb.HistoryEvent) (in workflows.PollShardInput, ok bool) {
	for _, event := range events {
		scheduled := event.GetActivityTaskScheduledEventAttributes()
		if scheduled.GetActivityType().GetName() == workflows.PollShardName {
			return in, fromPayloads(scheduled.GetInput(), &in)
		}
	}
	return in, false
}
