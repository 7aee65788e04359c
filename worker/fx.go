package worker

import (
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	"go.uber.org/fx"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/stage"
)

// Module runs a Worker in an fx application that provides the settings, the
// logger, a meter, Temporal, AWS and the stage, and a tracer where there are traces.
var Module = fx.Module("worker",
	fx.Provide(provide, NewMetrics),
	fx.Invoke(func(lc fx.Lifecycle, w *Worker) {
		lc.Append(fx.StartStopHook(w.Start, w.Stop))
	}),
)

// parts are what the application provides.
type parts struct {
	fx.In

	Config   config.Config
	Temporal client.Client
	AWS      aws.Config
	Stage    *stage.Stage
	Metrics  *Metrics
	Tracer   trace.Tracer `optional:"true"`
	Logger   *slog.Logger
	Shutdown fx.Shutdowner
}

func provide(p parts) (*Worker, error) {
	return New(Dependencies{
		Config:     p.Config,
		Temporal:   p.Temporal,
		Parameters: ssm.NewFromConfig(p.AWS),
		Stage:      p.Stage,
		Region:     p.AWS.Region,
		Metrics:    p.Metrics,
		Tracer:     p.Tracer,
		Logger:     p.Logger,
		OnFatal: func(err error) {
			p.Logger.Error("worker cannot go on", "error", err)
			_ = p.Shutdown.Shutdown(fx.ExitCode(1)) // fails only where shutdown has begun
		},
	})
}
