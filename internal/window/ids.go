package window

import "strings"

// Workflow ids and task queues. They are the coordination mechanism of the
// pipeline: Temporal lets at most one workflow of an id exist, so whoever names
// the same window, shard or token meets the same workflow. No other place may
// put such a name together.

// StreamReaderID is the workflow id of the one StreamReader of a pipeline.
func StreamReaderID(pipeline string) string { return pipeline + "/stream" }

// ShardReaderID is the workflow id of the reader of one shard.
func ShardReaderID(pipeline, shardID string) string {
	return pipeline + "/shard/" + ShortShard(shardID)
}

// FlushWindowID is the workflow id of the window that begins at first. Every
// poller of the shard that cuts a window there, wherever it ends its cut, asks
// for this id; Temporal accepts one of them.
func FlushWindowID(pipeline, shardID string, first SequenceNumber) string {
	return pipeline + "/flush/" + ShortShard(shardID) + "/" + first.Short()
}

// TokenKeeperID is the workflow id of the one workflow that refreshes the
// pipeline's token.
func TokenKeeperID(pipeline string) string { return pipeline + "/token" }

// ListingQueue is the task queue of the starter processes for what they do beside reading
// shards: it must not wait for a lease to end.
func ListingQueue(pipeline string) string { return pipeline + "/listing" }

// StarterQueue is the task queue of the starter processes: one activity for each shard
// that is read.
func StarterQueue(pipeline string) string { return pipeline + "/starter" }

// WorkerQueue is the task queue of the worker processes: all workflows, and the
// activities that have no queue of their own.
func WorkerQueue(pipeline string) string { return pipeline + "/worker" }

// TokenQueue is the task queue of the one activity that refreshes the token. Worker
// processes serve it beside WorkerQueue, with slots of its own.
func TokenQueue(pipeline string) string { return pipeline + "/token" }

// DeliveryQueue is the task queue of the one activity that delivers. Worker processes serve
// it beside WorkerQueue, with slots of its own, and Temporal limits its rate.
func DeliveryQueue(pipeline string) string { return pipeline + "/delivery" }

// shardIDPrefix and shardIDDigits describe the shard ids that Kinesis hands out.
const (
	shardIDPrefix = "shardId-"
	shardIDDigits = 12
)

// ShortShard is a lossless short form of a shard id for ids and displays:
// "shardId-000000000012" becomes "12". An id of another form is kept whole.
func ShortShard(shardID string) string {
	digits, ok := strings.CutPrefix(shardID, shardIDPrefix)
	if !ok || len(digits) != shardIDDigits || strings.Trim(digits, "0123456789") != "" {
		return shardID
	}
	if short := strings.TrimLeft(digits, "0"); short != "" {
		return short
	}
	return "0"
}

// LongShard is the inverse of ShortShard for the shard ids that Kinesis hands out.
func LongShard(short string) string {
	if short == "" || len(short) > shardIDDigits || strings.Trim(short, "0123456789") != "" {
		return short
	}
	return shardIDPrefix + strings.Repeat("0", shardIDDigits-len(short)) + short
}
