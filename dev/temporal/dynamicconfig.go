package temporal

import (
	"time"

	"go.temporal.io/server/common/dynamicconfig"
)

const (
	// unthrottled is a rate per second that a server on one machine does not reach.
	unthrottled = 1_000_000

	// queuePolls is how often in a second a history shard may look for tasks to hand out. A production server has 20 and
	// many shards; with one shard every step of a workflow would wait for the next twentieth of a second. Much higher
	// values lose wake-ups of clients that wait for a workflow to end, see resultPoll.
	queuePolls = 100

	// resultPoll bounds the wait of a client whose wake-up was lost: the server keeps a single pending wake-up for each
	// waiting client, and a workflow that takes several steps while the client still subscribes overflows it. A
	// production server has 20 seconds.
	resultPoll = 2 * time.Second
)

// dynamicConfig returns the settings in which this server differs from a production one.
//
// Workflow updates, update-with-start and eager starts need no setting: this server version has them on. The limit of
// ten updates in flight for each workflow is left alone on purpose, see the package comment.
func dynamicConfig(o Options) dynamicconfig.Client {
	settings := dynamicconfig.StaticClient{
		// Nothing leaves the machine.
		dynamicconfig.EnableServerVersionCheck.Key(): false,

		// One partition for each task queue: there is one matching service, and more partitions only add forwarding.
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():  1,
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): 1,

		dynamicconfig.TransferProcessorMaxPollRPS.Key():       queuePolls,
		dynamicconfig.TimerProcessorMaxPollRPS.Key():          queuePolls,
		dynamicconfig.VisibilityProcessorMaxPollRPS.Key():     queuePolls,
		dynamicconfig.HistoryLongPollExpirationInterval.Key(): resultPoll,

		// The scanners look for garbage of months in clusters of many hosts, and cost idle CPU.
		dynamicconfig.TaskQueueScannerEnabled.Key():  false,
		dynamicconfig.HistoryScannerEnabled.Key():    false,
		dynamicconfig.ExecutionsScannerEnabled.Key(): false,
		// Parent close policies of few children are applied in place; the worker is for hundreds.
		dynamicconfig.EnableParentClosePolicyWorker.Key(): false,

		// The caches are made for a host of tens of gigabytes.
		dynamicconfig.HistoryCacheHostLevelMaxSize.Key():     1 << 10,
		dynamicconfig.EventsHostLevelCacheMaxSizeBytes.Key(): 32 << 20,

		// Long polls of many workers.
		dynamicconfig.FrontendMaxConcurrentLongRunningRequestsPerInstance.Key(): 10_000,
	}
	for _, key := range []dynamicconfig.Key{
		dynamicconfig.FrontendRPS.Key(),
		dynamicconfig.FrontendMaxNamespaceRPSPerInstance.Key(),
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(),
		dynamicconfig.FrontendMaxNamespaceNamespaceReplicationInducingAPIsRPSPerInstance.Key(),
		dynamicconfig.FrontendPersistenceMaxQPS.Key(),
		dynamicconfig.HistoryRPS.Key(),
		dynamicconfig.HistoryPersistenceMaxQPS.Key(),
		dynamicconfig.MatchingRPS.Key(),
		dynamicconfig.MatchingPersistenceMaxQPS.Key(),
		dynamicconfig.WorkerPersistenceMaxQPS.Key(),
		dynamicconfig.VisibilityPersistenceMaxReadQPS.Key(),
		dynamicconfig.VisibilityPersistenceMaxWriteQPS.Key(),
	} {
		settings[key] = unthrottled
	}
	if o.SuggestContinueAsNew > 0 {
		settings[dynamicconfig.HistoryCountSuggestContinueAsNew.Key()] = o.SuggestContinueAsNew
	}
	return settings
}
