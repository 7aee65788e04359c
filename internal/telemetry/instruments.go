package telemetry

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// Instruments makes instruments of a meter and keeps what goes wrong, so that one look at
// [Instruments.Err] is enough for all of them.
type Instruments struct {
	Meter metric.Meter
	errs  []error
}

// Err is what has gone wrong.
func (i *Instruments) Err() error { return errors.Join(i.errs...) }

// Counter makes a counter. Prometheus has _total behind its name.
func (i *Instruments) Counter(name, unit, description string) metric.Int64Counter {
	made, err := i.Meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
	i.errs = append(i.errs, err)
	return made
}

// UpDownCounter makes a counter that can go down again.
func (i *Instruments) UpDownCounter(name, unit, description string) metric.Int64UpDownCounter {
	made, err := i.Meter.Int64UpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
	i.errs = append(i.errs, err)
	return made
}

// Histogram makes a histogram of seconds with these buckets.
func (i *Instruments) Histogram(name string, seconds []float64, description string) metric.Float64Histogram {
	made, err := i.Meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description),
		metric.WithExplicitBucketBoundaries(seconds...))
	i.errs = append(i.errs, err)
	return made
}

// IntGauge makes a gauge that is looked at when it is scraped.
func (i *Instruments) IntGauge(name, unit, description string) metric.Int64ObservableGauge {
	made, err := i.Meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description))
	i.errs = append(i.errs, err)
	return made
}

// Gauge makes a gauge of seconds that is looked at when it is scraped.
func (i *Instruments) Gauge(name, description string) metric.Float64ObservableGauge {
	made, err := i.Meter.Float64ObservableGauge(name, metric.WithUnit("s"), metric.WithDescription(description))
	i.errs = append(i.errs, err)
	return made
}

// Observe has the gauges looked at by a function, which must not block: a scrape waits for it.
func (i *Instruments) Observe(look metric.Callback, gauges ...metric.Observable) {
	_, err := i.Meter.RegisterCallback(look, gauges...)
	i.errs = append(i.errs, err)
}
