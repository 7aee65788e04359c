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
	ErrorStageUnavailable = workflows.ErrorStageUnavailable
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
// the same batch again. The answer has no status where the token had expired before a
// request.
func newTokenRefused(a delivery.Answer, attempts int, version int64) error {
	message := fmt.Sprintf("token version %d has expired", version)
	if a.Status != 0 {
		message = fmt.Sprintf("the destination answered HTTP status %d to token version %d", a.Status, version)
	}
	refusal := refusalBy(a, attempts)
	refusal.TokenVersion = version
	return temporal.NewNonRetryableApplicationError(message, workflows.ErrorTokenRefused, nil, refusal)
}

// newBatchTooLarge: the destination takes the events in smaller batches only.
func newBatchTooLarge(a delivery.Answer, attempts, bytes int) error {
	return temporal.NewNonRetryableApplicationError(
		fmt.Sprintf("the destination answered HTTP status %d to a batch of %d bytes: it is too large", a.Status, bytes),
		workflows.ErrorBatchTooLarge, nil, refusalBy(a, attempts))
}

// newDestinationRefused: the destination will not take this batch, however often
// it is sent.
func newDestinationRefused(a delivery.Answer, attempts int) error {
	return temporal.NewNonRetryableApplicationError(because("the destination refused the batch with HTTP status %d", a),
		workflows.ErrorDestinationRefused, nil, refusalBy(a, attempts))
}

// newDestinationUnavailable: try again later.
func newDestinationUnavailable(a delivery.Answer) error {
	message := because("the destination answered HTTP status %d", a)
	if a.Err != nil {
		message = a.Err.Error()
	}
	// A pending activity shows nothing but the message.
	if a.Excerpt != "" {
		message += ": " + a.Excerpt
	}
	if a.RetryAfter > 0 {
		message = fmt.Sprintf("asked to wait for %s: %s", a.RetryAfter.Round(time.Millisecond), message)
	}
	return temporal.NewApplicationError(message, workflows.ErrorDestinationUnavailable)
}

// because is a message about an answer's status, with what there is to know about it.
func because(format string, a delivery.Answer) string {
	message := fmt.Sprintf(format, a.Status)
	if a.Reason != "" {
		message += ": " + a.Reason
	}
	return message
}

// refusalBy is the detail of an answer that refuses.
func refusalBy(a delivery.Answer, attempts int) workflows.Refusal {
	return workflows.Refusal{HTTPStatus: a.Status, Attempts: attempts, Excerpt: a.Excerpt}
}
