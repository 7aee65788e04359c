package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"github.com/log-event-pipeline/logpipe/internal/pausing"
	"github.com/log-event-pipeline/logpipe/operator"
)

// streamReader is a Temporal with the StreamReader of pipeline p, which takes note of
// pauses some time after they were sent, and windows that wait.
type streamReader struct {
	gone, deaf bool
	mu         sync.Mutex // of pauses
	pauses     map[pausing.What]*pausing.Pause
	windows    []*workflowpb.WorkflowExecutionInfo
	broken     error
	told       []string
}

func (s *streamReader) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if s.gone || id != "p/stream" {
		return nil, serviceerror.NewNotFound("no workflow " + id)
	}
	memo := &commonpb.Memo{Fields: map[string]*commonpb.Payload{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	for what, pause := range s.pauses {
		if pause == nil {
			continue
		}
		payload, err := converter.GetDefaultDataConverter().ToPayload(pause)
		if err != nil {
			return nil, err
		}
		memo.Fields[what.Memo()] = payload
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Memo: memo}}, nil
}

func (s *streamReader) SignalWorkflow(_ context.Context, id, _, signal string, arg any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	request, ok := arg.(pausing.Request)
	switch {
	case s.gone:
		return serviceerror.NewNotFound("no workflow " + id)
	case !ok:
		s.told = append(s.told, signal+" "+id)
		return s.broken
	case signal != "set-paused" || id != "p/stream":
		return errors.New(signal + " to " + id)
	case s.deaf || request.Paused == (s.pauses[request.What] != nil):
		return nil
	}
	time.AfterFunc(300*time.Millisecond, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.pauses[request.What] = nil
		if request.Paused {
			s.pauses[request.What] = &pausing.Pause{By: request.By, Reason: request.Reason, Since: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
		}
	})
	return nil
}

func (s *streamReader) ListWorkflow(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	return &workflowservice.ListWorkflowExecutionsResponse{Executions: s.windows}, nil
}

// set runs one command and returns what it prints.
func (s *streamReader) set(t *testing.T, what pausing.What, paused bool, flags pauseFlags) (string, error) {
	t.Helper()
	var out bytes.Buffer
	p := pauser{temporal: s, pipeline: "p", out: &out, flags: flags, wait: workersKnow}
	err := p.set(t.Context(), what, paused)
	return out.String(), err
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &streamReader{pauses: map[pausing.What]*pausing.Pause{}, windows: []*workflowpb.WorkflowExecutionInfo{
			flushing(t, "p/flush/7/1", "paused", nil), flushing(t, "p/flush/7/2", "paused", "503"),
		}}
		says := func(what pausing.What, paused bool, flags pauseFlags, want string) {
			t.Helper()
			out, err := s.set(t, what, paused, flags)
			require.NoError(t, err)
			require.Equal(t, want, out)
		}
		says(pausing.Delivery, true, pauseFlags{by: "ann", reason: "late"}, "delivery is paused by ann since 2026-03-04T05:06:07Z: late\nit goes on after: logpipe resume delivery\n")
		says(pausing.Delivery, true, pauseFlags{by: "bob"}, "nothing was changed: delivery is paused by ann since 2026-03-04T05:06:07Z: late\n")
		says(pausing.Reading, false, pauseFlags{}, "nothing was changed: reading was not paused\n")
		require.Empty(t, s.told)
		says(pausing.Delivery, false, pauseFlags{}, "delivery goes on\nwindows that were told to go on: 2\n")
		require.ElementsMatch(t, []string{"resume p/flush/7/1", "resume p/flush/7/2"}, s.told)

		out, err := s.set(t, pausing.Reading, true, pauseFlags{asJSON: true, by: "ann"})
		require.NoError(t, err)
		var got map[string]any
		require.NoError(t, json.Unmarshal([]byte(out), &got))
		require.Equal(t, map[string]any{
			"pipeline": "p", "what": "reading", "paused": true, "changed": true,
			"pause": map[string]any{"by": "ann", "since": "2026-03-04T05:06:07Z"},
		}, got)
		says(pausing.Reading, false, pauseFlags{}, "reading goes on\n")
		require.Len(t, s.told, 2, "no window waits for the reading")
	})
}

func TestPauseThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, err := (&streamReader{gone: true}).set(t, pausing.Delivery, true, pauseFlags{})
		require.ErrorContains(t, err, "pipeline p has no running workflow p/stream: start a starter first")

		_, err = (&streamReader{deaf: true}).set(t, pausing.Delivery, true, pauseFlags{})
		require.ErrorIs(t, err, operator.ErrUnconfirmed)

		s := &streamReader{pauses: map[pausing.What]*pausing.Pause{pausing.Delivery: {}}, broken: errors.New("no connection"), windows: []*workflowpb.WorkflowExecutionInfo{flushing(t, "p/flush/7/1", "paused", nil)}}
		out, err := s.set(t, pausing.Delivery, false, pauseFlags{})
		require.ErrorContains(t, err, "no connection; the other windows find out by themselves within five minutes")
		require.Contains(t, out, "delivery goes on\n")
	})
}
