// Package worker is the worker process: it runs the pipeline's workflows and the
// activities that format windows, obtain the token and deliver batches.
package worker
