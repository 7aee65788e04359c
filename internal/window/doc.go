// Package window holds the rules that make every record of a shard part of
// exactly one aggregation window: how sequence numbers are ordered, where a
// window ends, what its workflow is called, and what its staged bytes look like.
//
// Everything here is pure: no clock, no network, no dependency beyond the
// standard library. The starter, the workflows and the tests that try to break
// the chain of windows all share this one implementation.
package window
