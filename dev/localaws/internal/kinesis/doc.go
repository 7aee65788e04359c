// Package kinesis is a Kinesis Data Streams in memory: streams of shards, each an append-only log, with the
// iterators, resharding and limits that readers of the real service depend on.
//
// Where the service leaves room, the strict reading was taken, so that a reader that works here does not depend
// on luck: sequence numbers of a shard are not consecutive numbers, the last records of a closed shard may come in
// the same answer as the end of the shard, and a position older than the retention gives an empty page before it
// moves on.
package kinesis
