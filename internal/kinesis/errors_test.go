package kinesis_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
)

var (
	// denied is how the SDK reports what IAM refuses; it has no type of its own.
	denied    = &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized to perform: kinesis:GetShardIterator"}
	errOdd    = withStatus(http.StatusServiceUnavailable, &smithy.GenericAPIError{Code: "UnknownError", Message: "UnknownError"})
	throttled = &types.ProvisionedThroughputExceededException{Message: aws.String("Rate exceeded for shard")}
)

// meanings are all errors that tell what a fault means.
var meanings = []error{
	kinesis.ErrNoStream, kinesis.ErrNoShard, kinesis.ErrDenied, kinesis.ErrKey,
	kinesis.ErrPosition, kinesis.ErrThrottled, kinesis.ErrUnavailable,
}

// requireOnly checks that an error has one meaning; nil is none.
func requireOnly(t *testing.T, err, want error) {
	t.Helper()
	require.Error(t, err)
	for _, meaning := range meanings {
		require.Equal(t, errors.Is(meaning, want), errors.Is(err, meaning), "%v: is it %q?", err, meaning)
	}
}

func withStatus(status int, err error) error {
	return &awshttp.ResponseError{RequestID: "1234", ResponseError: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: err,
	}}
}

// mendable is what the SDK makes of a request that was signed by a clock that is off.
type mendable struct{ error }

func (mendable) RetryableError() bool { return true }
func (e mendable) Unwrap() error      { return e.error }

func TestWhatFaultsMean(t *testing.T) {
	t.Parallel()
	code := func(code string) error {
		return &smithy.GenericAPIError{Code: code, Message: "because of a reason"}
	}
	for name, c := range map[string]struct {
		fault error
		want  error
	}{
		"AccessDeniedException":       {code("AccessDeniedException"), kinesis.ErrDenied},
		"UnrecognizedClientException": {code("UnrecognizedClientException"), kinesis.ErrDenied},
		"InvalidClientTokenId":        {code("InvalidClientTokenId"), kinesis.ErrDenied},
		"ExpiredTokenException":       {code("ExpiredTokenException"), kinesis.ErrDenied},
		"InvalidSignatureException":   {code("InvalidSignatureException"), kinesis.ErrDenied},

		"KMSAccessDeniedException": {&types.KMSAccessDeniedException{Message: aws.String("because of a reason")}, kinesis.ErrKey},
		"KMSDisabledException":     {code("KMSDisabledException"), kinesis.ErrKey},
		"KMSInvalidStateException": {code("KMSInvalidStateException"), kinesis.ErrKey},
		"KMSNotFoundException":     {code("KMSNotFoundException"), kinesis.ErrKey},
		"KMSOptInRequired":         {code("KMSOptInRequired"), kinesis.ErrKey},

		"ProvisionedThroughputExceededException": {&types.ProvisionedThroughputExceededException{Message: aws.String("because of a reason")}, kinesis.ErrThrottled},
		"LimitExceededException":                 {code("LimitExceededException"), kinesis.ErrThrottled},
		"KMSThrottlingException":                 {code("KMSThrottlingException"), kinesis.ErrThrottled},
		"ThrottlingException":                    {code("ThrottlingException"), kinesis.ErrThrottled},
		"RequestLimitExceeded":                   {code("RequestLimitExceeded"), kinesis.ErrThrottled},
		"a status that throttles":                {withStatus(429, code("Odd")), kinesis.ErrThrottled},

		"InternalFailure":          {code("InternalFailure"), kinesis.ErrUnavailable},
		"InternalFailureException": {&types.InternalFailureException{Message: aws.String("because of a reason")}, kinesis.ErrUnavailable},
		"ServiceUnavailable":       {code("ServiceUnavailable"), kinesis.ErrUnavailable},
		"a stream that is made":    {code("ResourceInUseException"), kinesis.ErrUnavailable},
		"a fault of the server":    {&smithy.GenericAPIError{Code: "Odd", Message: "because of a reason", Fault: smithy.FaultServer}, kinesis.ErrUnavailable},
		"a status of the server":   {withStatus(502, code("Odd")), kinesis.ErrUnavailable},
		"a clock that is off":      {mendable{code("InvalidSignatureException")}, kinesis.ErrUnavailable},

		"no connection":          {&smithyhttp.RequestSendError{Err: errors.New("because of a reason")}, kinesis.ErrUnavailable},
		"a network that is down": {&net.OpError{Op: "dial", Err: errors.New("because of a reason")}, kinesis.ErrUnavailable},
		"an answer that is cut":  {fmt.Errorf("because of a reason: %w", io.ErrUnexpectedEOF), kinesis.ErrUnavailable},
		"an answer of a proxy":   {&smithy.DeserializationError{Err: errors.New("because of a reason")}, kinesis.ErrUnavailable},
		"no answer":              {&smithy.CanceledError{Err: fmt.Errorf("because of a reason: %w", context.DeadlineExceeded)}, kinesis.ErrUnavailable},

		"what nobody foresaw":        {code("Odd"), nil},
		"no credentials to be found": {errors.New("get credentials: because of a reason"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fault := &smithy.OperationError{ServiceID: "Kinesis", OperationName: "Operation", Err: c.fault}
				f := newFake(1)
				f.failDescribe, f.failList = fault, fault
				f.failIterators, f.failReads = []error{fault, nil, nil}, []error{fault, fault}
				calls := map[string]error{}
				calls["DescribeStreamSummary"] = f.stream().Check(t.Context())
				_, calls["Retention"] = f.stream().Retention(t.Context())
				_, calls["ListShards"] = f.stream().Shards(t.Context(), "")
				_, calls["the time"] = f.stream().Now(t.Context())
				_, calls["GetShardIterator"] = f.reader(at("1")).Next(t.Context())
				_, calls["GetRecords"] = f.reader(at("1")).Next(t.Context())
				for call, err := range calls {
					requireOnly(t, err, c.want)
					require.ErrorContains(t, err, "because of a reason", call)
					require.ErrorContains(t, err, "api-logs", call)
				}
			})
		})
	}
}

func TestKeyErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for code, remedy := range map[string]string{
		"KMSAccessDeniedException": "allow kms:Decrypt",
		"KMSDisabledException":     "enable",
		"KMSInvalidStateException": "cancel its deletion",
		"KMSNotFoundException":     "encrypt the stream with one that is",
		"KMSOptInRequired":         "subscribe",
	} {
		f := newFake(1)
		f.failReads = []error{&smithy.GenericAPIError{Code: code, Message: "key 1234"}}
		_, err := f.reader(at("1")).Next(t.Context())
		require.ErrorContains(t, err, remedy)
		require.ErrorContains(t, err, "key 1234")
	}
}
