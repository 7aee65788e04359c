package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"
	"go.opentelemetry.io/otel"
	"go.temporal.io/sdk/client"
	"go.uber.org/dig"
	"go.uber.org/fx"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/telemetry"
	"github.com/log-event-pipeline/logpipe/starter"
	"github.com/log-event-pipeline/logpipe/worker"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// Timeouts of a process's start and stop. A stop must fit into the 30 s that ECS
// gives a task by default.
const (
	startTimeout = 60 * time.Second
	stopTimeout  = 28 * time.Second
)

// gcPercent is how much is allocated between two collections, in relation to what is in
// use, where the runtime's own variable GOGC does not say. That is little in both
// processes, a few batches or answers, so that with the runtime's 100 they collect all the
// time.
const gcPercent = 200

// memoryBase is what a worker takes that does not work, in bytes, with room.
const memoryBase = 96 << 20

// memoryLimit is what a worker's runtime is told to stay below, in bytes, where its own
// variable GOMEMLIMIT does not say. Near it the runtime collects sooner than gcPercent
// has it: what several windows leave behind that were formatted at once would otherwise stay
// with the process. It goes by what a worker may have in use, so that a worker never
// collects all the time.
func memoryLimit(cfg config.Config, cores int) int64 {
	activities := max(cfg.WorkerActivities, config.ActivitiesPerCore*cores)
	each := 2 * max(cfg.BatchMaxBytes, cfg.WindowMaxBytes)
	return memoryBase + 2*int64(cfg.BatchMemory) + int64(activities)*int64(each)
}

// processError is a failure of a process whose settings were right.
type processError struct{ cause error }

func (e *processError) Error() string { return e.cause.Error() }
func (e *processError) Unwrap() error { return e.cause }

// errInterrupted ends a process that a signal reached before it ran.
var errInterrupted = errors.New("interrupted")

func starterCommand(logs io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "starter",
		Short: "Read the stream, cut it into windows, start a workflow for each",
		Long: `starter polls the shards that Temporal assigns to it, cuts the records into
windows, writes each window to the stage and starts a FlushWindow workflow for it.
Run as many as you like: the shards are shared among them, and a starter that stops
hands its shards over at once.`,
		Example: `  LOGPIPE_STREAM=api-logs LOGPIPE_STAGE_URL=s3://my-stage logpipe starter`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runProcess(cmd, config.RoleStarter, logs, fx.Options(starter.Module, fx.Invoke(func(h *telemetry.Health, l *starter.Leases) {
				h.Add("reading", l.Check)
			})))
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
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runProcess(cmd, config.RoleWorker, logs, worker.Module)
		},
	}
}

// runProcess runs a process until a signal or a fatal error ends it.
func runProcess(cmd *cobra.Command, role config.Role, logs io.Writer, module fx.Option) error {
	cfg, err := loadConfig(cmd, role)
	if err != nil {
		return err
	}
	if err := setBuildID(&cfg, debug.ReadBuildInfo); err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if role == config.RoleWorker && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit(cfg, runtime.GOMAXPROCS(0)))
	}
	// From here on a signal has to find somebody who stops what has been started.
	ctx, release := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer release()
	logger := telemetry.NewLogger(logs, cfg.LogLevel)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		logger.Warn("metrics or traces are incomplete", "error", err)
	}))
	if err := serve(ctx, role, cfg, logger, module); err != nil {
		return &processError{err}
	}
	return nil
}

// loadConfig loads the settings for a command.
func loadConfig(cmd *cobra.Command, role config.Role) (config.Config, error) {
	path, err := cmd.Flags().GetString("config")
	if err != nil {
		return config.Config{}, fmt.Errorf("flag --config: %w", err)
	}
	return config.Load(role, path, os.Environ())
}

// serve runs a process until ctx ends or it fails for good.
func serve(ctx context.Context, role config.Role, cfg config.Config, logger *slog.Logger, module fx.Option) error {
	startCtx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var health *telemetry.Health
	app := fx.New(process(startCtx, role, cfg, logger), module, fx.Populate(&health))
	err := app.Start(context.WithoutCancel(ctx)) // the hooks obey startCtx
	if err != nil && ctx.Err() != nil {
		return errInterrupted
	}
	if err != nil {
		return dig.RootCause(err)
	}
	interrupted := ctx.Err() != nil
	health.Begin()

	var end fx.ShutdownSignal
	select {
	case <-ctx.Done():
	case end = <-app.Wait():
	}
	health.Drain() // before the work ends, so that nobody counts on it any more
	logger.Info("stopping", slog.Bool("fatal", end.ExitCode != 0))
	stopCtx, cancelStop := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancelStop()
	if err := app.Stop(stopCtx); err != nil {
		return fmt.Errorf("stop: %w", dig.RootCause(err))
	}
	switch {
	case end.ExitCode != 0:
		return errors.New("ended by a fatal error, see the log")
	case interrupted:
		return errInterrupted
	}
	return nil
}

// startHooks runs the start hooks with ctx rather than with that of App.Start: fx
// rolls a failed start back with the same context that it has started with, and does
// not call the stop hooks if that one is over.
type startHooks struct {
	fx.Lifecycle
	ctx context.Context
}

func (l startHooks) Append(hook fx.Hook) {
	if start := hook.OnStart; start != nil {
		hook.OnStart = func(context.Context) error { return start(l.ctx) }
	}
	l.Lifecycle.Append(hook)
}

// traced are the workflows and activities that have spans: those of a window, and the
// refresh of a token. What else there is goes on for as long as the pipeline.
var traced = []string{
	workflows.FlushWindowName, workflows.FormatLogsName, workflows.AcquireTokenName, workflows.RefreshTokenName,
	workflows.DeliverBatchesName, workflows.DeliverBatchName, workflows.SplitBatchName, workflows.ClearStageName, workflows.KeepDiscardedName,
}

// process is what both processes are built on. ctx bounds the start: the first
// contact with what they need, and their start hooks.
func process(ctx context.Context, role config.Role, cfg config.Config, logger *slog.Logger) fx.Option {
	return fx.Options(
		fx.NopLogger,
		fx.StopTimeout(stopTimeout),
		fx.Supply(cfg, logger),
		fx.Decorate(func(lc fx.Lifecycle) fx.Lifecycle { return startHooks{lc, ctx} }),
		fx.Provide(
			func() *telemetry.Health { return &telemetry.Health{} },
			connect.TemporalNamespace,
			func() (aws.Config, error) { return connect.AWS(ctx) },
			stage.NewMetrics,
			func(lc fx.Lifecycle, metrics *stage.Metrics) (*stage.Stage, error) {
				s, err := connect.Stage(ctx, cfg.StageURL, cfg.Pipeline)
				if err == nil {
					s.Measure(metrics)
					lc.Append(fx.StopHook(s.Close))
				}
				return s, err
			},
			func(lc fx.Lifecycle, health *telemetry.Health) (*telemetry.Metrics, error) {
				m, err := telemetry.NewMetrics(telemetry.MetricsOptions{
					Listen: cfg.MetricsListen, Pipeline: cfg.Pipeline, Role: role.String(), Health: health, Logger: logger,
				})
				if err == nil {
					lc.Append(fx.StartStopHook(m.Start, m.Stop))
				}
				return m, err
			},
			(*telemetry.Metrics).Meter,
			func(lc fx.Lifecycle) (*telemetry.Traces, error) {
				t, err := telemetry.NewTraces(ctx, telemetry.TracesOptions{
					Environ: os.Environ(), Pipeline: cfg.Pipeline, Role: role.String(), Names: traced,
				})
				if err == nil {
					lc.Append(fx.StopHook(func(ctx context.Context) {
						if err := t.Stop(ctx); err != nil { // no reason to end with a failure
							logger.Warn("the last traces are lost", "error", err)
						}
					}))
				}
				return t, err
			},
			(*telemetry.Traces).Tracer,
			func(lc fx.Lifecycle, metrics *telemetry.Metrics, traces *telemetry.Traces, health *telemetry.Health) (client.Client, error) {
				polls := connect.NewPolls()
				c, err := connect.Temporal(ctx, logger, metrics.Temporal(), traces.Temporal, polls.Watch)
				if err == nil {
					health.Add("temporal", connect.Reachable(c))
					health.Add("polling", polls.Check)
					lc.Append(fx.StopHook(c.Close))
				}
				return c, err
			},
		),
	)
}
