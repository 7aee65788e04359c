// Package workflows holds the four workflows of the pipeline and the input and
// result of every workflow and activity.
//
//	StreamReader  one per pipeline: finds shards and starts their readers
//	ShardReader   one per shard: has the shard polled and holds its checkpoint
//	FlushWindow   one per aggregation window: format, deliver, park
//	TokenKeeper   one per pipeline: the only one that refreshes the token
//
// The code is deterministic. It reads no setting, clock or environment: what
// depends on a process's settings is decided in an activity and arrives here as
// its result. Payloads hold ranges, counts, keys and versions, never a log line
// and never a secret.
package workflows
