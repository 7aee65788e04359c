package starter

import (
	"github.com/log-event-pipeline/logpipe/internal/telemetry"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// failures are the types of errors that the starter's activities end with.
func failures() []telemetry.Failure {
	stream := []string{ErrorStream, ErrorStreamThrottled, ErrorStreamDenied, ErrorStreamKey, ErrorStreamGone, ErrorWrongStream, ErrorStage, ErrorPanic}
	var known []telemetry.Failure
	for activity, kinds := range map[string][]string{
		workflows.ListShardsName:   append([]string{ErrorStreamRecreated}, stream...),
		workflows.ResolveStartName: stream,
		workflows.PollShardName:    append([]string{ErrorWindowStart, ErrorStalled}, stream...),
	} {
		for _, kind := range kinds {
			known = append(known, telemetry.Failure{Activity: activity, Type: kind})
		}
	}
	return known
}
