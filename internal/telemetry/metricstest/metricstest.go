// Package metricstest scrapes metrics in tests, as Prometheus does.
package metricstest

import (
	"net/http"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/log-event-pipeline/logpipe/internal/telemetry"
)

// Scrape returns what is exposed at HOST:PORT, by the names of Prometheus.
func Scrape(tb testing.TB, address string) map[string]*dto.MetricFamily {
	tb.Helper()
	request, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, "http://"+address+telemetry.MetricsPath, http.NoBody)
	if err != nil {
		tb.Fatal(err)
	}
	response, err := (&http.Client{Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		tb.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		tb.Fatalf("%s: %s", request.URL, response.Status)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		tb.Fatalf("%s: %v", request.URL, err)
	}
	return families
}

// Labels are a series's labels.
func Labels(series *dto.Metric) map[string]string {
	labels := make(map[string]string)
	for _, pair := range series.GetLabel() {
		labels[pair.GetName()] = pair.GetValue()
	}
	return labels
}
