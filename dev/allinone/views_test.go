package allinone

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// savedViews are the queries of docs/operations.md, by the question that they answer.
func savedViews(t *testing.T) map[string]string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(doc), "<!-- saved views -->\n")
	require.True(t, ok)
	rows, _, ok := strings.Cut(rest, "<!-- /saved views -->\n")
	require.True(t, ok)
	views := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| (.+\\?) \\| `(.+)` \\|$").FindAllStringSubmatch(rows, -1) {
		views[row[1]] = row[2]
	}
	return views
}

// TestSavedViews runs each query of docs/operations.md against the visibility of a server:
// it finds what it should of some workflows, and nothing else.
func TestSavedViews(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := servers(t, testOptions(t, &out))
	at := time.Date(2026, 3, 4, 6, 5, 0, 0, time.UTC)
	place := func(kind, id, of string, ends bool, attributes ...temporal.SearchAttributeUpdate) {
		t.Helper()
		_, err := s.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
			ID: id, TaskQueue: "nobody", TypedSearchAttributes: temporal.NewSearchAttributes(append(attributes, visibility.Pipeline.ValueSet(of))...),
		}, kind)
		require.NoError(t, err)
		if ends {
			require.NoError(t, s.client.TerminateWorkflow(t.Context(), id, "", "at its end"))
		}
	}
	state, http := visibility.Status.ValueSet, visibility.HTTPStatus.ValueSet
	flush := func(id string, ends bool, attributes ...temporal.SearchAttributeUpdate) {
		place(workflows.FlushWindowName, id, "orders", ends, attributes...)
	}
	flush("parked 413", false, state("parked"), http("413"), visibility.FirstArrival.ValueSet(at.Add(-time.Hour)))
	flush("parked", false, state("parked"), visibility.FirstArrival.ValueSet(at))
	flush("retrying", false, state("retrying"), http("503"), visibility.FirstArrival.ValueSet(at), visibility.Attempts.ValueSet(9))
	flush("formatting", false, state("formatting"), visibility.FirstArrival.ValueSet(at.Add(time.Hour)), visibility.Shard.ValueSet("7"))
	flush("delivered", true, state("delivered"), http("200"), visibility.FirstArrival.ValueSet(at.Add(time.Hour)), visibility.Attempts.ValueSet(1), visibility.Quarantined.ValueSet("2"))
	flush("discarded", true, state("discarded"), http("422"), visibility.FirstArrival.ValueSet(at.Add(time.Hour)))
	place(workflows.FlushWindowName, "of others", "payments", false, state("parked"), http("413"))
	place(workflows.ShardReaderName, "reader", "orders", false, state("reading"), visibility.Shard.ValueSet("1"))
	place(workflows.ShardReaderName, "gap", "orders", false, state("gap"), visibility.Shard.ValueSet("2"))
	place(workflows.ShardReaderName, "ended", "orders", true, state("reading"), visibility.Shard.ValueSet("3"))
	place(workflows.TokenKeeperName, "token", "orders", false)
	place(workflows.StreamReaderName, "stream", "orders", false)

	want := map[string][]string{
		"What is parked?":                                  {"parked 413", "parked"},
		"What is parked for one cause?":                    {"parked 413"},
		"What is parked without an answer of the API?":     {"parked"},
		"What is being retried?":                           {"retrying"},
		"What is under way?":                               {"parked 413", "parked", "retrying", "formatting"},
		"What is late?":                                    {"parked 413"},
		"Where are the events of a quarter of an hour?":    {"parked", "retrying"},
		"What took more than one request?":                 {"retrying"},
		"Which windows had pieces that could not be read?": {"delivered"},
		"What was given up?":                               {"discarded"},
		"What came from one shard?":                        {"formatting"},
		"Which shards are read?":                           {"reader", "gap"},
		"Which shards have stopped at a gap?":              {"gap"},
		"How is the token?":                                {"token"},
		"Which pipelines are there?":                       {"stream"},
		"What should never end, and has?":                  {"ended"},
	}
	views := savedViews(t)
	require.Len(t, views, len(want))
	await(t, "visibility to have all", func() bool {
		counted, err := s.client.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Query: "ExecutionStatus = 'Running' OR ExecutionStatus = 'Terminated'"})
		require.NoError(t, err)
		ended, err := s.client.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Query: "ExecutionStatus = 'Terminated'"})
		require.NoError(t, err)
		return counted.GetCount() == 12 && ended.GetCount() == 3
	})
	for question, query := range views {
		found, err := s.client.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: query})
		require.NoError(t, err, query)
		var ids []string
		for _, e := range found.GetExecutions() {
			ids = append(ids, e.GetExecution().GetWorkflowId())
		}
		require.ElementsMatch(t, want[question], ids, question)
	}
}
