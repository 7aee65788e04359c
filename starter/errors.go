package starter

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Types of the errors that the starter's activities end with. All are retried:
// the checkpoint stays where it was, and Kinesis keeps the records meanwhile.
const (
	// ErrorStream: Kinesis did not answer, or answered with an error.
	ErrorStream = "StreamUnavailable"
	// ErrorStreamThrottled: Kinesis asks to be asked less often.
	ErrorStreamThrottled = "StreamThrottled"
	// ErrorStreamDenied: AWS refused the caller; its policy lacks an action.
	ErrorStreamDenied = "StreamAccessDenied"
	// ErrorStreamKey: the KMS key of the stream cannot be used.
	ErrorStreamKey = "StreamKeyUnavailable"
	// ErrorStreamGone: there is no stream of that name.
	ErrorStreamGone = "StreamNotFound"
	// ErrorStreamRecreated: the stream was deleted and made again under its name.
	ErrorStreamRecreated = "StreamRecreated"
	// ErrorStage: the window could not be staged.
	ErrorStage = "StageUnavailable"
	// ErrorWindowStart: Temporal did not accept the start of the window.
	ErrorWindowStart = "WindowStartFailed"
	// ErrorStalled: the process was stopped for so long that what it had read is of no use.
	ErrorStalled = "Stalled"
	// ErrorPanic: the code is wrong.
	ErrorPanic = workflows.ErrorPanic
	// ErrorBackfillRange: some of the range of a backfill cannot be delivered, or not under
	// the keys that were asked for. It is not retried.
	ErrorBackfillRange = "BackfillRange"
	// ErrorWrongStream: the pipeline of this starter reads another stream.
	ErrorWrongStream = "WrongStream"
)

// slowRetry is the pause after an error that a person has to mend. Trying more often
// would only fill their logs.
const slowRetry = 30 * time.Second

// firstRetry and longestRetry bound the pause after an error that time mends.
const (
	firstRetry   = time.Second
	longestRetry = 5 * time.Second
)

// withDelay has the next attempt of PollShard wait, longer from attempt to attempt. The
// retry policy does not: it is for starters that crash.
func withDelay(err error, attempt int32) error {
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	if !ok || app.NextRetryDelay() > 0 {
		return err
	}
	delay := min(firstRetry<<min(max(attempt-1, 0), 10), longestRetry)
	return temporal.NewApplicationErrorWithOptions(app.Message(), app.Type(), temporal.ApplicationErrorOptions{NextRetryDelay: delay})
}

// streamErrors are the rules for what Kinesis answers, the first that fits.
var streamErrors = []struct {
	is    error
	kind  string
	after time.Duration // until the next attempt; 0: as the workflow says
	do    string
}{
	{is: kinesis.ErrDenied, kind: ErrorStreamDenied, after: slowRetry, do: "allow the task role kinesis:DescribeStreamSummary, ListShards, GetShardIterator and GetRecords on the stream"},
	{is: kinesis.ErrKey, kind: ErrorStreamKey, after: slowRetry},
	{is: kinesis.ErrNoStream, kind: ErrorStreamGone, after: slowRetry, do: "LOGPIPE_STREAM names the stream, AWS_REGION where it is"},
	{is: kinesis.ErrThrottled, kind: ErrorStreamThrottled},
}

func newStreamError(err error) error {
	for _, rule := range streamErrors {
		if !errors.Is(err, rule.is) {
			continue
		}
		message := err.Error()
		if rule.do != "" {
			message += "; " + rule.do
		}
		return temporal.NewApplicationErrorWithOptions(message, rule.kind, temporal.ApplicationErrorOptions{NextRetryDelay: rule.after})
	}
	return temporal.NewApplicationError(err.Error(), ErrorStream)
}

// sameStream guards every activity against a starter that is set to another stream
// than its pipeline: it would answer for shards that are not the pipeline's.
func sameStream(pipelines, ours string) error {
	if pipelines == ours {
		return nil
	}
	return temporal.NewApplicationError(fmt.Sprintf(
		"the pipeline reads stream %s, this starter is set to %s: set LOGPIPE_STREAM to the same text, or LOGPIPE_PIPELINE to a new name",
		pipelines, ours), ErrorWrongStream)
}

// newRecreatedError refuses to list a stream that is another one than the pipeline began
// with. Its shards have ids that the pipeline has seen before: which of them were read,
// nobody could tell.
func newRecreatedError(in workflows.ListShardsInput, created time.Time) error {
	return temporal.NewApplicationErrorWithOptions(fmt.Sprintf(
		"stream %s was deleted and made again: the pipeline began with the one of %s, this one is of %s; set LOGPIPE_PIPELINE to a new name to read it",
		in.Stream, in.Created.UTC().Format(time.RFC3339), created.UTC().Format(time.RFC3339)),
		ErrorStreamRecreated, temporal.ApplicationErrorOptions{NextRetryDelay: slowRetry})
}
