package starter

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
)

// counter counts windows for OpenWindows.
type counter struct {
	count  int64
	calls  int
	query  string
	broken error
}

func (c *counter) CountWorkflow(_ context.Context, in *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	c.calls++
	c.query = in.GetQuery()
	return &workflowservice.CountWorkflowExecutionsResponse{Count: c.count}, c.broken
}

func TestOpenWindows(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		temporal := &counter{count: 96}
		o := NewOpenWindows(temporal, "p", 100, slog.New(slog.DiscardHandler))
		for range 4 {
			require.True(t, o.Take(t.Context()))
		}
		require.False(t, o.Take(t.Context()), "with those that this process has opened since the count")
		require.Equal(t, 1, temporal.calls)
		require.Equal(t, "WorkflowType = 'FlushWindow' AND LogpipePipeline = 'p' AND ExecutionStatus = 'Running'", temporal.query)

		time.Sleep(countNear)
		temporal.broken = errors.New("no visibility")
		require.False(t, o.Take(t.Context()), "the last number holds")
		time.Sleep(countNear)
		temporal.broken, temporal.count = nil, 20
		require.True(t, o.Take(t.Context()))
		require.Equal(t, int64(21), o.Open())

		// Far below the ceiling it is seldom asked, but at once when it fills.
		calls := temporal.calls
		time.Sleep(countNear)
		for range 30 {
			require.True(t, o.Take(t.Context()))
		}
		require.Equal(t, calls+1, temporal.calls, "at half of the ceiling")
	})
}
