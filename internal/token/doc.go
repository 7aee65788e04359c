// Package token obtains the bearer token of the destination and keeps it where
// every worker finds it: in SSM Parameter Store, and in the memory of the
// process. It never puts a token into an error, a log or a string.
package token
