package activities_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/connect/frontendtest"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// updateServer answers an update, or refuses it at one of its two steps.
type updateServer struct {
	client.Client // the rest panics

	started        client.StartWorkflowOptions
	workflow       any
	asked          client.UpdateWorkflowOptions
	refused, ended error
}

// operation stands in for the start: only the SDK's own client can run a real one.
type operation struct {
	client.WithStartWorkflowOperation
}

func (s *updateServer) NewWithStartWorkflowOperation(o client.StartWorkflowOptions, workflow any, _ ...any) client.WithStartWorkflowOperation {
	s.started, s.workflow = o, workflow
	return operation{}
}

func (s *updateServer) UpdateWithStartWorkflow(_ context.Context, o client.UpdateWithStartWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	s.asked = o.UpdateOptions
	return updateHandle{ended: s.ended}, s.refused
}

type updateHandle struct {
	client.WorkflowUpdateHandle
	ended error
}

func (h updateHandle) Get(_ context.Context, out any) error {
	*out.(*workflows.TokenVersion) = workflows.TokenVersion{Version: 5}
	return h.ended
}

func TestTemporalKeeper(t *testing.T) {
	t.Parallel()
	s := &updateServer{}
	got, err := activities.TemporalKeeper{Client: s}.Refresh(t.Context(), "p", 4)
	require.NoError(t, err)
	require.Equal(t, workflows.TokenVersion{Version: 5}, got)

	require.Equal(t, "p/token", s.started.ID)
	require.Equal(t, "p/worker", s.started.TaskQueue)
	require.Equal(t, workflows.TokenKeeperName, s.workflow)
	require.Equal(t, enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, s.started.WorkflowIDConflictPolicy, "one keeper for all")
	require.Equal(t, workflows.UpdateRefresh, s.asked.UpdateName)
	require.Equal(t, "replace-version-4", s.asked.UpdateID, "who knows the same version asks the same question")
	require.Equal(t, client.WorkflowUpdateStageCompleted, s.asked.WaitForStage)
	require.Equal(t, []any{workflows.RefreshTokenInput{KnownVersion: 4}}, s.asked.Args)
}

func TestTemporalKeeperFailures(t *testing.T) {
	t.Parallel()
	down := errors.New("no connection")
	for name, s := range map[string]*updateServer{"refused": {refused: down}, "failed": {ended: down}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := activities.TemporalKeeper{Client: s}.Refresh(t.Context(), "p", 4)
			require.ErrorIs(t, err, down)
			require.ErrorContains(t, err, "p/token")
			require.Zero(t, got)
		})
	}
}

// troubled answers no update, and one query.
type troubled struct {
	client.Client
	state  workflows.TokenKeeperState
	silent bool
	asked  []string
}

func (s *troubled) NewWithStartWorkflowOperation(client.StartWorkflowOptions, any, ...any) client.WithStartWorkflowOperation {
	return operation{}
}

func (s *troubled) UpdateWithStartWorkflow(ctx context.Context, _ client.UpdateWithStartWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (s *troubled) QueryWorkflow(_ context.Context, id, _, query string, _ ...any) (converter.EncodedValue, error) {
	s.asked = append(s.asked, id+" "+query)
	if s.silent {
		return nil, errors.New("no poller")
	}
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(s.state)
	return client.NewValue(payloads), err
}

func TestTemporalKeeperSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for name, c := range map[string]struct {
		server *troubled
		says   []string
	}{
		"trouble": {&troubled{state: workflows.TokenKeeperState{Trouble: &workflows.TokenTrouble{
			Type: workflows.ErrorTokenClientRefused, Message: "HTTP status 401, invalid_client", Since: since, Attempts: 3, NextAt: since.Add(5 * time.Minute),
		}}}, []string{"p/token", "no token since 2026-03-04T05:06:07Z", "tried 3 times", "2026-03-04T05:11:07Z", "TokenClientRefused: HTTP status 401, invalid_client"}},
		"slow":   {&troubled{}, []string{"p/token", "has no answer yet"}},
		"silent": {&troubled{silent: true}, []string{"p/token", "is there a worker", "no poller"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				_, err := activities.TemporalKeeper{Client: c.server}.Refresh(t.Context(), "p", 4)
				for _, text := range c.says {
					require.ErrorContains(t, err, text)
				}
				require.Equal(t, []string{"p/token state"}, c.server.asked)
			})
		})
	}
}

// slowKeeper answers when it is let.
type slowKeeper struct {
	answer chan error
	asked  atomic.Int32
}

func (k *slowKeeper) Refresh(_ context.Context, _ string, known int64) (workflows.TokenVersion, error) {
	k.asked.Add(1)
	return workflows.TokenVersion{Version: known + 1}, <-k.answer
}

func TestSharedKeeperAsksOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &slowKeeper{answer: make(chan error)}
		shared := activities.NewSharedKeeper(k, time.Now)
		var waiting sync.WaitGroup
		for range 100 {
			waiting.Go(func() {
				got, err := shared.Refresh(t.Context(), "p", 4)
				require.NoError(t, err)
				require.Equal(t, int64(5), got.Version)
			})
		}
		impatient, cancel := context.WithCancel(t.Context())
		waiting.Go(func() {
			_, err := shared.Refresh(impatient, "p", 4)
			require.ErrorIs(t, err, context.Canceled)
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		k.answer <- nil
		waiting.Wait()
		require.EqualValues(t, 1, k.asked.Load())
	})
}

func TestSharedKeeperTellsAFailureForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &slowKeeper{answer: make(chan error, 2)}
		shared := activities.NewSharedKeeper(k, time.Now)
		down := errors.New("down")
		k.answer <- down
		for range 100 {
			_, err := shared.Refresh(t.Context(), "p", 4)
			require.ErrorIs(t, err, down)
		}
		require.EqualValues(t, 1, k.asked.Load(), "windows that wait must not hold the slots of a worker")
		time.Sleep(10 * time.Second)
		k.answer <- nil
		_, err := shared.Refresh(t.Context(), "p", 4)
		require.NoError(t, err)
		k.answer <- nil
		_, err = shared.Refresh(t.Context(), "p", 4)
		require.NoError(t, err, "a success is not remembered")
		require.EqualValues(t, 3, k.asked.Load())
	})
}

func TestTemporalKeeperStart(t *testing.T) {
	t.Parallel()
	server := frontendtest.Start(t, client.DefaultNamespace)
	c, err := client.Dial(client.Options{HostPort: server.Address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	defer c.Close()
	for range 2 {
		require.NoError(t, activities.TemporalKeeper{Client: c}.Start(t.Context(), "p"))
	}
	starts := server.Starts()
	require.Equal(t, "p/token", starts[0].GetWorkflowId())
	require.Equal(t, enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, starts[1].GetWorkflowIdConflictPolicy())
}
