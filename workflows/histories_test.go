package workflows_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	sdkworker "go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"

	"github.com/log-event-pipeline/logpipe/workflows"
)

// Workflows that are open while a new version is rolled out are replayed by it from their
// histories. testdata/histories has what running pipelines have written, of every workflow and
// of all that makes one take another turn.

const (
	historiesDir  = "testdata/histories"
	mostHistories = 1 << 20 // bytes of all files

	replayHelp = `%s does not replay: %w
Open workflows with such a history would be stuck as soon as this version is rolled out. Let the code make the same
commands for them: put what is new behind workflow.GetVersion. Recording the histories anew, by
	go test ./dev/allinone -run TestRecordHistories -args -record ../../workflows/testdata/histories
is right before a release only, when today's code replays all of the old ones, so that the next release is held to
what this one writes.`
)

// quiet drops what workflows log while they are replayed.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

var _ log.Logger = quiet{}

// replay replays the history in a file with the workflows that register registers.
func replay(file string, register func(workflows.Registry)) error {
	history, err := readHistory(file)
	if err != nil {
		return err
	}
	replayer, err := sdkworker.NewWorkflowReplayerWithOptions(sdkworker.WorkflowReplayerOptions{DisableDeadlockDetection: true}) // others use the machine, too
	if err != nil {
		return err
	}
	register(replayer)
	if err := replayer.ReplayWorkflowHistory(quiet{}, history); err != nil {
		return fmt.Errorf(replayHelp, file, err)
	}
	return nil
}

func readHistory(file string) (*historypb.History, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	history, err := client.HistoryFromJSON(f, client.HistoryJSONOptions{})
	if err == nil && len(history.GetEvents()) == 0 {
		err = errors.New("no events")
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return history, nil
}

func historyFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(historiesDir, "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	return files
}

func TestHistoriesReplay(t *testing.T) {
	t.Parallel()
	for _, file := range historyFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			if err := replay(file, workflows.Register); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestReplayFindsChanges: a workflow that does one thing more, or does not do one that it
// did, is found by each of its histories.
func TestReplayFindsChanges(t *testing.T) {
	t.Parallel()
	one := func(ctx workflow.Context) {
		workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 1e9}), "New")
	}
	changed := map[string]any{
		workflows.StreamReaderName: func(ctx workflow.Context, in workflows.StreamReaderInput) error {
			one(ctx)
			return workflows.StreamReader(ctx, in)
		},
		workflows.ShardReaderName: func(ctx workflow.Context, in workflows.ShardReaderInput) error {
			one(ctx)
			return workflows.ShardReader(ctx, in)
		},
		workflows.FlushWindowName: func(ctx workflow.Context, in workflows.FlushWindowInput) (workflows.FlushWindowResult, error) {
			one(ctx)
			return workflows.FlushWindow(ctx, in)
		},
		workflows.TokenKeeperName: func(ctx workflow.Context, in workflows.TokenKeeperInput) error {
			one(ctx)
			return workflows.TokenKeeper(ctx, in)
		},
		workflows.BackfillName: func(ctx workflow.Context, in workflows.BackfillInput) (workflows.BackfillResult, error) {
			one(ctx)
			return workflows.Backfill(ctx, in)
		},
	}
	idle := func(workflow.Context) error { return nil }
	for _, file := range historyFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			name, _, _ := strings.Cut(filepath.Base(file), "-")
			for what, fn := range map[string]any{"more": changed[name], "less": idle} {
				require.NotNil(t, fn, "%s needs an entry in this test", name)
				err := replay(file, func(r workflows.Registry) { r.RegisterWorkflowWithOptions(fn, workflow.RegisterOptions{Name: name}) })
				require.ErrorContains(t, err, "workflow.GetVersion", what)
				require.ErrorContains(t, err, "[TMPRL1100]", what)
			}
		})
	}
}

// registered collects the names of workflows.
type registered []string

func (r *registered) RegisterWorkflowWithOptions(_ any, options workflow.RegisterOptions) {
	*r = append(*r, options.Name)
}

// TestHistoriesShowEverything: every workflow, activity and signal is in some history.
func TestHistoriesShowEverything(t *testing.T) {
	t.Parallel()
	var all registered
	workflows.Register(&all)
	seen, total := map[string]bool{}, int64(0)
	for _, file := range historyFiles(t) {
		info, err := os.Stat(file)
		require.NoError(t, err)
		total += info.Size()
		history, err := readHistory(file)
		require.NoError(t, err)
		name, _, _ := strings.Cut(filepath.Base(file), "-")
		started := history.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes()
		require.Equal(t, started.GetWorkflowType().GetName(), name, "files begin with the name of the workflow")
		seen[name] = true
		for _, event := range history.GetEvents() {
			seen[event.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName()] = true
			seen[event.GetWorkflowExecutionSignaledEventAttributes().GetSignalName()] = true
			seen[event.GetWorkflowExecutionUpdateAcceptedEventAttributes().GetAcceptedRequest().GetInput().GetName()] = true
			if event.GetWorkflowExecutionContinuedAsNewEventAttributes() != nil {
				seen[name+" goes on"] = true
			}
		}
	}
	require.Less(t, total, int64(mostHistories), "they are in every clone of the repository")
	var missing []string
	for _, name := range append(slices.Clone(all),
		workflows.ListShardsName, workflows.ResolveStartName, workflows.PollShardName,
		workflows.FormatLogsName, workflows.AcquireTokenName, workflows.RefreshTokenName, workflows.WatchClientSecretName,
		workflows.DeliverBatchesName, workflows.DeliverBatchName, workflows.SplitBatchName,
		workflows.KeepDiscardedName, workflows.StartReadersName, workflows.SweepStageName,
		workflows.PlanBackfillName, workflows.BackfillShardName, workflows.SignalSetPaused, workflows.SignalResume,
		workflows.SignalShardDrained, workflows.SignalRedrive, workflows.SignalDiscard, workflows.SignalSkipGap,
		workflows.SignalRetry, workflows.UpdateRefresh,
		"StreamReader goes on", "ShardReader goes on", "FlushWindow goes on", "TokenKeeper goes on",
	) {
		if !seen[name] {
			missing = append(missing, name)
		}
	}
	require.Empty(t, missing, "no history has these: record some, see TestRecordHistories in dev/allinone")
}

// identities are what processes call themselves.
var identities = regexp.MustCompile(`[0-9]@[A-Za-z0-9.-]+`)

// TestHistoriesHoldNothingPrivate looks for what must not be in them, or be published.
func TestHistoriesHoldNothingPrivate(t *testing.T) {
	t.Parallel()
	for _, file := range historyFiles(t) {
		history, err := readHistory(file)
		require.NoError(t, err)
		for _, event := range history.GetEvents() {
			text, err := proto.Marshal(event)
			require.NoError(t, err)
			for _, private := range []string{"canary", "Bearer", "not-a-secret", "r0tated", "access_token", "127.0.0.1", "/tmp/", "/home/"} {
				require.NotContains(t, string(text), private, file)
			}
			for _, identity := range identities.FindAllString(string(text), -1) {
				require.Contains(t, identity, "@host", "%s has the name of a host", file)
			}
		}
	}
}
