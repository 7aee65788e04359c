package starter_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/starter"
	"github.com/log-event-pipeline/logpipe/workflows"
)

const shard = "shardId-000000000007"

// fakeTemporal starts workflows as a server does that rejects duplicate ids.
type fakeTemporal struct {
	client.Client // the rest panics

	mu      sync.Mutex
	started map[string]client.StartWorkflowOptions
	inputs  map[string]workflows.FlushWindowInput
	reader  *workflows.StreamReaderInput
	// ended has the last status of windows that have ended.
	ended map[string]string
	// lost makes the next start succeed without its answer arriving.
	lost bool
	// before runs before a start, as another starter would.
	before func(id string)
}

func newFakeTemporal() *fakeTemporal {
	return &fakeTemporal{started: map[string]client.StartWorkflowOptions{}, inputs: map[string]workflows.FlushWindowInput{}}
}

func (f *fakeTemporal) ExecuteWorkflow(ctx context.Context, o client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	if err := ctx.Err(); err != nil {
		return nil, err // nothing is sent, as with gRPC
	}
	if before := f.before; before != nil {
		f.before = nil
		before(o.ID)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, exists := f.started[o.ID]; exists {
		if o.WorkflowIDConflictPolicy == enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING {
			return nil, nil
		}
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("exists", "", "")
	}
	f.started[o.ID] = o
	switch in := args[0].(type) {
	case workflows.FlushWindowInput:
		f.inputs[o.ID] = in
	case workflows.StreamReaderInput:
		f.reader = &in
	}
	if f.lost {
		f.lost = false
		return nil, errors.New("connection lost")
	}
	return nil, nil
}

func (f *fakeTemporal) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	started, known := f.started[id]
	if !known {
		return nil, serviceerror.NewNotFound("no workflow " + id)
	}
	fields := map[string]*commonpb.Payload{}
	for name, value := range started.Memo {
		payload, err := converter.GetDefaultDataConverter().ToPayload(value)
		if err != nil {
			return nil, err
		}
		fields[name] = payload
	}
	info := &workflowpb.WorkflowExecutionInfo{Memo: &commonpb.Memo{Fields: fields}, Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING}
	if status, ended := f.ended[id]; ended {
		payload, err := converter.GetDefaultDataConverter().ToPayload(status)
		if err != nil {
			return nil, err
		}
		info.Status = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
		info.SearchAttributes = &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{visibility.Status.GetName(): payload}}
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: info}, nil
}

type fakeStage struct {
	mu      sync.Mutex
	objects map[string][]byte
	broken  error
}

func (s *fakeStage) Put(_ context.Context, key string, body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	s.objects[key] = body
	return nil
}

func (s *fakeStage) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, key)
	return nil
}

func (s *fakeStage) keys() []string { return slices.Sorted(maps.Keys(s.objects)) }

func newChain() (*starter.Chain, *fakeTemporal, *fakeStage) {
	server, stage := newFakeTemporal(), &fakeStage{objects: map[string][]byte{}}
	return &starter.Chain{Client: server, Stage: stage, Pipeline: "p", Stream: "s"}, server, stage
}

func someRecords(sequence ...string) []window.Record {
	var out []window.Record
	for i, s := range sequence {
		out = append(out, window.Record{
			SequenceNumber: window.SequenceNumber(s),
			Arrival:        time.UnixMilli(int64(1_700_000_000_000 + i)),
			Data:           []byte("record " + s),
		})
	}
	return out
}

func TestOpenStagesThenStarts(t *testing.T) {
	t.Parallel()
	chain, server, stage := newChain()
	records := someRecords("10", "11", "12")
	accepted, err := chain.Open(t.Context(), shard, records, window.ReasonAge)
	require.NoError(t, err)
	require.Equal(t, starter.Accepted{Last: "12", Ours: true}, accepted)

	id := window.FlushWindowID("p", shard, "10")
	options, in := server.started[id], server.inputs[id]
	require.Equal(t, enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, options.WorkflowIDReusePolicy)
	require.Equal(t, enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, options.WorkflowIDConflictPolicy)
	require.True(t, options.WorkflowExecutionErrorWhenAlreadyStarted, "without it a second start reports success")
	require.Equal(t, "p/worker", options.TaskQueue)
	require.Equal(t, 3, in.Records)
	require.Equal(t, 27, in.StoredBytes)
	require.Equal(t, window.ReasonAge, in.ClosedBecause)
	require.Equal(t, []string{in.StageKey}, stage.keys())
	require.Equal(t, window.Append(nil, records), stage.objects[in.StageKey])
}

// A process that was stopped for days between staging and starting must not start the
// window: what it has staged may have been swept, and what it has read may lie in a gap.
func TestOpenDoesNotStartWhatWasStagedDaysAgo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		chain, server, stage := newChain()
		chain.Stage = sleepyStage{stage, 72 * time.Hour}
		_, err := chain.Open(t.Context(), shard, someRecords("10"), window.ReasonAge)
		require.ErrorContains(t, err, context.DeadlineExceeded.Error())
		require.Empty(t, server.started)
	})
}

// sleepyStage is suspended after each write.
type sleepyStage struct {
	*fakeStage
	sleep time.Duration
}

func (s sleepyStage) Put(ctx context.Context, key string, body []byte) error {
	err := s.fakeStage.Put(ctx, key, body)
	time.Sleep(s.sleep)
	return err
}

func TestOpenFollowsTheWindowThatWasThere(t *testing.T) {
	t.Parallel()
	for name, theirs := range map[string][]string{
		"shorter": {"10"}, "the same": {"10", "11", "12"}, "longer": {"10", "11", "12", "13", "14"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chain, server, stage := newChain()
			// Another starter wins between our staging and our start.
			server.before = func(string) {
				_, err := chain.Open(t.Context(), shard, someRecords(theirs...), window.ReasonBytes)
				require.NoError(t, err)
			}
			accepted, err := chain.Open(t.Context(), shard, someRecords("10", "11", "12"), window.ReasonAge)
			require.NoError(t, err)
			require.Equal(t, starter.Accepted{Last: window.SequenceNumber(theirs[len(theirs)-1])}, accepted)
			require.Len(t, server.started, 1)
			in := server.inputs[window.FlushWindowID("p", shard, "10")]
			require.Equal(t, []string{in.StageKey}, stage.keys(), "only the accepted window stays staged")
			require.Equal(t, window.Append(nil, someRecords(theirs...)), stage.objects[in.StageKey])
		})
	}
}

// TestOpenOfAWindowThatHasEnded: a poller that begins at an old checkpoint stages
// windows again that were delivered and cleared long ago.
func TestOpenOfAWindowThatHasEnded(t *testing.T) {
	t.Parallel()
	for status, kept := range map[string]int{visibility.StatusDelivered: 0, visibility.StatusDiscarded: 1} {
		chain, server, stage := newChain()
		records := someRecords("10", "11")
		_, err := chain.Open(t.Context(), shard, records, window.ReasonAge)
		require.NoError(t, err)
		server.ended = map[string]string{window.FlushWindowID("p", shard, "10"): status}
		accepted, err := chain.Open(t.Context(), shard, records, window.ReasonAge)
		require.NoError(t, err)
		require.Equal(t, starter.Accepted{Last: "11"}, accepted)
		require.Len(t, stage.keys(), kept, status)
	}
}

func TestOpenAfterALostAnswer(t *testing.T) {
	t.Parallel()
	chain, server, stage := newChain()
	server.lost = true
	_, err := chain.Open(t.Context(), shard, someRecords("10", "11"), window.ReasonAge)
	requireType(t, err, starter.ErrorWindowStart)
	// The next attempt cuts elsewhere and still follows what was accepted.
	accepted, err := chain.Open(t.Context(), shard, someRecords("10"), window.ReasonDrain)
	require.NoError(t, err)
	require.Equal(t, starter.Accepted{Last: "11"}, accepted)
	require.Len(t, stage.keys(), 1)
}

func TestOpenWithoutAStageStartsNothing(t *testing.T) {
	t.Parallel()
	chain, server, stage := newChain()
	stage.broken = errors.New("bucket is gone")
	_, err := chain.Open(t.Context(), shard, someRecords("10"), window.ReasonAge)
	requireType(t, err, starter.ErrorStage)
	require.Empty(t, server.started)
}

func TestOpenRefusesAWindowWithoutAUsableMemo(t *testing.T) {
	t.Parallel()
	for name, memo := range map[string]map[string]any{
		"none":              nil,
		"no number":         {workflows.MemoLastSequenceNumber: "abc"},
		"ends before first": {workflows.MemoLastSequenceNumber: "9"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chain, server, _ := newChain()
			server.started[window.FlushWindowID("p", shard, "10")] = client.StartWorkflowOptions{Memo: memo}
			_, err := chain.Open(t.Context(), shard, someRecords("10"), window.ReasonAge)
			requireType(t, err, starter.ErrorWindowStart)
		})
	}
}

func requireType(t *testing.T, err error, want string) {
	t.Helper()
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.Equal(t, want, app.Type())
	require.False(t, app.NonRetryable(), "the records are still in Kinesis: trying again is right")
}
