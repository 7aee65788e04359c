package wire

import (
	"fmt"
	"net/http"
)

// Error is an AWS service error as clients see it: a code that SDKs map to a typed exception, and a message.
type Error struct {
	Code    string
	Message string
	Status  int // HTTP status; 400 when zero
}

// Errorf makes a client error (HTTP 400) with the code an SDK maps to a type.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Status: http.StatusBadRequest}
}

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// HTTPStatus is the status to answer with.
func (e *Error) HTTPStatus() int {
	if e.Status == 0 {
		return http.StatusBadRequest
	}
	return e.Status
}

// Retryable tells whether a client may repeat the call and expect another outcome: throttling and server faults.
func (e *Error) Retryable() bool {
	switch e.Code {
	case "ProvisionedThroughputExceededException", "ThrottlingException", "LimitExceededException", "KMSThrottlingException":
		return true
	}
	return e.HTTPStatus() >= http.StatusInternalServerError
}

// Missing is the error for a required member that the request leaves out.
func Missing(member string) *Error {
	return Errorf("ValidationException",
		"1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", member)
}

// Invalid is the error for a member whose value breaks a constraint of the API's model; constraint completes
// the sentence "Member must ...".
func Invalid(member string, value any, constraint string) *Error {
	return Errorf("ValidationException",
		"1 validation error detected: Value '%v' at '%s' failed to satisfy constraint: Member must %s", value, member, constraint)
}
