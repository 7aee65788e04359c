// Package chaos runs the pipeline in many processes, with traffic, and makes things go
// wrong every few seconds: processes are killed, stopped and suspended, shards split and
// merged, reads throttled and iterators expired, the API is down or its tokens revoked.
//
// What happens when is decided beforehand, by [Plan], from a seed. At the end, when all
// is quiet and delivered, three witnesses are compared: the records that Kinesis took
// in, the windows that Temporal holds, and the events at the API.
package chaos
