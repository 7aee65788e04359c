// Package analytics is a sample of the external analytics API that the pipeline
// delivers to: an OAuth 2.0 token endpoint and a login of another form, an ingest endpoint behind its bearer
// tokens, and a ledger that knows how often each event arrived.
//
//	POST  /oauth/token   client credentials (RFC 6749 section 4.4)
//	POST  /v1/login      {"username","password"} for {"data":{"token","until"}}
//	POST  /v1/events     a JSON array of events, NDJSON, or {"events":[...]}
//	GET   /stats         counts as JSON
//	GET   /log-events    the receipt of each log event, see [FetchLogEvents]
//	GET   /events?limit= the latest few events
//	GET   /faults        the faults in force; PUT replaces, PATCH changes them
//	GET   /healthz       200 as long as the process serves
//	GET   /              the same for a person to look at
//
// It misbehaves on request (see [Faults]), so that retries, refreshes and
// idempotency can be seen to work. Events are told apart by their "log.record.uid".
// An event that stands for several log events names them, and each of them is counted,
// so that what was put can be compared with what arrived, log event by log event.
// Nothing else of an event is interpreted or kept, apart from the latest few for
// display.
package analytics
