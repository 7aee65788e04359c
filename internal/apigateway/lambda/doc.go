// Package lambda recognises what Lambda itself writes to the log of a function, and
// the lines that functions write in the form of Lambda's own loggers.
//
// Lambda writes text or JSON, as the function is configured. Both tell the start, the
// end and the report of an invocation, and what went wrong with it.
package lambda
