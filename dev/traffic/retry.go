package traffic

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/aws/smithy-go"
)

// troubleKind says what a failed call calls for.
type troubleKind int

const (
	fatal     troubleKind = iota // it will fail again
	throttled                    // nothing was stored; wait
	uncertain                    // it may have been stored
	missing                      // the group or stream does not exist
)

func trouble(err error) troubleKind {
	if errors.Is(err, context.Canceled) {
		return fatal
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return uncertain
	}
	switch api.ErrorCode() {
	case "ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded",
		"OperationAbortedException": // another call changes the same resource
		return throttled
	case "ResourceNotFoundException":
		return missing
	}
	if api.ErrorFault() == smithy.FaultServer {
		return uncertain
	}
	return fatal
}

// patiently repeats a call while it is refused as too many.
func (w *Writer) patiently(ctx context.Context, what string, call func() error) error {
	for attempt := 0; ; attempt++ {
		err := call()
		if err == nil || trouble(err) != throttled {
			return err
		}
		w.counts[countThrottled].Add(1)
		w.logger.Warn("CloudWatch Logs throttles", "call", what, "attempt", attempt+1)
		if err := backoff(ctx, attempt); err != nil {
			return err
		}
	}
}

const (
	firstBackoff = 50 * time.Millisecond
	maxBackoff   = 5 * time.Second
)

// backoff waits ever longer, by a random part less so that writers spread out.
func backoff(ctx context.Context, attempt int) error {
	wait := min(firstBackoff<<min(attempt, 10), maxBackoff)
	timer := time.NewTimer(wait - rand.N(wait/4))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
