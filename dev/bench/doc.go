// Package bench measures what the pipeline does with the machine: how fast a backlog is
// drained, how fresh events are at a steady rate, and what each process, Temporal and
// the stage take for it.
//
// Every process is one of its own, as in production, the local AWS and the analytics API
// included. Processor time and memory are what the kernel of Linux says of each of them,
// from the moment when work was there to do until the last workflow of a window has
// ended; what their start costs is left out. That every event arrived once is told by
// the ledger of the API.
package bench
