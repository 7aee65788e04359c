package panics_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/log-event-pipeline/logpipe/internal/panics"
)

const canary = "canary-of-a-log-line"

// runtimeError says that it is one of the runtime's, and quotes what it likes.
type runtimeError struct{ text string }

func (e runtimeError) Error() string { return e.text }
func (runtimeError) RuntimeError()   {}

// TestPanics: what went wrong and where, and nothing of what was being worked on.
func TestPanics(t *testing.T) {
	t.Parallel()
	line := []byte(canary)
	for name, c := range map[string]struct {
		panics func()
		says   string
	}{
		"text":                   {func() { panic(canary) }, "panic: a value of type string"},
		"error":                  {func() { panic(fmt.Errorf("parse: %w", errors.New(canary))) }, "panic: a value of type *fmt.wrapError"},
		"a value of another":     {func() { panic(struct{ Line string }{canary}) }, "panic: a value of type struct { Line string }"},
		"index":                  {func() { _ = line[len(line)+1] }, "panic: runtime error: index out of range [21] with length 20"},
		"slice":                  {func() { _ = string(line[21:]) }, "panic: runtime error: slice bounds out of range [21:20]"},
		"nil":                    {func() { var p *strings.Builder; p.WriteString(canary) }, "panic: runtime error: invalid memory address or nil pointer dereference"},
		"conversion":             {func() { var v any = canary; _ = v.(error) }, "panic: interface conversion: string is not error: missing method Error"},
		"nothing":                {func() { panic(nil) }, "panic: panic called with nil argument"},
		"as if from the runtime": {func() { panic(runtimeError{canary}) }, "panic: a value of type panics_test.runtimeError"},
		"in a deferred function": {func() { defer func() { _ = line[len(line)+1] }(); panic(canary) }, "panic: runtime error: index out of range [21]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			var suite testsuite.WorkflowTestSuite
			suite.SetLogger(log.NewStructuredLogger(slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))))
			env := suite.NewTestActivityEnvironment()
			env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{panics.NewInterceptor("Panic")}})
			activity := func(context.Context) error { c.panics(); return nil }
			env.RegisterActivity(activity)
			_, err := env.ExecuteActivity(activity)
			failure, ok := errors.AsType[*temporal.ApplicationError](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, "Panic", failure.Type())
			require.False(t, failure.NonRetryable())
			message, calls, _ := strings.Cut(failure.Message(), "\n")
			require.Contains(t, message, c.says)
			require.Regexp(t, `(?m)^github\.com/log-event-pipeline/logpipe/internal/panics_test\.TestPanics\S+ \(panics_test\.go:\d+\)\n`, calls)
			require.NotContains(t, fmt.Sprintf("%+v %s", err, &out), canary)
		})
	}
}

// TestOtherResultsPass as they are.
func TestOtherResultsPass(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{panics.NewInterceptor("Panic")}})
	activity := func(_ context.Context, n int) (int, error) {
		if n == 0 {
			return 0, temporal.NewApplicationError("zero", "Zero")
		}
		return n, nil
	}
	env.RegisterActivity(activity)
	value, err := env.ExecuteActivity(activity, 7)
	require.NoError(t, err)
	var n int
	require.NoError(t, value.Get(&n))
	require.Equal(t, 7, n)
	_, err = env.ExecuteActivity(activity, 0)
	failure, ok := errors.AsType[*temporal.ApplicationError](err)
	require.True(t, ok)
	require.Equal(t, "Zero", failure.Type())
}
