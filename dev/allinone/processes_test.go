package allinone

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/dev/localaws"
)

// buildLogpipe builds the production binary once for all tests.
var buildLogpipe = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "logpipe-test-")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "logpipe")
	out, err := exec.Command("go", "build", "-o", binary, "github.com/log-event-pipeline/logpipe/cmd/logpipe").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return binary, nil
})

// environment is that of a process of the pipeline, by the names that its users
// rely on.
func (s *stack) environment() map[string]string {
	return map[string]string{
		"HOME": s.dir, "PATH": os.Getenv("PATH"),
		"AWS_REGION": s.aws.Region(), "AWS_ENDPOINT_URL": s.awsURL, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local",
		"TEMPORAL_ADDRESS": s.temporal.Address(), "TEMPORAL_NAMESPACE": "default",
		"LOGPIPE_PIPELINE": pipeline, "LOGPIPE_STREAM": stream, "LOGPIPE_START_POSITION": "TRIM_HORIZON",
		"LOGPIPE_STAGE_URL":      "file://" + filepath.Join(s.dir, "stage"),
		"LOGPIPE_WINDOW_MAX_AGE": "1s", "LOGPIPE_WINDOW_MAX_BYTES": "200kB", "LOGPIPE_BATCH_MAX_BYTES": "256KiB",
		"LOGPIPE_DESTINATION_URL": s.api.EventsURL(), "LOGPIPE_TOKEN_URL": s.api.TokenURL(),
		"LOGPIPE_TOKEN_PARAMETER": tokenParameter, "LOGPIPE_CLIENT_ID": clientID, "LOGPIPE_CLIENT_SECRET_PARAMETER": secretParameter,
	}
}

// process is a running logpipe.
type process struct {
	*exec.Cmd
	stdout, stderr *output
	ended          chan error
}

// output is what a process has written until now.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) Bytes() []byte { return []byte(o.String()) }

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func startLogpipe(t *testing.T, command string, environment map[string]string) *process {
	t.Helper()
	binary, err := buildLogpipe()
	require.NoError(t, err)
	p := &process{Cmd: exec.Command(binary, strings.Fields(command)...), stdout: new(output), stderr: new(output), ended: make(chan error, 1)}
	for name, value := range environment {
		p.Env = append(p.Env, name+"="+value)
	}
	p.Stdout, p.Stderr = p.stdout, p.stderr
	require.NoError(t, p.Start())
	go func() { p.ended <- p.Wait() }()
	t.Cleanup(func() { _ = p.Process.Kill() }) // of a process that has ended: nothing
	return p
}

// runs waits until the process, a starter or a worker, says that it runs.
func (p *process) runs(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(p.stderr.String(), ` runs"`) }, time.Minute, 20*time.Millisecond, p.stderr)
}

// end waits for the process and returns its exit status.
func (p *process) end(t *testing.T) int {
	t.Helper()
	select {
	case err := <-p.ended:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return p.ProcessState.ExitCode()
	case <-time.After(time.Minute):
		t.Fatalf("logpipe does not end:\n%s", p.stderr)
		return -1
	}
}

// servers are the servers of a test, without the pipeline.
func servers(t *testing.T, o Options) *stack {
	t.Helper()
	s, err := startServers(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.stop(false)) })
	return s
}

func TestSeparateProcesses(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	o := testOptions(t, &out)
	o.Faults = faults(t, "5xx=10%,token-life=3s")
	s := servers(t, o)
	processes := map[string]*process{}
	for _, name := range []string{"worker 1", "worker 2", "starter 1", "starter 2"} {
		processes[name] = startLogpipe(t, strings.Fields(name)[0], s.environment())
	}
	for _, p := range processes {
		p.runs(t) // one that is stopped while it starts ends with an error
	}
	// A deployment in the middle of the traffic: one of each is replaced.
	deploy := time.AfterFunc(2*time.Second, func() {
		for _, name := range []string{"starter 1", "worker 1"} {
			_ = processes[name].Process.Signal(syscall.SIGTERM)
		}
	})
	defer deploy.Stop()
	r := &run{stack: s, out: &out, watcher: newWatcher(s.client, &out)}
	report, err := r.do(t.Context())
	require.NoError(t, err, out.String())
	require.Positive(t, report.Produced)
	require.True(t, report.OK(), "%+v\n%s", report, out.String())

	for _, name := range []string{"starter 2", "worker 2"} {
		require.NoError(t, processes[name].Process.Signal(syscall.SIGTERM))
	}
	for name, p := range processes {
		require.Zero(t, p.end(t), "%s ends cleanly:\n%s", name, p.stderr)
		require.NotContains(t, p.stderr.String(), "panic")
		require.NotContains(t, p.stderr.String(), clientSecret)
	}
}

// TestWrongSettings starts processes as a person does who has made a mistake. Each
// has to end with a line that names what is wrong and what to do, and nothing else.
//
//nolint:tparallel // one after another: an injected fault is for all processes
func TestWrongSettings(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := servers(t, testOptions(t, &out))
	deny := func(operation string) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			id, err := s.aws.InjectFault(localaws.FaultRule{Operation: operation, Error: "AccessDeniedException", Message: "not authorized to perform " + operation})
			require.NoError(t, err)
			t.Cleanup(func() { s.aws.ClearFault(id) })
		}
	}
	for _, c := range []struct {
		name    string
		role    string
		change  map[string]string
		prepare func(*testing.T)
		status  int
		says    []string
	}{
		{"no stream", "starter", map[string]string{"LOGPIPE_STREAM": ""}, nil, 2, []string{"LOGPIPE_STREAM", "set it"}},
		{"misspelt setting", "starter", map[string]string{"LOGPIPE_STREEM": "x"}, nil, 2, []string{"LOGPIPE_STREEM", "LOGPIPE_STREAM"}},
		{"bad URL", "worker", map[string]string{"LOGPIPE_DESTINATION_URL": "analytics.example.com"}, nil, 2, []string{"LOGPIPE_DESTINATION_URL", "https://"}},
		{"bad size", "starter", map[string]string{"LOGPIPE_WINDOW_MAX_BYTES": "lots"}, nil, 2, []string{"LOGPIPE_WINDOW_MAX_BYTES", "lots"}},
		{"stream is not there", "starter", map[string]string{"LOGPIPE_STREAM": "other"}, nil, 1, []string{"stream other", "no such stream", "LOGPIPE_STREAM"}},
		{"Temporal is not there", "worker", map[string]string{"TEMPORAL_ADDRESS": "127.0.0.1:9"}, nil, 1, []string{"Temporal at 127.0.0.1:9", "TEMPORAL_ADDRESS"}},
		{"namespace is not there", "worker", map[string]string{"TEMPORAL_NAMESPACE": "nowhere"}, nil, 1, []string{"nowhere", "TEMPORAL_NAMESPACE"}},
		{"AWS is not there", "worker", map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}, nil, 1, []string{"127.0.0.1:9", "AWS_ENDPOINT_URL"}},
		{"no region", "starter", map[string]string{"AWS_REGION": ""}, nil, 1, []string{"AWS_REGION"}},
		{"no credentials", "starter", map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_EC2_METADATA_DISABLED": "true"}, nil, 1, []string{"credentials", "AWS_ACCESS_KEY_ID"}},
		{"no such parameter", "worker", map[string]string{"LOGPIPE_CLIENT_SECRET_PARAMETER": "/not/there"}, nil, 1, []string{"/not/there", "no such parameter", "LOGPIPE_CLIENT_SECRET_PARAMETER"}},
		{"parameter of somebody else", "worker", map[string]string{"LOGPIPE_TOKEN_PARAMETER": "/foreign"}, putForeign(s), 1, []string{"/foreign", "does not hold a token"}},
		{"stage cannot be written", "starter", map[string]string{"LOGPIPE_STAGE_URL": "file:///proc/nope"}, nil, 1, []string{"/proc/nope", "LOGPIPE_STAGE_URL"}},
		{"stream access denied", "starter", nil, deny("DescribeStreamSummary"), 1, []string{"access denied", "kinesis:DescribeStreamSummary"}},
		{"parameter access denied", "worker", nil, deny("GetParameter"), 1, []string{"AccessDenied", "ssm:GetParameter"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.prepare != nil {
				c.prepare(t)
			}
			environment := s.environment()
			maps.Copy(environment, c.change)
			p := startLogpipe(t, c.role, environment)
			require.Equal(t, c.status, p.end(t), p.stderr)
			text := strings.TrimSpace(p.stderr.String())
			require.Equal(t, 1, strings.Count(text, "logpipe: "), text)
			require.NotContains(t, text, "\n", "one line")
			require.NotContains(t, text, "goroutine")
			require.NotContains(t, text, clientSecret)
			for _, part := range c.says {
				require.Contains(t, text, part)
			}
			t.Log(text)
		})
	}
}

// putForeign puts a parameter that holds no token of ours.
func putForeign(s *stack) func(*testing.T) {
	return func(t *testing.T) {
		t.Helper()
		_, err := ssm.NewFromConfig(s.awsSDK).PutParameter(t.Context(), &ssm.PutParameterInput{
			Name: aws.String("/foreign"), Value: aws.String("database password"), Type: types.ParameterTypeSecureString,
		})
		require.NoError(t, err)
	}
}
