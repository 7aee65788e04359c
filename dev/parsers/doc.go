// Package parsers compares what could read access logs with what does, by its
// benchmarks. docs/performance.md has their figures and what was decided by them.
package parsers
