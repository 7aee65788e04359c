package allinone

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric/noop"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/log-event-pipeline/logpipe/internal/connect"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/telemetry"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/starter"
	"github.com/log-event-pipeline/logpipe/worker"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// What must be in no output of a run. The words of the lines are of letters alone, as those
// are that an excerpt of an answer would show if nobody had sent them.
const (
	lineCanary    = "parakeetline"
	fieldCanary   = "parakeetfield"
	headerCanary  = "parakeetheader"
	apiKeyCanary  = "parakeetkey-2718281828"
	apiKeyName    = "/logpipe/" + pipeline + "/api-key"
	queryMetadata = "__temporal_workflow_metadata"
)

// canaryLines is a file of log events with the canaries in them.
func canaryLines(t *testing.T, n int) string {
	t.Helper()
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, "a %s wanders %d times, <%s> \"quoted\"\n", lineCanary, i, lineCanary)
		fmt.Fprintf(&lines, `{"requestId":"%s-%d","ip":"10.0.0.1","httpMethod":"GET","resourcePath":"/%[1]s","status":"200","protocol":"HTTP/1.1","responseLength":"7","apiId":"abc"}`+"\n", fieldCanary, i)
	}
	file := filepath.Join(t.TempDir(), "in.log")
	require.NoError(t, os.WriteFile(file, []byte(lines.String()), 0o600))
	return file
}

// echo is an API that quotes whatever it was sent, in answers of all kinds, until it is
// mended.
type echo struct {
	api    http.Handler
	mended atomic.Bool

	mu    sync.Mutex
	kinds map[string]int // by idempotency key
	times map[string]int
	// batches and parts of divided ones are counted apart: else parts that come early would take
	// kinds that whole batches have to meet.
	batches, parts int
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Idempotency-Key")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	part := strings.Contains(key[strings.LastIndexByte(key, '/')+1:], ".")
	e.mu.Lock()
	if _, known := e.kinds[key]; !known {
		count := &e.batches
		if part {
			count = &e.parts
		}
		e.kinds[key] = *count
		*count++
	}
	kind := e.kinds[key] % 8
	if kind == 2 && e.kinds[key] != kind {
		kind = 0 // a single one is not taken for now: each makes its window slower
	}
	e.times[key]++
	times := e.times[key]
	e.mu.Unlock()
	if e.mended.Load() || part && kind != 1 || kind == 0 {
		e.api.ServeHTTP(w, r)
		return
	}

	var sent strings.Builder
	for name, values := range r.Header {
		fmt.Fprintf(&sent, "%s: %s\n", name, strings.Join(values, ", "))
	}
	sent.Write(body)
	text := sent.String()
	h := w.Header()
	for name, values := range r.Header {
		h.Set("X-Echo-"+name, strings.Join(values, ", "))
	}
	h.Set("WWW-Authenticate", `Bearer realm="`+r.Header.Get("Authorization")+`"`)
	h.Set("Location", "https://"+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")+"@"+headerCanary+"/"+lineCanary)
	status, answer := 0, ""
	switch kind {
	case 1:
		status, answer = http.StatusBadRequest, text
	case 2:
		h.Set("Retry-After", "1")
		status, answer = http.StatusServiceUnavailable, fmt.Sprintf(`{"error":%q,"sent":%q}`, strings.ToUpper(lineCanary), text)
	case 3:
		status, answer = http.StatusTemporaryRedirect, "<html><title>"+text+"</title></html>"
	case 4:
		status, answer = http.StatusRequestEntityTooLarge, base64.StdEncoding.EncodeToString([]byte(text))
	case 5:
		status, answer = http.StatusMultiStatus, fmt.Sprintf(`{"failed":[{"index":99,"status":%q}],"why":%q}`, lineCanary, text)
	case 6:
		status, answer = http.StatusForbidden, hex.EncodeToString([]byte(text))+" "+text[len(text)/3:]
	case 7:
		if times > 3 {
			e.api.ServeHTTP(w, r)
			return
		}
		status, answer = http.StatusUnauthorized, `{"error":"`+r.Header.Get("Authorization")+`"}`
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, answer)
}

// TestNothingSecretGetsOut searches every output of a run in which the API quotes all that
// it is sent: histories of all runs, listings, the pages and pending activities of what is
// open, during the outage and behind it, metrics, traces, and logs at their most talkative.
func TestNothingSecretGetsOut(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	o := testOptions(t, &out)
	o.Inputs = []string{canaryLines(t, 200)}
	o.Faults = faults(t, "token-life=3s")
	s := servers(t, o)
	api := &echo{api: s.api, kinds: map[string]int{}, times: map[string]int{}}
	front := httptest.NewServer(api)
	defer front.Close()
	putParameter(t, s, apiKeyName, apiKeyCanary)
	environment := s.environment()
	maps.Copy(environment, map[string]string{
		"LOGPIPE_DESTINATION_URL":          front.URL + "/v1/events",
		"LOGPIPE_DESTINATION_HEADERS":      fmt.Sprintf(`{"X-Tenant":%q,"X-Api-Key":"ssm:%s"}`, headerCanary, apiKeyName),
		"LOGPIPE_DESTINATION_FAILED_ITEMS": "/failed",
		"LOGPIPE_BATCH_MAX_EVENTS":         "20",
		"LOGPIPE_LOG_LEVEL":                "debug",
	})
	traces := startCollector(t)
	environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = traces.url
	processes, scraped := map[string]*process{}, map[string]string{}
	for _, role := range []string{"worker", "starter"} {
		settings := maps.Clone(environment)
		settings["LOGPIPE_METRICS_LISTEN"] = freeAddress(t)
		processes[role], scraped[role] = startLogpipe(t, role, settings), "http://"+settings["LOGPIPE_METRICS_LISTEN"]+telemetry.MetricsPath
	}
	require.NoError(t, (&run{stack: s, out: &out}).traffic(t.Context()))
	require.NoError(t, s.aws.Flush(t.Context()))

	during := looked{texts: map[string]string{}}
	for _, shown := range []string{
		"**DestinationUnavailable** since ", "DestinationRefused: the destination refused the batch with HTTP status 400",
		"HTTP status 307: it redirects", "which events failed cannot be told", "HTTP status 403: the token is good",
	} {
		awaitFor(t, 2*time.Minute, "a page that says "+shown, func() bool {
			during.look(t, s)
			return strings.Contains(during.pages, shown)
		})
	}
	require.Positive(t, during.failures, "pending activities with a failure")
	metrics := scrape(t, scraped)

	api.mended.Store(true)
	awaitFor(t, 2*time.Minute, "every event", func() bool {
		redrive(t, s)
		return int(s.api.Stats().LogEvents) == s.produced.Count()
	})
	await(t, "the end of all windows", func() bool {
		busy, err := newWatcher(s.client, io.Discard).count(t.Context(), "ExecutionStatus = 'Running'")
		require.NoError(t, err)
		return busy == 0
	})
	require.EqualValues(t, 400, s.api.Stats().LogEvents)
	require.Zero(t, s.api.Stats().Duplicates)
	afterwards := looked{texts: map[string]string{}}
	afterwards.look(t, s)
	metrics += scrape(t, scraped)

	secrets := secretsOf(append(tokensOf(t, s), clientSecret, headerCanary, apiKeyCanary, lineCanary, fieldCanary)...)
	require.Greater(t, len(secrets), 4*7, "more than one token")
	requireNoCanary(t, secrets, "the metrics", metrics)
	for where, text := range during.texts {
		requireNoCanary(t, secrets, "during the faults: "+where, text)
	}
	for where, text := range afterwards.texts {
		requireNoCanary(t, secrets, where, text)
	}
	for _, kind := range []string{workflows.StreamReaderName, workflows.ShardReaderName, workflows.FlushWindowName, workflows.TokenKeeperName} {
		runs := histories(t, s, kind)
		require.NotEmpty(t, runs, kind)
		for id, events := range runs {
			for _, event := range events {
				requireNoCanary(t, secrets, "history of "+id, string(marshal(t, event)))
			}
		}
		if kind == workflows.TokenKeeperName {
			require.Greater(t, len(runs), 1, "it was continued")
		}
	}
	for role, p := range processes {
		require.NoError(t, p.Process.Signal(syscall.SIGTERM))
		require.Zero(t, p.end(t), p.stderr)
		require.Contains(t, p.stderr.String(), `"log_level":"debug"`, role)
		requireNoCanary(t, secrets, "the log of the "+role, p.stderr.String())
		requireNoCanary(t, secrets, "the output of the "+role, p.stdout.String())
	}
	require.Contains(t, traces.sent(), "DestinationRefused")
	requireNoCanary(t, secrets, "the traces", traces.sent())
}

// looked is what anybody sees who looks at Temporal.
type looked struct {
	texts    map[string]string // all that was seen, by what it is
	pages    string            // the current details of windows
	failures int               // of pending activities
}

func (seen *looked) look(t *testing.T, s *stack) {
	t.Helper()
	found, err := s.client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{PageSize: 1000})
	require.NoError(t, err)
	require.Empty(t, found.GetNextPageToken())
	for _, e := range found.GetExecutions() {
		id, run := e.GetExecution().GetWorkflowId(), e.GetExecution().GetRunId()
		seen.texts["listing of "+id+" "+run] += string(marshal(t, e))
		described, err := s.client.DescribeWorkflowExecution(t.Context(), id, run)
		require.NoError(t, err)
		seen.texts["description of "+id+" "+run] += string(marshal(t, described))
		for _, activity := range described.GetPendingActivities() {
			if activity.GetLastFailure() != nil {
				seen.failures++
			}
		}
		value, err := s.client.QueryWorkflow(t.Context(), id, run, queryMetadata)
		if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
			continue
		}
		require.NoError(t, err, id)
		var metadata sdkpb.WorkflowMetadata
		require.NoError(t, value.Get(&metadata))
		seen.texts["page of "+id+" "+run] += metadata.String()
		if e.GetType().GetName() == workflows.FlushWindowName {
			seen.pages += metadata.GetCurrentDetails() + "\n"
		}
	}
}

func scrape(t *testing.T, addresses map[string]string) string {
	t.Helper()
	var all strings.Builder
	for role, address := range addresses {
		answer, err := http.Get(address)
		require.NoError(t, err)
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Contains(t, string(text), fmt.Sprintf("role=%q", role))
		all.Write(text)
	}
	return all.String()
}

// redrive has everything that waits tried again.
func redrive(t *testing.T, s *stack) {
	t.Helper()
	found, err := s.client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: flushes + " AND ExecutionStatus = 'Running'"})
	require.NoError(t, err)
	for _, e := range found.GetExecutions() {
		err := s.client.SignalWorkflow(t.Context(), e.GetExecution().GetWorkflowId(), e.GetExecution().GetRunId(), workflows.SignalRedrive, nil)
		if _, gone := errors.AsType[*serviceerror.NotFound](err); !gone {
			require.NoError(t, err)
		}
	}
}

// requireNoCanary looks for the secrets without regard to case.
func requireNoCanary(t *testing.T, secrets []string, where, text string) {
	t.Helper()
	text = strings.ToLower(text)
	lower := make([]string, len(secrets))
	for i, secret := range secrets {
		lower[i] = strings.ToLower(secret)
	}
	requireNone(t, lower, where, []byte(text))
}

// panicking is a stage that panics some times for each kind of access, and quotes what is
// in it.
type panicking struct {
	*stage.Stage

	mu   sync.Mutex
	left map[string]int
}

func (p *panicking) panics(access string, value any) {
	p.mu.Lock()
	p.left[access]--
	now := p.left[access] >= 0
	p.mu.Unlock()
	if now {
		panic(value)
	}
}

func (p *panicking) spent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !slices.ContainsFunc(slices.Collect(maps.Values(p.left)), func(left int) bool { return left > 0 })
}

func (p *panicking) Put(ctx context.Context, key string, body []byte) error {
	switch {
	case strings.HasPrefix(key, window.RawPrefix(pipeline)):
		p.panics("stage a window", errors.New(lineCanary+string(body)))
	case strings.HasPrefix(key, window.BatchPrefix(pipeline)):
		p.panics("stage a batch", string(body))
	}
	return p.Stage.Put(ctx, key, body)
}

func (p *panicking) Get(ctx context.Context, key string) ([]byte, error) {
	body, err := p.Stage.Get(ctx, key)
	if strings.HasPrefix(key, window.BatchPrefix(pipeline)) {
		p.panics("read a batch", body)
	}
	return body, err
}

func (p *panicking) Reader(ctx context.Context, key string) (io.ReadCloser, error) {
	p.panics("read a window", fmt.Errorf("read: %w", errors.New(lineCanary)))
	return p.Stage.Reader(ctx, key)
}

func (p *panicking) Delete(ctx context.Context, key string) error {
	p.panics("delete", struct{ Text string }{lineCanary})
	return p.Stage.Delete(ctx, key)
}

// TestPanicsQuoteNothing: an activity that panics is tried again, and what it had in hand is
// in no history and no log.
func TestPanicsQuoteNothing(t *testing.T) {
	t.Parallel()
	var out, logs bytes.Buffer
	o := testOptions(t, &out)
	o.Inputs = []string{canaryLines(t, 10)}
	s := servers(t, o)
	cfg, err := s.settings()
	require.NoError(t, err)
	cfg.BatchMemory = 0 // else no batch is read
	opened, err := connect.Stage(t.Context(), cfg.StageURL, cfg.Pipeline)
	require.NoError(t, err)
	defer opened.Close()
	st := &panicking{Stage: opened, left: map[string]int{"stage a window": 2, "stage a batch": 2, "read a batch": 2, "read a window": 2, "delete": 2}}
	logger := telemetry.NewLogger(&logs, slog.LevelDebug)
	temporal, err := s.temporal.NewClient(t.Context(), client.Options{Logger: telemetry.TemporalLogger(logger)})
	require.NoError(t, err)
	defer temporal.Close()
	metrics, err := starter.NewMetrics(noop.Meter{})
	require.NoError(t, err)
	fatal := func(err error) { t.Error(err) }
	w, err := worker.New(worker.Dependencies{Config: cfg, Temporal: temporal, Parameters: ssm.NewFromConfig(s.awsSDK), Stage: st, Logger: logger, OnFatal: fatal})
	require.NoError(t, err)
	r := starter.New(starter.Dependencies{
		Config: cfg, Temporal: temporal, Namespace: connect.Namespace(client.DefaultNamespace),
		Kinesis: awskinesis.NewFromConfig(s.awsSDK), Stage: st, Metrics: metrics, Logger: logger, OnFatal: fatal,
	})
	require.NoError(t, w.Start(t.Context()))
	require.NoError(t, r.Start(t.Context()))
	require.NoError(t, (&run{stack: s, out: &out}).traffic(t.Context()))
	require.NoError(t, s.aws.Flush(t.Context()))
	seen := looked{texts: map[string]string{}}
	await(t, "every event, behind all panics", func() bool {
		seen.look(t, s)
		return s.api.Stats().LogEvents == 20 && st.spent()
	})
	for where, text := range seen.texts {
		requireNoCanary(t, []string{lineCanary, fieldCanary}, where, text)
	}
	r.Stop()
	w.Stop()
	require.Contains(t, strings.Join(slices.Collect(maps.Values(seen.texts)), ""), "panic: a value of type")
	require.Contains(t, logs.String(), "panic: a value of type")
	requireNoCanary(t, []string{lineCanary, fieldCanary}, "the log", logs.String())
	for _, kind := range []string{workflows.ShardReaderName, workflows.FlushWindowName} {
		for id, events := range histories(t, s, kind) {
			for _, event := range events {
				requireNoCanary(t, []string{lineCanary, fieldCanary}, "history of "+id, string(marshal(t, event)))
			}
		}
	}
}
