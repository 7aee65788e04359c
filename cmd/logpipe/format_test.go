package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/docs"
)

// asMain makes the test binary the command.
const asMain = "RUN_AS_LOGPIPE"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
	}
	os.Exit(m.Run())
}

// spawn runs the command as a process of its own, without any settings but those given.
func spawn(t *testing.T, stdin string, env []string, args ...string) (status int, stdout string, stderr []string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = slices.Concat(env, []string{asMain + "=1", "HOME=" + t.TempDir()})
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status, err = exit.ExitCode(), nil
	}
	require.NoError(t, err)
	if errs.Len() > 0 {
		stderr = strings.Split(strings.TrimSuffix(errs.String(), "\n"), "\n")
	}
	for _, line := range stderr {
		require.True(t, strings.HasPrefix(line, "logpipe: "), line)
	}
	return status, out.String(), stderr
}

const goodEnvelope = `{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"/apigw/orders/access","logStream":"s","subscriptionFilters":["f"],` +
	`"logEvents":[{"id":"1","timestamp":1725544035523,"message":"log-canary one"},{"id":"2","timestamp":1725544035524,"message":"{\"a\":1}"}]}`

// TestFormat holds what people and scripts rely on: events on standard output, everything
// else on standard error, and the exit status.
func TestFormat(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := z.Write([]byte(goodEnvelope))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	record, lines := file("record.gz", zipped.String()), file("access.log", "line one\nline two\n")
	settings := file("logpipe.yaml", "stream: arn:aws:kinesis:eu-west-2:123456789012:stream/api-logs\nbatch_max_bytes: 1kB\n")
	broken := file("broken.json", goodEnvelope+"\n"+goodEnvelope[:150]+`"logEvents":[`+"\n"+goodEnvelope)
	long := file("long.log", strings.Repeat("x", 5000)+"\nshort\n")
	missing := filepath.Join(dir, "missing")

	for name, c := range map[string]struct {
		stdin  string
		env    []string
		args   []string
		status int
		events []string // of each event, a part
		says   []string // of each line on standard error, a part
	}{
		"record":            {"", nil, []string{record}, exitOK, []string{`"body":"log-canary one"`, `"body":{"a":1}`}, nil},
		"standard input":    {goodEnvelope, nil, nil, exitOK, []string{`"log-canary one"`, `{"a":1}`}, nil},
		"dash":              {"a\nb\n", nil, []string{"--log-group", "/g", "--log-stream", "t", "-"}, exitOK, []string{`"aws.log.group.names":["/g"],"aws.log.stream.names":["t"]`, `"body":"b"`}, nil},
		"several files":     {"from stdin\n", nil, []string{lines, "-", record}, exitOK, []string{`["access.log"]`, "line two", `["stdin"]`, "one", `{"a":1}`}, nil},
		"summary":           {"", nil, []string{"--summary", lines, record}, exitOK, []string{"", "", "", ""}, []string{"inputs: 2, records: 3, events: 4 (json 1, text 3), control messages: 0, quarantined: 0"}},
		"nothing":           {"", nil, nil, exitOK, nil, nil},
		"settings":          {"", nil, []string{"--config", settings, lines}, exitOK, []string{`"cloud.region":"eu-west-2"`, ""}, nil},
		"region of AWS":     {"", []string{"AWS_REGION=eu-north-1"}, []string{lines}, exitOK, []string{`"cloud.region":"eu-north-1"`, ""}, nil},
		"quarantine":        {"", nil, []string{broken}, exitFailed, []string{"one", `{"a":1}`, "one", `{"a":1}`}, []string{broken + ":2: quarantined: invalid_json at byte ", "quarantined: 1 (invalid_json 1)"}},
		"setting of a size": {"", []string{"LOGPIPE_CONFIG=" + settings}, []string{long}, exitFailed, []string{"short"}, []string{long + ":1: quarantined: event_too_large at byte ", "quarantined: 1 (event_too_large 1) with 1 log events"}},
		"unreadable":        {"\x00", nil, []string{"-", lines}, exitFailed, []string{"one", "two"}, []string{"standard input:1: a zero byte", "not read to their end: 1"}},

		"missing files":     {"", nil, []string{missing, lines, dir}, exitMisused, nil, []string{missing, "is a directory"}},
		"stdin twice":       {"", nil, []string{"-", "-"}, exitMisused, nil, []string{"standard input is named twice"}},
		"wrong flag":        {"", nil, []string{"--groups", "x"}, exitMisused, nil, []string{"unknown flag"}},
		"wrong log group":   {"", nil, []string{"--log-group", "a b"}, exitMisused, nil, []string{`log group "a b"`}},
		"wrong setting":     {"", []string{"LOGPIPE_BATCH_MAX_BYTES=many"}, []string{lines}, exitMisused, nil, []string{"LOGPIPE_BATCH_MAX_BYTES"}},
		"missing settings":  {"", nil, []string{"--config", missing, lines}, exitMisused, nil, []string{missing}},
		"schema of a file?": {"", nil, []string{"--schema", lines}, exitMisused, nil, []string{"--schema reads no files"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, stdout, stderr := spawn(t, c.stdin, c.env, append([]string{"format"}, c.args...)...)
			require.Equal(t, c.status, status, stderr)
			events := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
			if stdout == "" {
				events = nil
			}
			require.Len(t, events, len(c.events), stdout)
			for i, part := range c.events {
				require.True(t, json.Valid([]byte(events[i])), events[i])
				require.Contains(t, events[i], part)
			}
			require.Len(t, stderr, len(c.says), stderr)
			for i, part := range c.says {
				require.Contains(t, stderr[i], part)
				require.NotContains(t, stderr[i], "canary")
			}
		})
	}
}

func TestFormatPretty(t *testing.T) {
	t.Parallel()
	status, stdout, stderr := spawn(t, goodEnvelope, nil, "format", "--pretty")
	require.Equal(t, exitOK, status, stderr)
	require.True(t, strings.HasPrefix(stdout, "{\n  \"schema\": \"apigw.log/1\",\n"), stdout)
	require.NotContains(t, stdout, "\x1b", "colours are for terminals")
}

func TestFormatSchema(t *testing.T) {
	t.Parallel()
	status, stdout, _ := spawn(t, "", nil, "format", "--schema")
	require.Equal(t, exitOK, status)
	require.Equal(t, string(docs.EventsSchema), stdout)
	require.True(t, json.Valid([]byte(stdout)))
}
