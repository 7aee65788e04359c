package activities

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/delivery"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Error types beside those that workflows act on. They name the fault in the Web
// UI; all of them are retried.
const (
	// ErrorStageUnavailable: the stage could not be read or written.
	ErrorStageUnavailable = "StageUnavailable"
	// ErrorTemporal: Temporal did not answer a question of an activity.
	ErrorTemporal = "TemporalUnavailable"
	// ErrorTooManyBatches: the settings cut a window into more batches than a workflow
	// can deliver. It is not retried: the window is parked until they are changed.
	ErrorTooManyBatches = "TooManyBatches"
)

// newStageUnavailable: the stage did not answer, or refused.
func newStageUnavailable(err error) error {
	return temporal.NewApplicationError(err.Error(), ErrorStageUnavailable)
}

// newStageObject: what was staged is gone or damaged. Trying again does not mend
// it, so the window is parked.
func newStageObject(err error) error {
	return temporal.NewNonRetryableApplicationError(err.Error(), workflows.ErrorStageObject, nil)
}

// newTooManyBatches: the window's history would not hold them.
func newTooManyBatches() error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(
		"the window makes more than %d batches: raise LOGPIPE_BATCH_MAX_BYTES or LOGPIPE_BATCH_MAX_EVENTS, then redrive it; for windows to come, LOGPIPE_WINDOW_MAX_BYTES can be lowered instead",
		maxBatches), ErrorTooManyBatches, nil)
}

// newTokenRefused: the token is no good; the workflow gets another and delivers
// the same batch again. status is 0 where the token had expired before a request.
func newTokenRefused(status, attempts int, version int64) error {
	message := fmt.Sprintf("token version %d has expired", version)
	if status != 0 {
		message = fmt.Sprintf("the destination answered HTTP status %d to token version %d", status, version)
	}
	return temporal.NewNonRetryableApplicationError(message, workflows.ErrorTokenRefused, nil,
		workflows.Refusal{HTTPStatus: status, Attempts: attempts, TokenVersion: version})
}

// newDestinationRefused: the destination will not take this batch, however often
// it is sent, or it cannot be sent at all.
func newDestinationRefused(a delivery.Answer, attempts int) error {
	message := fmt.Sprintf("the destination refused the batch with HTTP status %d", a.Status)
	if a.Err != nil {
		message = a.Err.Error()
	}
	return temporal.NewNonRetryableApplicationError(message,
		workflows.ErrorDestinationRefused, nil, workflows.Refusal{HTTPStatus: a.Status, Attempts: attempts})
}

// newDestinationUnavailable: try again later, and not before the destination
// asked for it.
func newDestinationUnavailable(a delivery.Answer) error {
	message := fmt.Sprintf("the destination answered HTTP status %d", a.Status)
	if a.Err != nil {
		message = a.Err.Error()
	}
	options := temporal.ApplicationErrorOptions{}
	if a.RetryAfter > 0 {
		message += fmt.Sprintf(" and asked to wait for %s", a.RetryAfter.Round(time.Millisecond))
		options.NextRetryDelay = a.RetryAfter
	}
	return temporal.NewApplicationErrorWithOptions(message, workflows.ErrorDestinationUnavailable, options)
}
