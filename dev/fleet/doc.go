// Package fleet runs the pipeline as production does: every starter, every worker and
// the Temporal server is a process of its own, which can be killed, asked to stop,
// suspended and replaced. The local AWS and the sample analytics API run in this
// process, since they are the witnesses of what went in and what came out, unless they
// are to be measured, too.
//
// The processes write their logs to files in the fleet's directory. None outlives the
// process that started it, on Linux not even if that is killed.
package fleet
