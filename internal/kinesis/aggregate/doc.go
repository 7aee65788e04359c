// Package aggregate takes apart what the Kinesis Producer Library, and those who
// write its format, pack into one Kinesis record: many user records, each with
// data of its own.
//
//	F3 89 9A C2 | AggregatedRecord, a protobuf message | its MD5, 16 bytes
//
//	message AggregatedRecord {
//	  repeated string partition_key_table     = 1;
//	  repeated string explicit_hash_key_table = 2;
//	  repeated Record records                 = 3;
//	}
//	message Record {
//	  required uint64 partition_key_index     = 1;
//	  optional uint64 explicit_hash_key_index = 2;
//	  required bytes  data                    = 3;
//	  repeated Tag    tags                    = 4;
//	}
//
// The format is described in aggregation-format.md of the Kinesis Producer Library
// (https://github.com/awslabs/amazon-kinesis-producer). Only the data is of use here,
// so the message is read by hand: nothing is copied, nothing is allocated for a user
// record, and keys are not looked at.
//
// In particular a user record is not dropped because its hash key is outside the range
// of the shard that it was read from, as the Kinesis Client Library does. After a
// reshard a producer whose map of the shards is old puts aggregates into the wrong
// shard. The Kinesis Producer Library notices and sends those user records again, so
// with it they come twice. Other producers of the format do not, and what is dropped
// then is lost. Reading twice what can be told to be the same is the lesser evil.
package aggregate
