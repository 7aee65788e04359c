// Package allinone runs the whole pipeline in one process: a local AWS, an embedded
// Temporal server, a sample analytics API, traffic, and between them the same
// starter and worker that production runs. At the end it compares, event by event,
// what CloudWatch Logs took in with what the analytics API received.
package allinone
