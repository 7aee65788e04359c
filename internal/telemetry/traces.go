package telemetry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
)

// tracesProtocol is the only one that traces are exported by.
const tracesProtocol = "http/protobuf"

// tracesStop bounds how long a stopping process waits for the collector.
const tracesStop = 3 * time.Second

// TracesOptions are the options of [NewTraces].
type TracesOptions struct {
	// Environ is what [os.Environ] says. Its OTEL_ variables, which are OpenTelemetry's own,
	// say whether there are traces, and where they go.
	Environ []string
	// Pipeline and Role are attributes of all spans.
	Pipeline, Role string
	// Names are the workflows and activities that have spans. Those that go on for ever
	// should have none: a trace has an end.
	Names []string
}

// Traces are the spans of a process.
type Traces struct {
	provider *sdktrace.TracerProvider // nil where there are no traces
	names    []string
}

// NewTraces exports spans over OTLP where an endpoint is named. Otherwise nothing is
// traced, and nothing is asked of anybody.
func NewTraces(ctx context.Context, o TracesOptions) (*Traces, error) {
	on, err := tracesAsked(o.Environ)
	if err != nil || !on {
		return &Traces{}, err
	}
	exporter, err := otlptracehttp.New(ctx) // by the same variables
	if err != nil {
		return nil, fmt.Errorf("make the exporter of traces: %w; check the OTEL_EXPORTER_OTLP_ variables", err)
	}
	described, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", "logpipe"),
		attribute.String("logpipe.pipeline", o.Pipeline),
		attribute.String("logpipe.role", o.Role),
	), resource.WithFromEnv()) // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go over these
	if err != nil {
		return nil, fmt.Errorf("the attributes of traces: %w; check OTEL_RESOURCE_ATTRIBUTES", err)
	}
	return &Traces{provider: sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(described)), names: o.Names}, nil
}

// tracesAsked reports whether the variables ask for traces.
func tracesAsked(environ []string) (bool, error) {
	get := func(names ...string) string {
		for _, name := range names {
			for _, variable := range slices.Backward(environ) {
				if value, found := strings.CutPrefix(variable, name+"="); found && value != "" {
					return value
				}
			}
		}
		return ""
	}
	if strings.EqualFold(get("OTEL_SDK_DISABLED"), "true") {
		return false, nil
	}
	switch exporter := get("OTEL_TRACES_EXPORTER"); exporter {
	case "none":
		return false, nil
	case "otlp":
	case "":
		if get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT") == "" {
			return false, nil
		}
	default:
		return false, fmt.Errorf("OTEL_TRACES_EXPORTER is %q: only otlp and none are known here", exporter)
	}
	if protocol := get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); protocol != "" && protocol != tracesProtocol {
		return false, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q: traces are exported by %s only; set it to that, and the endpoint to the collector's port for it, mostly 4318", protocol, tracesProtocol)
	}
	return true, nil
}

// Tracer makes the spans of this program. Where there are no traces, they do nothing.
func (t *Traces) Tracer() trace.Tracer {
	if t.provider == nil {
		return noop.Tracer{}
	}
	return t.provider.Tracer(meterName)
}

// Temporal has the workflows and activities that were named traced, by a client with these
// options and its workers. The trace of a workflow begins with its start.
func (t *Traces) Temporal(o *client.Options) {
	if t.provider == nil {
		return
	}
	tracer, _ := opentelemetry.NewTracer(opentelemetry.TracerOptions{ // which never fails
		Tracer:                  t.provider.Tracer(temporalMeterName),
		DisableSignalTracing:    true, // they would begin traces of their own
		DisableQueryTracing:     true,
		DisableUpdateTracing:    true,
		DisableBaggage:          true,
		AllowInvalidParentSpans: true, // a header that cannot be read must not fail a workflow
		SpanStarter:             t.start,
	})
	o.Interceptors = append(o.Interceptors, interceptor.NewTracingInterceptor(quietTracer{tracer}))
}

// quietTracer leaves the logs of what is not traced as they are.
type quietTracer struct{ interceptor.Tracer }

// GetLogger implements interceptor.Tracer.
func (t quietTracer) GetLogger(logger log.Logger, ref interceptor.TracerSpanRef) log.Logger {
	if span, ok := ref.(interface{ SpanContext() trace.SpanContext }); !ok || !span.SpanContext().IsValid() {
		return logger
	}
	return t.Tracer.GetLogger(logger, ref)
}

// start starts a span for what was named, and one that nobody sees for all else.
func (t *Traces) start(ctx context.Context, tracer trace.Tracer, name string, o ...trace.SpanStartOption) trace.Span {
	if _, what, _ := strings.Cut(name, ":"); !slices.Contains(t.names, what) {
		return noop.Span{}
	}
	_, span := tracer.Start(ctx, name, o...)
	return quietSpan{span}
}

// quietSpan tells of an error what kind it is and not its text, which can have an excerpt of
// an answer in it.
type quietSpan struct{ trace.Span }

// RecordError implements trace.Span.
func (s quietSpan) RecordError(err error, _ ...trace.EventOption) {
	if err == nil {
		return
	}
	kind := "unknown"
	if failure, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		kind = failure.Type()
	}
	s.SetAttributes(attribute.String("error.type", kind))
}

// SetStatus implements trace.Span.
func (s quietSpan) SetStatus(code codes.Code, _ string) { s.Span.SetStatus(code, "") }

// Stop exports what is left, as long as ctx allows and the collector answers.
func (t *Traces) Stop(ctx context.Context) error {
	if t.provider == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, tracesStop)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("export the last traces: %w", err)
	}
	return nil
}
