package main

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/fx"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect/frontendtest"
	"github.com/log-event-pipeline/logpipe/starter"
	"github.com/log-event-pipeline/logpipe/worker"
)

// environment is what a process knows in a test; an empty variable is as good as none.
type environment map[string]string

// isolated are the variables of a process that finds no other source of settings.
func isolated(t *testing.T) environment {
	t.Helper()
	missing := filepath.Join(t.TempDir(), "missing")
	env := environment{
		"HOME": missing, "XDG_CONFIG_HOME": missing,
		"TEMPORAL_CONFIG_FILE": "", "TEMPORAL_PROFILE": "", "TEMPORAL_NAMESPACE": "", "TEMPORAL_API_KEY": "", "TEMPORAL_TLS": "",
		"TEMPORAL_ADDRESS": closedPort(t),
		"AWS_REGION":       "eu-central-1", "AWS_DEFAULT_REGION": "", "AWS_PROFILE": "", "AWS_MAX_ATTEMPTS": "1",
		"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret-canary", "AWS_SESSION_TOKEN": "",
		"AWS_CONFIG_FILE": missing, "AWS_SHARED_CREDENTIALS_FILE": missing, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "", "AWS_WEB_IDENTITY_TOKEN_FILE": "",
		"AWS_ENDPOINT_URL":            "http://" + closedPort(t),
		"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "", "OTEL_TRACES_EXPORTER": "", "OTEL_EXPORTER_OTLP_PROTOCOL": "",
	}
	for _, s := range config.Describe() {
		env[s.Env()] = s.Example
	}
	env[config.FileVariable] = ""
	env["LOGPIPE_STAGE_URL"] = "file://" + filepath.ToSlash(t.TempDir())
	return env
}

// closedPort is an address of this machine where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

// outcome is what a person sees of a process.
type outcome struct {
	status int
	stdout string
	lines  []string // of standard error
}

// logpipe runs the command with the changes to the isolated environment.
func logpipe(t *testing.T, changes environment, args ...string) outcome {
	t.Helper()
	env := isolated(t)
	for _, set := range []environment{env, changes} {
		for name, value := range set {
			t.Setenv(name, value)
		}
	}
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), args, &stdout, &stderr)
	out := outcome{status: status, stdout: stdout.String()}
	if stderr.Len() > 0 {
		out.lines = strings.Split(strings.TrimSuffix(stderr.String(), "\n"), "\n")
	}
	for _, line := range out.lines {
		require.True(t, strings.HasPrefix(line, "logpipe: "), "a line that is no fault: %q", line)
		require.NotContains(t, line, "secret-canary")
		require.NotContains(t, line, "goroutine")
		require.NotContains(t, line, ".go:")
	}
	return out
}

func TestMisuse(t *testing.T) { //nolint:paralleltest // it sets the environment of the process
	missing := filepath.Join(t.TempDir(), "none.yaml")
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	require.NoError(t, os.WriteFile(broken, []byte("pipeline: [\n"), 0o600))
	for name, c := range map[string]struct {
		changes environment
		args    []string
		says    [][]string // words of each line
	}{
		"unknown command":           {nil, []string{"startr"}, [][]string{{"unknown command", "startr", "logpipe --help"}}},
		"unknown flag":              {nil, []string{"--verbose"}, [][]string{{"unknown flag", "--verbose"}}},
		"unknown flag of a command": {nil, []string{"worker", "--verbose"}, [][]string{{"unknown flag", "--verbose", "logpipe worker --help"}}},
		"flag without its value":    {nil, []string{"worker", "--config"}, [][]string{{"--config"}}},
		"an argument":               {nil, []string{"starter", "api-logs"}, [][]string{{"starter takes no arguments", "api-logs", "logpipe starter --help"}}},
		"settings file missing":     {nil, []string{"worker", "--config", missing}, [][]string{{missing, "check --config"}}},
		"settings file broken":      {nil, []string{"worker", "--config", broken}, [][]string{{broken}}},
		"settings file of the environment missing": {environment{config.FileVariable: missing}, []string{"starter"},
			[][]string{{missing, config.FileVariable}}},
		"recover without a stream":         {environment{"LOGPIPE_STREAM": ""}, []string{"recover", "--dry-run"}, [][]string{{"LOGPIPE_STREAM", "is not set"}}},
		"quarantine of what?":              {nil, []string{"quarantine", "lst"}, [][]string{{"unknown command", "lst", "logpipe quarantine --help"}}},
		"quarantine list of a piece":       {nil, []string{"quarantine", "list", "key"}, [][]string{{"key"}}},
		"quarantine retry of nothing":      {nil, []string{"quarantine", "retry"}, [][]string{{"nothing to retry", "--all"}}},
		"quarantine retry of all and one":  {nil, []string{"quarantine", "retry", "--all", "key"}, [][]string{{"--all"}}},
		"quarantine list without settings": {environment{"LOGPIPE_STAGE_URL": ""}, []string{"quarantine", "list"}, [][]string{{"LOGPIPE_STAGE_URL", "is not set"}}},
		"redrive of nothing":               {nil, []string{"redrive"}, [][]string{{"nothing to redrive", "--query", "--all"}}},
		"discard of all and one":           {nil, []string{"discard", "--all", "logpipe/flush/7/1"}, [][]string{{"--query and --all", "one of them"}}},
		"pause of nothing":                 {nil, []string{"pause"}, [][]string{{"pause what?", "reading and delivery"}}},
		"pause of something else":          {nil, []string{"pause", "everything"}, [][]string{{"everything", "neither reading nor delivery"}}},
		"resume of both":                   {nil, []string{"resume", "reading", "delivery"}, [][]string{{"resume what?"}}},
		"discard by an empty query":        {nil, []string{"discard", "--query", " ", "--yes"}, [][]string{{"--query is empty", "--all"}}},
		"redrive with a wrong setting":     {environment{"LOGPIPE_PIPELINE": "P!"}, []string{"redrive", "--all", "--yes"}, [][]string{{"LOGPIPE_PIPELINE"}}},
		"redrive in another form":          {nil, []string{"redrive", "--all", "--output", "xml"}, [][]string{{"--output", "xml", "want text or json"}}},
		"check of what?":                   {nil, []string{"check", "--only", "stages"}, [][]string{{"--only", "stages", "stage, parameters"}}},
		"check of whose?":                  {nil, []string{"check", "--role", "both"}, [][]string{{"--role", "both", "starter, worker or all"}}},
		"check without time":               {nil, []string{"check", "--timeout", "0s"}, [][]string{{"--timeout", "more than 0"}}},
		"setup with another retention":     {nil, []string{"setup", "--retention", "48h"}, [][]string{{"--retention", "--create-namespace", "namespace update"}}},
		"setup with too short a retention": {nil, []string{"setup", "--create-namespace", "--retention", "1m"}, [][]string{{"--retention", "an hour or more"}}},
		"status of what?":                  {nil, []string{"status", "orders"}, [][]string{{"orders"}}},
		"status too often":                 {nil, []string{"status", "--watch", "--interval", "10ms"}, [][]string{{"--interval", "1s"}}},
		"status with an idle interval":     {nil, []string{"status", "--interval", "10s"}, [][]string{{"--interval", "--watch"}}},
		"status of no age":                 {nil, []string{"status", "--max-age", "0"}, [][]string{{"--max-age"}}},
		"no stream":                        {environment{"LOGPIPE_STREAM": ""}, []string{"starter"}, [][]string{{"LOGPIPE_STREAM", "is not set", "for example"}}},
		"wrong URL":                        {environment{"LOGPIPE_DESTINATION_URL": "analytics"}, []string{"worker"}, [][]string{{"LOGPIPE_DESTINATION_URL", "analytics"}}},
		"several faults": {environment{"LOGPIPE_STAGE_URL": "", "LOGPIPE_BATCH_MAX_BYTES": "many", "LOGPIPE_STRAEM": "x"}, []string{"starter"},
			[][]string{{"LOGPIPE_STRAEM", "is no setting"}, {"LOGPIPE_STAGE_URL", "is not set"}, {"LOGPIPE_BATCH_MAX_BYTES", "many"}}},
	} {
		t.Run(name, func(t *testing.T) {
			out := logpipe(t, c.changes, c.args...)
			require.Equal(t, exitMisused, out.status)
			require.Empty(t, out.stdout)
			require.Len(t, out.lines, len(c.says), "one line for each fault: %q", out.lines)
			for i, words := range c.says {
				for _, word := range words {
					require.Contains(t, out.lines[i], word)
				}
			}
		})
	}
}

func TestFailure(t *testing.T) { //nolint:paralleltest // it sets the environment of the process
	temporal := frontendtest.Start(t, "default")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	reachable := func(changes environment) environment {
		changes["TEMPORAL_ADDRESS"] = temporal.Address
		return changes
	}
	for name, c := range map[string]struct {
		changes environment
		command string
		says    []string
	}{
		"starter without Temporal":      {nil, "starter", []string{"connect to Temporal at 127.0.0.1:", "connection refused", "TEMPORAL_ADDRESS"}},
		"worker without Temporal":       {nil, "worker", []string{"connect to Temporal at 127.0.0.1:", "connection refused", "TEMPORAL_ADDRESS"}},
		"namespace that does not exist": {reachable(environment{"TEMPORAL_NAMESPACE": "lgos"}), "worker", []string{`namespace "lgos"`, "TEMPORAL_NAMESPACE"}},
		"starter without Kinesis":       {reachable(environment{}), "starter", []string{"describe stream api-logs", "connection refused", "LOGPIPE_STREAM", "AWS_ENDPOINT_URL"}},
		"worker without SSM":            {reachable(environment{}), "worker", []string{"client secret", "connection refused", "LOGPIPE_CLIENT_SECRET_PARAMETER", "AWS_ENDPOINT_URL"}},
		"no region":                     {reachable(environment{"AWS_REGION": ""}), "worker", []string{"no AWS region", "AWS_REGION"}},
		"no credentials":                {reachable(environment{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}), "starter", []string{"no AWS credentials", "AWS_ACCESS_KEY_ID"}},
		"recover without Temporal":      {nil, "recover", []string{"connect to Temporal at 127.0.0.1:", "connection refused", "TEMPORAL_ADDRESS"}},
		"status without Temporal":       {nil, "status", []string{"connect to Temporal at 127.0.0.1:", "connection refused", "TEMPORAL_ADDRESS"}},
		"recover without a stage":       {reachable(environment{"LOGPIPE_STAGE_URL": "file://" + filepath.ToSlash(file)}), "recover", []string{"stage", "LOGPIPE_STAGE_URL"}},
		"recover from nothing":          {reachable(environment{}), "recover", []string{"nothing to recover", "LOGPIPE_PIPELINE", "LOGPIPE_STAGE_URL"}},
		"address of metrics taken": {reachable(environment{"LOGPIPE_METRICS_LISTEN": taken.Addr().String()}), "starter",
			[]string{"metrics", taken.Addr().String(), "address already in use", "LOGPIPE_METRICS_LISTEN"}},
		"traces by gRPC": {reachable(environment{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}), "worker",
			[]string{"OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "4318"}},
		"address of metrics elsewhere": {reachable(environment{"LOGPIPE_METRICS_LISTEN": "192.0.2.1:9464"}), "worker",
			[]string{"metrics", "192.0.2.1:9464", "LOGPIPE_METRICS_LISTEN"}},
		"stage that is no directory": {reachable(environment{"LOGPIPE_STAGE_URL": "file://" + filepath.ToSlash(file)}), "worker", []string{"stage", "LOGPIPE_STAGE_URL"}},
	} {
		t.Run(name, func(t *testing.T) {
			out := logpipe(t, c.changes, c.command)
			require.Equal(t, exitFailed, out.status, out.lines)
			require.Empty(t, out.stdout)
			require.Len(t, out.lines, 1)
			for _, word := range c.says {
				require.Contains(t, out.lines[0], word)
			}
		})
	}
}

func TestHelp(t *testing.T) { //nolint:paralleltest // it sets the environment of the process
	for name, args := range map[string][]string{
		"no command": {}, "--help": {"--help"}, "help": {"help"}, "starter --help": {"starter", "--help"}, "worker -h": {"worker", "-h"}, "recover --help": {"recover", "--help"},
		"redrive --help": {"redrive", "--help"}, "discard --help": {"discard", "--help"}, "setup --help": {"setup", "--help"}, "check --help": {"check", "--help"},
		"health --help": {"health", "--help"}, "status --help": {"status", "--help"},
		"pause --help": {"pause", "--help"}, "resume --help": {"resume", "--help"},
		"backfill --help": {"backfill", "--help"},
	} {
		t.Run(name, func(t *testing.T) {
			// Without any setting: help is what somebody asks for who has none yet.
			nothing := environment{}
			for _, s := range config.Describe() {
				nothing[s.Env()] = ""
			}
			out := logpipe(t, nothing, args...)
			require.Equal(t, exitOK, out.status)
			require.Empty(t, out.lines)
			require.Contains(t, out.stdout, "Usage:")
			require.Contains(t, out.stdout, "--config")
		})
	}
}

// TestProcesses: fx finds out only when a process starts that something is missing.
func TestProcesses(t *testing.T) {
	t.Parallel()
	for name, module := range map[string]fx.Option{"starter": starter.Module, "worker": worker.Module} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, fx.ValidateApp(process(t.Context(), config.RoleNone, config.Default(), slog.New(slog.DiscardHandler)), module))
		})
	}
}
