package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/internal/pausing"
)

// listen takes down what operators pause and resume, at once: a listing, for which it
// would have to wait otherwise, takes as long as no starter runs.
func (r *streamReader) listen(ctx workflow.Context) {
	requests := workflow.GetSignalChannel(ctx, SignalSetPaused)
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			// Not by Receive: what that has taken from the channel would be lost if the run ended
			// before this goes on.
			if workflow.Await(ctx, func() bool { return requests.Len() > 0 }) != nil {
				return
			}
			if err := r.receivePauses(ctx); err != nil {
				workflow.GetLogger(ctx).Error("a pause cannot be shown", "error", err)
			}
		}
	})
}

// receivePauses takes all that has arrived, and shows what is paused now. A pause that is
// there already stays as it is.
func (r *streamReader) receivePauses(ctx workflow.Context) error {
	changed := map[string]any{}
	requests := workflow.GetSignalChannel(ctx, SignalSetPaused)
	var request pausing.Request
	for ; requests.ReceiveAsync(&request); request = (pausing.Request{}) {
		pause := r.pauseOf(request.What)
		switch {
		case pause == nil:
			workflow.GetLogger(ctx).Warn("a signal names neither reading nor delivery and is ignored", "signal", SignalSetPaused)
		case request.Paused && *pause == nil:
			*pause = &pausing.Pause{By: pausing.Text(request.By), Since: workflow.Now(ctx), Reason: pausing.Text(request.Reason)}
			changed[request.What.Memo()] = *pause
		case !request.Paused && *pause != nil:
			*pause = nil
			changed[request.What.Memo()] = nil // which removes it
		}
	}
	if len(changed) == 0 {
		return nil
	}
	r.describe(ctx)
	if err := workflow.UpsertMemo(ctx, changed); err != nil {
		return fmt.Errorf("show what is paused: %w", err)
	}
	return nil
}

// pauseOf is where the state has the pause of what, nil for anything that cannot be
// paused.
func (r *streamReader) pauseOf(what pausing.What) **pausing.Pause {
	switch what {
	case pausing.Reading:
		return &r.in.PausedReading
	case pausing.Delivery:
		return &r.in.PausedDelivery
	}
	return nil
}

// describePauses is what the page of the pipeline says about them.
func (r *streamReader) describePauses() string {
	var text strings.Builder
	for _, what := range []pausing.What{pausing.Reading, pausing.Delivery} {
		if p := *r.pauseOf(what); p != nil {
			fmt.Fprintf(&text, "**%s**\n\nIt goes on after `%s`.\n\n", p.Sentence(what), pausing.Remedy(what))
		}
	}
	return text.String()
}
