// Package traffic fills CloudWatch log groups the way Amazon API Gateway does, and
// replays logs from files the same way. Both go through PutLogEvents and a
// subscription filter, as real logs do, and never straight into the stream.
//
// [Writer] is the one place that talks to CloudWatch Logs: it creates groups,
// streams and subscription filters, keeps to the limits of PutLogEvents, and counts
// what became of every event. [Generator] produces invented traffic at a rate,
// [Replay] reads files.
package traffic
