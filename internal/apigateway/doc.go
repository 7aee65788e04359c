// Package apigateway turns Kinesis records with API Gateway logs into batches
// of structured JSON events.
//
// A record goes through three steps, none of which holds more than one log
// event and one batch in memory. Package envelope takes the log events out of
// the record. An access log becomes a structured event with the names of the
// OpenTelemetry semantic conventions, whatever its form: by a configured
// template, which package template compiles, or else by its looks. Any other
// message passes through with its text. Events are written straight into the
// batch they belong to.
//
// The same records give the same bytes: a retry can be told apart from new
// data by nothing but when it happens.
//
// What cannot be delivered is handed to the [Sink] with a reason, never
// dropped, and reasons never hold log content. docs/events.md describes the
// events and lists the reasons.
package apigateway
