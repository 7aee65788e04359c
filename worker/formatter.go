package worker

import (
	"fmt"
	"strings"

	"github.com/log-event-pipeline/logpipe/internal/apigateway"
	"github.com/log-event-pipeline/logpipe/internal/config"
)

// NewFormatter returns the formatter by the settings. region is that of the AWS
// settings: the logs do not say where they come from.
func NewFormatter(cfg config.Config, region string) (*apigateway.Formatter, error) {
	redactor, err := cfg.NewRedactor()
	if err != nil {
		return nil, fmt.Errorf("redaction: %w", err)
	}
	return apigateway.New(apigateway.Options{
		MaxInflatedBytes: int64(cfg.RecordMaxInflatedBytes),
		MaxInflateRatio:  cfg.RecordMaxInflateRatio,
		BatchMaxBytes:    int(cfg.BatchMaxBytes),
		BatchMaxEvents:   cfg.BatchMaxEvents,
		Executions:       apigateway.Executions(cfg.ExecutionLogs),
		Region:           streamRegion(cfg.Stream, region),

		AccessLogTemplates: cfg.AccessLogTemplates,
		Redactor:           redactor,
		Bodies:             cfg.BodyOptions(),
	})
}

// streamRegion is the region in the stream's ARN, or the fallback where the stream
// is given by name.
func streamRegion(stream, fallback string) string {
	// arn:partition:kinesis:region:account:stream/name
	if parts := strings.Split(stream, ":"); len(parts) == 6 && parts[0] == "arn" {
		return parts[3]
	}
	return fallback
}
