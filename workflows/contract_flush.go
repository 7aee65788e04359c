package workflows

import (
	"time"

	"github.com/log-event-pipeline/logpipe/internal/pausing"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

// FlushWindowInput names one window: which records, why they belong together,
// where they are staged. Or it names quarantined pieces of a window that are formatted
// again; counts and sizes are those of the pieces then, and StageKey is empty.
type FlushWindowInput struct {
	Pipeline            string                `json:"pipeline"`
	Stream              string                `json:"stream"`
	ShardID             string                `json:"shardId"`
	FirstSequenceNumber window.SequenceNumber `json:"firstSequenceNumber"`
	LastSequenceNumber  window.SequenceNumber `json:"lastSequenceNumber"`
	FirstArrival        time.Time             `json:"firstArrival"`
	LastArrival         time.Time             `json:"lastArrival"`
	Records             int                   `json:"records"`
	StoredBytes         int                   `json:"storedBytes"`
	ClosedBecause       window.Reason         `json:"closedBecause"`
	StageKey            string                `json:"stageKey"`

	// Pieces are the stage keys of quarantined pieces, all of them of RetryGroup. A window
	// of the chain has none.
	Pieces     []string `json:"pieces,omitempty"`
	RetryGroup int      `json:"retryGroup,omitempty"`

	// Run is the name of the backfill that delivers the window beside the chain; empty for a
	// window of the chain. OriginalKeys: the batches have the idempotency keys of a
	// window of the chain all the same.
	Run          string `json:"run,omitempty"`
	OriginalKeys bool   `json:"originalKeys,omitempty"`

	// Progress is what an earlier run has achieved, nil for the first.
	Progress *FlushProgress `json:"progress,omitempty"`
}

// FlushProgress is what one run of a FlushWindow hands to the next when its history
// has grown long.
type FlushProgress struct {
	Formatted FormatLogsResult `json:"formatted"`
	// Finished are the numbers of the batches, from 0, that need no more work.
	Finished []int `json:"finished,omitempty"`
	// Divided are the numbers of the batches that were divided.
	Divided []int `json:"divided,omitempty"`
	// Parts are what is left to deliver of the divided batches, in their order.
	Parts []BatchPart `json:"parts,omitempty"`
	// Parked are the batches and parts that wait for an operator.
	Parked     []ParkedPart `json:"parked,omitempty"`
	Discarded  int          `json:"discarded,omitempty"`
	Attempts   int          `json:"attempts,omitempty"`
	HTTPStatus int          `json:"httpStatus,omitempty"`
	// Unformatted: FormatLogs has not succeeded yet, and Formatted is empty.
	Unformatted bool `json:"unformatted,omitempty"`
	// Stage, Token, Refused and Delivery are what the window has been waiting for: the
	// stage, a token, one that is not refused, the destination.
	Stage    *FlushTrouble `json:"stage,omitempty"`
	Token    *FlushTrouble `json:"token,omitempty"`
	Refused  *FlushTrouble `json:"refused,omitempty"`
	Delivery *FlushTrouble `json:"delivery,omitempty"`
	// Paused is the pause of delivery that the window waits for the end of, since PausedAt;
	// nil where it does not. PausedFor is how long it has waited so before.
	Paused    *pausing.Pause `json:"paused,omitempty"`
	PausedAt  time.Time      `json:"pausedAt,omitzero"`
	PausedFor time.Duration  `json:"pausedFor,omitempty"`
}

// BatchPart is a batch of a window, or a part of one that was divided.
type BatchPart struct {
	// Number of the batch in its window, from 0.
	Number int   `json:"number"`
	Batch  Batch `json:"batch"`
	// Whole: the batch as it was formatted.
	Whole bool `json:"whole,omitempty"`
	// Rounds is how often in a row the destination has said that it could not take events
	// of what this is left of. It begins anew when a good part of them was taken.
	Rounds int `json:"rounds,omitempty"`
	// NotBefore is when it may be sent; zero where nothing has to be waited for.
	NotBefore time.Time `json:"notBefore,omitzero"`
	// UntakenSince is when the first of the Rounds was over.
	UntakenSince time.Time `json:"untakenSince,omitzero"`
}

// ParkedPart waits for an operator.
type ParkedPart struct {
	Part BatchPart `json:"part"`
	// Since is when it was parked.
	Since time.Time `json:"since"`
	// Reason is the failure. Of many parked parts only the first have one.
	Reason string `json:"reason,omitempty"`
}

// FlushTrouble is what a window waits for, and how often that was tried.
type FlushTrouble struct {
	// Type is the stable name of the last failure.
	Type string `json:"type"`
	// Message of the last failure.
	Message string `json:"message"`
	// Since is when the first of the failures in a row was known.
	Since time.Time `json:"since"`
	// Tries that have failed, in a row.
	Tries int `json:"tries"`
	// NextAt is when the next one is due.
	NextAt time.Time `json:"nextAt"`
}

// Range is the window's range of records.
func (in FlushWindowInput) Range() window.Range {
	return window.Range{ShardID: in.ShardID, First: in.FirstSequenceNumber, Last: in.LastSequenceNumber}
}

// IsRetry tells quarantined pieces from a window of the chain.
func (in FlushWindowInput) IsRetry() bool { return len(in.Pieces) > 0 }

// Backfill names the window of a backfill.
func (in FlushWindowInput) Backfill() window.Backfill {
	return window.Backfill{Run: in.Run, Window: in.Range()}
}

// WorkflowID is the id of the workflow that has this input.
func (in FlushWindowInput) WorkflowID() string {
	switch {
	case in.IsRetry():
		return in.Retry().WorkflowID(in.Pipeline)
	case in.Run != "":
		return in.Backfill().WorkflowID(in.Pipeline)
	}
	return window.FlushWindowID(in.Pipeline, in.ShardID, in.FirstSequenceNumber)
}

// Retry names the pieces that are formatted again.
func (in FlushWindowInput) Retry() window.Retry {
	return window.Retry{Window: in.Range(), Group: in.RetryGroup}
}

// FlushWindowResult is how a window ended.
type FlushWindowResult struct {
	// Status is visibility.StatusDelivered or visibility.StatusDiscarded.
	Status      string `json:"status"`
	Events      int    `json:"events"`
	Batches     int    `json:"batches"`
	Bytes       int64  `json:"bytes"`
	Quarantined int    `json:"quarantined"`
	// Attempts is the number of requests to the destination.
	Attempts int `json:"attempts"`
	// HTTPStatus is the destination's last answer, 0 where there was none.
	HTTPStatus int `json:"httpStatus"`
}

// Memos that workflows are started with.
const (
	// MemoStream holds the stream of a StreamReader. A starter that is set to another
	// one refuses to start.
	MemoStream = "stream"
	// MemoLastSequenceNumber holds the last sequence number of a FlushWindow. A poller
	// whose cut was rejected goes on from it.
	MemoLastSequenceNumber = "lastSequenceNumber"
	// MemoRecords holds the number of records of a FlushWindow.
	MemoRecords = "records"
	// MemoGaps holds the GapsMemo of a ShardReader that has met a gap.
	MemoGaps = "gaps"
)

// FormatLogsInput asks for a window's records as batches.
type FormatLogsInput struct {
	Window FlushWindowInput `json:"window"`
}

// FormatLogsResult is a formatted window.
type FormatLogsResult struct {
	Batches []Batch `json:"batches,omitempty"`
	// Events in all batches.
	Events int `json:"events"`
	// Bytes of all batches' bodies, before they were compressed.
	Bytes int64 `json:"bytes"`
	// ControlMessages of CloudWatch Logs, which carry no event.
	ControlMessages int `json:"controlMessages,omitempty"`
	// Quarantined pieces: staged with their reason, not delivered.
	Quarantined []Quarantined `json:"quarantined,omitempty"`
	// QuarantinedTotal counts all of them; the list holds the first few.
	QuarantinedTotal int `json:"quarantinedTotal,omitempty"`
	// Interactions are the events that were made of the execution log of a request, and
	// IncompleteInteractions those of them that lack lines. FoldedLines are the log events
	// in them; each of the other events is one log event.
	Interactions           int `json:"interactions,omitempty"`
	IncompleteInteractions int `json:"incompleteInteractions,omitempty"`
	FoldedLines            int `json:"foldedLines,omitempty"`
	// Retried are the stage keys of quarantined pieces that have become batches, and are
	// no longer needed when these are delivered.
	Retried []string `json:"retried,omitempty"`
	// InflatedBytes of log text in the window.
	InflatedBytes int64 `json:"inflatedBytes"`
	// Concurrency is how many batches of a window are delivered at once, by the
	// settings of the process that formatted it.
	Concurrency int `json:"concurrency"`
	// Paced: by these settings the rate of deliveries is limited, so each is a task of its
	// own.
	Paced bool `json:"paced,omitempty"`
}

// Batch is one request to the destination.
type Batch struct {
	StageKey       string `json:"stageKey"`
	IdempotencyKey string `json:"idempotencyKey"`
	Events         int    `json:"events"`
	Bytes          int    `json:"bytes"` // as staged and sent
	// ContentType and ContentEncoding are the headers of the request. Empty, they are
	// application/json and none.
	ContentType     string `json:"contentType,omitempty"`
	ContentEncoding string `json:"contentEncoding,omitempty"`
	// FirstArrival is when the first record of the window arrived, so that who delivers the
	// batch can tell how long that took. Zero where nobody wants to know.
	FirstArrival time.Time `json:"firstArrival,omitzero"`
}

// Quarantined is a piece of a window that could not become an event.
type Quarantined struct {
	StageKey       string                `json:"stageKey"`
	SequenceNumber window.SequenceNumber `json:"sequenceNumber"`
	// UserRecord is the number of the user record in an aggregate of the Kinesis
	// Producer Library that the piece is of, from 1; 0 where there is none.
	UserRecord int `json:"userRecord,omitempty"`
	// Offset of the piece in the inflated record or user record, in bytes.
	Offset int64 `json:"offset"`
	// Reason is a stable word; it never quotes the data.
	Reason string `json:"reason"`
}

// DeliverBatchInput is one batch and the version of the token to send it with.
type DeliverBatchInput struct {
	Batch        Batch `json:"batch"`
	TokenVersion int64 `json:"tokenVersion"`
}

// DeliverBatchResult is an accepted batch.
type DeliverBatchResult struct {
	HTTPStatus int `json:"httpStatus"`
	// Attempts of this activity, the last one included.
	Attempts int `json:"attempts"`
	// Remainder has the events that the destination could not take now though it took
	// others. It is to be delivered in their place.
	Remainder *Batch `json:"remainder,omitempty"`
	// RetryAfter is how long the destination asked to be left alone before the Remainder
	// is delivered, 0 where it did not ask.
	RetryAfter time.Duration `json:"retryAfter,omitempty"`
	// GiveUpAfter is how long the Remainder is sent again, while next to nothing of it is
	// taken, before it is parked; 0 is for ever.
	GiveUpAfter time.Duration `json:"giveUpAfter,omitempty"`
	// Refused has the events that the destination refused though it took others.
	Refused *RefusedPart `json:"refused,omitempty"`
}

// DeliverBatchesInput are batches of one window that were not sent yet.
type DeliverBatchesInput struct {
	Batches []Batch `json:"batches"`
	// Concurrency is how many of them are sent at once.
	Concurrency int `json:"concurrency"`
}

// DeliverBatchesResult tells of each batch what has become of it.
type DeliverBatchesResult struct {
	// Outcomes in the order of the batches.
	Outcomes []DeliveryOutcome `json:"outcomes"`
	// Paused is why no more were sent: an operator has paused delivery; nil where that is
	// not so.
	Paused *pausing.Pause `json:"paused,omitempty"`
}

// DeliveryOutcome is what a DeliverBatch would have come to. Neither a result nor a failure:
// the batch was not sent.
type DeliveryOutcome struct {
	Result  *DeliverBatchResult `json:"result,omitempty"`
	Failure *DeliveryFailure    `json:"failure,omitempty"`
}

// DeliveryFailure is an error of DeliverBatch.
type DeliveryFailure struct {
	Type         string  `json:"type"`
	Message      string  `json:"message"`
	NonRetryable bool    `json:"nonRetryable,omitempty"`
	Refusal      Refusal `json:"refusal"`
}

// RefusedPart is a part of a batch that the destination will never accept.
type RefusedPart struct {
	Batch   Batch   `json:"batch"`
	Refusal Refusal `json:"refusal"`
}

// SplitBatchInput is a batch that is too large for the destination.
type SplitBatchInput struct {
	Batch Batch `json:"batch"`
}

// SplitBatchResult has the parts of a batch in their order. The same batch always has
// the same parts. A batch of one event has itself.
type SplitBatchResult struct {
	Batches []Batch `json:"batches"`
}

// Refusal is the detail of an ErrorTokenRefused, ErrorBatchTooLarge or
// ErrorDestinationRefused, and of every error of DeliverBatch after which the same batch is
// to be delivered again later.
type Refusal struct {
	// HTTPStatus is 0 where no request was made, or no answer came.
	HTTPStatus int `json:"httpStatus"`
	// Attempts of the activity until then, the last one only if it came to a request.
	Attempts int `json:"attempts"`
	// TokenVersion is what was refused; it can be newer than the version that the
	// activity was given.
	TokenVersion int64 `json:"tokenVersion,omitempty"`
	// Excerpt of the answer, sanitised and capped; empty where there was none, or where
	// it could quote what was sent.
	Excerpt string `json:"excerpt,omitempty"`
	// RetryAfter is how long the destination asked to be left alone, 0 where it did not
	// ask.
	RetryAfter time.Duration `json:"retryAfter,omitempty"`
	// GiveUpAfter is how long a batch is tried before it is parked, by the settings of the
	// process that tried it; 0 is for ever. Only what is to be delivered again has it.
	GiveUpAfter time.Duration `json:"giveUpAfter,omitempty"`
	// Paused is the detail of an ErrorDeliveryPaused.
	Paused *pausing.Pause `json:"paused,omitempty"`
}

// ClearStageInput lists what a finished window no longer needs.
type ClearStageInput struct {
	StageKeys []string `json:"stageKeys"`
	// Divided are the stage keys of batches that were divided; their parts are deleted,
	// too.
	Divided []string `json:"divided,omitempty"`
}
