package stage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/log-event-pipeline/logpipe/internal/telemetry"
)

// requestBuckets are in seconds, from a directory at hand to a storage that is in trouble.
var requestBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// Operations on the storage, and how they end.
const (
	operationPut    = "put"
	operationGet    = "get"
	operationDelete = "delete"
	operationList   = "list"

	outcomeOK      = "ok"
	outcomeMissing = "missing"
	outcomeFailed  = "failed"
)

// Metrics are told of each operation on the storage. A nil *Metrics measures nothing.
type Metrics struct {
	operations metric.Int64Counter
	durations  metric.Float64Histogram
}

// NewMetrics makes the instruments.
func NewMetrics(meter metric.Meter) (*Metrics, error) {
	i := telemetry.Instruments{Meter: meter}
	m := &Metrics{
		operations: i.Counter("logpipe.stage.operations", "{operation}",
			"Operations on the stage, by how they ended."),
		durations: i.Histogram("logpipe.stage.operation.duration", requestBuckets,
			"How long reading, writing and deleting an object of the stage took."),
	}
	if err := i.Err(); err != nil {
		return nil, fmt.Errorf("make the instruments of the stage: %w", err)
	}
	for _, operation := range []string{operationPut, operationGet, operationDelete, operationList} {
		for _, outcome := range []string{outcomeOK, outcomeMissing, outcomeFailed} {
			if outcome != outcomeMissing || operation == operationGet {
				m.operations.Add(context.Background(), 0, operationThat(operation, outcome))
			}
		}
	}
	return m, nil
}

func operationThat(operation, outcome string) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String("operation", operation), attribute.String("outcome", outcome))
}

// ended tells of an operation. One that was interrupted says nothing of the storage.
func (m *Metrics) ended(ctx context.Context, operation string, begun time.Time, err error) {
	if m == nil || err != nil && ctx.Err() != nil {
		return
	}
	outcome := outcomeOK
	switch {
	case errors.Is(err, ErrNotFound):
		outcome = outcomeMissing
	case err != nil:
		outcome = outcomeFailed
	}
	m.operations.Add(ctx, 1, operationThat(operation, outcome))
	if operation != operationList { // which takes as long as who asks
		m.durations.Record(ctx, time.Since(begun).Seconds())
	}
}
