package allinone

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector takes traces over OTLP.
type collector struct {
	url string

	mu    sync.Mutex
	spans []*tracepb.Span
	text  strings.Builder // all that it was sent, readable
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		var request collectorpb.ExportTraceServiceRequest
		if r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &request) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.text.WriteString(request.String())
		for _, resource := range request.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				c.spans = append(c.spans, scope.GetSpans()...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

// sent is all that was sent, as text.
func (c *collector) sent() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// traces are the names of the spans of each trace.
func (c *collector) traces() map[string][]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	traces := make(map[string][]string)
	for _, span := range c.spans {
		traces[string(span.GetTraceId())] = append(traces[string(span.GetTraceId())], span.GetName())
	}
	return traces
}

// requireWhole looks for the trace of a window, from its start to the request.
func (c *collector) requireWhole(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	byID := make(map[string]*tracepb.Span)
	for _, span := range c.spans {
		byID[string(span.GetSpanId())] = span
	}
	for _, span := range c.spans {
		if span.GetName() != "deliver" {
			continue
		}
		var path []string
		for s := span; s != nil; s = byID[string(s.GetParentSpanId())] {
			path = append(path, s.GetName())
			require.Equal(t, span.GetTraceId(), s.GetTraceId())
		}
		if len(path) == 5 && path[4] == "StartWorkflow:FlushWindow" {
			require.Regexp(t, "^RunActivity:DeliverBatch(es)?$", path[1])
			require.Regexp(t, "^StartActivity:DeliverBatch(es)?$", path[2])
			require.Equal(t, "RunWorkflow:FlushWindow", path[3])
			return
		}
		t.Log(path)
	}
	t.Fatal("no trace leads from the start of a window to a request")
}
