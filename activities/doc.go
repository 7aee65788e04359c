// Package activities is what the worker processes do for the workflows: format a
// window, obtain a token, deliver a batch, clear the stage.
//
// An activity makes one attempt and reports what happened as a typed application
// error; Temporal retries it. No input, result or error holds a log line or a
// secret.
package activities
