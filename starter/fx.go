package starter

import (
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"go.opentelemetry.io/otel/metric"
	"go.temporal.io/sdk/client"
	"go.uber.org/fx"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect"
	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/stage"
)

// Module runs a Starter in an fx application that provides the settings, the
// logger, a meter, Temporal, AWS and the stage.
var Module = fx.Module("starter",
	fx.Provide(provide, NewMetrics, func() *Leases { return &Leases{} }),
	fx.Invoke(func(meter metric.Meter, temporal client.Client, cfg config.Config, logger *slog.Logger) error {
		_, err := NewWindowCounts(meter, temporal, cfg.Pipeline, logger)
		return err
	}),
	fx.Invoke(func(lc fx.Lifecycle, s *Starter) {
		lc.Append(fx.StartStopHook(s.Start, s.Stop))
	}),
)

func provide(cfg config.Config, temporal client.Client, namespace connect.Namespace, awsConfig aws.Config, st *stage.Stage, metrics *Metrics, leases *Leases, logger *slog.Logger, shutdown fx.Shutdowner) *Starter {
	return New(Dependencies{
		Config:    cfg,
		Temporal:  temporal,
		Namespace: namespace,
		Kinesis: awskinesis.NewFromConfig(awsConfig, func(o *awskinesis.Options) {
			o.HTTPClient = kinesis.HTTPClient(awsConfig.HTTPClient)
			o.Protocol = kinesis.Protocol(o.Protocol)
		}),
		Stage:   st,
		Metrics: metrics,
		Leases:  leases,
		Logger:  logger,
		OnFatal: func(err error) {
			logger.Error("starter cannot go on", "error", err)
			_ = shutdown.Shutdown(fx.ExitCode(1)) // fails only where shutdown has begun
		},
	})
}
