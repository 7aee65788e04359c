// Package envelope decodes what a CloudWatch Logs subscription filter writes
// into a Kinesis record: a compressed stream of JSON envelopes, each with the
// log events of one log stream.
//
// The decoder is liberal in what it reads and strict in what it accounts for.
// Everything in a record ends up in exactly one of three places: a log event, a
// counted control message, or a [Fault] that says where in the record it
// stands and why it could not be read. A fault never costs the values before
// it, nor, where the JSON allows finding them, the values after it.
//
// A record may be gzip, zlib or plain, compressed twice where a stream was fed from
// another one, and in base64 where a producer has encoded what the SDK encodes again.
//
// A record in which the Kinesis Producer Library has packed several, as happens
// where somebody forwards what CloudWatch Logs has written, is taken apart by
// package aggregate, and each user record is decoded as if it were a record of its
// own, its limits included. That goes one level deep.
//
// Decoding streams: memory is bounded by the largest single log event, not by
// what a record inflates to. The one exception is an envelope that cannot be
// judged before its end, because its header follows its events or is unusable;
// it is kept until then and so bounded by [Limits.MaxInflatedBytes].
//
// Log events as CloudWatch Logs writes them are found by package jsonscan in what was inflated,
// 64 KiB at a time. All else is read with jsontext, and so is what follows in an array of
// log events on one that is not found: a fuzz test holds that both give the same.
//
// jsontext was chosen after measuring the alternatives on gzipped envelopes of
// JSON access logs: it was as fast as the fastest (valyala/fastjson), the only
// one that reads a stream in bounded memory, allocates nothing per token, and
// is plain Go, so it behaves alike on every architecture.
package envelope
