// Package temporal runs a complete Temporal server with its Web UI inside the current process, for development and
// for end-to-end tests.
//
// [Start] returns when the namespaces answer. State is kept in memory, or in a directory when [Options.DataDir] is
// set. Every listener is bound to a loopback address, because nothing is authenticated. The server makes no request to
// the outside: its version check, the news of the Web UI and metrics are off.
//
// Limits that protect a production cluster from its tenants are raised so that a local load test meets the machine and
// not a rate limit. Limits that shape how a workflow must be written (payload size, history length, updates in flight)
// stay as a production server has them, so that what works here works there.
package temporal
