package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

const (
	// smallWindow is the most that a window that is formatted in a workflow task has stored.
	// To format it takes some 25 ms of CPU.
	smallWindow = 256 << 10

	// promptly is how soon after its start a window that is formatted in a workflow task has
	// its first one. Where it takes longer, the workers are behind, and share windows out more
	// evenly as activities; or the window kills workers, which only an activity has pauses for.
	promptly = time.Minute
)

// formatLogs has FormatLogs run: for a small window within the workflow task, since an activity
// and the workflow task behind it cost Temporal more than such a window costs the worker.
// Nearly always that is enough. It is one more attempt before those of an activity.
func (f *flush) formatLogs(ctx workflow.Context) error {
	in := FormatLogsInput{Window: f.in}
	waited := workflow.Now(ctx).Sub(workflow.GetInfo(ctx).WorkflowStartTime)
	if f.stage.trouble == nil && formattedHere(f.in, waited) {
		err := workflow.ExecuteLocalActivity(formatLocallyOptions(ctx, f.in), FormatLogsName, in).Get(ctx, &f.formatted)
		if !passing(err) {
			return err
		}
	}
	return f.persist(ctx, f.stage, func(ctx workflow.Context, tries int32) error {
		return workflow.ExecuteActivity(formatLogsOptions(ctx, f.in, tries), FormatLogsName, in).Get(ctx, &f.formatted)
	})
}

// formattedHere: the window is formatted within the workflow task. What is formatted again is
// read piece by piece, which takes longer than its bytes say.
func formattedHere(in FlushWindowInput, waited time.Duration) bool {
	return in.StoredBytes <= smallWindow && !in.IsRetry() && waited < promptly
}
