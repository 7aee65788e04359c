// Package template compiles the access log templates of API Gateway, and takes
// apart the lines that API Gateway writes by them.
//
// A template is any text with variables in it, such as $context.requestId, and
// API Gateway writes each line by putting values in their places. [Compile]
// turns it into a [Template]. The values of a line are found again by the text
// between them, and by what the values of some variables can look like: a status
// has three digits, a request time has a fixed form, an identifier has no blanks.
// That tells a comma in a user agent from the one behind it.
//
// What a variable means is not known here.
package template
