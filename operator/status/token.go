package status

import (
	"context"
	"errors"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Where the state of the token comes from.
const (
	fromQuery   = "query"
	fromHistory = "history"
)

// tokenFound is what is known of the token.
type tokenFound struct {
	known   bool
	state   workflows.TokenKeeperState
	from    string
	failure failure // why it cannot be replaced
}

// lookAtToken asks the TokenKeeper. Where no worker answers for it, its history says the
// same: a run of it begins with the state of the token, and ends when that changes.
func (g *gathered) lookAtToken(ctx context.Context) {
	id := window.TokenKeeperID(g.pipeline)
	described, err := g.describe(ctx, id)
	if _, unknown := errors.AsType[*serviceerror.NotFound](err); unknown {
		return // no worker was ever started
	}
	if err != nil {
		g.missing("describe workflow "+id, err)
		return
	}
	g.noteWorkflowTask(described)
	t := tokenFound{known: true, from: fromQuery}
	if t.state, err = g.queryToken(ctx, id); err != nil {
		t.from = fromHistory
		if t.state, err = g.tokenHistory(ctx, described); err != nil {
			g.missing("read the history of workflow "+id, err)
			return
		}
	}
	if trouble := t.state.Trouble; trouble != nil {
		t.failure = failure{activity: workflows.RefreshTokenName, kind: trouble.Type, message: trouble.Message, since: trouble.Since}
	}
	g.token = t
}

func (g *gathered) queryToken(ctx context.Context, id string) (state workflows.TokenKeeperState, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	value, err := g.Temporal.QueryWorkflow(ctx, id, "", workflows.QueryState)
	if err != nil {
		return state, err
	}
	return state, value.Get(&state)
}

// tokenHistory is the state as the history tells it.
func (g *gathered) tokenHistory(ctx context.Context, described *workflowservice.DescribeWorkflowExecutionResponse) (state workflows.TokenKeeperState, err error) {
	execution := described.GetWorkflowExecutionInfo().GetExecution()
	begun, err := g.first(ctx, execution)
	if err != nil {
		return state, err
	}
	var in workflows.TokenKeeperInput
	if !fromPayloads(begun.GetWorkflowExecutionStartedEventAttributes().GetInput(), &in) {
		return state, errors.New("its first event has no input that this version knows")
	}
	state = workflows.TokenKeeperState{
		Current: in.Current, ObtainedAt: in.ObtainedAt, RefreshAt: in.RefreshAt, Refreshes: in.Refreshes,
		Trouble: in.Trouble, LastTrouble: in.LastTrouble, WorkerAheadMillis: in.WorkerAheadMillis,
	}
	events, err := g.latest(ctx, execution)
	if err != nil {
		return state, err
	}
	readTrouble(&state, events)
	for _, a := range described.GetPendingActivities() {
		if a.GetActivityType().GetName() == workflows.RefreshTokenName && a.GetState() == enumspb.PENDING_ACTIVITY_STATE_SCHEDULED && state.Trouble == nil {
			if f, ok := failed(a.GetLastFailure()); ok {
				state.Trouble = &workflows.TokenTrouble{Type: f.kind, Message: f.message, Since: a.GetScheduledTime().AsTime(), Attempts: int(a.GetAttempt()) - 1}
			}
		}
	}
	return state, nil
}

// readTrouble adds what the end of the history tells of attempts that have failed.
func readTrouble(state *workflows.TokenKeeperState, events []*historypb.HistoryEvent) {
	var found *workflows.TokenTrouble
	var next time.Time
	scheduled := map[int64]string{}
	for _, event := range events {
		if a := event.GetActivityTaskScheduledEventAttributes(); a != nil {
			scheduled[event.GetEventId()] = a.GetActivityType().GetName()
		}
	}
	for _, event := range events {
		if timer := event.GetTimerStartedEventAttributes(); timer != nil && next.IsZero() && strings.HasPrefix(summary(event), "until the next try") {
			next = event.GetEventTime().AsTime().Add(timer.GetStartToFireTimeout().AsDuration())
		}
		f, ok := failedEvent(event)
		of := event.GetActivityTaskFailedEventAttributes().GetScheduledEventId() + event.GetActivityTaskTimedOutEventAttributes().GetScheduledEventId() // one of them is 0
		if !ok || scheduled[of] != workflows.RefreshTokenName {
			continue
		}
		if found == nil {
			found = &workflows.TokenTrouble{Type: f.kind, Message: f.message, NextAt: next}
		}
		found.Since = f.at // of the first that is seen
		found.Attempts++
	}
	if found == nil {
		return
	}
	if before := state.Trouble; before != nil {
		found.Since = before.Since
		found.Attempts += before.Attempts
	}
	state.Trouble = found
}

// tokenReport is the token's part of the report, nil where there was never one.
func (g *gathered) tokenReport() *Token {
	if !g.token.known {
		return nil
	}
	s := g.token.state
	t := &Token{
		Parameter: s.Current.Parameter, Version: s.Current.Version, ExpiresAt: timeOrNil(s.Current.ExpiresAt),
		ObtainedAt: timeOrNil(s.ObtainedAt), RefreshAt: timeOrNil(s.RefreshAt),
		Error: tokenError(s.Trouble), LastError: tokenError(s.LastTrouble), From: g.token.from,
	}
	t.Expired = t.ExpiresAt != nil && !g.now.Before(*t.ExpiresAt)
	return t
}

func tokenError(t *workflows.TokenTrouble) *TokenError {
	if t == nil {
		return nil
	}
	return &TokenError{Type: t.Type, Message: t.Message, Since: timeOrNil(t.Since), Attempts: t.Attempts, NextAt: timeOrNil(t.NextAt)}
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	utc := t.UTC()
	return &utc
}
