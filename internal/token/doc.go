// Package token obtains the bearer token of the destination and keeps it where
// every worker finds it: in SSM Parameter Store, and in the memory of the
// process. It comes from an OAuth 2.0 token endpoint ([Endpoint]), from a login of
// another form ([Login]), or from others who write it into the parameter ([External]).
// No token and no client secret is ever in an error, a log or a string.
package token
