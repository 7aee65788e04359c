package kinesis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
)

// What a fault means to a reader. Every error of this package that comes from AWS
// wraps at most one of these and keeps the message of AWS, which names the action, the
// resource or the limit. An error that wraps none is a fault nobody foresaw.
var (
	// ErrNoStream: the stream does not exist, or is being deleted.
	ErrNoStream = errors.New("no such stream")
	// ErrNoShard: the stream is there, but has no shard of that id, or no longer: a
	// closed shard vanishes when its last record has outlived the retention.
	ErrNoShard = errors.New("no such shard")
	// ErrDenied: AWS refused the caller.
	ErrDenied = errors.New("access denied")
	// ErrKey: the KMS key of the stream cannot be used. The message says what to do.
	ErrKey = errors.New("the key of the stream cannot be used")
	// ErrPosition: Kinesis refused a sequence number. It is of another shard, or of a
	// stream that was deleted and made again under its name. A number that was only
	// trimmed is usually taken; see Holds.
	ErrPosition = errors.New("position refused")
	// ErrThrottled: a limit of the shard, of the stream, of the account or of KMS was
	// reached. Others who read the shard share its limit.
	ErrThrottled = errors.New("throttled")
	// ErrUnavailable: anything that time mends: internal failures of AWS, lost
	// connections, timeouts, a stream that is being made.
	ErrUnavailable = errors.New("unavailable")
)

// kinds are the codes of AWS that mean what one of the errors above says. Codes of
// throttling are known to the SDK.
var kinds = map[string]error{
	"AccessDenied":                ErrDenied,
	"AccessDeniedException":       ErrDenied,
	"ExpiredToken":                ErrDenied,
	"ExpiredTokenException":       ErrDenied,
	"IncompleteSignature":         ErrDenied,
	"InvalidClientTokenId":        ErrDenied,
	"InvalidSignatureException":   ErrDenied,
	"MissingAuthenticationToken":  ErrDenied,
	"NotAuthorized":               ErrDenied,
	"OptInRequired":               ErrDenied,
	"RequestExpired":              ErrDenied,
	"SignatureDoesNotMatch":       ErrDenied,
	"UnrecognizedClientException": ErrDenied,

	"KMSAccessDeniedException": ErrKey,
	"KMSDisabledException":     ErrKey,
	"KMSInvalidStateException": ErrKey,
	"KMSNotFoundException":     ErrKey,
	"KMSOptInRequired":         ErrKey,

	"KMSThrottlingException": ErrThrottled,

	"InternalFailure":             ErrUnavailable,
	"InternalFailureException":    ErrUnavailable,
	"InternalServerError":         ErrUnavailable,
	"RequestTimeout":              ErrUnavailable,
	"RequestTimeoutException":     ErrUnavailable,
	"ServiceUnavailable":          ErrUnavailable,
	"ServiceUnavailableException": ErrUnavailable,
	// A stream that is not ACTIVE yet.
	"ResourceInUseException": ErrUnavailable,
}

// remedies are what to do about a key, after the message of AWS, which names it.
var remedies = map[string]string{
	"KMSAccessDeniedException": "allow kms:Decrypt on the stream's key to the caller, in its policy and in that of the key",
	"KMSDisabledException":     "enable the stream's key in KMS",
	"KMSInvalidStateException": "look at the state of the stream's key in KMS, and cancel its deletion if that is pending",
	"KMSNotFoundException":     "the stream's key is not in KMS: encrypt the stream with one that is; what was stored under a deleted key is lost",
	"KMSOptInRequired":         "subscribe the account to KMS",
}

// classify wraps what an error means to a reader.
func classify(err error) error {
	if retryable, ok := errors.AsType[interface {
		error
		RetryableError() bool
	}](err); ok && retryable.RetryableError() {
		// The SDK itself calls it mendable: a clock that is off, which it corrects for
		// the next request.
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	fault, answered := errors.AsType[smithy.APIError](err)
	if !answered {
		if transient(err) {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return err
	}
	kind := kindOf(fault, err)
	if kind == nil {
		return err
	}
	message := fmt.Sprintf("%s: %s", fault.ErrorCode(), fault.ErrorMessage())
	if remedy, ok := remedies[fault.ErrorCode()]; ok {
		message += ": " + remedy
	}
	return fmt.Errorf("%w: %s", kind, message)
}

func kindOf(fault smithy.APIError, err error) error {
	if kind, ok := kinds[fault.ErrorCode()]; ok {
		return kind
	}
	if _, ok := retry.DefaultThrottleErrorCodes[fault.ErrorCode()]; ok {
		return ErrThrottled
	}
	answer, answered := errors.AsType[*awshttp.ResponseError](err)
	switch {
	case answered && answer.HTTPStatusCode() == http.StatusTooManyRequests:
		return ErrThrottled
	case answered && answer.HTTPStatusCode() >= http.StatusInternalServerError, fault.ErrorFault() == smithy.FaultServer:
		return ErrUnavailable
	}
	return nil
}

// transient reports whether a request or its answer was lost on the way.
func transient(err error) bool {
	if lost, ok := errors.AsType[interface {
		error
		ConnectionError() bool
	}](err); ok && lost.ConnectionError() {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	// What came instead of an answer cannot be read: it was cut, or is a page of a
	// proxy.
	if _, ok := errors.AsType[*smithy.DeserializationError](err); ok {
		return true
	}
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded)
}

// notFound returns the message of AWS where a stream or a shard is not there.
func notFound(err error) (message string, ok bool) {
	missing, ok := errors.AsType[*types.ResourceNotFoundException](err)
	if !ok {
		return "", false
	}
	return missing.ErrorMessage(), true
}

// invalid returns the message of AWS where it refused an argument.
func invalid(err error) (message string, ok bool) {
	refused, ok := errors.AsType[*types.InvalidArgumentException](err)
	if !ok {
		return "", false
	}
	return refused.ErrorMessage(), true
}
