// Package kinesis reads shards of a Kinesis data stream in order, from positions
// that mean the same record to everybody. It knows iterators, their expiry and
// the limits of a shard; what the records are for is not its concern.
package kinesis
