package starter

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
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
	hangs  bool
}

func (c *counter) CountWorkflow(ctx context.Context, in *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	c.calls++
	c.query = in.GetQuery()
	if c.hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
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
		require.Equal(t, int64(21), o.Open(t.Context()))

		// Far below the ceiling it is seldom asked, but at once when it fills.
		calls := temporal.calls
		time.Sleep(countNear)
		for range 30 {
			require.True(t, o.Take(t.Context()))
		}
		require.Equal(t, calls+1, temporal.calls, "at half of the ceiling")
	})
}

// TestOpenWindowsWhileNobodyCounts: a visibility store that hangs must not hold up every
// shard for as long as it takes to give it up.
func TestOpenWindowsWhileNobodyCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		temporal := &counter{count: 60}
		o := NewOpenWindows(temporal, "p", 100, slog.New(slog.NewTextHandler(&logged, nil)))
		require.True(t, o.Take(t.Context()))
		time.Sleep(countNear)
		temporal.hangs = true
		begin := time.Now()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if !o.Take(t.Context()) {
					t.Error("the last number does not hold")
				}
			})
		}
		wg.Wait()
		require.Equal(t, countNear, time.Since(begin), "one has waited")
		require.True(t, o.Take(t.Context()))
		require.Equal(t, countNear, time.Since(begin), "and nobody waits again at once")
		require.Equal(t, 2, temporal.calls)
		require.Contains(t, logged.String(), "cannot be counted")
		require.EqualValues(t, 82, o.Open(t.Context()))

		temporal.hangs, temporal.count = false, 70
		time.Sleep(countNear)
		require.EqualValues(t, 70, o.Open(t.Context()))
	})
}
