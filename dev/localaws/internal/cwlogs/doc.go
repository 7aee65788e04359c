// Package cwlogs is a CloudWatch Logs in memory, as far as a subscription to Kinesis is concerned: log groups and
// streams, PutLogEvents with the service's limits and event ids, and subscription filters that deliver matching
// events as gzip envelopes. What was put can be read back within a bound.
package cwlogs
