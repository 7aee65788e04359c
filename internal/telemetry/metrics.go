package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
)

// MetricsPath is where metrics are served.
const MetricsPath = "/metrics"

// Names of the meters, by which the SDK tells the instruments of one from another's.
const (
	meterName         = "github.com/log-event-pipeline/logpipe"
	temporalMeterName = "go.temporal.io/sdk"
)

// temporalSeconds are the buckets of what the Temporal SDK measures, in seconds: from
// a request within a data centre to a workflow that was parked for a day. Those that
// OpenTelemetry would choose are for milliseconds.
var temporalSeconds = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 86400}

// MetricsOptions are the options of [NewMetrics].
type MetricsOptions struct {
	// Listen is the address to serve metrics on, as HOST:PORT. Without one there are
	// no metrics and nothing is measured.
	Listen string
	// Pipeline and Role are labels of all that is served.
	Pipeline, Role string
	// Health is served beside the metrics; nil is a process that never begins.
	Health *Health
	Logger *slog.Logger
}

// Metrics is where a process counts and measures, and from where Prometheus scrapes it. At the
// same address it tells its [Health].
// The process's own instruments are of OpenTelemetry; beside them are those of the
// Temporal SDK, the Go runtime and the operating system's view of the process.
type Metrics struct {
	options  MetricsOptions
	provider *sdkmetric.MeterProvider // nil where there are no metrics
	handler  http.Handler

	mu      sync.Mutex
	server  *http.Server
	address string
	serving sync.WaitGroup
}

// NewMetrics makes the instruments available. They are served from [Metrics.Start] on.
func NewMetrics(o MetricsOptions) (*Metrics, error) {
	m := &Metrics{options: o}
	if o.Listen == "" {
		return m, nil
	}
	registry := prometheus.NewRegistry()
	labelled := prometheus.WrapRegistererWith(prometheus.Labels{"pipeline": o.Pipeline, "role": o.Role}, registry)
	for _, c := range []prometheus.Collector{
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector(),
	} {
		if err := labelled.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of the process: %w", err)
		}
	}
	exporter, err := promexporter.New(
		promexporter.WithRegisterer(labelled),
		promexporter.WithoutScopeInfo(), // a label on every series that tells what its name does
	)
	if err != nil {
		return nil, fmt.Errorf("make the exporter for Prometheus: %w", err)
	}
	m.provider = sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(exporter),
		sdkmetric.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "logpipe"),
			attribute.String("logpipe.pipeline", o.Pipeline),
			attribute.String("logpipe.role", o.Role),
		)),
		sdkmetric.WithView(sdkmetric.NewView(
			sdkmetric.Instrument{Kind: sdkmetric.InstrumentKindHistogram, Scope: instrumentation.Scope{Name: temporalMeterName}},
			sdkmetric.Stream{Aggregation: sdkmetric.AggregationExplicitBucketHistogram{Boundaries: temporalSeconds}},
		)),
	)
	mux := http.NewServeMux()
	mux.Handle("GET "+MetricsPath, promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: scrapeErrors{o.Logger},
		// What can be had is better than nothing, in particular when something is wrong.
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
	}))
	if o.Health == nil {
		o.Health = &Health{}
	}
	o.Health.register(mux)
	m.handler = mux
	return m, nil
}

// Meter makes the instruments of this program. Where there are no metrics, they do
// nothing.
func (m *Metrics) Meter() metric.Meter {
	if m.provider == nil {
		return noop.Meter{}
	}
	return m.provider.Meter(meterName)
}

// Temporal takes the metrics of the Temporal SDK.
func (m *Metrics) Temporal() client.MetricsHandler {
	if m.provider == nil {
		return client.MetricsNopHandler
	}
	return opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter:                m.provider.Meter(temporalMeterName),
		UseMonotonicCounters: true, // otherwise Prometheus takes its counters for gauges
		OnError: func(err error) {
			m.options.Logger.Warn("a metric of the Temporal SDK is lost", "error", err)
		},
	})
}

// Start serves the metrics until [Metrics.Stop].
func (m *Metrics) Start(ctx context.Context) error {
	if m.provider == nil {
		return nil
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", m.options.Listen)
	if err != nil {
		return fmt.Errorf("serve metrics and health: %w; set LOGPIPE_METRICS_LISTEN to a free address of this machine, or to nothing", err)
	}
	server := &http.Server{
		Handler:           m.handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       5 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(m.options.Logger.Handler(), slog.LevelWarn),
	}
	m.mu.Lock()
	m.server, m.address = server, listener.Addr().String()
	m.mu.Unlock()
	m.serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			m.options.Logger.Error("metrics are no longer served", "error", err)
		}
	})
	m.options.Logger.Info("metrics are served", "url", "http://"+m.Address()+MetricsPath)
	return nil
}

// Address is where metrics are served, as HOST:PORT; empty where they are not.
func (m *Metrics) Address() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.address
}

// Stop waits for the scrapes in flight, as long as ctx allows, and ends the serving.
// Stopping twice, or before starting, is fine.
func (m *Metrics) Stop(ctx context.Context) error {
	m.mu.Lock()
	server := m.server
	m.server, m.address = nil, ""
	m.mu.Unlock()
	if server == nil {
		return nil
	}
	// A server that is closed before it has begun to serve does not close its listener;
	// the end of Serve does.
	defer m.serving.Wait()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close() // its error would be another one about the same listener
		return fmt.Errorf("end serving metrics: %w", err)
	}
	return nil
}

// scrapeErrors takes the errors of a scrape to the log.
type scrapeErrors struct{ logger *slog.Logger }

// Println implements [promhttp.Logger].
func (l scrapeErrors) Println(v ...any) {
	l.logger.Warn("metrics are incomplete", "error", fmt.Sprint(v...))
}
