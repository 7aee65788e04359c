package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
)

// longestRefusalPause bounds the pause between two tokens for one batch.
const longestRefusalPause = time.Minute

// refusalPause is how long a batch waits after its nth refused token in a row. The
// first refusal is the normal end of a token's life. Any more say that the
// destination refuses tokens it should not, and must not cost a token each second.
func refusalPause(n int) time.Duration {
	if n < 2 {
		return 0
	}
	return min(time.Second<<min(n-2, 10), longestRefusalPause)
}

// FlushWindow takes one window to the destination. It ends when every batch is
// accepted or an operator has discarded what was refused. Until then it retries,
// however long that takes.
func FlushWindow(ctx workflow.Context, in FlushWindowInput) (FlushWindowResult, error) {
	f := &flush{in: in, tokenLock: workflow.NewMutex(ctx)}
	f.listen(ctx)
	// Whoever started the window has set this status with the other attributes.
	f.result.Status = visibility.StatusFormatting
	f.describe(ctx)

	if err := f.format(ctx); err != nil {
		return f.result, err
	}
	if f.discarded == 0 && len(f.finished) < len(f.formatted.Batches) {
		if err := f.show(ctx, visibility.StatusDelivering); err != nil {
			return f.result, err
		}
	}
	if err := f.deliver(ctx); err != nil {
		return f.result, err
	}
	if f.unfinished {
		in.Progress = f.progress()
		return f.result, workflow.NewContinueAsNewError(ctx, FlushWindowName, in)
	}

	f.result.Status = visibility.StatusDelivered
	if f.discarded > 0 {
		// What was discarded stays in the stage: giving up is not deleting.
		f.result.Status = visibility.StatusDiscarded
	} else if err := f.clear(ctx); err != nil {
		return f.result, err
	}
	return f.result, f.show(ctx, f.result.Status)
}

// flush is the state of one FlushWindow.
type flush struct {
	in        FlushWindowInput
	formatted FormatLogsResult
	result    FlushWindowResult

	// token is what batches are sent with; tokenLock lets one batch at a time
	// replace it, so that the others find the new one.
	token     TokenVersion
	tokenLock workflow.Mutex

	finished  []int  // numbers of the batches that were accepted or discarded
	parked    int    // pieces waiting for an operator now
	discarded int    // pieces given up
	waiting   string // why the last piece was parked, for the Web UI

	// unfinished: the history has grown long, and the rest is for the next run.
	unfinished bool

	// decisions counts the operator's signals; discard is the last one's meaning.
	decisions int
	discard   bool
}

// listen receives the operator's signals. They act on what is parked when they
// arrive and mean nothing otherwise.
func (f *flush) listen(ctx workflow.Context) {
	decide := func(signal string, discard bool) {
		workflow.Go(ctx, func(ctx workflow.Context) {
			channel := workflow.GetSignalChannel(ctx, signal)
			for channel.Receive(ctx, nil) {
				if f.parked > 0 {
					f.decisions++
					f.discard = discard
				}
			}
		})
	}
	decide(SignalRedrive, false)
	decide(SignalDiscard, true)
}

// format makes the staged records into batches, unless an earlier run has.
func (f *flush) format(ctx workflow.Context) error {
	if p := f.in.Progress; p != nil {
		f.formatted, f.finished, f.discarded = p.Formatted, p.Finished, p.Discarded
		f.result.Attempts, f.result.HTTPStatus = p.Attempts, p.HTTPStatus
	}
	for f.in.Progress == nil {
		err := workflow.ExecuteActivity(formatLogsOptions(ctx, f.in), FormatLogsName, FormatLogsInput{Window: f.in}).Get(ctx, &f.formatted)
		if err == nil {
			break
		}
		redrive, err := f.park(ctx, visibility.StatusFormatting, "FormatLogs", err)
		if err != nil {
			return err
		}
		if !redrive {
			break
		}
	}
	f.result.Events = f.formatted.Events
	f.result.Bytes = f.formatted.Bytes
	f.result.Batches = len(f.formatted.Batches)
	f.result.Quarantined = f.formatted.QuarantinedTotal
	return nil
}

// progress is the state for the next run.
func (f *flush) progress() *FlushProgress {
	return &FlushProgress{
		Formatted: f.formatted, Finished: f.finished, Discarded: f.discarded,
		Attempts: f.result.Attempts, HTTPStatus: f.result.HTTPStatus,
	}
}

// deliver sends all batches, some at a time, and returns when each is accepted or
// discarded, or left for the next run.
func (f *flush) deliver(ctx workflow.Context) error {
	slots := workflow.NewSemaphore(ctx, int64(max(1, f.formatted.Concurrency)))
	group := workflow.NewWaitGroup(ctx)
	done := slices.Clone(f.finished)
	var failures []error
	for n, batch := range f.formatted.Batches {
		if slices.Contains(done, n) {
			continue
		}
		group.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer group.Done()
			err := slots.Acquire(ctx, 1)
			if err == nil {
				err = f.deliverBatch(ctx, n, batch)
				slots.Release(1)
			}
			if err != nil {
				failures = append(failures, err)
			}
		})
	}
	group.Wait(ctx)
	return errors.Join(failures...)
}

// deliverBatch delivers the batch, and counts it unless the rest is for the next run.
func (f *flush) deliverBatch(ctx workflow.Context, n int, batch Batch) error {
	if err := f.deliverPart(ctx, n, batch); err != nil || f.unfinished {
		return err
	}
	f.finished = append(f.finished, n)
	f.describe(ctx)
	return nil
}

// deliverPart tries until the batch, or a part of it, is accepted or discarded.
func (f *flush) deliverPart(ctx workflow.Context, n int, batch Batch) error {
	var refused int64 // version of the token that was refused
	refusals := 0     // in a row
	for {
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			f.unfinished = true
			return nil
		}
		out, failure, refusal, err := f.attempt(ctx, n, batch, refused)
		if err == nil && (out.Remainder != nil || out.Refused != nil) {
			// What was taken must not be sent again, and what was not must not be lost.
			return f.deliverRest(ctx, n, out)
		}
		if err == nil {
			return nil
		}
		if failure == ErrorTokenRefused {
			refused = refusal.TokenVersion
			if refusal.HTTPStatus != 0 {
				refusals++
			}
			if err := workflow.Sleep(ctx, refusalPause(refusals)); err != nil {
				return err
			}
			continue
		}
		redrive, err := f.park(ctx, visibility.StatusDelivering, fmt.Sprintf("batch %d", n+1), err)
		if err != nil {
			return err
		}
		if !redrive {
			return nil
		}
		refused, refusals = 0, 0
	}
}

// partialPause is the pause before what the destination could not take is sent again,
// unless it asks for a longer one.
const partialPause = time.Second

// deliverRest delivers what is left of a batch that was taken in part. What was refused
// waits for an operator.
func (f *flush) deliverRest(ctx workflow.Context, n int, out DeliverBatchResult) error {
	var rest []Batch
	if out.Remainder != nil {
		rest = append(rest, *out.Remainder)
	}
	if out.Refused != nil {
		refusal := out.Refused.Refusal
		failure := temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("the destination refused %d events of the batch: HTTP status %d", out.Refused.Batch.Events, refusal.HTTPStatus),
			ErrorDestinationRefused, nil, refusal)
		redrive, err := f.park(ctx, visibility.StatusDelivering, fmt.Sprintf("a part of batch %d", n+1), failure)
		if err != nil {
			return err
		}
		if redrive {
			rest = append(rest, out.Refused.Batch)
		}
	}
	for _, batch := range rest {
		if err := workflow.Sleep(ctx, max(partialPause, out.RetryAfter)); err != nil {
			return err
		}
		if err := f.deliverPart(ctx, n, batch); err != nil {
			return err
		}
	}
	return nil
}

// attempt gets a token and has the batch delivered with it. An error comes with the
// type of the failure and, where the destination has refused, with the refusal.
func (f *flush) attempt(ctx workflow.Context, n int, batch Batch, refused int64) (DeliverBatchResult, string, Refusal, error) {
	token, err := f.acquireToken(ctx, refused)
	if err != nil {
		return DeliverBatchResult{}, "", Refusal{}, err
	}
	var out DeliverBatchResult
	err = workflow.ExecuteActivity(
		deliverBatchOptions(ctx, f.in.Pipeline, n, len(f.formatted.Batches), batch), DeliverBatchName,
		DeliverBatchInput{Batch: batch, TokenVersion: token.Version},
	).Get(ctx, &out)
	if err == nil {
		f.result.Attempts += out.Attempts
		f.result.HTTPStatus = out.HTTPStatus
		return out, "", Refusal{}, nil
	}
	failure, refusal := refusalOf(err)
	f.result.Attempts += refusal.Attempts
	if refusal.HTTPStatus != 0 {
		f.result.HTTPStatus = refusal.HTTPStatus
	}
	if failure == ErrorTokenRefused {
		if refusal.TokenVersion == 0 {
			refusal.TokenVersion = token.Version
		}
		if f.token.Version == token.Version {
			f.token = TokenVersion{}
		}
	}
	return DeliverBatchResult{}, failure, refusal, err
}

// acquireToken returns a token that is not the refused version. Batches that see
// the same version refused share one answer.
func (f *flush) acquireToken(ctx workflow.Context, refused int64) (TokenVersion, error) {
	if err := f.tokenLock.Lock(ctx); err != nil {
		return TokenVersion{}, err
	}
	defer f.tokenLock.Unlock()
	if f.token.Version != 0 && f.token.Version != refused {
		return f.token, nil
	}
	var token TokenVersion
	err := workflow.ExecuteActivity(acquireTokenOptions(ctx), AcquireTokenName,
		AcquireTokenInput{Pipeline: f.in.Pipeline, RefusedVersion: refused}).Get(ctx, &token)
	if err != nil {
		return TokenVersion{}, err
	}
	f.token = token
	return token, nil
}

// park waits for the operator after a failure that no retry can mend, and returns
// whether to try again; the window then has the given status.
func (f *flush) park(ctx workflow.Context, status, what string, failure error) (redrive bool, err error) {
	if temporal.IsCanceledError(failure) {
		return false, failure
	}
	f.parked++
	f.waiting = what + ": " + reason(failure)
	if err := f.show(ctx, visibility.StatusParked); err != nil {
		return false, err
	}
	before := f.decisions
	if err := workflow.Await(ctx, func() bool { return f.decisions != before }); err != nil {
		return false, err
	}
	redrive = !f.discard
	// Every parked piece must see the decision before the count drops to 0, or a
	// second signal could be taken for the first.
	f.parked--
	if !redrive {
		f.discarded++
	}
	if f.parked > 0 {
		return redrive, nil
	}
	return redrive, f.show(ctx, status)
}

// clear deletes what a delivered window no longer needs. Quarantined pieces stay, but
// for those that were formatted again and are delivered now.
func (f *flush) clear(ctx workflow.Context) error {
	keys := []string{f.in.StageKey}
	if f.in.IsRetry() {
		keys = slices.Clone(f.formatted.Retried)
	}
	for _, b := range f.formatted.Batches {
		keys = append(keys, b.StageKey)
	}
	return workflow.ExecuteActivity(clearStageOptions(ctx), ClearStageName, ClearStageInput{StageKeys: keys}).Get(ctx, nil)
}

// show puts the state where a person sees it: search attributes for the list of
// workflows, and the details of this one.
func (f *flush) show(ctx workflow.Context, status string) error {
	updates := []temporal.SearchAttributeUpdate{
		visibility.Status.ValueSet(status),
		visibility.Events.ValueSet(int64(f.result.Events)),
		visibility.Bytes.ValueSet(f.result.Bytes),
		visibility.Attempts.ValueSet(int64(f.result.Attempts)),
	}
	if f.result.HTTPStatus != 0 {
		updates = append(updates, visibility.HTTPStatus.ValueSet(strconv.Itoa(f.result.HTTPStatus)))
	}
	f.result.Status = status
	f.describe(ctx)
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		return fmt.Errorf("show status %s: %w", status, err)
	}
	return nil
}

// describe sets the workflow's current details.
func (f *flush) describe(ctx workflow.Context) {
	details := fmt.Sprintf("**%s** · %d of %d batches finished · %d events · %d bytes · %d attempts",
		f.result.Status, len(f.finished), f.result.Batches, f.result.Events, f.result.Bytes, f.result.Attempts)
	if f.parked > 0 {
		details += fmt.Sprintf("\n\n%d parked, the last because of: %s\n\nSend the signal `%s` to try again or `%s` to give it up.",
			f.parked, f.waiting, SignalRedrive, SignalDiscard)
	}
	if f.result.Quarantined > 0 {
		details += fmt.Sprintf("\n\n%d pieces could not be read and are quarantined; see the result of FormatLogs and `logpipe quarantine list`.", f.result.Quarantined)
	}
	workflow.SetCurrentDetails(ctx, details)
}

// refusalOf returns the type of an activity's application error and its detail.
func refusalOf(err error) (string, Refusal) {
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	if !ok {
		return "", Refusal{}
	}
	var refusal Refusal
	if app.HasDetails() {
		// An error without this detail leaves it empty; the type alone decides.
		_ = app.Details(&refusal)
	}
	return app.Type(), refusal
}

// reason is the innermost message of an activity's failure.
func reason(err error) string {
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		return app.Type() + ": " + app.Message()
	}
	return err.Error()
}
