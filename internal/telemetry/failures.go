package telemetry

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
)

// FailureOther stands for an error type that nobody has announced, so that the values of a
// label are bounded.
const FailureOther = "other"

// Failure is an activity and the stable type of an error that it can end with.
type Failure struct{ Activity, Type string }

// Failures counts the attempts of activities that have failed, by the type of the error:
// what is tried again, and why. A nil *Failures counts nothing.
type Failures struct {
	counter metric.Int64Counter
	known   map[Failure]metric.MeasurementOption
}

// NewFailures makes the counter, with those that are known at 0.
func NewFailures(meter metric.Meter, known []Failure) (*Failures, error) {
	i := Instruments{Meter: meter}
	f := &Failures{
		counter: i.Counter("logpipe.activity.failures", "{failure}",
			"Attempts of activities that have failed, by the type of the error. What DeliverBatches could not deliver counts for each batch."),
		known: make(map[Failure]metric.MeasurementOption),
	}
	if err := i.Err(); err != nil {
		return nil, fmt.Errorf("make the instruments of activities: %w", err)
	}
	for _, failure := range known {
		for _, which := range []Failure{failure, {failure.Activity, FailureOther}} {
			f.known[which] = metric.WithAttributeSet(attribute.NewSet(
				attribute.String("activity", which.Activity), attribute.String("type", which.Type)))
		}
	}
	for _, of := range f.known {
		f.counter.Add(context.Background(), 0, of)
	}
	return f, nil
}

// Count counts a failure of an activity. One that was cancelled has not failed.
func (f *Failures) Count(ctx context.Context, name string, err error) {
	if f == nil || err == nil || temporal.IsCanceledError(err) || errors.Is(err, context.Canceled) {
		return
	}
	kind := FailureOther
	if failure, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		kind = failure.Type()
	}
	of, ok := f.known[Failure{name, kind}]
	if !ok {
		of, ok = f.known[Failure{name, FailureOther}]
	}
	if ok {
		f.counter.Add(ctx, 1, of)
	}
}

// Before puts an interceptor that counts failures before others, whose errors it sees.
func (f *Failures) Before(others ...interceptor.WorkerInterceptor) []interceptor.WorkerInterceptor {
	if f == nil {
		return others
	}
	return slices.Insert(others, 0, interceptor.WorkerInterceptor(&countingWorker{failures: f}))
}

type countingWorker struct {
	interceptor.WorkerInterceptorBase

	failures *Failures
}

// InterceptActivity implements interceptor.WorkerInterceptor.
func (w *countingWorker) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	a := &countingActivity{failures: w.failures}
	a.Next = next
	return a
}

type countingActivity struct {
	interceptor.ActivityInboundInterceptorBase

	failures *Failures
}

// ExecuteActivity implements interceptor.ActivityInboundInterceptor.
func (a *countingActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	result, err := a.Next.ExecuteActivity(ctx, in)
	if err != nil {
		a.failures.Count(ctx, activity.GetInfo(ctx).ActivityType.Name, err)
	}
	return result, err
}
