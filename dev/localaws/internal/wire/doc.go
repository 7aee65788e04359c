// Package wire speaks the protocols AWS clients use: AWS JSON 1.0 and 1.1, the CBOR form of it that the Java SDK
// uses for Kinesis, and the query protocol of STS. Services declare their operations as plain functions over
// request and response structs; this package decodes, encodes and shapes errors.
package wire
