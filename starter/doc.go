// Package starter is the starter process: it polls the shards that Temporal
// assigns to it, cuts them into windows, stages each window and starts a
// FlushWindow workflow for it.
//
// Any number of starters may run, and two may poll the same shard for a while:
// the chain of windows (see chain.go) decides which cut counts.
package starter
