package allinone

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/dev/traffic"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// testOptions is a run that ends within seconds.
func testOptions(t *testing.T, out *bytes.Buffer) Options {
	t.Helper()
	return Options{
		Rate: 300, Mix: traffic.Mixed, For: 4 * time.Second, Seed: 1, Shards: 2,
		WindowMaxAge: time.Second, InputGroup: "/test/input", Out: out, Logs: out,
	}
}

func faults(t *testing.T, spec string) analytics.Faults {
	t.Helper()
	f, err := analytics.ParseFaults(spec)
	require.NoError(t, err)
	return f
}

func TestEveryEventArrivesOnce(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]string{
		"without faults":     "",
		"errors and outage":  "5xx=20%,token-life=2s,outage=3s@2s",
		"throttled":          "429=30%,retry-after=1s",
		"answers get lost":   "lost-answer=20%",
		"tokens get revoked": "revoke-every=1500ms",
		"the network resets": "outage=2s@1s:reset",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			o := testOptions(t, &out)
			o.Faults = faults(t, spec)
			report, err := Run(t.Context(), o)
			require.NoError(t, err, out.String())
			require.Positive(t, report.Produced)
			require.Equal(t, report.Produced, report.Delivered, out.String())
			require.True(t, report.OK(), "%+v\n%s", report, out.String())
			require.Positive(t, report.Windows)
			require.Contains(t, out.String(), "delivered")
		})
	}
}

func TestReplayDeliversEachEvent(t *testing.T) {
	t.Parallel()
	envelope := `{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"g","logStream":"s","subscriptionFilters":["f"],"logEvents":[` +
		`{"id":"1","timestamp":1551267060425,"message":"(a-b) old but true"},{"id":"2","timestamp":1551267060426,"message":"line one\nline two"}]}`
	file := filepath.Join(t.TempDir(), "in.json")
	require.NoError(t, os.WriteFile(file, []byte(envelope), 0o600))
	var out bytes.Buffer
	o := testOptions(t, &out)
	o.Inputs = []string{file}
	report, err := Run(t.Context(), o)
	require.NoError(t, err, out.String())
	require.Equal(t, 2, report.Delivered)
	require.True(t, report.OK(), "%+v", report)
}

// TestSampleDeliversEachEvent replays a real execution log where it is there.
func TestSampleDeliversEachEvent(t *testing.T) {
	t.Parallel()
	file := filepath.Join("..", "..", "..", "shared", "corpus", "execution-rest", "ericallam-env2.json")
	sample, err := os.ReadFile(file)
	if err != nil {
		t.Skipf("NO SAMPLES: %v", err)
	}
	var envelope struct{ LogEvents []json.RawMessage }
	require.NoError(t, json.Unmarshal(sample, &envelope))
	require.NotEmpty(t, envelope.LogEvents)
	var out bytes.Buffer
	o := testOptions(t, &out)
	o.Inputs = []string{file}
	report, err := Run(t.Context(), o)
	require.NoError(t, err, out.String())
	require.Equal(t, len(envelope.LogEvents), report.Delivered)
	require.True(t, report.OK(), "%+v", report)
}

func TestBadInputDeliversWhatCameBefore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := filepath.Join(dir, "good.log")
	require.NoError(t, os.WriteFile(good, []byte("one\ntwo\n"), 0o600))
	var out bytes.Buffer
	o := testOptions(t, &out)
	bad := filepath.Join(dir, "bad.gz")
	require.NoError(t, os.WriteFile(bad, []byte("\x1f\x8bnot gzip"), 0o600))
	o.Inputs = []string{good, bad}
	report, err := Run(t.Context(), o)
	require.ErrorContains(t, err, "bad.gz")
	require.Equal(t, 2, report.Delivered)
	require.True(t, report.OK(), "%+v", report)
}

func TestTheContextEndsTheTrafficAndDeliversTheRest(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	o := testOptions(t, &out)
	o.For = 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.onStarted = func(*stack) { time.AfterFunc(3*time.Second, cancel) }
	report, err := Run(ctx, o)
	require.NoError(t, err, out.String())
	require.Positive(t, report.Produced)
	require.True(t, report.OK(), "%+v", report)
}

// writer calls a function with what is written.
type writer func(p []byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

func TestTheContextEndsTheStart(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"worker runs", "starter runs"} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			o := testOptions(t, &out)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			o.Verbose, o.Logs = true, writer(func(p []byte) {
				if bytes.Contains(p, []byte(line)) {
					cancel()
				}
			})
			report, err := Run(ctx, o)
			require.EqualError(t, err, "interrupted")
			require.Zero(t, report)
			require.Empty(t, out.String(), "nothing is said of a run that was none")
		})
	}
}

func TestRefusedBatchesFailTheRun(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	o := testOptions(t, &out)
	o.Rate, o.For = 50, time.Second
	o.Faults = faults(t, "refuse=100%")
	o.patience = 2 * time.Second
	report, err := Run(t.Context(), o)
	require.NoError(t, err, out.String())
	require.Equal(t, report.Produced, report.Lost)
	require.False(t, report.OK())
	require.Equal(t, report.Windows, report.Parked)
	require.Regexp(t, fmt.Sprintf(` parked +%d  windows `, report.Parked), out.String(), "a person sees what waits for them")
	require.Contains(t, out.String(), `WorkflowType = 'FlushWindow' AND ExecutionStatus = 'Running' AND LogpipeStatus = 'parked'`)
	require.Contains(t, out.String(), "stage and log of this run")
}

// TestHistoriesHoldNoSecretAndNoLogText reads every event of every history of a run
// with faults, and the processes' log, and looks for what must not be there.
func TestHistoriesHoldNoSecretAndNoLogText(t *testing.T) {
	t.Parallel()
	const canary = "canary-5772156649"
	var lines strings.Builder
	for i := range 200 {
		fmt.Fprintf(&lines, "plain text %s number %d\n", canary, i)
		fmt.Fprintf(&lines, `{"requestId":"%s-%d","ip":"10.0.0.1","httpMethod":"GET","resourcePath":"/%s","status":"200","protocol":"HTTP/1.1","responseLength":"7","apiId":"abc"}`+"\n", canary, i, canary)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "in.log")
	require.NoError(t, os.WriteFile(file, []byte(lines.String()), 0o600))

	var out bytes.Buffer
	o := testOptions(t, &out)
	o.Inputs, o.Verbose = []string{file}, true
	o.Faults = faults(t, "5xx=100%,token-life=1s")
	later := faults(t, "token-life=1s,lost-answer=50%")
	o.onStarted = func(s *stack) {
		go func() {
			for s.api.Stats().Attempts < 3 && t.Context().Err() == nil {
				<-time.After(50 * time.Millisecond)
			}
			s.api.RevokeTokens()
			s.api.SetFaults(later)
		}()
	}
	var secrets []string
	histories, events := map[string]int{}, 0
	o.onDrained = func(s *stack) {
		secrets = append(tokensOf(t, s), clientSecret, canary)
		found, err := s.client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{})
		require.NoError(t, err)
		for _, e := range found.GetExecutions() {
			histories[e.GetType().GetName()]++
			requireNone(t, secrets, "listing of "+e.GetExecution().GetWorkflowId(), marshal(t, e))
			history := s.client.GetWorkflowHistory(t.Context(), e.GetExecution().GetWorkflowId(), e.GetExecution().GetRunId(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
			for history.HasNext() {
				event, err := history.Next()
				require.NoError(t, err)
				events++
				requireNone(t, secrets, "history of "+e.GetExecution().GetWorkflowId(), marshal(t, event))
			}
		}
	}
	report, err := Run(t.Context(), o)
	require.NoError(t, err, out.String())
	require.True(t, report.OK(), "%+v", report)
	require.Equal(t, 400, report.Delivered)
	require.Positive(t, report.Retries, "the faults were there")
	for _, name := range []string{workflows.StreamReaderName, workflows.ShardReaderName, workflows.FlushWindowName, workflows.TokenKeeperName} {
		require.Positive(t, histories[name], name)
	}
	require.Greater(t, events, 50)
	require.GreaterOrEqual(t, len(secrets), 3, "the tokens of the run are known")
	requireNone(t, secrets, "the processes' log", out.Bytes())
}

// tokensOf returns every token of a run, from all versions of the parameter.
func tokensOf(t *testing.T, s *stack) []string {
	t.Helper()
	history, err := ssm.NewFromConfig(s.awsSDK).GetParameterHistory(t.Context(), &ssm.GetParameterHistoryInput{
		Name: aws.String(tokenParameter), WithDecryption: aws.Bool(true),
	})
	require.NoError(t, err)
	var tokens []string
	for _, version := range history.Parameters {
		var value struct {
			AccessToken string `json:"access_token"`
		}
		require.NoError(t, json.Unmarshal([]byte(*version.Value), &value))
		require.NotEmpty(t, value.AccessToken)
		tokens = append(tokens, value.AccessToken)
	}
	return tokens
}

func marshal(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	require.NoError(t, err)
	return b
}

func requireNone(t *testing.T, secrets []string, where string, text []byte) {
	t.Helper()
	for _, secret := range secrets {
		if at := bytes.Index(text, []byte(secret)); at >= 0 {
			t.Fatalf("%s holds %q: …%q", where, secret, text[max(0, at-60):min(len(text), at+len(secret)+60)])
		}
	}
}

// TestLaterAgain: a Temporal that is too busy to answer for a while does not end a run, and
// anything else does.
func TestLaterAgain(t *testing.T) {
	t.Parallel()
	slow := fmt.Errorf("list flushes: %w", serviceerror.NewDeadlineExceeded("context deadline exceeded"))
	r := &run{}
	for range mostLate - 1 {
		require.True(t, r.laterAgain(t.Context(), slow))
	}
	require.False(t, r.laterAgain(t.Context(), slow), "it has been for a minute")
	r = &run{}
	require.True(t, r.laterAgain(t.Context(), context.DeadlineExceeded))
	require.False(t, r.laterAgain(t.Context(), serviceerror.NewNotFound("no namespace")))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.False(t, r.laterAgain(ended, slow))
}
