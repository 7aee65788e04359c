package starter

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.temporal.io/api/workflowservice/v1"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/workflows"
)

const (
	// reportEvery is how often a starter tells what the pipeline is at.
	reportEvery = time.Minute
	// reportPatience is how long it waits for the counts.
	reportPatience = 15 * time.Second
	// LateAfter is how long after the arrival of its first record an open window counts as
	// late, its own age included.
	LateAfter = 5 * time.Minute
)

// LogReport is the message of the line that every starter logs once a minute. Alarms and
// scaling are made from its numbers where nobody scrapes metrics: the shards that this
// starter polls, and the open windows of the whole pipeline by what they wait for.
const LogReport = "pipeline at work"

// reporter logs LogReport.
type reporter struct {
	temporal Counter
	pipeline string
	held     func() int64
	logger   *slog.Logger
}

func newReporter(temporal Counter, pipeline string, held func() int64, logger *slog.Logger) *reporter {
	return &reporter{temporal: temporal, pipeline: pipeline, held: held, logger: logger}
}

// run reports until ctx ends, for the first time after a minute.
func (r *reporter) run(ctx context.Context) {
	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			r.once(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// once logs what is there. Numbers that Temporal does not tell are left out, not 0: who
// makes alarms of them has to see that they are missing.
func (r *reporter) once(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, reportPatience)
	defer cancel()
	late := time.Now().Add(-LateAfter).UTC().Format(time.RFC3339)
	attributes := []any{"shards", r.held()}
	for _, c := range []struct{ name, condition string }{
		// Windows that get on: what is left for workers to do.
		{"windows_working", hasStatus(visibility.StatusFormatting, visibility.StatusDelivering)},
		{"windows_retrying", hasStatus(visibility.StatusRetrying)},
		{"windows_parked", hasStatus(visibility.StatusParked)},
		// Parked ones are late as well, but known.
		{"windows_late", fmt.Sprintf("%s AND %s < '%s'",
			hasStatus(visibility.StatusFormatting, visibility.StatusDelivering, visibility.StatusRetrying), visibility.FirstArrival.GetName(), late)},
	} {
		query := fmt.Sprintf("WorkflowType = '%s' AND %s = '%s' AND ExecutionStatus = 'Running' AND %s",
			workflows.FlushWindowName, visibility.Pipeline.GetName(), r.pipeline, c.condition)
		counted, err := r.temporal.CountWorkflow(limited, &workflowservice.CountWorkflowExecutionsRequest{Query: query})
		if err != nil {
			if ctx.Err() == nil {
				r.logger.Warn("open windows cannot be counted", "error", err)
			}
			break
		}
		attributes = append(attributes, c.name, counted.GetCount())
	}
	if ctx.Err() == nil {
		r.logger.Info(LogReport, attributes...)
	}
}

// hasStatus is the condition that a window has one of the statuses.
func hasStatus(statuses ...string) string {
	return fmt.Sprintf("%s IN ('%s')", visibility.Status.GetName(), strings.Join(statuses, "', '"))
}
