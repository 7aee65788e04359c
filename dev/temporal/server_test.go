package temporal_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdktemporal "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/dev/temporal"
)

const (
	taskQueue = "test"
	deadline  = 30 * time.Second
)

var (
	shard  = sdktemporal.NewSearchAttributeKeyKeyword("Shard")
	events = sdktemporal.NewSearchAttributeKeyInt64("Events")
)

// start starts a server that stops with the test. Its log lines of level warn and above fail the test: a quiet server
// is part of what is promised.
func start(t *testing.T, options temporal.Options) *temporal.Server {
	t.Helper()
	logs := &recorder{}
	options.Logger = slog.New(slog.NewTextHandler(logs, nil))
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	began := time.Now()
	server, err := temporal.Start(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started in %v", time.Since(began).Round(time.Millisecond))
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
		if lines := logs.String(); lines != "" {
			t.Errorf("the server logged:\n%s", lines)
		}
	})
	return server
}

// recorder keeps what is written to it.
type recorder struct {
	mu   sync.Mutex
	text strings.Builder
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func connect(t *testing.T, server *temporal.Server) client.Client {
	t.Helper()
	c, err := server.NewClient(t.Context(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// work runs a worker with the workflows of this file until the returned function is called or the test ends.
func work(t *testing.T, c client.Client) (stop func()) {
	t.Helper()
	w := worker.New(c, taskQueue, worker.Options{})
	w.RegisterWorkflow(Count)
	w.RegisterWorkflow(Sum)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(w.Stop)
	t.Cleanup(stop)
	return stop
}

// Count records its arguments as search attributes and ends.
func Count(ctx workflow.Context, id string, n int64) (int64, error) {
	return n, workflow.UpsertTypedSearchAttributes(ctx, shard.ValueSet(id), events.ValueSet(n))
}

// Sum adds what it is given by the update "add" until the signal "end".
func Sum(ctx workflow.Context) (int, error) {
	var sum int
	err := workflow.SetUpdateHandler(ctx, "add", func(_ workflow.Context, n int) (int, error) {
		sum += n
		return sum, nil
	})
	if err != nil {
		return 0, err
	}
	workflow.GetSignalChannel(ctx, "end").Receive(ctx, nil)
	return sum, nil
}

func options(id string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID:                       id,
		TaskQueue:                taskQueue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}
}

// eventually polls until the condition holds. Visibility is written after the workflow has changed.
func eventually(t *testing.T, what string, condition func() (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	for {
		ok, err := condition()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if ok {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within %v", what, deadline)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func searchAttributes() map[string]enumspb.IndexedValueType {
	return map[string]enumspb.IndexedValueType{
		shard.GetName():  enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		events.GetName(): enumspb.INDEXED_VALUE_TYPE_INT,
	}
}

func TestWorkflowIsFoundBySearchAttributes(t *testing.T) {
	t.Parallel()
	c := connect(t, start(t, temporal.Options{SearchAttributes: searchAttributes()}))
	work(t, c)
	run, err := c.ExecuteWorkflow(t.Context(), options("count"), Count, "shard-7", int64(42))
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	if err := run.Get(t.Context(), &n); err != nil || n != 42 {
		t.Fatalf("got %d, %v", n, err)
	}
	eventually(t, "visibility", func() (bool, error) {
		list, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Query: `Shard = "shard-7" AND Events > 40 AND ExecutionStatus = "Completed"`,
		})
		return err == nil && len(list.Executions) == 1, err
	})
}

func TestUpdateWithStart(t *testing.T) {
	t.Parallel()
	c := connect(t, start(t, temporal.Options{}))
	work(t, c)
	for i, want := range []int{5, 10} {
		handle, err := c.UpdateWithStartWorkflow(t.Context(), client.UpdateWithStartWorkflowOptions{
			StartWorkflowOperation: c.NewWithStartWorkflowOperation(options("sum"), Sum),
			UpdateOptions: client.UpdateWorkflowOptions{
				UpdateName: "add", Args: []any{5}, WaitForStage: client.WorkflowUpdateStageCompleted,
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		var sum int
		if err := handle.Get(t.Context(), &sum); err != nil || sum != want {
			t.Fatalf("update %d: got %d, %v, want %d", i, sum, err, want)
		}
	}
}

func TestOpenWorkflowSurvivesRestart(t *testing.T) {
	t.Parallel()
	opts := temporal.Options{DataDir: t.TempDir() + "/a b%20?c#d", SearchAttributes: searchAttributes()}
	first := start(t, opts)
	c := connect(t, first)
	before := clusterID(t, c)
	stopWorker := work(t, c)
	if _, err := c.ExecuteWorkflow(t.Context(), options("sum"), Sum); err != nil {
		t.Fatal(err)
	}
	add := func(c client.Client) {
		handle, err := c.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{
			WorkflowID: "sum", UpdateName: "add", Args: []any{3}, WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := handle.Get(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	add(c)
	stopWorker()
	for range 2 {
		if err := first.Stop(); err != nil {
			t.Fatal(err)
		}
	}

	opts.SearchAttributes["Added"] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
	opts.Retention = 24 * time.Hour
	c = connect(t, start(t, opts))
	if after := clusterID(t, c); after != before {
		t.Errorf("cluster id changed from %s to %s", before, after)
	}
	work(t, c)
	add(c)
	if err := c.SignalWorkflow(t.Context(), "sum", "", "end", nil); err != nil {
		t.Fatal(err)
	}
	var sum int
	if err := c.GetWorkflow(t.Context(), "sum", "").Get(t.Context(), &sum); err != nil || sum != 6 {
		t.Fatalf("got %d, %v, want 6", sum, err)
	}
	if _, err := c.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{
		Query: `Added = "x" OR Shard = "x"`,
	}); err != nil {
		t.Errorf("search attributes after the restart: %v", err)
	}
	namespace, err := c.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: "default"})
	if err != nil {
		t.Fatal(err)
	}
	if got := namespace.Config.WorkflowExecutionRetentionTtl.AsDuration(); got != opts.Retention {
		t.Errorf("retention is %v, want %v", got, opts.Retention)
	}
}

func clusterID(t *testing.T, c client.Client) string {
	t.Helper()
	info, err := c.WorkflowService().GetClusterInfo(t.Context(), &workflowservice.GetClusterInfoRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return info.ClusterId
}

func TestServersShareNothing(t *testing.T) {
	t.Parallel()
	a, b := connect(t, start(t, temporal.Options{})), connect(t, start(t, temporal.Options{}))
	for _, c := range []client.Client{a, b} {
		work(t, c)
	}
	if _, err := a.ExecuteWorkflow(t.Context(), options("only-a"), Sum); err != nil {
		t.Fatal(err)
	}
	if _, err := b.DescribeWorkflowExecution(t.Context(), "only-a", ""); err == nil {
		t.Error("a workflow of one server is known to the other")
	}
	if clusterID(t, a) == clusterID(t, b) {
		t.Error("both servers have one cluster id")
	}
}

func TestStartReportsWhatIsWrong(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	dir := t.TempDir()
	start(t, temporal.Options{DataDir: dir})

	keywords := make(map[string]enumspb.IndexedValueType)
	for i := range 11 {
		keywords[fmt.Sprintf("Keyword%c", 'A'+i)] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
	}
	for name, test := range map[string]struct {
		options temporal.Options
		want    []string
	}{
		"frontend port in use":  {temporal.Options{Listen: taken.Addr().String()}, []string{"frontend", taken.Addr().String(), "in use"}},
		"web UI port in use":    {temporal.Options{UIListen: taken.Addr().String()}, []string{"web UI", taken.Addr().String(), "in use"}},
		"data directory in use": {temporal.Options{DataDir: dir}, []string{dir, "in use by another server"}},
		"all interfaces":        {temporal.Options{Listen: "0.0.0.0:7233"}, []string{"loopback only", "127.0.0.1:7233"}},
		"remote without an IP":  {temporal.Options{Remote: true, UIListen: "example.com:8233"}, []string{"example.com:8233", "want an IP address", "0.0.0.0:8233"}},
		"no port":               {temporal.Options{UIListen: "127.0.0.1"}, []string{"not host:port"}},
		"port out of range":     {temporal.Options{Listen: "127.0.0.1:70000"}, []string{"invalid port"}},
		"reserved namespace":    {temporal.Options{Namespaces: []string{"temporal-system"}}, []string{"belong to the server"}},
		"namespace twice":       {temporal.Options{Namespaces: []string{"a", "a"}}, []string{"twice"}},
		"short retention":       {temporal.Options{Retention: time.Minute}, []string{"minimum of 1h0m0s"}},
		"too many attributes":   {temporal.Options{SearchAttributes: keywords}, []string{"11 search attributes of type Keyword", "columns for 10"}},
		"reserved attribute": {
			temporal.Options{SearchAttributes: map[string]enumspb.IndexedValueType{"WorkflowId": enumspb.INDEXED_VALUE_TYPE_KEYWORD}},
			[]string{"WorkflowId", "belongs to the server"},
		},
		"unknown column": {temporal.Options{UIColumns: []string{"Shrad"}}, []string{`"Shrad"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, err := temporal.Start(t.Context(), test.options)
			if err == nil {
				_ = server.Stop()
				t.Fatal("the server started")
			}
			for _, part := range append(test.want, "temporal server: ") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is not in %q", part, err)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	server, err := temporal.Start(ctx, temporal.Options{})
	if err == nil {
		_ = server.Stop()
		t.Fatal("the server started")
	}
}

//nolint:paralleltest // an address that is free is anybody's
func TestStopFreesTheAddresses(t *testing.T) {
	server := start(t, temporal.Options{})
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{server.Address(), server.UIAddress()} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			t.Errorf("%s is not free: %v", address, err)
			continue
		}
		_ = listener.Close()
	}
	start(t, temporal.Options{Listen: server.Address(), UIListen: server.UIAddress()})
}

func TestWebUI(t *testing.T) {
	t.Parallel()
	server := start(t, temporal.Options{
		Namespaces:       []string{"flows"},
		SearchAttributes: searchAttributes(),
		UIColumns:        []string{"Status", "Shard", "Events"},
	})
	base := "http://" + server.UIAddress()
	if body := get(t, base+"/healthz"); !strings.Contains(body, "OK") {
		t.Errorf("health: %s", body)
	}
	for _, path := range []string{"/", "/namespaces/flows/workflows?query=x"} {
		if body := get(t, base+path); !strings.Contains(body, "</html>") || !strings.Contains(body, `{"label":"Shard"}`) {
			t.Errorf("%s is not the page with the columns: %s", path, body)
		}
	}
	var answer struct {
		Namespaces []struct {
			NamespaceInfo struct{ Name string }
		}
	}
	if err := json.Unmarshal([]byte(get(t, base+"/api/v1/namespaces")), &answer); err != nil {
		t.Fatal(err)
	}
	var found bool
	for _, namespace := range answer.Namespaces {
		found = found || namespace.NamespaceInfo.Name == "flows"
	}
	if !found {
		t.Errorf("the namespace is not in %+v", answer)
	}
	var settings struct {
		DefaultNamespace string
		DisableNewsFetch bool
	}
	if err := json.Unmarshal([]byte(get(t, base+"/api/v1/settings")), &settings); err != nil {
		t.Fatal(err)
	}
	if settings.DefaultNamespace != "flows" || !settings.DisableNewsFetch {
		t.Errorf("settings are %+v", settings)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v: %s", url, response.Status, err, body)
	}
	return string(body)
}
