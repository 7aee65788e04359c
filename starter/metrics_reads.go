package starter

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
)

// How a read can end, beside ok and failed, which is a fault that nobody foresaw.
const (
	readOK      = "ok"
	readExpired = "expired"
	readFailed  = "failed"
)

var readFaults = []struct {
	fault   error
	outcome string
}{
	{kinesis.ErrThrottled, "throttled"},
	{kinesis.ErrUnavailable, "unavailable"},
	{kinesis.ErrDenied, "denied"},
	{kinesis.ErrKey, "key"},
	{kinesis.ErrPosition, "position"},
	{kinesis.ErrNoShard, "no_shard"},
	{kinesis.ErrNoStream, "no_stream"},
}

var readOutcomes = func() []string {
	outcomes := []string{readOK, readExpired, readFailed}
	for _, f := range readFaults {
		outcomes = append(outcomes, f.outcome)
	}
	return outcomes
}()

func outcomeOf(err error) string {
	if err == nil {
		return readOK
	}
	for _, f := range readFaults {
		if errors.Is(err, f.fault) {
			return f.outcome
		}
	}
	return readFailed
}

func ofRead(outcome string) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String("outcome", outcome))
}

// Reader measures what a reader reads.
func (m *Metrics) Reader(r ShardReader) ShardReader {
	if m == nil {
		return r
	}
	return &measuredReader{ShardReader: r, metrics: m}
}

// measuredReader measures what a ShardReader reads.
type measuredReader struct {
	ShardReader
	metrics *Metrics
	expired int64 // of the iterators, those that are counted
}

// Next implements ShardReader. A read that was interrupted is not counted: it says
// nothing of Kinesis.
func (r *measuredReader) Next(ctx context.Context) (kinesis.Batch, error) {
	batch, err := r.ShardReader.Next(ctx)
	r.countExpired(ctx)
	if err != nil && ctx.Err() != nil {
		return batch, err
	}
	m := r.metrics
	m.reads.Add(ctx, 1, ofRead(outcomeOf(err)))
	if err == nil {
		m.records.Add(ctx, int64(len(batch.Records)))
		m.bytes.Add(ctx, int64(batch.Bytes))
		m.iteratorAge.Record(ctx, batch.Behind.Seconds())
	}
	return batch, err
}

// countExpired counts the iterators that had expired. The reader mends that by itself,
// within one Next.
func (r *measuredReader) countExpired(ctx context.Context) {
	counted, ok := r.ShardReader.(interface{ Stats() kinesis.Stats })
	if !ok {
		return
	}
	if expired := counted.Stats().Expired; expired > r.expired {
		r.metrics.reads.Add(ctx, expired-r.expired, ofRead(readExpired))
		r.expired = expired
	}
}
