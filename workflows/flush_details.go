package workflows

import (
	"errors"
	"fmt"
	"strings"

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
	for _, t := range []*FlushTrouble{f.stage.trouble, f.tokens.trouble, f.refused, f.delivery.trouble} {
		if t != nil {
			fmt.Fprintf(&text, "\n\n**%s** since %s, tried %d times:\n\n%s\n\n%s It is tried again by itself, next at %s; the signal `%s` has it tried at once.",
				t.Type, clock(t.Since), t.Tries, t.Message, remedy(t.Type), clock(t.NextAt), SignalRedrive)
		}
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
