package activities

import (
	"context"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/apigateway"
	"github.com/log-event-pipeline/logpipe/internal/delivery"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Metrics are told what the activities come to, once for a window, a request or a token and
// never for an event. They must not block.
type Metrics interface {
	// Formatted tells of a window, or of quarantined pieces, that were made into batches.
	Formatted(ctx context.Context, why window.Reason, summary apigateway.Summary)
	// Delivered tells of a request to the destination.
	Delivered(ctx context.Context, d Delivery)
	// Finished tells of a window that needs nothing more. Given up: its rest was discarded.
	Finished(ctx context.Context, givenUp bool)
	// Refreshed tells what a RefreshToken has come to.
	Refreshed(ctx context.Context, outcome string)
	// Failed tells of a part of an activity that has failed though the activity has not.
	Failed(ctx context.Context, activity string, err error)
}

// Delivery is a request to the destination and what became of it.
type Delivery struct {
	Answer delivery.Answer
	Batch  workflows.Batch
	// Took is from the begin of the request to the end of what was read of the answer.
	Took time.Duration
	// Interrupted: the worker stops, or the window was cancelled; it says nothing of the
	// destination.
	Interrupted bool
}

// The outcomes of RefreshToken.
const (
	// RefreshAsked: the source was asked for a token and has given one.
	RefreshAsked = "asked"
	// RefreshFound: another token than the known one was there already.
	RefreshFound = "found"
	// RefreshFailed: there is no other token.
	RefreshFailed = "failed"
)

// unmeasured are metrics where there are none.
type unmeasured struct{}

func (unmeasured) Formatted(context.Context, window.Reason, apigateway.Summary) {}
func (unmeasured) Delivered(context.Context, Delivery)                          {}
func (unmeasured) Finished(context.Context, bool)                               {}
func (unmeasured) Refreshed(context.Context, string)                            {}
func (unmeasured) Failed(context.Context, string, error)                        {}

// told are the metrics that are to be told.
func told(m Metrics) Metrics {
	if m == nil {
		return unmeasured{}
	}
	return m
}

// Failures are the types of errors that the activities end with by what their code says, by
// the name of the activity.
func Failures() map[string][]string {
	stage := []string{ErrorStageUnavailable, workflows.ErrorPanic}
	parameters := []string{ErrorTokenUnavailable, ErrorParameterMissing, ErrorParameterDenied, ErrorParameterForeign, workflows.ErrorPanic}
	deliver := append([]string{
		workflows.ErrorDestinationUnavailable, workflows.ErrorDestinationRefused, workflows.ErrorBatchTooLarge, workflows.ErrorTokenRefused, workflows.ErrorStageObject,
		ErrorStageUnavailable, ErrorTemporal,
	}, parameters...)
	return map[string][]string{
		workflows.FormatLogsName:        append([]string{workflows.ErrorStageObject, ErrorTooManyBatches, workflows.ErrorNotHere}, stage...),
		workflows.AcquireTokenName:      parameters,
		workflows.RefreshTokenName:      append([]string{workflows.ErrorTokenClientRefused, workflows.ErrorTokenEndpoint, ErrorTokenNotRotated}, parameters...),
		workflows.WatchClientSecretName: append([]string{ErrorClientSecretUnchanged}, parameters...),
		workflows.DeliverBatchesName:    deliver,
		workflows.DeliverBatchName:      append([]string{workflows.ErrorDeliveryPaused}, deliver...),
		workflows.SplitBatchName:        append([]string{workflows.ErrorStageObject}, stage...),
		workflows.ClearStageName:        stage,
		workflows.KeepDiscardedName:     stage,
		workflows.StartReadersName:      {ErrorTemporal, workflows.ErrorPanic},
		workflows.SweepStageName:        append([]string{ErrorTemporal}, stage...),
	}
}
