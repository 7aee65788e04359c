package worker

import (
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"go.temporal.io/sdk/client"
	"go.uber.org/fx"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/stage"
)

// Module runs a Worker in an fx application that provides the settings, the
// logger, Temporal, AWS and the stage.
var Module = fx.Module("worker",
	fx.Provide(provide),
	fx.Invoke(func(lc fx.Lifecycle, w *Worker) {
		lc.Append(fx.StartStopHook(w.Start, w.Stop))
	}),
)

func provide(cfg config.Config, temporal client.Client, awsConfig aws.Config, st *stage.Stage, logger *slog.Logger, shutdown fx.Shutdowner) (*Worker, error) {
	return New(Dependencies{
		Config:     cfg,
		Temporal:   temporal,
		Parameters: ssm.NewFromConfig(awsConfig),
		Stage:      st,
		Region:     awsConfig.Region,
		Logger:     logger,
		OnFatal: func(err error) {
			logger.Error("worker cannot go on", "error", err)
			_ = shutdown.Shutdown(fx.ExitCode(1)) // fails only where shutdown has begun
		},
	})
}
