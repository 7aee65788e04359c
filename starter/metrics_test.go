package starter_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/starter"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// measured returns metrics and how to look at them: the value of each sum by name and
// attributes, where there is one.
func measured(t *testing.T) (m *starter.Metrics, sums func() map[string]int64, histograms func() map[string]metricdata.HistogramDataPoint[float64]) {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	m, err := starter.NewMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test"))
	require.NoError(t, err)
	collect := func() []metricdata.Metrics {
		var all metricdata.ResourceMetrics
		require.NoError(t, reader.Collect(t.Context(), &all))
		require.Len(t, all.ScopeMetrics, 1)
		return all.ScopeMetrics[0].Metrics
	}
	sums = func() map[string]int64 {
		values := make(map[string]int64)
		for _, instrument := range collect() {
			if sum, ok := instrument.Data.(metricdata.Sum[int64]); ok {
				for _, point := range sum.DataPoints {
					values[instrument.Name+point.Attributes.Encoded(encoder{})] = point.Value
				}
			}
		}
		return values
	}
	histograms = func() map[string]metricdata.HistogramDataPoint[float64] {
		points := make(map[string]metricdata.HistogramDataPoint[float64])
		for _, instrument := range collect() {
			if histogram, ok := instrument.Data.(metricdata.Histogram[float64]); ok {
				require.Len(t, histogram.DataPoints, 1, "a histogram has no attributes, which would multiply its buckets")
				points[instrument.Name] = histogram.DataPoints[0]
			}
		}
		return points
	}
	return m, sums, histograms
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

func TestMetricsBeginAtZero(t *testing.T) {
	t.Parallel()
	_, sums, histograms := measured(t)
	values := sums()
	for _, name := range []string{
		"logpipe.windows followed=false reason=bytes", "logpipe.windows followed=true reason=drain", "logpipe.windows followed=false reason=shard_end",
		"logpipe.reads outcome=ok", "logpipe.reads outcome=throttled", "logpipe.reads outcome=expired", "logpipe.gaps kind=trimmed",
		"logpipe.records.read", "logpipe.bytes.read", "logpipe.shards.held", "logpipe.paused",
	} {
		require.Contains(t, values, name)
	}
	for name, value := range values {
		require.Zero(t, value, name)
	}
	require.Empty(t, histograms())
}

// changed are the sums that are not zero.
func changed(sums map[string]int64) map[string]int64 {
	maps.DeleteFunc(sums, func(_ string, value int64) bool { return value == 0 })
	return sums
}

func TestMetricsOfWindows(t *testing.T) {
	t.Parallel()
	m, sums, histograms := measured(t)
	m.Window(t.Context(), window.ReasonAge, true, 61200*time.Millisecond)
	m.Window(t.Context(), window.ReasonDrain, true, -time.Second)
	m.Window(t.Context(), window.ReasonBytes, false, time.Hour)
	m.Gap(t.Context(), workflows.GapTrimmed)
	require.Equal(t, map[string]int64{
		"logpipe.windows followed=false reason=age":   1,
		"logpipe.windows followed=false reason=drain": 1,
		"logpipe.windows followed=true reason=bytes":  1,
		"logpipe.gaps kind=trimmed":                   1,
	}, changed(sums()))
	delay := histograms()["logpipe.window.start.delay"]
	require.Equal(t, uint64(2), delay.Count, "a window that is followed was started by another")
	require.InDelta(t, 61.2, delay.Sum, 1e-9, "a delay is never negative")
	require.IsIncreasing(t, delay.Bounds)
	require.Contains(t, delay.Bounds, 61.5, "a window's default age and the 1.5 s that its start may take")
}

func TestMetricsOfShards(t *testing.T) {
	t.Parallel()
	m, sums, _ := measured(t)
	m.Hold(t.Context(), 1)
	m.Hold(t.Context(), 1)
	m.Pause(t.Context(), 1)
	m.Hold(t.Context(), -1)
	require.Equal(t, map[string]int64{"logpipe.shards.held": 1, "logpipe.paused": 1}, changed(sums()))
	m.Hold(t.Context(), -1)
	m.Pause(t.Context(), -1)
	require.Empty(t, changed(sums()))
}

// scripted is a ShardReader that gives one answer after the other, and counts expired
// iterators as kinesis.Reader does.
type scripted struct {
	answers []func() (kinesis.Batch, error)
	stats   kinesis.Stats
}

func (*scripted) Due() time.Time         { return time.Time{} }
func (r *scripted) Stats() kinesis.Stats { return r.stats }
func (r *scripted) Next(context.Context) (kinesis.Batch, error) {
	answer := r.answers[0]
	r.answers = r.answers[1:]
	return answer()
}

func TestMetricsOfReads(t *testing.T) {
	t.Parallel()
	m, sums, histograms := measured(t)
	reader := &scripted{}
	fault := func(err error) func() (kinesis.Batch, error) {
		return func() (kinesis.Batch, error) { return kinesis.Batch{}, fmt.Errorf("read shard 1: %w", err) }
	}
	reader.answers = []func() (kinesis.Batch, error){
		func() (kinesis.Batch, error) {
			return kinesis.Batch{Records: make([]window.Record, 100), Bytes: 5000, Behind: 90 * time.Second}, nil
		},
		func() (kinesis.Batch, error) {
			reader.stats.Expired = 2
			return kinesis.Batch{}, nil
		},
		fault(kinesis.ErrThrottled), fault(kinesis.ErrThrottled), fault(kinesis.ErrUnavailable), fault(kinesis.ErrDenied), fault(kinesis.ErrKey),
		fault(kinesis.ErrPosition), fault(kinesis.ErrNoShard), fault(kinesis.ErrNoStream), fault(errors.New("surprise")),
	}
	measuredReader := m.Reader(reader)
	for range len(reader.answers) {
		_, _ = measuredReader.Next(t.Context())
	}

	interrupted, interrupt := context.WithCancel(t.Context())
	reader.answers = []func() (kinesis.Batch, error){fault(context.Canceled)}
	interrupt()
	_, err := measuredReader.Next(interrupted)
	require.ErrorIs(t, err, context.Canceled)

	require.Equal(t, map[string]int64{
		"logpipe.records.read": 100, "logpipe.bytes.read": 5000,
		"logpipe.reads outcome=ok": 2, "logpipe.reads outcome=expired": 2,
		"logpipe.reads outcome=throttled": 2, "logpipe.reads outcome=unavailable": 1, "logpipe.reads outcome=denied": 1, "logpipe.reads outcome=key": 1,
		"logpipe.reads outcome=position": 1, "logpipe.reads outcome=no_shard": 1, "logpipe.reads outcome=no_stream": 1, "logpipe.reads outcome=failed": 1,
	}, changed(sums()))
	age := histograms()["logpipe.iterator.age"]
	require.Equal(t, uint64(2), age.Count)
	require.InDelta(t, 90, age.Sum, 0)
	require.IsIncreasing(t, age.Bounds)
}

// TestMetricsThatMeasureNothing: tests and other uses of a poller need no metrics.
func TestMetricsThatMeasureNothing(t *testing.T) {
	t.Parallel()
	off, err := starter.NewMetrics(noop.Meter{})
	require.NoError(t, err)
	for name, m := range map[string]*starter.Metrics{"nil": nil, "no-op": off} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m.Hold(t.Context(), 1)
			m.Pause(t.Context(), 1)
			m.Gap(t.Context(), workflows.GapForgotten)
			m.Window(t.Context(), window.ReasonSpan, true, time.Second)
			reader := m.Reader(&scripted{answers: []func() (kinesis.Batch, error){
				func() (kinesis.Batch, error) { return kinesis.Batch{Bytes: 7}, nil },
			}})
			batch, err := reader.Next(t.Context())
			require.NoError(t, err)
			require.Equal(t, 7, batch.Bytes)
		})
	}
}
