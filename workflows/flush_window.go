package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
)

// FlushWindow takes one window to the destination. It ends when every batch is
// accepted or an operator has discarded what was refused. Until then it retries,
// however long that takes.
func FlushWindow(ctx workflow.Context, in FlushWindowInput) (FlushWindowResult, error) {
	f := newFlush(ctx, in)
	f.listen(ctx)
	f.describe(ctx)

	if err := f.format(ctx); err != nil {
		return f.result, err
	}
	if err := f.deliver(ctx); err != nil {
		return f.result, err
	}
	if err := f.clear(ctx); err != nil {
		return f.result, err
	}
	if f.unfinished {
		in.Progress = f.progress()
		return f.result, workflow.NewContinueAsNewError(ctx, FlushWindowName, in)
	}
	f.phase = visibility.StatusDelivered
	if f.discarded > 0 {
		f.phase = visibility.StatusDiscarded
	}
	f.tell(ctx)
	return f.result, f.show(ctx)
}

// Messages of the worker's log. Alarms are made from them where nobody scrapes metrics.
const (
	LogDelivered = "window delivered"
	LogDiscarded = "window discarded"
	LogRetried   = "quarantined pieces delivered"
)

// tell logs the end of the window, once. Its freshness is that of its oldest record: from
// its arrival in Kinesis until the destination has accepted all of the window.
func (f *flush) tell(ctx workflow.Context) {
	message := LogDelivered
	switch {
	case f.phase == visibility.StatusDiscarded:
		message = LogDiscarded
	case f.in.IsRetry():
		message = LogRetried // what was late was somebody's decision
	}
	workflow.GetLogger(ctx).Info(message, "shard", f.in.ShardID, "events", f.result.Events, "bytes", f.result.Bytes,
		"batches", f.result.Batches, "requests", f.result.Attempts, "freshness_ms", workflow.Now(ctx).Sub(f.in.FirstArrival).Milliseconds())
}

// flush is the state of one FlushWindow.
type flush struct {
	in        FlushWindowInput
	formatted FormatLogsResult
	ready     bool // formatted is what FormatLogs has come to
	result    FlushWindowResult

	// phase is the status while nothing is parked and nothing is waited for; shown is
	// what the search attributes say.
	phase string
	shown shown

	// token is what batches are sent with; tokenLock lets one batch at a time
	// replace it, so that the others find the new one.
	token     TokenVersion
	tokenLock workflow.Mutex
	// lastRefused is the version that was refused when the batches were sent together.
	lastRefused int64

	// What only time can mend. Tokens that are refused one after the other are known by
	// what the destination answers, and each batch keeps its own pause.
	stage, tokens, delivery *patience
	refused                 *FlushTrouble
	pause                   standstill

	queue     []BatchPart  // what is to be delivered next, from the front
	active    int          // parts that are being delivered
	resting   []BatchPart  // those of them that wait until they may be sent
	left      []int        // by the number of the batch: parts that are not done
	finished  []int        // numbers of the batches that were accepted or discarded
	divided   []int        // numbers of the batches that were divided
	parked    []ParkedPart // what waits for an operator
	discarded int          // parts that were given up

	// unfinished: the history has grown long, and the rest is for the next run. failed:
	// some part has ended the workflow.
	unfinished, failed bool

	// redrives counts the operator's signals to try again, decisions those that anything
	// parked was decided by.
	redrives, decisions int
	discard             bool // what the last decision was
}

// shown is what the list of workflows tells.
type shown struct {
	status     string
	httpStatus int
}

func newFlush(ctx workflow.Context, in FlushWindowInput) *flush {
	f := &flush{
		in: in, tokenLock: workflow.NewMutex(ctx), phase: visibility.StatusFormatting,
		pause: standstill{lock: workflow.NewMutex(ctx)},
		stage: &patience{lock: workflow.NewMutex(ctx)}, tokens: &patience{lock: workflow.NewMutex(ctx)}, delivery: &patience{lock: workflow.NewMutex(ctx), turns: true},
	}
	if p := in.Progress; p != nil {
		f.formatted, f.finished, f.divided, f.parked, f.discarded = p.Formatted, p.Finished, p.Divided, p.Parked, p.Discarded
		f.result.Attempts, f.result.HTTPStatus = p.Attempts, p.HTTPStatus
		f.stage.trouble, f.tokens.trouble, f.refused, f.delivery.trouble = p.Stage, p.Token, p.Refused, p.Delivery
		f.pause.by, f.pause.since, f.pause.before = p.Paused, p.PausedAt, p.PausedFor
		if !p.Unformatted {
			f.phase = visibility.StatusDelivering
		}
	}
	// Whoever started the window has set its status with the other attributes.
	f.shown = shown{f.status(), f.result.HTTPStatus}
	f.result.Status = f.shown.status
	return f
}

// listen receives the operator's signals. A discard acts on what is parked when it
// arrives and means nothing otherwise. A redrive has what is waited for tried at once,
// too.
func (f *flush) listen(ctx workflow.Context) {
	decide := func(signal string, discard bool) {
		workflow.Go(ctx, func(ctx workflow.Context) {
			channel := workflow.GetSignalChannel(ctx, signal)
			for channel.Receive(ctx, nil) {
				if !discard {
					f.redrives++
				}
				if len(f.parked) > 0 {
					f.decide(discard)
				}
			}
		})
	}
	decide(SignalRedrive, false)
	decide(SignalDiscard, true)
	f.listenResume(ctx)
}

// format makes the staged records into batches, unless an earlier run has.
func (f *flush) format(ctx workflow.Context) error {
	for f.in.Progress == nil || f.in.Progress.Unformatted {
		err := f.formatLogs(ctx)
		if err == nil {
			break
		}
		if errors.Is(err, errInterrupted) {
			return nil
		}
		redrive, err := f.parkWindow(ctx, err)
		if err != nil || !redrive {
			return err
		}
	}
	f.ready = true
	f.result.Events = f.formatted.Events
	f.result.Bytes = f.formatted.Bytes
	f.result.Batches = len(f.formatted.Batches)
	f.result.Quarantined = f.formatted.QuarantinedTotal
	f.enqueue()
	// The list of windows tells so when a batch goes on by itself: an update of it for each
	// window would cost as much as an activity.
	f.phase = visibility.StatusDelivering
	f.describe(ctx)
	return nil
}

// parkWindow waits for the operator's decision about a window that cannot be formatted,
// and returns whether to try again.
func (f *flush) parkWindow(ctx workflow.Context, failure error) (redrive bool, err error) {
	if temporal.IsCanceledError(failure) {
		return false, failure
	}
	before := f.decisions
	f.parked = append(f.parked, ParkedPart{Part: BatchPart{Number: noBatch}, Since: workflow.Now(ctx), Reason: reason(failure)})
	if err := f.show(ctx); err != nil {
		return false, err
	}
	for f.decisions == before {
		if err := f.awaitDecision(ctx, func() bool { return f.decisions != before }); err != nil {
			return false, err
		}
	}
	return !f.discard, f.show(ctx)
}

// clear deletes what a delivered window no longer needs. Quarantined pieces stay, but
// for those that were formatted again and are delivered now. What was discarded stays, too,
// for some time.
func (f *flush) clear(ctx workflow.Context) error {
	if f.unfinished {
		return nil
	}
	if f.discarded > 0 {
		if f.in.Run != "" {
			// Without a note: that would be about the window of the chain. What was staged is
			// swept in its time.
			return nil
		}
		return f.keepDiscarded(ctx)
	}
	in := ClearStageInput{StageKeys: []string{f.in.StageKey}}
	if f.in.IsRetry() {
		in.StageKeys = slices.Clone(f.formatted.Retried)
	}
	for _, b := range f.formatted.Batches {
		in.StageKeys = append(in.StageKeys, b.StageKey)
	}
	for _, n := range f.divided {
		in.Divided = append(in.Divided, f.formatted.Batches[n].StageKey)
	}
	var err error
	locally := f.stage.trouble == nil
	if locally {
		// Nearly always that is enough: the worker that has the workflow does it at once.
		err = workflow.ExecuteLocalActivity(clearLocallyOptions(ctx), ClearStageName, in).Get(ctx, nil)
	}
	if !locally || passing(err) {
		err = f.persist(ctx, f.stage, func(ctx workflow.Context, tries int32) error {
			return workflow.ExecuteActivity(clearStageOptions(ctx, tries), ClearStageName, in).Get(ctx, nil)
		})
	}
	if errors.Is(err, errInterrupted) {
		return nil
	}
	return err
}

// status is what the window is doing, the worst of it first.
func (f *flush) status() string {
	switch {
	case len(f.parked) > 0:
		return visibility.StatusParked
	case f.pause.by != nil:
		return visibility.StatusPaused
	case f.stage.trouble != nil, f.tokens.trouble != nil, f.refused != nil, f.delivery.trouble != nil:
		return visibility.StatusRetrying
	}
	if _, rounds, _ := f.untaken(); rounds > quickTries {
		return visibility.StatusRetrying
	}
	return f.phase
}

// show puts the state where a person sees it: search attributes for the list of
// workflows, where they have changed, and the details of this one.
func (f *flush) show(ctx workflow.Context) error {
	now := shown{f.status(), f.result.HTTPStatus}
	f.result.Status = now.status
	f.describe(ctx)
	if now == f.shown {
		return nil
	}
	f.shown = now
	updates := []temporal.SearchAttributeUpdate{
		visibility.Status.ValueSet(now.status),
		visibility.Events.ValueSet(int64(f.result.Events)),
		visibility.Bytes.ValueSet(f.result.Bytes),
		visibility.Attempts.ValueSet(int64(f.result.Attempts)),
	}
	if now.httpStatus != 0 {
		updates = append(updates, visibility.HTTPStatus.ValueSet(strconv.Itoa(now.httpStatus)))
	}
	if ended := now.status == visibility.StatusDelivered || now.status == visibility.StatusDiscarded; ended && f.result.Quarantined > 0 {
		updates = append(updates, visibility.Quarantined.ValueSet(strconv.Itoa(f.result.Quarantined)))
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		return fmt.Errorf("show status %s: %w", now.status, err)
	}
	return nil
}
