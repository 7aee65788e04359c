package activities

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/log-event-pipeline/logpipe/internal/delivery"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// startSpan starts the span of a request. It has sizes and numbers, and nothing that was sent.
// The destination is told nothing of it.
func (d *Deliver) startSpan(ctx context.Context, batch workflows.Batch) (context.Context, trace.Span) {
	if d.Tracer == nil {
		return ctx, noop.Span{}
	}
	ctx, span := d.Tracer.Start(ctx, "deliver", trace.WithSpanKind(trace.SpanKindClient))
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("http.request.method", "POST"),
			attribute.Int("http.request.body.size", batch.Bytes),
			attribute.Int("logpipe.batch.events", batch.Events),
			attribute.String("logpipe.batch.idempotency_key", batch.IdempotencyKey),
		)
	}
	return ctx, span
}

// endSpan ends the span of a request by its answer.
func endSpan(span trace.Span, answer delivery.Answer) {
	if span.IsRecording() {
		span.SetAttributes(attribute.String("logpipe.outcome", answer.Verdict.String()))
		if answer.Status != 0 {
			span.SetAttributes(attribute.Int("http.response.status_code", answer.Status))
		}
		if answer.Verdict != delivery.Accepted {
			span.SetStatus(codes.Error, "")
		}
	}
	span.End()
}
