// Package panics makes errors of panics in activities that say what happened and where,
// and nothing of what was being worked on: a panic's value can quote a log line or a secret,
// and errors of activities get into histories and logs.
package panics
