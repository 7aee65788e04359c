package telemetry

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace/noop"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

func TestTracesAsked(t *testing.T) {
	t.Parallel()
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318"
	for name, c := range map[string]struct {
		environ []string
		on      bool
		says    string
	}{
		"nothing":            {nil, false, ""},
		"others":             {[]string{"OTEL_SERVICE_NAME=x", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://c"}, false, ""},
		"an endpoint":        {[]string{endpoint}, true, ""},
		"one for traces":     {[]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://c/v1/traces"}, true, ""},
		"an empty one":       {[]string{"OTEL_EXPORTER_OTLP_ENDPOINT="}, false, ""},
		"the last one holds": {[]string{"OTEL_TRACES_EXPORTER=none", endpoint, "OTEL_TRACES_EXPORTER=otlp"}, true, ""},
		"by name alone":      {[]string{"OTEL_TRACES_EXPORTER=otlp"}, true, ""},
		"none":               {[]string{endpoint, "OTEL_TRACES_EXPORTER=none"}, false, ""},
		"disabled":           {[]string{endpoint, "OTEL_SDK_DISABLED=TRUE"}, false, ""},
		"by HTTP":            {[]string{endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"}, true, ""},
		"by gRPC":            {[]string{endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, false, "4318"},
		"traces by HTTP":     {[]string{endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf"}, true, ""},
		"to somebody else":   {[]string{endpoint, "OTEL_TRACES_EXPORTER=zipkin"}, false, "zipkin"},
		"off, whatever else": {[]string{"OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			on, err := tracesAsked(c.environ)
			require.Equal(t, c.on, on)
			if c.says == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.says)
			}
		})
	}
}

// TestTracesThatAreOff change nothing.
func TestTracesThatAreOff(t *testing.T) {
	t.Parallel()
	off, err := NewTraces(t.Context(), TracesOptions{})
	require.NoError(t, err)
	require.Equal(t, noop.Tracer{}, off.Tracer())
	var o client.Options
	off.Temporal(&o)
	require.Empty(t, o.Interceptors)
	require.NoError(t, off.Stop(t.Context()))
}

func TestSpans(t *testing.T) {
	t.Parallel()
	var kept tracetest.InMemoryExporter
	traces := &Traces{provider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(&kept)), names: []string{"FormatLogs"}}
	tracer := traces.Tracer()
	require.False(t, traces.start(t.Context(), tracer, "RunActivity:PollShard").SpanContext().IsValid(), "it was not named")
	require.Equal(t, noop.Span{}, traces.start(t.Context(), tracer, "RunWorkflow:TokenKeeper"))

	for _, err := range []error{temporal.NewApplicationError("quotes secret-canary", "StageUnavailable"), errors.New("secret-canary")} {
		span := traces.start(t.Context(), tracer, "RunActivity:FormatLogs")
		span.RecordError(nil)
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
		span.End()
	}
	spans := kept.GetSpans()
	require.Len(t, spans, 2)
	require.Equal(t, "RunActivity:FormatLogs", spans[0].Name)
	require.Equal(t, []attribute.KeyValue{attribute.String("error.type", "StageUnavailable")}, spans[0].Attributes)
	require.Equal(t, []attribute.KeyValue{attribute.String("error.type", "unknown")}, spans[1].Attributes)
	for _, span := range spans {
		require.Equal(t, codes.Error, span.Status.Code)
		require.Empty(t, span.Status.Description)
		require.Empty(t, span.Events)
	}
	var o client.Options
	traces.Temporal(&o)
	require.Len(t, o.Interceptors, 1)
	require.NoError(t, traces.Stop(context.WithoutCancel(t.Context())))
}
