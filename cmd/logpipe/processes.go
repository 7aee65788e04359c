package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"go.uber.org/dig"
	"go.uber.org/fx"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/telemetry"
	"github.com/log-event-pipeline/logpipe/starter"
	"github.com/log-event-pipeline/logpipe/worker"
)

// Timeouts of a process's start and stop. A stop must fit into the 30 s that ECS
// gives a task by default.
const (
	startTimeout = 60 * time.Second
	stopTimeout  = 28 * time.Second
)

// processError is a failure of a process whose settings were right.
type processError struct{ cause error }

func (e *processError) Error() string { return e.cause.Error() }
func (e *processError) Unwrap() error { return e.cause }

func starterCommand(logs io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "starter",
		Short: "Read the stream, cut it into windows, start a workflow for each",
		Long: `starter polls the shards that Temporal assigns to it, cuts the records into
windows, writes each window to the stage and starts a FlushWindow workflow for it.
Run as many as you like: the shards are shared among them, and a starter that stops
hands its shards over at once.`,
		Example: `  LOGPIPE_STREAM=api-logs LOGPIPE_STAGE_URL=s3://my-stage logpipe starter`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runProcess(cmd, config.RoleStarter, logs, starter.Module)
		},
	}
}

func workerCommand(logs io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "worker",
		Short: "Format windows and deliver them to the destination",
		Long: `worker runs the workflows and the activities that format a window's logs, obtain
the bearer token and deliver the batches. Run as many as you like.`,
		Example: `  LOGPIPE_DESTINATION_URL=https://analytics.example.com/v1/events logpipe worker --config logpipe.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runProcess(cmd, config.RoleWorker, logs, worker.Module)
		},
	}
}

// runProcess runs a process until a signal or a fatal error ends it.
func runProcess(cmd *cobra.Command, role config.Role, logs io.Writer, module fx.Option) error {
	path, err := cmd.Flags().GetString("config")
	if err != nil {
		return fmt.Errorf("flag --config: %w", err)
	}
	cfg, err := config.Load(role, path, os.Environ())
	if err != nil {
		return err
	}
	logger := telemetry.NewLogger(logs, cfg.LogLevel)
	ctx, cancel := context.WithTimeout(cmd.Context(), startTimeout)
	defer cancel()
	app := fx.New(process(ctx, cfg, logger), module)
	if err := app.Start(ctx); err != nil {
		return &processError{dig.RootCause(err)}
	}
	end := <-app.Wait()
	stopCtx, cancelStop := context.WithTimeout(context.WithoutCancel(cmd.Context()), stopTimeout)
	defer cancelStop()
	logger.Info("stopping", slog.String("signal", fmt.Sprint(end.Signal)))
	if err := app.Stop(stopCtx); err != nil {
		return &processError{fmt.Errorf("stop: %w", dig.RootCause(err))}
	}
	if end.ExitCode != 0 {
		return &processError{fmt.Errorf("ended by a fatal error, see the log")}
	}
	return nil
}

// process is what both processes are built on. ctx bounds the first contact with
// what they need.
func process(ctx context.Context, cfg config.Config, logger *slog.Logger) fx.Option {
	return fx.Options(
		fx.NopLogger,
		fx.StopTimeout(stopTimeout),
		fx.Supply(cfg, logger),
		fx.Provide(
			func() (aws.Config, error) { return connect.AWS(ctx) },
			func(lc fx.Lifecycle) (*stage.Stage, error) {
				s, err := connect.Stage(ctx, cfg.StageURL, cfg.Pipeline)
				if err == nil {
					lc.Append(fx.StopHook(s.Close))
				}
				return s, err
			},
			func(lc fx.Lifecycle) (client.Client, error) {
				c, err := connect.Temporal(ctx, logger)
				if err == nil {
					lc.Append(fx.StopHook(c.Close))
				}
				return c, err
			},
		),
	)
}
