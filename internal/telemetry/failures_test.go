package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/log-event-pipeline/logpipe/internal/telemetry"
)

// counted returns failures and how to look at those that were counted, as "activity type".
func counted(t *testing.T) (f *telemetry.Failures, counts func() map[string]int64) {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	f, err := telemetry.NewFailures(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test"), []telemetry.Failure{
		{Activity: "Read", Type: "Throttled"}, {Activity: "Read", Type: "Denied"}, {Activity: "Write", Type: "Denied"},
	})
	require.NoError(t, err)
	return f, func() map[string]int64 {
		var all metricdata.ResourceMetrics
		require.NoError(t, reader.Collect(t.Context(), &all))
		counts := make(map[string]int64)
		for _, point := range all.ScopeMetrics[0].Metrics[0].Data.(metricdata.Sum[int64]).DataPoints {
			name, _ := point.Attributes.Value(attribute.Key("activity"))
			kind, _ := point.Attributes.Value(attribute.Key("type"))
			counts[name.AsString()+" "+kind.AsString()] = point.Value
		}
		return counts
	}
}

func TestFailures(t *testing.T) {
	t.Parallel()
	f, counts := counted(t)
	zero := map[string]int64{"Read Throttled": 0, "Read Denied": 0, "Read other": 0, "Write Denied": 0, "Write other": 0}
	require.Equal(t, zero, counts(), "what can happen is there before it does")
	denied := temporal.NewApplicationError("no", "Denied")
	for _, c := range []struct {
		activity string
		err      error
	}{
		{"Read", denied},
		{"Read", fmt.Errorf("wrapped: %w", denied)},
		{"Write", temporal.NewNonRetryableApplicationError("no", "Denied", nil)},
		{"Write", temporal.NewApplicationError("slow", "Throttled")}, // not announced for this one
		{"Read", errors.New("plain")},
		{"Unknown", denied}, // values of labels are bounded
		{"Read", nil},
		{"Read", context.Canceled},
		{"Read", temporal.NewCanceledError()},
	} {
		f.Count(t.Context(), c.activity, c.err)
	}
	require.Equal(t, map[string]int64{"Read Throttled": 0, "Read Denied": 2, "Read other": 1, "Write Denied": 1, "Write other": 1}, counts())
}

func TestFailuresOfActivities(t *testing.T) {
	t.Parallel()
	f, counts := counted(t)
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: f.Before()})
	env.RegisterActivityWithOptions(func(_ context.Context, fails bool) (int, error) {
		if fails {
			return 0, temporal.NewApplicationError("no", "Denied")
		}
		return 7, nil
	}, activity.RegisterOptions{Name: "Write"})
	value, err := env.ExecuteActivity("Write", false)
	require.NoError(t, err)
	var n int
	require.NoError(t, value.Get(&n))
	require.Equal(t, 7, n)
	_, err = env.ExecuteActivity("Write", true)
	require.Error(t, err)
	require.EqualValues(t, 1, counts()["Write Denied"])

	var none *telemetry.Failures
	require.Empty(t, none.Before())
	none.Count(t.Context(), "Write", err)
}
