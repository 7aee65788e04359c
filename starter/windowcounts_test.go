package starter

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/log-event-pipeline/logpipe/workflows"
)

// scriptedCounter counts what it is told to.
type scriptedCounter struct {
	open, retrying, parked int64
	asked                  int
	err                    error
	takes                  time.Duration
}

func (c *scriptedCounter) CountWorkflow(ctx context.Context, in *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	c.asked++
	select {
	case <-time.After(c.takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	n := c.open
	switch {
	case strings.Contains(in.GetQuery(), "'retrying'"):
		n = c.retrying
	case strings.Contains(in.GetQuery(), "'parked'"):
		n = c.parked
	}
	if !strings.Contains(in.GetQuery(), "LogpipePipeline = 'orders'") {
		n = -1
	}
	return &workflowservice.CountWorkflowExecutionsResponse{Count: n}, c.err
}

func TestWindowCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reader := sdkmetric.NewManualReader()
		counter := &scriptedCounter{open: 10, retrying: 3, parked: 2, takes: time.Second}
		_, err := NewWindowCounts(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test"), counter, "orders", slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		scrape := func() map[string]int64 {
			t.Helper()
			begun := time.Now()
			var all metricdata.ResourceMetrics
			require.NoError(t, reader.Collect(t.Context(), &all))
			require.Equal(t, begun, time.Now(), "a scrape waits for nobody")
			counts := make(map[string]int64)
			for _, scope := range all.ScopeMetrics {
				for _, m := range scope.Metrics {
					for _, point := range m.Data.(metricdata.Gauge[int64]).DataPoints {
						status, _ := point.Attributes.Value(attribute.Key("status"))
						counts[status.AsString()] = point.Value
					}
				}
			}
			return counts
		}
		settle := func() {
			synctest.Wait()
			time.Sleep(4 * time.Second)
			synctest.Wait()
		}

		require.Zero(t, counter.asked, "nobody looks")
		require.Empty(t, scrape())
		settle()
		want := map[string]int64{"active": 5, "retrying": 3, "parked": 2}
		require.Equal(t, want, scrape())
		require.Equal(t, 3, counter.asked, "the numbers are young")

		counter.parked, counter.retrying = 9, 8
		time.Sleep(windowsAge)
		require.Equal(t, want, scrape(), "those of before, while it counts")
		settle()
		require.Equal(t, map[string]int64{"active": 0, "retrying": 8, "parked": 9}, scrape(), "windows have changed in between")

		counter.err = errors.New("no answer")
		for range 5 {
			time.Sleep(windowsAge)
			require.NotEmpty(t, scrape())
		}
		time.Sleep(windowsLife)
		require.Empty(t, scrape(), "nobody knows any more")
		settle()
	})
}

func TestLeases(t *testing.T) {
	t.Parallel()
	var none *Leases
	none.begin(nil)
	none.end(nil)
	held := &Leases{}
	says := func(want string) {
		t.Helper()
		text, err := held.Check(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, text)
	}
	says("0 of the 0 shards that this starter holds")
	hold := func(shard, waiting string) *lease {
		l := &lease{in: workflows.PollShardInput{ShardID: shard}}
		l.state.Store(&workflows.PollShardHeartbeat{Waiting: waiting})
		held.begin(l)
		return l
	}
	reads := hold("shardId-000000000001", "")
	held.begin(&lease{}) // which has not told anything yet
	waits := hold("shardId-000000000002", "throttled")
	hold("shardId-000000000003", "denied")
	says("2 of the 4 shards that this starter holds; shard 2 waits: throttled")
	held.end(waits)
	held.end(reads)
	says("1 of the 2 shards that this starter holds; shard 3 waits: denied")
}
