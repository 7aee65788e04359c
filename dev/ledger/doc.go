// Package ledger keeps what went into a pipeline, as witnesses other than the pipeline
// saw it, and compares it with what came out.
//
// [Events] are log events, from PutLogEvents to the analytics API. [Records] are what
// Kinesis took in, to be found in the windows that Temporal holds.
package ledger
