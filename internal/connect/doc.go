// Package connect opens what both processes need: Temporal, AWS and the stage.
// Each failure is one line that says which address was tried and what to set.
package connect
