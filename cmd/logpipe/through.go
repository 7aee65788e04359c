package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect"
	"github.com/log-event-pipeline/logpipe/internal/telemetry"
)

// throughTemporal does what a command does to a running pipeline, until it is done or
// interrupted. A second Ctrl-C ends the process at once.
func throughTemporal(cmd *cobra.Command, logs io.Writer, cfg config.Config, do func(context.Context, client.Client) error) error {
	ctx, release := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer release()
	defer context.AfterFunc(ctx, release)()
	temporal, err := connect.Temporal(ctx, telemetry.NewLogger(logs, cfg.LogLevel), client.MetricsNopHandler)
	if err != nil {
		return failureOf(ctx, err)
	}
	defer temporal.Close()
	return failureOf(ctx, do(ctx, temporal))
}

// failureOf is the failure of a command whose flags and settings were right. What an
// interrupt breaks off has no fault of its own.
func failureOf(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		err = errInterrupted
	}
	return &processError{err}
}
