package starter

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.temporal.io/sdk/interceptor"

	"github.com/log-event-pipeline/logpipe/internal/telemetry"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Buckets in seconds. Both reach to the week that a stream may well keep its records for.
var (
	// ageBuckets are for how far a reader is behind: seconds near the tip, hours after an
	// outage.
	ageBuckets = []float64{1, 2, 5, 10, 30, 60, 120, 300, 900, 1800, 3600, 10800, 21600, 43200, 86400, 259200, 604800}
	// delayBuckets are for how long the first record of a window waits: fine around the
	// default age of a window, 60 s, and the second and a half that its start may take.
	delayBuckets = []float64{.5, 1, 1.5, 2, 5, 10, 15, 30, 45, 60, 60.5, 61, 61.5, 62, 65, 75, 90, 120, 300, 900, 3600, 21600, 86400, 604800}
)

// The values that labels are known to have.
var (
	windowReasons = []window.Reason{
		window.ReasonBytes, window.ReasonRecords, window.ReasonSpan, window.ReasonAge, window.ReasonShardEnd, window.ReasonDrain,
	}
	gapKinds = []workflows.GapKind{workflows.GapTrimmed, workflows.GapPosition, workflows.GapShardGone, workflows.GapForgotten}
)

// Metrics are told what the pollers do. A nil *Metrics is fine and measures nothing.
//
// Nothing is told apart by shard: a starter may hold thousands in its life, and each
// would leave its series behind. What one shard is at, its ShardReader shows.
type Metrics struct {
	windows     metric.Int64Counter
	startDelay  metric.Float64Histogram
	reads       metric.Int64Counter
	records     metric.Int64Counter
	bytes       metric.Int64Counter
	iteratorAge metric.Float64Histogram
	gaps        metric.Int64Counter
	held        metric.Int64UpDownCounter
	paused      metric.Int64UpDownCounter
	failures    *telemetry.Failures
}

// NewMetrics makes the instruments. What is counted begins at 0, so that the first time
// that something happens is seen as a change.
func NewMetrics(meter metric.Meter) (*Metrics, error) {
	i := telemetry.Instruments{Meter: meter}
	m := &Metrics{
		windows: i.Counter("logpipe.windows", "{window}",
			"Windows that were cut, by what closed them. Followed are those that another poller had begun before."),
		startDelay: i.Histogram("logpipe.window.start.delay", delayBuckets,
			"From the arrival of a window's first record in Kinesis until Temporal has accepted the window."),
		reads: i.Counter("logpipe.reads", "{read}",
			"Reads of shards, by how they ended."),
		records: i.Counter("logpipe.records.read", "{record}",
			"Records read, those that are read again included."),
		bytes: i.Counter("logpipe.bytes.read", "By",
			"Record data read, in bytes as stored in Kinesis."),
		iteratorAge: i.Histogram("logpipe.iterator.age", ageBuckets,
			"How far each read was behind the tip of its shard, by Kinesis."),
		gaps: i.Counter("logpipe.gaps", "{gap}",
			"Gaps: ranges of a shard whose records are not known to be in exactly one window."),
		held: i.UpDownCounter("logpipe.shards.held", "{shard}",
			"Shards that this starter polls now."),
		paused: i.UpDownCounter("logpipe.paused", "{shard}",
			"Shards whose reading is paused now, because too many windows are open."),
	}
	if err := i.Err(); err != nil {
		return nil, fmt.Errorf("make the instruments of the starter: %w", err)
	}
	var err error
	if m.failures, err = telemetry.NewFailures(meter, failures()); err != nil {
		return nil, err
	}
	m.beginAtZero(context.Background())
	return m, nil
}

func (m *Metrics) beginAtZero(ctx context.Context) {
	for _, why := range windowReasons {
		m.windows.Add(ctx, 0, ofWindow(why, true))
		m.windows.Add(ctx, 0, ofWindow(why, false))
	}
	for _, outcome := range readOutcomes {
		m.reads.Add(ctx, 0, ofRead(outcome))
	}
	for _, kind := range gapKinds {
		m.gaps.Add(ctx, 0, ofGap(kind))
	}
	m.records.Add(ctx, 0)
	m.bytes.Add(ctx, 0)
	m.held.Add(ctx, 0)
	m.paused.Add(ctx, 0)
}

func ofWindow(why window.Reason, ours bool) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String("reason", string(why)), attribute.Bool("followed", !ours))
}

func ofGap(kind workflows.GapKind) metric.MeasurementOption {
	return metric.WithAttributes(attribute.String("kind", string(kind)))
}

// Hold counts the shards that are held: n more, or fewer where it is negative.
func (m *Metrics) Hold(ctx context.Context, n int64) {
	if m != nil {
		m.held.Add(ctx, n)
	}
}

// Pause counts the shards that are paused: n more, or fewer where it is negative.
func (m *Metrics) Pause(ctx context.Context, n int64) {
	if m != nil {
		m.paused.Add(ctx, n)
	}
}

// Gap counts gaps.
func (m *Metrics) Gap(ctx context.Context, kind workflows.GapKind) {
	if m != nil {
		m.gaps.Add(ctx, 1, ofGap(kind))
	}
}

// countFailures puts what counts failures of activities before other interceptors.
func (m *Metrics) countFailures(others ...interceptor.WorkerInterceptor) []interceptor.WorkerInterceptor {
	if m == nil {
		return others
	}
	return m.failures.Before(others...)
}

// Window counts windows, and measures the delay of those that are ours: from the arrival
// of the first record until now. A clock that is behind that of Kinesis makes it 0.
func (m *Metrics) Window(ctx context.Context, why window.Reason, ours bool, delay time.Duration) {
	if m == nil {
		return
	}
	m.windows.Add(ctx, 1, ofWindow(why, ours))
	if ours {
		m.startDelay.Record(ctx, max(delay, 0).Seconds())
	}
}
