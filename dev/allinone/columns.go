package allinone

import "github.com/log-event-pipeline/logpipe/internal/visibility"

// UIColumns are the columns of the Web UI's list of workflows that tell a flush at a
// glance. They fit a screen of 1600 pixels.
func UIColumns() []string {
	columns := append([]string{"Status", "Type"}, visibility.Columns()...)
	return append(columns, "Workflow ID")
}
