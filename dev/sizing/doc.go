// Package sizing is the model of what a pipeline needs and costs: from log events a second to shards, tasks, Temporal
// actions, requests and dollars. Its tables in docs/deployment.md are golden, so they cannot drift from it.
//
// What was measured stands in [Measured], what nobody measured in [Assumed], and prices in [Listed], each apart from the
// formulas, so that they can be replaced by your own.
package sizing
