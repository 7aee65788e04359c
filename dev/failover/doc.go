// Package failover measures how soon a shard has another reader when its own is stopped
// or killed, how soon a window is begun at the tip of a shard, and what a starter costs
// that reads many quiet shards.
//
// Who reads a shard is told by the local AWS, which sees the requests, and not by the
// pipeline. When a window began is told by Temporal.
package failover
