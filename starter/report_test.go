package starter

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/log-event-pipeline/logpipe/internal/telemetry"
)

// counts answers each question by the last word of it that it knows.
type counts struct {
	by      map[string]int64
	broken  string // fails the questions with this word
	queries []string
}

func (c *counts) CountWorkflow(_ context.Context, in *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	c.queries = append(c.queries, in.GetQuery())
	if c.broken != "" && strings.Contains(in.GetQuery(), c.broken) {
		return nil, errors.New("no visibility")
	}
	for _, word := range []string{"LogpipeFirstArrival", "parked", "retrying", "formatting"} {
		if strings.Contains(in.GetQuery(), word) {
			return &workflowservice.CountWorkflowExecutionsResponse{Count: c.by[word]}, nil
		}
	}
	return nil, errors.New("an unknown question: " + in.GetQuery())
}

func TestReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		temporal := &counts{by: map[string]int64{"formatting": 7, "retrying": 5, "parked": 2, "LogpipeFirstArrival": 3}}
		r := newReporter(temporal, "orders", func() int64 { return 11 }, telemetry.NewLogger(&log, slog.LevelInfo))
		ctx, cancel := context.WithCancel(t.Context())
		go r.run(ctx)
		time.Sleep(reportEvery + time.Second)
		synctest.Wait()
		require.JSONEq(t, `{"time":"2000-01-01T00:01:00.000Z","level":"INFO","msg":"pipeline at work",
			"shards":11,"windows_working":7,"windows_retrying":5,"windows_parked":2,"windows_late":3}`, log.String())
		require.Equal(t, "WorkflowType = 'FlushWindow' AND LogpipePipeline = 'orders' AND ExecutionStatus = 'Running'"+
			" AND LogpipeStatus IN ('formatting', 'delivering', 'retrying') AND LogpipeFirstArrival < '1999-12-31T23:56:00Z'", temporal.queries[3])

		cancel()
		log.Reset()
		time.Sleep(3 * reportEvery)
		require.Empty(t, log.String(), "a starter that has stopped")
	})
}

// TestReportWithoutCounts: what is not known is no zero, or an alarm would rest.
func TestReportWithoutCounts(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	temporal := &counts{by: map[string]int64{"formatting": 7}, broken: "retrying"}
	newReporter(temporal, "orders", func() int64 { return 11 }, telemetry.NewLogger(&log, slog.LevelInfo)).once(t.Context())
	require.Contains(t, log.String(), `"error":"no visibility"`)
	require.Contains(t, log.String(), `"shards":11,"windows_working":7}`)
}
