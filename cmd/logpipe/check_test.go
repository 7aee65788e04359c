package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/connect/frontendtest"
	"github.com/log-event-pipeline/logpipe/operator/checkup"
	"github.com/log-event-pipeline/logpipe/starter"
)

// TestCheckWithoutAnything: where nothing can be reached, each check says so for itself.
func TestCheckWithoutAnything(t *testing.T) { //nolint:paralleltest // it sets the environment of the process
	closed := "http://" + closedPort(t)
	out := logpipe(t, environment{"LOGPIPE_DESTINATION_URL": closed, "LOGPIPE_TOKEN_URL": closed}, "check", "--json")
	require.Equal(t, exitFailed, out.status)
	require.Empty(t, out.lines, "all is among the findings")
	failed := map[string]string{}
	for line := range strings.Lines(out.stdout) {
		var f struct{ Name, Status, Message, Remedy string }
		require.NoError(t, json.Unmarshal([]byte(line), &f))
		if f.Status == "fail" {
			failed[f.Name] = f.Message
			if !strings.Contains(f.Message, "TEMPORAL_ADDRESS") && !strings.Contains(f.Message, "destination_url") {
				require.NotEmpty(t, f.Remedy, f.Name)
			}
		}
	}
	for _, name := range []string{"temporal/connection", "stream/describe-stream-summary", "parameters/client-secret", "token/endpoint", "token/parameter", "destination/connection"} {
		require.Contains(t, failed[name], "refused", name)
	}
	require.Len(t, failed, 6)
	require.Contains(t, out.stdout, `{"name":"stage/put","status":"ok"`, "what is on this machine works")
}

func TestCheckOfWrongSettings(t *testing.T) { //nolint:paralleltest // it sets the environment of the process
	out := logpipe(t, environment{"LOGPIPE_STREAM": "", "LOGPIPE_STREEM": "x"}, "check")
	require.Equal(t, exitFailed, out.status)
	require.Empty(t, out.lines)
	require.Equal(t, 2, strings.Count(out.stdout, "fail  settings/valid"), out.stdout)
	require.Contains(t, out.stdout, "did you mean LOGPIPE_STREAM?")
	require.Contains(t, out.stdout, "not tried")
	require.NotContains(t, out.stdout, "temporal/")

	require.NoError(t, os.Unsetenv("LOGPIPE_STREEM"))
	out = logpipe(t, environment{"LOGPIPE_STREAM": ""}, "check", "--role", "worker", "--only", "settings")
	require.Equal(t, exitOK, out.status, "a worker needs no stream: %s", out.stdout)
}

// TestCheckByRole: what only the other role may do is not tried.
func TestCheckByRole(t *testing.T) { //nolint:paralleltest // it sets the environment of the process
	temporal := frontendtest.Start(t, "default")
	var asked []string
	aws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		asked = append(asked, operation)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"__type":"AccessDeniedException","message":"not authorized"}`))
	}))
	defer aws.Close()
	env := environment{"TEMPORAL_ADDRESS": temporal.Address, "AWS_ENDPOINT_URL": aws.URL}
	out := logpipe(t, env, "check", "--role", "starter", "--only", "stream")
	require.Equal(t, exitFailed, out.status)
	require.Equal(t, []string{"DescribeStreamSummary", "ListShards"}, asked)
	for _, action := range []string{"kinesis:DescribeStreamSummary", "kinesis:ListShards"} {
		require.Contains(t, out.stdout, action)
	}
	asked = nil
	out = logpipe(t, env, "check", "--role", "worker", "--only", "parameters,stream")
	require.Equal(t, []string{"GetParameter"}, asked)
	require.Contains(t, out.stdout, "ssm:GetParameter")
	require.Empty(t, temporal.Attributes(), "nothing is registered")
}

// TestCheckOfNothing: a wrong name in --only is no success.
func TestCheckOfNothing(t *testing.T) { //nolint:paralleltest // it sets the environment of the process
	for only, says := range map[string]string{
		"stage/pt": "what was: stage/put, stage/get, stage/list, stage/delete",
		"stream":   "a worker does not need it",
	} {
		out := logpipe(t, nil, "check", "--role", "worker", "--only", only)
		require.Equal(t, exitFailed, out.status)
		require.Len(t, out.lines, 1)
		require.Contains(t, out.lines[0], "--only "+only)
		require.Contains(t, out.lines[0], says)
	}
	out := logpipe(t, nil, "check", "--only", "stage/put")
	require.Equal(t, exitOK, out.status, out.lines)
}

func TestFindingPrinter(t *testing.T) {
	t.Parallel()
	findings := []checkup.Finding{
		{Name: "stage/put", Status: checkup.OK, Message: "wrote it"},
		{Name: "stage/list", Status: checkup.Fail, Message: "<denied>", Remedy: "allow it"},
	}
	for name, c := range map[string]struct {
		printer findingPrinter
		want    string
	}{
		"text":    {findingPrinter{}, "ok    stage/put                       wrote it\nfail  stage/list                      <denied>\n      → allow it\n"},
		"colours": {findingPrinter{colours: true}, "\x1b[32mok  \x1b[0m  stage/put                       wrote it\n\x1b[31mfail\x1b[0m  stage/list                      <denied>\n      → allow it\n"},
		"JSON": {findingPrinter{json: true, colours: true}, `{"name":"stage/put","status":"ok","message":"wrote it"}` + "\n" +
			`{"name":"stage/list","status":"fail","message":"<denied>","remedy":"allow it"}` + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			c.printer.out = &out
			for _, f := range findings {
				c.printer.print(f)
			}
			require.Equal(t, c.want, out.String())
		})
	}
}

// TestFindingPrinterWithoutRoom: what could not be printed is a failure.
func TestFindingPrinterWithoutRoom(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("this system has no /dev/full")
	}
	defer full.Close()
	p := findingPrinter{out: full}
	p.print(checkup.Finding{Name: "stage/put", Status: checkup.OK, Message: "wrote it"})
	require.Error(t, p.err)
}

// TestCompletion: the shell is told names, not files.
func TestCompletion(t *testing.T) { //nolint:paralleltest // it sets the environment of the process
	for words, want := range map[string][]string{
		"check --only ":          checkup.Names(),
		"check --only stage,":    {"stage,settings", "stage,temporal", "stage,stream", "stage,parameters", "stage,token", "stage,destination", "stage,clock"},
		"check --role ":          {"starter", "worker", "all"},
		"check --output ":        {"text", "json"},
		"recover --output ":      {"text", "json"},
		"redrive --output ":      {"text", "json"},
		"quarantine list -o ":    {"text", "json"},
		"quarantine retry -o ":   {"text", "json"},
		"setup ":                 nil,
		"sta":                    {"starter", "status"},
		"set":                    {"setup"},
		"completion ":            {"bash", "fish", "powershell", "zsh"},
		"format --log-group ":    nil,
		"check --config ":        {"yaml", "yml"},
		"quarantine ":            {"list", "retry"},
		"discard --query ":       nil,
		"format --log-stream ":   nil,
		"setup --retention ":     nil,
		"check --request-token ": nil,
	} {
		t.Run(words, func(t *testing.T) {
			args := append([]string{"__complete"}, strings.Split(words, " ")...)
			var stdout, stderr bytes.Buffer
			require.Equal(t, exitOK, run(t.Context(), args, &stdout, &stderr))
			var got []string
			for line := range strings.Lines(stdout.String()) {
				word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
				got = append(got, word)
			}
			directive := got[len(got)-1]
			require.Equal(t, want, append([]string(nil), got[:len(got)-1]...))
			if strings.HasSuffix(words, "--config ") {
				require.Equal(t, ":8", directive, "files of these kinds")
			} else {
				require.Equal(t, ":4", directive, "no files")
			}
		})
	}
	dir := t.TempDir()
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		out := logpipe(t, nil, "completion", shell)
		require.Equal(t, exitOK, out.status)
		require.Contains(t, out.stdout, "logpipe")
		require.NoError(t, os.WriteFile(filepath.Join(dir, shell), []byte(out.stdout), 0o600))
	}
}

// TestCompletionOfWindows: the ids of what waits, and nothing where Temporal is away.
func TestCompletionOfWindows(t *testing.T) {
	temporal := frontendtest.Start(t, "default")
	temporal.Place(flushing(t, "p/flush/7/1", "parked", "413"), flushing(t, "p/flush/7/2", "parked", "422"))
	env := environment{"TEMPORAL_ADDRESS": temporal.Address, "LOGPIPE_PIPELINE": "p"}
	for name, value := range isolated(t) {
		t.Setenv(name, value)
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
	complete := func() string {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitOK, run(t.Context(), []string{"__complete", "redrive", ""}, &stdout, &stderr))
		return stdout.String()
	}
	require.Equal(t, "p/flush/7/1\tparked, since 2026-03-04T05:06:07Z\np/flush/7/2\tparked, since 2026-03-04T05:06:07Z\n:4\n", complete())
	require.Empty(t, temporal.Attributes(), "to complete is to look only")
	t.Setenv("TEMPORAL_ADDRESS", closedPort(t))
	require.Equal(t, ":4\n", complete())
}

// TestRetryPrinter: a line for each workflow.
func TestRetryPrinter(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := retryPrinter{&out, true}
	require.NoError(t, p.retried(starter.Retried{WorkflowID: "p/retry/7", Pieces: 3, Left: 2}))
	require.NoError(t, p.retried(starter.Retried{WorkflowID: "p/retry/8", Left: 5}))
	p.summary(1, 3, 7)
	lines := slices.Collect(strings.Lines(out.String()))
	require.Len(t, lines, 2)
	require.JSONEq(t, `{"workflow_id":"p/retry/7","outcome":"started","pieces":3,"left":2}`, lines[0])
	require.JSONEq(t, `{"workflow_id":"p/retry/8","outcome":"running","pieces":0,"left":5}`, lines[1])
}

// TestChecksAreDocumented: docs/operations.md says of each what it tries.
func TestChecksAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	require.NoError(t, err)
	for _, name := range checkup.Names() {
		require.Contains(t, string(text), "\n| `"+name+"` | ")
	}
}

// TestEveryCommandHasExamples: whoever asks for help sees how it is used.
func TestEveryCommandHasExamples(t *testing.T) {
	t.Parallel()
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Runnable() && !cmd.HasSubCommands() {
			require.Contains(t, cmd.Example, cmd.CommandPath())
			require.NotEmpty(t, cmd.Long, cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(io.Discard))
}
