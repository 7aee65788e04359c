package worker_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"golang.org/x/sync/semaphore"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/delivery"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/token"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/worker"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// windowEvents is how many events the window of each case has, in one batch.
const windowEvents = 4

// answer is one of the API's.
type answer struct {
	status  int
	headers map[string]string
	body    string
	// takes tells which events are stored, nil for all if the status is 2xx.
	takes func(event int) bool
	// write answers instead, where an http.Handler would not.
	write func(w http.ResponseWriter, r *http.Request)
}

// well is the answer to what has nothing wrong.
var well = answer{status: http.StatusOK}

// sent is one request.
type sent struct {
	key, token string
	body       string
	events     []int
	at         time.Duration // since the begin, by the workflow's clock
}

// world is a worker and all that it talks to, for one window.
type world struct {
	t      *testing.T
	env    *testsuite.TestWorkflowEnvironment
	stage  *stage.Stage
	params *parameterVersions
	api    *api

	begin    time.Time
	first    *delivery.Client // which makes the first so many attempts
	faults   int
	then     *delivery.Client // which makes all others
	mu       sync.Mutex
	attempts []sent

	refreshes int
	statuses  []string
	http      string // the last HTTP status that was shown
	pages     []string
	decisions int

	large         bool
	formattedHere bool // within a workflow task
}

// api takes events, and honours idempotency keys.
type api struct {
	// answers the nth request, from 0, with these events.
	answers func(n int, events []int) answer

	mu     sync.Mutex
	got    []sent
	taken  map[int]int     // how often each event was stored
	known  map[string]bool // keys that were stored
	mended bool            // all is well
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	a.mu.Lock()
	got := sent{key: r.Header.Get("Idempotency-Key"), token: r.Header.Get("Authorization"), body: string(body), events: eventsIn(body)}
	out := well
	if a.answers != nil && !a.mended {
		out = a.answers(len(a.got), got.events)
	}
	a.got = append(a.got, got)
	takes := out.takes
	if takes == nil {
		takes = func(int) bool { return out.status >= 200 && out.status < 300 }
	}
	stored := false
	for _, event := range got.events {
		if takes(event) && !a.known[got.key] {
			a.taken[event]++
			stored = true
		}
	}
	if stored {
		a.known[got.key] = true
	}
	a.mu.Unlock()
	if out.write != nil {
		out.write(w, r)
		return
	}
	for name, value := range out.headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(out.status)
	_, _ = io.WriteString(w, out.body)
}

func (a *api) mend() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mended = true
}

var eventNumber = regexp.MustCompile(`canary-of-a-line number (\d+)`)

// eventsIn are the numbers of the events in a body.
func eventsIn(body []byte) []int {
	var events []int
	for _, found := range eventNumber.FindAllSubmatch(body, -1) {
		n, _ := strconv.Atoi(string(found[1])) // digits
		events = append(events, n)
	}
	return events
}

// Deliver implements activities.Destination.
func (w *world) Deliver(ctx context.Context, r delivery.Request) delivery.Answer {
	w.mu.Lock()
	client := w.then
	if len(w.attempts) < w.faults {
		client = w.first
	}
	w.attempts = append(w.attempts, sent{
		key: r.IdempotencyKey, token: "Bearer " + r.Token.Reveal(), body: string(r.Body), events: eventsIn(r.Body), at: w.env.Now().Sub(w.begin),
	})
	w.mu.Unlock()
	return client.Deliver(ctx, r)
}

// Refresh implements activities.Keeper.
func (w *world) Refresh(ctx context.Context, _ string, known int64) (workflows.TokenVersion, error) {
	w.mu.Lock()
	w.refreshes++
	w.mu.Unlock()
	return w.params.rotate(ctx, known)
}

// parameterVersions is a Parameter Store with all versions of each parameter.
type parameterVersions struct {
	mu       sync.Mutex
	versions map[string][]string
}

func (p *parameterVersions) GetParameter(_ context.Context, in *ssm.GetParameterInput, _ ...func(*ssm.Options)) (*ssm.GetParameterOutput, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	name, asked, versioned := strings.Cut(*in.Name, ":")
	at := len(p.versions[name])
	if versioned {
		at, _ = strconv.Atoi(asked)
	}
	if at < 1 || at > len(p.versions[name]) {
		return nil, &types.ParameterNotFound{}
	}
	return &ssm.GetParameterOutput{Parameter: &types.Parameter{Value: &p.versions[name][at-1], Version: int64(at)}}, nil
}

func (p *parameterVersions) PutParameter(_ context.Context, in *ssm.PutParameterInput, _ ...func(*ssm.Options)) (*ssm.PutParameterOutput, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.versions[*in.Name] = append(p.versions[*in.Name], *in.Value)
	return &ssm.PutParameterOutput{Version: int64(len(p.versions[*in.Name]))}, nil
}

const tokenParameter = "/p/token"

func (p *parameterVersions) store() *token.Store {
	return token.NewStore(p, token.StoreOptions{Name: tokenParameter})
}

// rotate stores another token, unless that has been done since the known one.
func (p *parameterVersions) rotate(ctx context.Context, known int64) (workflows.TokenVersion, error) {
	p.mu.Lock()
	current := int64(len(p.versions[tokenParameter]))
	p.mu.Unlock()
	if current == known {
		stored, err := p.store().Put(ctx, token.Token{AccessToken: config.NewSecret(fmt.Sprintf("%s-%d", secretCanary, known+1)), Type: "Bearer"})
		if err != nil {
			return workflows.TokenVersion{}, err
		}
		current = stored.Version
	}
	return workflows.TokenVersion{Parameter: tokenParameter, Version: current}, nil
}

// newWorld stages a window and puts the activities together as a worker does.
func newWorld(t *testing.T, c answerCase) *world {
	t.Helper()
	w := &world{
		t: t, params: &parameterVersions{versions: map[string][]string{}}, faults: c.faults, large: c.large,
		api: &api{taken: map[int]int{}, known: map[string]bool{}},
	}
	if c.api != nil {
		w.api.answers = func(n int, events []int) answer { return c.api(w, n, events) }
	}
	_, err := w.params.rotate(t.Context(), 0)
	require.NoError(t, err)
	w.stage, err = stage.Open(t.Context(), "mem://")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.stage.Close()) })
	in := theWindow()
	require.NoError(t, w.stage.Put(t.Context(), in.StageKey, window.Append(nil, []window.Record{{SequenceNumber: in.FirstSequenceNumber, Arrival: in.FirstArrival, Data: envelope(t)}})))

	cfg := settings()
	cfg.DestinationProxy = config.None
	before, after := c.transport, func(*config.Config) {}
	if before == nil {
		server := httptest.NewServer(w.api)
		t.Cleanup(server.Close)
		cfg.DestinationURL = server.URL + "/v1/events"
	} else {
		var faulty func(*config.Config)
		faulty, after = before(t, w.api)
		broken := cfg
		after(&broken)
		faulty(&broken)
		w.first = w.client(broken)
	}
	if c.items {
		cfg.DestinationFailedItems = "/errors"
	}
	after(&cfg)
	w.then = w.client(cfg)
	if w.first == nil {
		w.first = w.then
	}

	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	w.env = suite.NewTestWorkflowEnvironment()
	w.env.SetTestTimeout(time.Minute)
	w.begin = w.env.Now()
	w.env.SetOnLocalActivityStartedListener(func(info *activity.Info, _ context.Context, _ []any) {
		w.formattedHere = w.formattedHere || info.ActivityType.Name == workflows.FormatLogsName
	})
	w.env.OnUpsertTypedSearchAttributes(mock.Anything).Run(w.shown).Return(nil)
	formatter, err := worker.NewFormatter(cfg, "eu-central-1")
	require.NoError(t, err)
	cache := token.NewCache(w.params.store(), time.Now)
	all := &activities.Worker{
		Format: &activities.Format{Stage: w.stage, Formatter: formatter, Concurrency: 1, Paced: !c.together},
		Tokens: &activities.Tokens{Store: w.params.store(), Cache: cache, Keeper: w, Now: time.Now},
		Deliver: &activities.Deliver{
			Stage: w.stage, Cache: cache, Destination: w, Requests: semaphore.NewWeighted(32), GiveUpAfter: c.giveUpAfter,
			Chance: func(time.Duration) time.Duration { return 0 },
		},
		Split:   &activities.Split{Stage: w.stage},
		Clear:   &activities.Clear{Stage: w.stage},
		Discard: &activities.Discard{Stage: w.stage},
		Readers: &activities.Readers{},
		Sweep:   &activities.Sweep{},
	}
	all.Register(w.env)
	all.RegisterDelivery(w.env)
	return w
}

func (w *world) client(cfg config.Config) *delivery.Client {
	client, err := worker.NewDestination(cfg, w.params, 1)
	require.NoError(w.t, err)
	w.t.Cleanup(client.Close)
	return client
}

// shown takes down what the list of workflows shows.
func (w *world) shown(args mock.Arguments) {
	attributes, ok := args.Get(0).(temporal.SearchAttributes)
	require.True(w.t, ok)
	status, _ := attributes.GetKeyword(visibility.Status)
	w.statuses = append(w.statuses, status)
	if answered, ok := attributes.GetKeyword(visibility.HTTPStatus); ok {
		w.http = answered
	}
}

// run runs the window to its end, with somebody who looks at its page every so often, and
// who mends the API and decides when something is parked.
func (w *world) run(signal string) workflows.FlushWindowResult {
	const every = 5 * time.Second
	var look func()
	look = func() {
		if w.env.IsWorkflowCompleted() {
			return
		}
		if w.env.Now().Sub(w.begin) > 3*24*time.Hour {
			w.env.CancelWorkflow() // it would not end by itself
			return
		}
		page := w.page()
		w.pages = append(w.pages, page)
		if strings.Contains(page, "parked**, nothing of it is sent") {
			keys, err := w.stage.Keys(w.t.Context(), window.BatchPrefix("p"))
			require.NoError(w.t, err)
			require.NotEmpty(w.t, keys, "what is parked is there")
			w.api.mend()
			w.decisions++
			w.env.SignalWorkflow(signal, nil)
		}
		w.env.RegisterDelayedCallback(look, every)
	}
	w.env.RegisterDelayedCallback(look, every)
	in := theWindow()
	if w.large {
		in.StoredBytes = 1 << 20
	}
	w.env.ExecuteWorkflow(workflows.FlushWindow, in)
	require.True(w.t, w.env.IsWorkflowCompleted())
	require.NoError(w.t, w.env.GetWorkflowError(), "%v", w.pages)
	var out workflows.FlushWindowResult
	require.NoError(w.t, w.env.GetWorkflowResult(&out))
	w.pages = append(w.pages, w.page())
	return out
}

func (w *world) page() string {
	value, err := w.env.QueryWorkflow("__temporal_workflow_metadata")
	require.NoError(w.t, err)
	var metadata sdkpb.WorkflowMetadata
	require.NoError(w.t, value.Get(&metadata))
	return metadata.GetCurrentDetails()
}

// requireReceived: what the API got is what was sent, and last.
func (w *world) requireReceived() {
	require.LessOrEqual(w.t, len(w.api.got), len(w.attempts))
	for i, got := range w.api.got {
		made := w.attempts[len(w.attempts)-len(w.api.got)+i]
		require.Equal(w.t, made.key, got.key)
		require.Equal(w.t, made.token, got.token)
		require.Equal(w.t, made.body, got.body)
	}
}

func theWindow() workflows.FlushWindowInput {
	in := workflows.FlushWindowInput{
		Pipeline: "p", Stream: "s", ShardID: "shardId-000000000001", FirstSequenceNumber: "10", LastSequenceNumber: "10",
		FirstArrival: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), Records: 1,
	}
	in.StageKey = in.Range().RawKey("p")
	return in
}

// envelope is a record of the window's events.
func envelope(t *testing.T) []byte {
	t.Helper()
	type event struct {
		ID        string `json:"id"`
		Timestamp int64  `json:"timestamp"`
		Message   string `json:"message"`
	}
	var events []event
	for i := range windowEvents {
		events = append(events, event{fmt.Sprintf("%056d", i), 1772600767000 + int64(i), fmt.Sprintf("canary-of-a-line number %d", i)})
	}
	body, err := json.Marshal(map[string]any{
		"messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "g", "logStream": "s", "subscriptionFilters": []string{"f"}, "logEvents": events,
	})
	require.NoError(t, err)
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	_, err = zipped.Write(body)
	require.NoError(t, err)
	require.NoError(t, zipped.Close())
	return out.Bytes()
}

// compact leaves one of each run of equal statuses.
func compact(statuses []string) string {
	return strings.Join(slices.Compact(slices.Clone(statuses)), " ")
}
