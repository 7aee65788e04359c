// Package delivery sends one batch to the destination in one HTTP request and says
// what the answer means for the batch. It never retries: Temporal does, so that every
// attempt is visible.
//
// What it says can stand in a workflow's history: neither the token nor a header's
// value, neither what was sent nor anything that the answer quotes of it.
package delivery
