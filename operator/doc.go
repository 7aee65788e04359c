// Package operator is what people do to the windows of a running pipeline by hand, as
// far as it is no command line: finding those that wait for a decision, telling them, and
// pausing the pipeline.
// It needs nothing but Temporal, and knows neither of the processes.
package operator
