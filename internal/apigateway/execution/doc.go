// Package execution reads the execution logs of REST and WebSocket APIs and puts
// the lines of a request together into one [Interaction].
//
// API Gateway writes some twenty lines for a request, in text whose form is not
// documented. [ParseLine] tells the kind of a line by its label, never by its
// position, because order and presence changed over the years and depend on the log
// level. It accepts the prefixes under which lines are found, and knows how API
// Gateway cuts lines off: to 1,024 characters, label included, with a mark.
//
// [ParseMap] reads header maps. API Gateway writes these as {a=b, c=d} without any
// escaping, so that they cannot be read exactly; the rules are those that were right
// for all headers of the samples in which the same headers also stand as JSON.
//
// An [Assembler] holds lines until its owner says that no more will come, and hands
// over interactions. What it holds is bounded in bytes, not by what it is given.
// Every line is in exactly one interaction. One that lacks lines says which, by what
// is there: a stage that logs errors only is not incomplete because it logs no
// bodies.
//
// The package does no input or output and keeps nothing between calls other than in
// the values it returns. docs/events.md lists the members that an interaction has.
package execution
