package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/log-event-pipeline/logpipe/internal/connect/frontendtest"
	"github.com/log-event-pipeline/logpipe/operator"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// flushing is a FlushWindow of pipeline p.
func flushing(t *testing.T, id, status string, http any) *workflowpb.WorkflowExecutionInfo {
	t.Helper()
	fields := map[string]*commonpb.Payload{}
	for name, value := range map[string]any{
		"LogpipePipeline": "p", "LogpipeShard": "7", "LogpipeStatus": status, "LogpipeHTTPStatus": http,
		"LogpipeEvents": 1200, "LogpipeFirstArrival": time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC),
	} {
		payload, err := converter.GetDefaultDataConverter().ToPayload(value)
		require.NoError(t, err)
		fields[name] = payload
	}
	running := enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	if status == "discarded" {
		running = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	}
	return &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: "run"}, Type: &commonpb.WorkflowType{Name: workflows.FlushWindowName},
		Status: running, SearchAttributes: &commonpb.SearchAttributes{IndexedFields: fields},
	}
}

// TestRedriveAndDiscard goes the way of an operator: look, redrive by a query, discard
// one, once more by mistake, all that is left.
func TestRedriveAndDiscard(t *testing.T) { //nolint:paralleltest // it sets the environment of the process
	temporal := frontendtest.Start(t, "default")
	// Neither the stage nor AWS is asked, nor are settings needed that have to do with them.
	changes := environment{
		"TEMPORAL_ADDRESS": temporal.Address, "LOGPIPE_PIPELINE": "p", "LOGPIPE_STAGE_URL": "", "LOGPIPE_STREAM": "",
		"AWS_REGION": "", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
	}
	for _, action := range []string{"redrive", "discard"} {
		out := logpipe(t, changes, action, "--all", "--yes")
		require.Equal(t, exitOK, out.status, out.lines)
		require.Regexp(t, "^no window of pipeline p is parked", out.stdout)
		out = logpipe(t, changes, action, "--query", "LogpipeShard = '8'", "--yes")
		require.Contains(t, out.stdout, "no window of pipeline p for which the query holds is parked")
	}

	temporal.Place(flushing(t, "p/flush/7/1", "parked", "413"), flushing(t, "p/flush/7/2", "parked", nil), flushing(t, "p/flush/7/3", "discarded", "422"))
	const row = `(?m)^parked    413 +1200  7      2026-03-04T05:06:07Z  p/flush/7/1$`
	out := logpipe(t, changes, "redrive", "--all", "--dry-run")
	require.Equal(t, exitOK, out.status, out.lines)
	require.Regexp(t, row, out.stdout)
	require.Contains(t, out.stdout, "windows: 2, events in them: 2400\nnothing was done: this is a dry run\n")
	require.Empty(t, temporal.Signals())
	t.Log("\n" + out.stdout)

	out = logpipe(t, changes, "redrive", "--query", "LogpipeHTTPStatus = '413'", "--yes")
	require.Equal(t, exitOK, out.status, out.lines)
	require.Regexp(t, row, out.stdout)
	require.Contains(t, out.stdout, "told to redrive: 2, ended meanwhile: 0\n")
	require.ElementsMatch(t, []string{"redrive p/flush/7/1", "redrive p/flush/7/2"}, temporal.Signals())
	queries := temporal.Queries()
	require.Contains(t, queries[len(queries)-1], "LogpipePipeline = 'p'")
	require.Contains(t, queries[len(queries)-1], "AND (LogpipeHTTPStatus = '413')")
	t.Log("\n" + out.stdout)

	// By name: what is there is told, and of all else it is said why not.
	out = logpipe(t, changes, "discard", "p/flush/7/2", "p/flush/7/3", "p/flush/7/2", "q/flush/7/4", "p/flush/7/5", "--yes")
	require.Equal(t, exitFailed, out.status, out.lines)
	require.Contains(t, out.stdout, "windows: 1, events in them: 1200\ntold to discard: 1, ended meanwhile: 0\n")
	require.Equal(t, "discard p/flush/7/2", temporal.Signals()[2])
	require.Len(t, temporal.Signals(), 3)
	require.Len(t, out.lines, 3)
	for i, text := range []string{"p/flush/7/3: has ended", "p/flush/7/5: Temporal knows no such workflow", "q/flush/7/4: is not of pipeline p"} {
		require.Contains(t, out.lines[i], text)
	}
	out = logpipe(t, changes, "discard", "p/flush/7/3", "--yes")
	require.Equal(t, exitFailed, out.status, out.lines)
	require.Empty(t, out.stdout)

	for i, args := range [][]string{{"--dry-run"}, {"--yes"}} {
		out = logpipe(t, changes, append([]string{"discard", "--all", "--json"}, args...)...)
		require.Equal(t, exitOK, out.status, out.lines)
		lines := strings.Split(strings.TrimSpace(out.stdout), "\n")
		require.Len(t, lines, 2)
		outcomes := map[any]any{}
		for _, line := range lines {
			var got map[string]any
			require.NoError(t, json.Unmarshal([]byte(line), &got))
			outcomes[got["workflow_id"]] = got["outcome"]
			require.Equal(t, "parked", got["status"])
			require.Equal(t, "2026-03-04T05:06:07Z", got["since"])
			require.InDelta(t, 1200, got["events"], 0)
		}
		want := []any{"listed", "told"}[i]
		require.Equal(t, map[any]any{"p/flush/7/1": want, "p/flush/7/2": want}, outcomes)
	}
	require.Len(t, temporal.Signals(), 5)
	out = logpipe(t, changes, "redrive", "p/flush/7/9", "--yes", "--json")
	require.Equal(t, exitFailed, out.status)
	require.Empty(t, out.stdout)
}

// TestRedriveWithoutATerminal: what nobody can be asked about is not done.
func TestRedriveWithoutATerminal(t *testing.T) { //nolint:paralleltest // it sets the environment of the process, and its input
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	file, err := os.Open("parked_test.go")
	require.NoError(t, err)
	defer file.Close()
	before := os.Stdin
	defer func() { os.Stdin = before }()
	temporal := frontendtest.Start(t, "default")
	temporal.Place(flushing(t, "p/flush/7/1", "parked", "413"))
	for _, in := range []*os.File{null, file} {
		os.Stdin = in
		out := logpipe(t, environment{"TEMPORAL_ADDRESS": temporal.Address, "LOGPIPE_PIPELINE": "p"}, "discard", "--all")
		require.Equal(t, exitMisused, out.status)
		require.Len(t, out.lines, 1)
		require.Contains(t, out.lines[0], "nothing was done")
		require.Contains(t, out.lines[0], "--yes")
		require.Empty(t, temporal.Signals())
	}
}

// parkedIn is a run of an action on what a server holds.
func parkedIn(t *testing.T, temporal *frontendtest.Server, action operator.Action) (*parked, *bytes.Buffer) {
	t.Helper()
	c, err := client.Dial(client.Options{HostPort: temporal.Address})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	var out bytes.Buffer
	return &parked{windows: operator.Windows{Temporal: c, Pipeline: "p", Action: action}, most: most, flags: parkedFlags{all: true}, out: &out}, &out
}

func TestParkedAsks(t *testing.T) {
	t.Parallel()
	temporal := frontendtest.Start(t, "default")
	temporal.Place(flushing(t, "p/flush/7/1", "parked", "413"))
	for answer, ok := range map[string]bool{"yes\n": true, " YES \n": true, "yes": true, "no\n": false, "y\n": false, "\n": false, "": false} {
		before := len(temporal.Signals())
		p, out := parkedIn(t, temporal, operator.Discard)
		var asked bytes.Buffer
		p.ask = func(ctx context.Context, question string) error {
			require.Contains(t, out.String(), "p/flush/7/1", "it is listed before")
			return ask(ctx, strings.NewReader(answer), &asked, question)
		}
		err := p.act(t.Context(), nil)
		require.Equal(t, "Give up what is parked in these windows (1, with 1200 events)? The destination will never get it. Type yes to go on: ", asked.String())
		if ok {
			require.NoError(t, err)
			require.Len(t, temporal.Signals(), before+1)
		} else {
			require.ErrorContains(t, err, "nothing was done", answer)
			require.Len(t, temporal.Signals(), before)
		}
	}

	// Nobody answers, and the process is interrupted.
	ctx, cancel := context.WithCancel(t.Context())
	silent, typing := io.Pipe()
	defer typing.Close()
	p, _ := parkedIn(t, temporal, operator.Redrive)
	p.ask = func(ctx context.Context, question string) error {
		require.Equal(t, "Try these windows again (1, with 1200 events)? Type yes to go on: ", question)
		cancel()
		return ask(ctx, silent, io.Discard, question)
	}
	require.ErrorIs(t, p.act(ctx, nil), context.Canceled)
}

// TestParkedIsBounded: one command remembers what it has listed, up to a limit, and says
// that there is more.
func TestParkedIsBounded(t *testing.T) {
	t.Parallel()
	temporal := frontendtest.Start(t, "default")
	for n := range 1200 { // several pages
		temporal.Place(flushing(t, fmt.Sprintf("p/flush/7/%d", n), "parked", "413"))
	}
	p, out := parkedIn(t, temporal, operator.Redrive)
	p.flags.yes, p.most = true, 10
	err := p.act(t.Context(), nil)
	require.ErrorContains(t, err, "more than 10 windows wait")
	require.Contains(t, out.String(), "told to redrive: 10, ended meanwhile: 0\n")
	require.Len(t, temporal.Signals(), 10)

	p, out = parkedIn(t, temporal, operator.Redrive)
	p.flags.dryRun = true
	require.NoError(t, p.act(t.Context(), nil))
	require.Contains(t, out.String(), "windows: 1200, ")
}

// TestParkedEndsMeanwhile: while somebody reads the list, windows end, and that is no
// failure. Nor is it lost when Temporal goes away.
func TestParkedEndsMeanwhile(t *testing.T) {
	t.Parallel()
	temporal := frontendtest.Start(t, "default")
	ends := flushing(t, "p/flush/7/1", "parked", "413")
	temporal.Place(ends, flushing(t, "p/flush/7/2", "parked", "413"))
	p, out := parkedIn(t, temporal, operator.Redrive)
	p.ask = func(context.Context, string) error {
		temporal.End("p/flush/7/1")
		return nil
	}
	require.NoError(t, p.act(t.Context(), nil))
	require.Contains(t, out.String(), "told to redrive: 1, ended meanwhile: 1\n")

	p, out = parkedIn(t, temporal, operator.Redrive)
	ctx, cancel := context.WithCancel(t.Context())
	p.ask = func(context.Context, string) error {
		cancel()
		return nil
	}
	err := p.act(ctx, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "1 of 1 windows are left: redrive again")
	require.Contains(t, out.String(), "left: 1\n")
}
