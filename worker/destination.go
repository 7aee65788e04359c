package worker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/delivery"
	"github.com/log-event-pipeline/logpipe/internal/framing"
	"github.com/log-event-pipeline/logpipe/internal/token"
)

// NewDestination returns the client of the destination by the settings, which keeps so
// many connections. Headers that are parameters are read when they are first needed.
func NewDestination(cfg config.Config, parameters token.Parameters, connections int) (*delivery.Client, error) {
	redactor, err := cfg.NewRedactor()
	if err != nil {
		return nil, fmt.Errorf("redaction: %w", err)
	}
	o := delivery.Options{
		URL:               cfg.DestinationURL,
		TokenHeader:       cfg.DestinationTokenHeader,
		TokenScheme:       cfg.DestinationTokenScheme,
		IdempotencyHeader: cfg.DestinationIdempotencyHeader,
		ReadParameter: func(ctx context.Context, name string) (config.Secret, error) {
			secret, err := token.ReadSecret(ctx, parameters, name)
			return secret.Value, err
		},
		Transport: delivery.Transport{
			Timeout: cfg.DestinationTimeout, ConnectTimeout: cfg.DestinationConnectTimeout, ResponseTimeout: cfg.DestinationResponseTimeout,
			CAFile: cfg.DestinationCAFile, CertFile: cfg.DestinationCertFile, KeyFile: cfg.DestinationKeyFile,
			Proxy: cfg.DestinationProxy, Connections: connections,
		},
		Redactor: redactor,
		Now:      time.Now,
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.DestinationHeaders)) {
		header := delivery.Header{Name: name, Value: cfg.DestinationHeaders[name]}
		if parameter, ok := strings.CutPrefix(header.Value, config.HeaderParameter); ok {
			header.Value, header.Parameter = "", parameter
		}
		o.Headers = append(o.Headers, header)
	}
	if cfg.DestinationFailedItems != "" {
		o.FailedItems = &delivery.FailedItems{
			List:   jsontext.Pointer(strings.TrimPrefix(cfg.DestinationFailedItems, config.WholeAnswer)),
			Index:  jsontext.Pointer(cfg.DestinationFailedIndex),
			Status: jsontext.Pointer(cfg.DestinationFailedStatus),
		}
	}
	client, err := delivery.NewClient(o)
	if err != nil {
		return nil, fmt.Errorf("destination: %w", err)
	}
	return client, nil
}

// newFormat returns FormatLogs by the settings.
func newFormat(cfg config.Config, st activities.Stage, formatter activities.Formatter, metrics *Metrics) *activities.Format {
	f := &activities.Format{
		Stage: st, Formatter: formatter, Concurrency: cfg.DeliveryConcurrency, Paced: cfg.DeliveryRate > 0, BatchFormat: framing.Format(cfg.BatchFormat),
		Metrics: metrics,
	}
	if cfg.BatchCompression == config.CompressGzip {
		f.BatchCompression = framing.EncodingGzip
	}
	return f
}
