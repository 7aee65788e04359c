package worker_test

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/apigateway"
	"github.com/log-event-pipeline/logpipe/internal/delivery"
	"github.com/log-event-pipeline/logpipe/internal/token"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/worker"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// measured returns metrics and how to look at them: the sums by name and attributes, the
// gauges, and how often and how much each histogram has measured.
func measured(t *testing.T) (m *worker.Metrics, look func() (sums map[string]int64, gauges map[string]float64, histograms map[string]metricdata.HistogramDataPoint[float64])) {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	m, err := worker.NewMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test"))
	require.NoError(t, err)
	return m, func() (map[string]int64, map[string]float64, map[string]metricdata.HistogramDataPoint[float64]) {
		sums, gauges, histograms := map[string]int64{}, map[string]float64{}, map[string]metricdata.HistogramDataPoint[float64]{}
		var all metricdata.ResourceMetrics
		require.NoError(t, reader.Collect(t.Context(), &all))
		for _, instrument := range all.ScopeMetrics[0].Metrics {
			switch data := instrument.Data.(type) {
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					sums[instrument.Name+point.Attributes.Encoded(encoder{})] = point.Value
				}
			case metricdata.Gauge[float64]:
				gauges[instrument.Name] = data.DataPoints[0].Value
			case metricdata.Histogram[float64]:
				require.Len(t, data.DataPoints, 1, "a histogram has no attributes, which would multiply its buckets")
				histograms[instrument.Name] = data.DataPoints[0]
			}
		}
		return sums, gauges, histograms
	}
}

// encoder writes attributes as " key=value key=value".
type encoder struct{}

func (encoder) Encode(it attribute.Iterator) string {
	text := ""
	for it.Next() {
		text += " " + string(it.Attribute().Key) + "=" + it.Attribute().Value.String()
	}
	return text
}

func (encoder) ID() attribute.EncoderID { return attribute.NewEncoderID() }

// changed are the sums that are not zero.
func changed(sums map[string]int64) map[string]int64 {
	maps.DeleteFunc(sums, func(_ string, value int64) bool { return value == 0 })
	return sums
}

func TestMetricsBeginAtZero(t *testing.T) {
	t.Parallel()
	_, look := measured(t)
	sums, gauges, histograms := look()
	for _, name := range []string{
		"logpipe.events.delivered", "logpipe.deliveries outcome=unavailable status=5xx", "logpipe.pieces.quarantined reason=invalid_json",
		"logpipe.windows.formatted reason=age", "logpipe.windows.finished status=discarded", "logpipe.token.refreshes outcome=failed",
		"logpipe.activity.failures activity=ClearStage type=StageUnavailable", "logpipe.activity.failures activity=RefreshToken type=TokenClientRefused",
	} {
		require.Contains(t, sums, name)
	}
	require.Empty(t, changed(sums))
	require.Empty(t, gauges)
	require.Empty(t, histograms)
}

func TestMetricsOfWindows(t *testing.T) {
	t.Parallel()
	m, look := measured(t)
	m.Formatted(t.Context(), window.ReasonAge, apigateway.Summary{
		InflatedBytes: 1000, ControlMessages: 2, Events: 7, Kinds: map[apigateway.Kind]int{apigateway.KindAccess: 5, apigateway.KindText: 2},
		Quarantined: 3, Reasons: map[string]int{"invalid_json": 3},
	})
	m.Formatted(t.Context(), window.ReasonRetry, apigateway.Summary{})
	m.Finished(t.Context(), false)
	m.Finished(t.Context(), true)
	m.Refreshed(t.Context(), activities.RefreshAsked)
	m.Failed(t.Context(), workflows.DeliverBatchesName, temporal.NewApplicationError("", workflows.ErrorDestinationUnavailable))
	sums, _, _ := look()
	require.Equal(t, map[string]int64{
		"logpipe.windows.formatted reason=age": 1, "logpipe.windows.formatted reason=retry": 1,
		"logpipe.bytes.inflated": 1000, "logpipe.control.messages": 2,
		"logpipe.events.formatted kind=access": 5, "logpipe.events.formatted kind=text": 2,
		"logpipe.pieces.quarantined reason=invalid_json": 3,
		"logpipe.windows.finished status=delivered":      1, "logpipe.windows.finished status=discarded": 1,
		"logpipe.token.refreshes outcome=asked":                                         1,
		"logpipe.activity.failures activity=DeliverBatches type=DestinationUnavailable": 1,
	}, changed(sums))
}

func TestMetricsOfDeliveries(t *testing.T) {
	t.Parallel()
	batch := workflows.Batch{Events: 10, Bytes: 500, FirstArrival: time.Now().Add(-time.Hour)}
	early := batch
	early.FirstArrival = time.Now().Add(time.Hour) // the clock of Kinesis is ahead
	single := batch
	single.Events = 1
	timeless := batch
	timeless.FirstArrival = time.Time{}
	failed := func(retry ...bool) []delivery.FailedItem {
		var items []delivery.FailedItem
		for _, again := range retry {
			items = append(items, delivery.FailedItem{Retry: again})
		}
		return items
	}
	for name, c := range map[string]struct {
		d         activities.Delivery
		sums      map[string]int64
		freshness []float64 // not under and not over
	}{
		"accepted": {activities.Delivery{Answer: delivery.Answer{Status: 202}, Batch: batch},
			map[string]int64{"logpipe.deliveries outcome=accepted status=2xx": 1, "logpipe.events.delivered": 10, "logpipe.bytes.delivered": 500}, []float64{3600, 3660}},
		"accepted before it arrived": {activities.Delivery{Answer: delivery.Answer{Status: 200}, Batch: early},
			map[string]int64{"logpipe.deliveries outcome=accepted status=2xx": 1, "logpipe.events.delivered": 10, "logpipe.bytes.delivered": 500}, []float64{0, 0}},
		"accepted after a retry of pieces": {activities.Delivery{Answer: delivery.Answer{Status: 200}, Batch: timeless},
			map[string]int64{"logpipe.deliveries outcome=accepted status=2xx": 1, "logpipe.events.delivered": 10, "logpipe.bytes.delivered": 500}, nil},
		"partly": {activities.Delivery{Answer: delivery.Answer{Verdict: delivery.PartlyAccepted, Status: 207, Failed: failed(true, false, false)}, Batch: batch},
			map[string]int64{"logpipe.deliveries outcome=partly_accepted status=2xx": 1, "logpipe.events.delivered": 7, "logpipe.bytes.delivered": 500, "logpipe.events.refused": 2}, []float64{3600, 3660}},
		"nothing of it": {activities.Delivery{Answer: delivery.Answer{Verdict: delivery.PartlyAccepted, Status: 207, Failed: failed(true)}, Batch: single},
			map[string]int64{"logpipe.deliveries outcome=partly_accepted status=2xx": 1, "logpipe.bytes.delivered": 500}, nil},
		"refused": {activities.Delivery{Answer: delivery.Answer{Verdict: delivery.Refused, Status: 422}, Batch: batch},
			map[string]int64{"logpipe.deliveries outcome=refused status=4xx": 1, "logpipe.events.refused": 10}, nil},
		"too large": {activities.Delivery{Answer: delivery.Answer{Verdict: delivery.TooLarge, Status: 413}, Batch: batch},
			map[string]int64{"logpipe.deliveries outcome=too_large status=4xx": 1}, nil},
		"too large by itself": {activities.Delivery{Answer: delivery.Answer{Verdict: delivery.TooLarge, Status: 413}, Batch: single},
			map[string]int64{"logpipe.deliveries outcome=too_large status=4xx": 1, "logpipe.events.refused": 1}, nil},
		"token": {activities.Delivery{Answer: delivery.Answer{Verdict: delivery.TokenRefused, Status: 401}, Batch: batch},
			map[string]int64{"logpipe.deliveries outcome=token_refused status=4xx": 1}, nil},
		"throttled": {activities.Delivery{Answer: delivery.Answer{Verdict: delivery.Unavailable, Status: 429}, Batch: batch},
			map[string]int64{"logpipe.deliveries outcome=throttled status=4xx": 1}, nil},
		"away": {activities.Delivery{Answer: delivery.Answer{Verdict: delivery.Unavailable}, Batch: batch},
			map[string]int64{"logpipe.deliveries outcome=unavailable status=none": 1}, nil},
		"a status that is none": {activities.Delivery{Answer: delivery.Answer{Verdict: delivery.Refused, Status: 999}, Batch: batch},
			map[string]int64{"logpipe.deliveries outcome=refused status=none": 1, "logpipe.events.refused": 10}, nil},
		"interrupted": {activities.Delivery{Answer: delivery.Answer{Verdict: delivery.Unavailable}, Batch: batch, Interrupted: true},
			map[string]int64{"logpipe.deliveries outcome=interrupted status=none": 1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, look := measured(t)
			c.d.Took = 3 * time.Second
			m.Delivered(t.Context(), c.d)
			sums, _, histograms := look()
			require.Equal(t, c.sums, changed(sums))
			if c.d.Interrupted {
				require.Empty(t, histograms)
				return
			}
			require.InDelta(t, 3, histograms["logpipe.delivery.duration"].Sum, 1e-9)
			if c.freshness == nil {
				require.NotContains(t, histograms, "logpipe.freshness")
				return
			}
			fresh := histograms["logpipe.freshness"]
			require.EqualValues(t, 1, fresh.Count)
			require.GreaterOrEqual(t, fresh.Sum, c.freshness[0])
			require.LessOrEqual(t, fresh.Sum, c.freshness[1])
			require.IsIncreasing(t, fresh.Bounds)
		})
	}
}

func TestMetricsOfToken(t *testing.T) {
	t.Parallel()
	m, look := measured(t)
	var current token.Token
	require.NoError(t, m.WatchToken(func() token.Token { return current }))
	_, gauges, _ := look()
	require.Empty(t, gauges, "none was used yet")
	current.ObtainedAt = time.UnixMilli(1_700_000_000_500)
	_, gauges, _ = look()
	require.Equal(t, map[string]float64{"logpipe.token.obtained.timestamp": 1_700_000_000.5}, gauges, "nobody knows its end")
	current.ExpiresAt = time.Unix(1_700_003_600, 0)
	_, gauges, _ = look()
	require.Equal(t, map[string]float64{"logpipe.token.obtained.timestamp": 1_700_000_000.5, "logpipe.token.expiry.timestamp": 1_700_003_600}, gauges)
}

// TestNoMetrics: tests and other uses of a worker need none.
func TestNoMetrics(t *testing.T) {
	t.Parallel()
	var m *worker.Metrics
	m.Formatted(t.Context(), window.ReasonAge, apigateway.Summary{})
	m.Delivered(t.Context(), activities.Delivery{})
	m.Finished(t.Context(), true)
	m.Refreshed(t.Context(), activities.RefreshFound)
	m.Failed(t.Context(), "", nil)
	require.NoError(t, m.WatchToken(nil))
}

// BenchmarkMetrics is what measuring costs for a window of one batch.
func BenchmarkMetrics(b *testing.B) {
	m, err := worker.NewMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())).Meter("test"))
	require.NoError(b, err)
	batch := workflows.Batch{Events: 5000, Bytes: 1_000_000, FirstArrival: time.Now()}
	summary := apigateway.Summary{InflatedBytes: 1_000_000, Events: 5000, Kinds: map[apigateway.Kind]int{apigateway.KindAccess: 5000}}
	b.ReportAllocs()
	for b.Loop() {
		m.Formatted(b.Context(), window.ReasonAge, summary)
		m.Delivered(b.Context(), activities.Delivery{Answer: delivery.Answer{Status: 200}, Batch: batch, Took: time.Second})
		m.Finished(b.Context(), false)
	}
}
