package starter

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
)

// Types of the errors that the starter's activities end with. All are retried:
// the checkpoint stays where it was, and Kinesis keeps the records meanwhile.
const (
	// ErrorStream: Kinesis did not answer, or answered with an error.
	ErrorStream = "StreamUnavailable"
	// ErrorStreamDenied: AWS refused the caller; its policy lacks an action.
	ErrorStreamDenied = "StreamAccessDenied"
	// ErrorStage: the window could not be staged.
	ErrorStage = "StageUnavailable"
	// ErrorWindowStart: Temporal did not accept the start of the window.
	ErrorWindowStart = "WindowStartFailed"
	// ErrorWrongStream: the pipeline of this starter reads another stream.
	ErrorWrongStream = "WrongStream"
)

func newStreamError(err error) error {
	kind := ErrorStream
	if errors.Is(err, kinesis.ErrDenied) {
		kind = ErrorStreamDenied
	}
	return temporal.NewApplicationError(err.Error(), kind)
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
