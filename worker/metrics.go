package worker

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.temporal.io/sdk/interceptor"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/apigateway"
	"github.com/log-event-pipeline/logpipe/internal/delivery"
	"github.com/log-event-pipeline/logpipe/internal/telemetry"
	"github.com/log-event-pipeline/logpipe/internal/token"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

// Buckets in seconds.
var (
	// freshnessBuckets are fine around the default age of a window, 60 s, and reach to the
	// week that an outage may last.
	freshnessBuckets = []float64{.5, 1, 2, 5, 10, 15, 30, 45, 60, 61, 62, 65, 70, 80, 90, 120, 180, 300, 600, 900, 1800, 3600, 10800, 21600, 86400, 259200, 604800}
	// requestBuckets reach to the longest that a request may take.
	requestBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 30, 50}
)

// The outcomes of deliveries that are not named after what the answer means.
const (
	outcomeInterrupted = "interrupted"
	outcomeThrottled   = "throttled"
)

// outcomes are how deliveries end, by the verdict on the answer.
var outcomes = map[delivery.Verdict]string{
	delivery.Accepted: "accepted", delivery.PartlyAccepted: "partly_accepted", delivery.Unavailable: "unavailable",
	delivery.TokenRefused: "token_refused", delivery.TooLarge: "too_large", delivery.Refused: "refused",
}

// usualDeliveries are those that are counted from 0. Any others there can be only where the
// destination does what none should.
var usualDeliveries = []delivered{
	{"accepted", "2xx"}, {"partly_accepted", "2xx"}, {"unavailable", "none"}, {"unavailable", "2xx"}, {"unavailable", "4xx"}, {"unavailable", "5xx"},
	{outcomeThrottled, "4xx"}, {"token_refused", "4xx"}, {"too_large", "4xx"}, {"refused", "2xx"}, {"refused", "3xx"}, {"refused", "4xx"},
	{outcomeInterrupted, "none"},
}

// delivered is what tells deliveries apart.
type delivered struct{ outcome, status string }

// Metrics are told what the activities come to. A nil *Metrics is fine and measures nothing.
type Metrics struct {
	meter metric.Meter

	freshness   metric.Float64Histogram
	formatted   metric.Int64Counter
	finished    metric.Int64Counter
	inflated    metric.Int64Counter
	control     metric.Int64Counter
	made        metric.Int64Counter
	quarantined metric.Int64Counter
	requests    metric.Int64Counter
	requestTime metric.Float64Histogram
	accepted    metric.Int64Counter
	refused     metric.Int64Counter
	sent        metric.Int64Counter
	refreshes   metric.Int64Counter
	failures    *telemetry.Failures
}

var _ activities.Metrics = (*Metrics)(nil)

// NewMetrics makes the instruments. What is counted begins at 0, so that the first time
// that something happens is seen as a change.
func NewMetrics(meter metric.Meter) (*Metrics, error) {
	i := telemetry.Instruments{Meter: meter}
	m := &Metrics{
		meter: meter,
		freshness: i.Histogram("logpipe.freshness", freshnessBuckets,
			"From the arrival of a window's first record in Kinesis until the destination has accepted a batch of it."),
		formatted: i.Counter("logpipe.windows.formatted", "{window}",
			"Windows that were made into batches, by what closed them. One that is formatted again is counted again."),
		finished: i.Counter("logpipe.windows.finished", "{window}",
			"Windows that need nothing more, by how they ended."),
		inflated: i.Counter("logpipe.bytes.inflated", "By",
			"Record data that was formatted, in bytes after decompression."),
		control: i.Counter("logpipe.control.messages", "{message}",
			"Messages by which CloudWatch Logs checks its destination. They are not delivered."),
		made: i.Counter("logpipe.events.formatted", "{event}",
			"Events that were made of log events, by what these were."),
		quarantined: i.Counter("logpipe.pieces.quarantined", "{piece}",
			"Pieces of records that could not be made into events and are in quarantine, by the reason."),
		requests: i.Counter("logpipe.deliveries", "{request}",
			"Requests to the destination, by what the answer means and by the class of its status."),
		requestTime: i.Histogram("logpipe.delivery.duration", requestBuckets,
			"How long requests to the destination took, those without an answer included."),
		accepted: i.Counter("logpipe.events.delivered", "{event}",
			"Events that the destination has accepted."),
		refused: i.Counter("logpipe.events.refused", "{event}",
			"Events that the destination has refused for good. They are parked; those that are sent again and refused again are counted again."),
		sent: i.Counter("logpipe.bytes.delivered", "By",
			"Bodies of requests that the destination has accepted, in bytes as sent."),
		refreshes: i.Counter("logpipe.token.refreshes", "{refresh}",
			"Attempts to replace the token, by what they came to."),
	}
	if err := i.Err(); err != nil {
		return nil, fmt.Errorf("make the instruments of the worker: %w", err)
	}
	var known []telemetry.Failure
	for activity, kinds := range activities.Failures() {
		for _, kind := range kinds {
			known = append(known, telemetry.Failure{Activity: activity, Type: kind})
		}
	}
	var err error
	if m.failures, err = telemetry.NewFailures(meter, known); err != nil {
		return nil, err
	}
	m.beginAtZero(context.Background())
	return m, nil
}

func (m *Metrics) beginAtZero(ctx context.Context) {
	for _, why := range window.Reasons() {
		m.formatted.Add(ctx, 0, with("reason", string(why)))
	}
	for _, givenUp := range []bool{false, true} {
		m.finished.Add(ctx, 0, ended(givenUp))
	}
	for _, kind := range apigateway.Kinds() {
		m.made.Add(ctx, 0, with("kind", string(kind)))
	}
	for _, reason := range apigateway.Reasons() {
		m.quarantined.Add(ctx, 0, with("reason", reason.Code))
	}
	for _, d := range usualDeliveries {
		m.requests.Add(ctx, 0, d.attributes())
	}
	for _, outcome := range []string{activities.RefreshAsked, activities.RefreshFound, activities.RefreshFailed} {
		m.refreshes.Add(ctx, 0, with("outcome", outcome))
	}
	for _, counter := range []metric.Int64Counter{m.inflated, m.control, m.accepted, m.refused, m.sent} {
		counter.Add(ctx, 0)
	}
}

func with(label, value string) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String(label, value))
}

func ended(givenUp bool) metric.MeasurementOption {
	if givenUp {
		return with("status", "discarded")
	}
	return with("status", "delivered")
}

func (d delivered) attributes() metric.MeasurementOption {
	return metric.WithAttributes(attribute.String("outcome", d.outcome), attribute.String("status", d.status))
}

// Formatted implements activities.Metrics.
func (m *Metrics) Formatted(ctx context.Context, why window.Reason, summary apigateway.Summary) {
	if m == nil {
		return
	}
	m.formatted.Add(ctx, 1, with("reason", string(why)))
	m.inflated.Add(ctx, summary.InflatedBytes)
	m.control.Add(ctx, int64(summary.ControlMessages))
	for kind, n := range summary.Kinds {
		m.made.Add(ctx, int64(n), with("kind", string(kind)))
	}
	for reason, n := range summary.Reasons {
		m.quarantined.Add(ctx, int64(n), with("reason", reason))
	}
}

// Delivered implements activities.Metrics.
func (m *Metrics) Delivered(ctx context.Context, d activities.Delivery) {
	if m == nil {
		return
	}
	m.requests.Add(ctx, 1, deliveredBy(d).attributes())
	if d.Interrupted {
		return
	}
	m.requestTime.Record(ctx, d.Took.Seconds())
	refused := 0
	switch a := d.Answer; a.Verdict {
	case delivery.Accepted, delivery.PartlyAccepted:
		for _, item := range a.Failed {
			if !item.Retry {
				refused++
			}
		}
		m.accepted.Add(ctx, int64(d.Batch.Events-len(a.Failed)))
		m.sent.Add(ctx, int64(d.Batch.Bytes))
		if len(a.Failed) < d.Batch.Events && !d.Batch.FirstArrival.IsZero() {
			// A clock that is behind that of Kinesis makes it 0.
			m.freshness.Record(ctx, max(time.Since(d.Batch.FirstArrival), 0).Seconds())
		}
	case delivery.Refused:
		refused = d.Batch.Events
	case delivery.TooLarge:
		if d.Batch.Events == 1 { // it cannot be divided
			refused = 1
		}
	}
	m.refused.Add(ctx, int64(refused))
}

func deliveredBy(d activities.Delivery) delivered {
	status := "none"
	if class := d.Answer.Status / 100; class > 0 && class < 6 {
		status = fmt.Sprintf("%dxx", class)
	}
	switch {
	case d.Interrupted:
		return delivered{outcomeInterrupted, status}
	case d.Answer.Status == http.StatusTooManyRequests:
		return delivered{outcomeThrottled, status}
	}
	return delivered{outcomes[d.Answer.Verdict], status}
}

// Finished implements activities.Metrics.
func (m *Metrics) Finished(ctx context.Context, givenUp bool) {
	if m != nil {
		m.finished.Add(ctx, 1, ended(givenUp))
	}
}

// Refreshed implements activities.Metrics.
func (m *Metrics) Refreshed(ctx context.Context, outcome string) {
	if m != nil {
		m.refreshes.Add(ctx, 1, with("outcome", outcome))
	}
}

// Failed implements activities.Metrics.
func (m *Metrics) Failed(ctx context.Context, activity string, err error) {
	if m != nil {
		m.failures.Count(ctx, activity, err)
	}
}

// countFailures puts what counts failures of activities before other interceptors.
func (m *Metrics) countFailures(others ...interceptor.WorkerInterceptor) []interceptor.WorkerInterceptor {
	if m == nil {
		return others
	}
	return m.failures.Before(others...)
}

// WatchToken has the token shown that is used now. A process that has used none shows none.
func (m *Metrics) WatchToken(current func() token.Token) error {
	if m == nil {
		return nil
	}
	i := telemetry.Instruments{Meter: m.meter}
	obtained := i.Gauge("logpipe.token.obtained.timestamp",
		"When the token that this worker uses was issued, in seconds since 1970. Each worker tells of its own.")
	expires := i.Gauge("logpipe.token.expiry.timestamp",
		"When the token that this worker uses expires, in seconds since 1970. One that nobody knows the end of has none.")
	i.Observe(func(_ context.Context, o metric.Observer) error {
		t := current()
		if !t.ObtainedAt.IsZero() {
			o.ObserveFloat64(obtained, seconds(t.ObtainedAt))
		}
		if !t.ExpiresAt.IsZero() {
			o.ObserveFloat64(expires, seconds(t.ExpiresAt))
		}
		return nil
	}, obtained, expires)
	if err := i.Err(); err != nil {
		return fmt.Errorf("make the instruments of the token: %w", err)
	}
	return nil
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
