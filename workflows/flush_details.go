package workflows

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// shownParked is how many of what is parked the page of a window lists.
const shownParked = 10

// describe sets the workflow's current details.
func (f *flush) describe(ctx workflow.Context) {
	workflow.SetCurrentDetails(ctx, f.details())
}

// details are what the window's page shows: what it has come to and, where it does not get
// on, what it waits for, since when, how often that was tried, the last answer, and what
// to do.
func (f *flush) details() string {
	var text strings.Builder
	fmt.Fprintf(&text, "**%s** · %d of %d batches finished · %d events · %d bytes · %d requests",
		f.result.Status, len(f.finished), f.result.Batches, f.result.Events, f.result.Bytes, f.result.Attempts)
	if f.result.HTTPStatus != 0 {
		fmt.Fprintf(&text, ", the last answered with HTTP status %d", f.result.HTTPStatus)
	}
	text.WriteString(f.pause.describe())
	for _, t := range []*FlushTrouble{f.stage.trouble, f.tokens.trouble, f.refused, f.delivery.trouble} {
		if t != nil {
			fmt.Fprintf(&text, "\n\n**%s** since %s, tried %d times:\n\n%s\n\n%s It is tried again by itself, next at %s; the signal `%s` has it tried at once.",
				t.Type, clock(t.Since), t.Tries, t.Message, remedy(t.Type), clock(t.NextAt), SignalRedrive)
		}
	}
	if events, rounds, next := f.untaken(); events > 0 {
		fmt.Fprintf(&text, "\n\n**%d events could not be taken**, by the destination's own account, %d times in a row at most. %s They are sent again by themselves, next at %s; the signal `%s` has them sent at once.",
			events, rounds, remedy(ErrorDestinationUnavailable), clock(next), SignalRedrive)
	}
	if len(f.parked) > 0 {
		fmt.Fprintf(&text, "\n\n**%d parked**, nothing of it is sent before you decide:\n", len(f.parked))
		for i, p := range f.parked {
			if i == shownParked {
				fmt.Fprintf(&text, "\n- … and %d more", len(f.parked)-shownParked)
				break
			}
			fmt.Fprintf(&text, "\n- %s, since %s", f.partName(p.Part), clock(p.Since))
			if p.Reason != "" {
				text.WriteString(": " + p.Reason)
			}
		}
		fmt.Fprintf(&text, "\n\nSend the signal `%s` to have it tried again, when its cause is mended, or `%s` to give it up.", SignalRedrive, SignalDiscard)
	}
	if f.discarded > 0 {
		fmt.Fprintf(&text, "\n\n%d batches or parts were discarded; they stay in the stage for a time.", f.discarded)
	}
	if f.result.Quarantined > 0 {
		fmt.Fprintf(&text, "\n\n%d pieces could not be read and are quarantined; see the result of FormatLogs and `logpipe quarantine list`.", f.result.Quarantined)
	}
	return text.String()
}

// The timers of a window are what its history ends with while it waits, so their summaries
// tell the most important things on the first page, too. Temporal takes 400 bytes.
const (
	longestSummary = 200

	// parkedTimer is how long a timer runs behind which nothing happens.
	parkedTimer = 90 * 24 * time.Hour
)

// summary of the pause before the next try.
func (t *FlushTrouble) summary() string {
	return fmt.Sprintf("%s since %s, tried %d times; the signal %s tries at once", t.Type, clock(t.Since), t.Tries, SignalRedrive)
}

// showParked has a timer run whenever nothing but the operator is waited for, which says so.
func (f *flush) showParked(ctx workflow.Context) error {
	waits := func() bool { return len(f.parked) > 0 && len(f.queue)+f.active == 0 }
	for {
		if err := workflow.Await(ctx, func() bool { return waits() || f.ended() }); err != nil || f.ended() {
			return err
		}
		if err := f.awaitDecision(ctx, func() bool { return !waits() || f.ended() }); err != nil {
			return err
		}
	}
}

// awaitDecision waits for some time, under a timer that says what for.
func (f *flush) awaitDecision(ctx workflow.Context, made func() bool) error {
	_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout:      parkedTimer,
		TimerOptions: workflow.TimerOptions{Summary: f.parkedSummary()},
	}, made)
	return err
}

func (f *flush) parkedSummary() string {
	text := fmt.Sprintf("parked until a %s or %s: %s: %s", SignalRedrive, SignalDiscard, f.partName(f.parked[0].Part), f.parked[0].Reason)
	if more := len(f.parked) - 1; more > 0 {
		text = fmt.Sprintf("%d %s", more+1, text)
	}
	if len(text) > longestSummary {
		text = strings.ToValidUTF8(text[:longestSummary-len("…")], "") + "…"
	}
	return text
}

// partName is what a person calls a part.
func (f *flush) partName(part BatchPart) string {
	switch {
	case part.Number == noBatch:
		return "the window"
	case part.Whole:
		return fmt.Sprintf("batch %d of %d (%d events)", part.Number+1, f.result.Batches, part.Batch.Events)
	}
	return fmt.Sprintf("%d events of batch %d of %d", part.Batch.Events, part.Number+1, f.result.Batches)
}

// remedy is what a person can do about a failure that time may mend, as a sentence.
func remedy(kind string) string {
	switch kind {
	case ErrorDestinationUnavailable:
		return "Nothing is lost meanwhile: see to the destination, or to the way there."
	case ErrorTokenRefused:
		return "Look at the scope and the audience of the token, and at the workers' clocks."
	case ErrorStageUnavailable:
		return "See to the stage: is it there, is it full, may the workers read and write it?"
	case ErrorPanic:
		return "This is a fault of logpipe: report it with this message, and install a version without it."
	case failureTimeout:
		return "A worker was killed or hangs, or what it waits for does not answer."
	}
	return "The page of the TokenKeeper says more, and docs/operations.md what to do."
}

// failureTimeout is shown as the type of a failure that no worker reported.
const failureTimeout = "Timeout"

// kindOf is the stable name of a failure: its type, if it has one.
func kindOf(err error) string {
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		return app.Type()
	}
	if _, ok := errors.AsType[*temporal.TimeoutError](err); ok {
		return failureTimeout
	}
	return "Failure"
}

// message is the innermost message of an activity's failure.
func message(err error) string {
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		return app.Message()
	}
	if timeout, ok := errors.AsType[*temporal.TimeoutError](err); ok {
		return timeout.Message()
	}
	return err.Error()
}

// reason is why something is parked, with what the destination has answered.
func reason(err error) string {
	text := kindOf(err) + ": " + message(err)
	if _, refusal := refusalOf(err); refusal.Excerpt != "" {
		text += ": " + refusal.Excerpt
	}
	return text
}
