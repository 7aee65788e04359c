// Package awsclock tells the time of AWS by its answers.
package awsclock

import (
	"errors"
	"net/http"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go/middleware"
)

// Of is the time, in whole seconds, that a call was answered at by the clock of the
// service, zero where the answer does not tell it. Errors of calls tell it, too: that the clock
// of the caller is wrong is one of them. An error that is no answer is returned.
func Of(answer middleware.Metadata, err error) (time.Time, error) {
	if err == nil {
		at, _ := awsmiddleware.GetServerTime(answer)
		return at.UTC(), nil
	}
	refused, answered := errors.AsType[*awshttp.ResponseError](err)
	if !answered || refused.HTTPStatusCode() == 0 { // the SDK makes one of a lost connection, too
		return time.Time{}, err
	}
	// A date that cannot be read leaves a zero time.
	at, _ := http.ParseTime(refused.Response.Header.Get("Date"))
	return at.UTC(), nil
}
