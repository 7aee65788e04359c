package workflows

import "go.temporal.io/sdk/workflow"

// Registry takes workflows. Every worker of the SDK is one, and so is what replays
// histories.
type Registry interface {
	RegisterWorkflowWithOptions(fn any, options workflow.RegisterOptions)
}

// Register registers every workflow under the name that is in its callers' histories.
//
// With worker versioning, an open workflow goes on with whatever version is current, at its
// next workflow task. It is not pinned to the version that began it: a window can wait for
// weeks in an outage, and readers never end, so workers of old versions would have to be kept
// for as long. The histories in testdata hold each version to those before it.
func Register(r Registry) {
	register := func(name string, fn any) {
		r.RegisterWorkflowWithOptions(fn, workflow.RegisterOptions{
			Name: name, VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
		})
	}
	register(StreamReaderName, StreamReader)
	register(ShardReaderName, ShardReader)
	register(FlushWindowName, FlushWindow)
	register(TokenKeeperName, TokenKeeper)
	register(BackfillName, Backfill)
}
