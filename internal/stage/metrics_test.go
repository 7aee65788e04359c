package stage_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/log-event-pipeline/logpipe/internal/stage"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	reader := sdkmetric.NewManualReader()
	m, err := stage.NewMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Meter("test"))
	require.NoError(t, err)
	look := func() (counts map[string]int64, measured uint64) {
		var all metricdata.ResourceMetrics
		require.NoError(t, reader.Collect(t.Context(), &all))
		counts = make(map[string]int64)
		for _, instrument := range all.ScopeMetrics[0].Metrics {
			switch data := instrument.Data.(type) {
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					operation, _ := point.Attributes.Value(attribute.Key("operation"))
					outcome, _ := point.Attributes.Value(attribute.Key("outcome"))
					counts[operation.AsString()+" "+outcome.AsString()] = point.Value
				}
			case metricdata.Histogram[float64]:
				measured = data.DataPoints[0].Count
			}
		}
		return counts, measured
	}
	dir := filepath.Join(t.TempDir(), "stage")
	s, err := stage.Open(t.Context(), "file://"+filepath.ToSlash(dir))
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.Put(t.Context(), "before", nil), "without metrics")
	s.Measure(m)
	counts, _ := look()
	require.Equal(t, map[string]int64{
		"put ok": 0, "put failed": 0, "get ok": 0, "get missing": 0, "get failed": 0, "delete ok": 0, "delete failed": 0, "list ok": 0, "list failed": 0,
	}, counts)

	require.NoError(t, s.Put(t.Context(), "p/1", []byte("x")))
	_, err = s.Get(t.Context(), "p/1")
	require.NoError(t, err)
	_, err = s.Get(t.Context(), "p/2")
	require.ErrorIs(t, err, stage.ErrNotFound)
	r, err := s.Reader(t.Context(), "p/1")
	require.NoError(t, err)
	require.NoError(t, r.Close())
	_, err = s.Reader(t.Context(), "p/2")
	require.ErrorIs(t, err, stage.ErrNotFound)
	_, err = s.Keys(t.Context(), "p/")
	require.NoError(t, err)
	require.NoError(t, s.Delete(t.Context(), "p/1"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	require.Error(t, s.Put(t.Context(), "file/1", nil), "below a file")
	interrupted, interrupt := context.WithCancel(t.Context())
	interrupt()
	_, err = s.Keys(interrupted, "before")
	require.Error(t, err)

	counts, measured := look()
	require.Equal(t, map[string]int64{
		"put ok": 1, "put failed": 1, "get ok": 2, "get missing": 2, "get failed": 0, "delete ok": 1, "delete failed": 0, "list ok": 1, "list failed": 0,
	}, counts)
	require.EqualValues(t, 7, measured)
}
