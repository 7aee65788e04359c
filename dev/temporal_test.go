package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"golang.org/x/sync/errgroup"
)

// runVariable makes the test binary the command, for tests that need it as a process.
const runVariable = "DEV_TEST_RUN"

func TestMain(m *testing.M) {
	if os.Getenv(runVariable) != "" {
		main()
	}
	os.Exit(m.Run())
}

// temporalProcess is "dev temporal" as a process of its own.
type temporalProcess struct {
	*exec.Cmd
	client client.Client
}

func startTemporalProcess(t *testing.T, data string) *temporalProcess {
	t.Helper()
	p := &temporalProcess{Cmd: exec.Command(os.Args[0], "temporal", "--data", data, "--listen", "127.0.0.1:0", "--ui", "127.0.0.1:0")}
	p.Env = append(os.Environ(), runVariable+"=1")
	p.Stderr = os.Stderr
	out, err := p.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.Start())
	t.Cleanup(func() { _ = p.Process.Kill() }) // of a process that has ended: nothing
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan(), "it says where it listens")
	address := regexp.MustCompile(`^Temporal +(\S+)$`).FindStringSubmatch(lines.Text())
	require.NotNil(t, address, lines.Text())
	p.client, err = client.DialContext(t.Context(), client.Options{HostPort: address[1], Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	return p
}

func (p *temporalProcess) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, p.Process.Kill())
	_ = p.Wait() // it was killed
	p.client.Close()
}

// TestTemporalForgetsNothingWhenKilled: what the server has accepted is in its database,
// in whichever moment it is killed. The whole chain of windows rests on that.
func TestTemporalForgetsNothingWhenKilled(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	var accepted []string
	const rounds, enough, starters = 3, 100, 8
	for round := range rounds {
		p := startTemporalProcess(t, data)
		accepted = append(accepted, startUntilKilled(t, p, round, starters, enough)...)
	}
	p := startTemporalProcess(t, data)
	defer p.kill(t)
	require.GreaterOrEqual(t, len(accepted), rounds*enough)
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(starters)
	for _, id := range accepted {
		group.Go(func() error {
			described, err := p.client.DescribeWorkflowExecution(ctx, id, "")
			if err != nil {
				return fmt.Errorf("%s was accepted: %w", id, err)
			}
			if status := described.GetWorkflowExecutionInfo().GetStatus(); status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
				return fmt.Errorf("%s is %s", id, status)
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
}

// startUntilKilled starts workflows from several sides, kills the server when enough
// were accepted, and returns the ids of all that were.
func startUntilKilled(t *testing.T, p *temporalProcess, round, starters, enough int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var mu sync.Mutex
	var accepted []string
	kill := sync.OnceFunc(func() {
		if err := p.Process.Kill(); err != nil {
			t.Error(err)
		}
		cancel() // the client would try again
	})
	var starting sync.WaitGroup
	for s := range starters {
		starting.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id := fmt.Sprintf("round %d, starter %d, workflow %d", round, s, n)
				_, err := p.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
					ID: id, TaskQueue: "nobody", WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
				}, "Any", strings.Repeat("x", 1000))
				if err != nil {
					continue
				}
				mu.Lock()
				accepted = append(accepted, id)
				reached := len(accepted) >= enough
				mu.Unlock()
				if reached {
					kill()
				}
			}
		})
	}
	starting.Wait()
	require.NotErrorIs(t, ctx.Err(), context.DeadlineExceeded, "%d workflows were accepted", len(accepted))
	_ = p.Wait() // it was killed
	p.client.Close()
	return accepted
}
