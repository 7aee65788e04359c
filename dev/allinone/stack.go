package allinone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.temporal.io/sdk/client"
	"go.uber.org/dig"
	"go.uber.org/fx"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/dev/ledger"
	"github.com/log-event-pipeline/logpipe/dev/localaws"
	"github.com/log-event-pipeline/logpipe/dev/provision"
	"github.com/log-event-pipeline/logpipe/dev/temporal"
	"github.com/log-event-pipeline/logpipe/dev/traffic"
	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect"
	"github.com/log-event-pipeline/logpipe/internal/telemetry"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/starter"
	"github.com/log-event-pipeline/logpipe/worker"
)

// Names within a run. Nobody else sees them: everything is made anew.
const (
	pipeline        = "demo"
	stream          = "api-logs"
	clientID        = "logpipe-demo"
	clientSecret    = "not-a-secret"
	secretParameter = "/logpipe/" + pipeline + "/client-secret"
	tokenParameter  = "/logpipe/" + pipeline + "/token"
	filterRole      = "arn:aws:iam::" + localaws.DefaultAccount + ":role/cloudwatch-to-kinesis"
)

// Timeouts of the pipeline's start and stop. The starter and then the worker take up
// to 15 s and 20 s for their stop.
const (
	startTimeout = time.Minute
	stopTimeout  = 45 * time.Second
)

// stack is everything that runs, in the order of its start.
type stack struct {
	options  Options
	dir      string // stage and log
	logger   *slog.Logger
	produced *ledger.Events

	aws      *localaws.Server
	awsURL   string
	awsSDK   aws.Config
	api      *analytics.Server
	temporal *temporal.Server
	client   client.Client
	writer   *traffic.Writer
	logFile  string

	closers []func() error // in the order of the start
}

// startServers starts everything but the pipeline and the traffic. On an error
// nothing is left running.
func startServers(ctx context.Context, o Options) (s *stack, err error) {
	s = &stack{options: o, produced: ledger.NewEvents()}
	for _, start := range []func(context.Context) error{
		s.startLogs, s.startAWS, s.startAPI, s.startTemporal, s.makeResources,
	} {
		if err := started(ctx, start(ctx)); err != nil {
			return nil, errors.Join(err, s.stop(false))
		}
	}
	return s, nil
}

// stop stops what was started, the last first. keep leaves the run's directory
// for a look at what went wrong.
func (s *stack) stop(keep bool) error {
	var errs []error
	for _, closer := range slices.Backward(s.closers) {
		errs = append(errs, closer())
	}
	s.closers = nil
	if s.dir != "" && !keep {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

func (s *stack) closeLater(f func() error) { s.closers = append(s.closers, f) }

func (s *stack) startLogs(context.Context) error {
	var err error
	if s.dir, err = os.MkdirTemp("", "logpipe-dev-"); err != nil {
		return fmt.Errorf("make a directory for the run: %w", err)
	}
	out := s.options.Logs
	if !s.options.Verbose {
		s.logFile = filepath.Join(s.dir, "logpipe.log")
		file, err := os.Create(s.logFile)
		if err != nil {
			return fmt.Errorf("make the log file: %w", err)
		}
		s.closeLater(file.Close)
		out = file
	}
	s.logger = telemetry.NewLogger(out, slog.LevelInfo)
	return nil
}

func (s *stack) startAWS(ctx context.Context) error {
	s.aws = localaws.New(localaws.Config{
		AcceptOldEvents: len(s.options.Inputs) > 0,
		OnForward:       s.produced.Add,
		OnRequest:       s.options.onAWS,
		Now:             s.options.awsNow,
		Logger:          s.logger,
	})
	// The end of the context ends the traffic; what is on its way still needs AWS.
	address, err := s.aws.Start(context.WithoutCancel(ctx), listenOr(s.options.AWSListen))
	if err != nil {
		return fmt.Errorf("start the local AWS: %w", err)
	}
	s.closeLater(s.aws.Close)
	s.awsURL = "http://" + address
	s.awsSDK = aws.Config{
		Region:       s.aws.Region(),
		BaseEndpoint: &s.awsURL,
		Credentials:  credentials.NewStaticCredentialsProvider("local", "local", ""),
		// A near server can answer before the request's body is closed.
		HTTPClient: &http.Client{Transport: localaws.Transport(nil)},
	}
	return nil
}

func (s *stack) startAPI(ctx context.Context) error {
	var err error
	s.api, err = analytics.New(analytics.Config{
		ClientID: clientID, ClientSecret: clientSecret,
		Faults: s.options.Faults, Seed: s.options.Seed, Logger: s.logger,
	})
	if err != nil {
		return err
	}
	if err := s.api.Start(ctx, listenOr(s.options.APIListen)); err != nil {
		return fmt.Errorf("start the analytics API: %w", err)
	}
	s.closeLater(func() error { return s.api.Stop(context.Background()) })
	return nil
}

func (s *stack) startTemporal(ctx context.Context) error {
	var err error
	s.temporal, err = temporal.Start(ctx, temporal.Options{
		Listen: s.options.TemporalListen, UIListen: s.options.UIListen,
		SearchAttributes:     visibility.Types(),
		SuggestContinueAsNew: s.options.suggestContinueAsNew,
		UIColumns:            UIColumns(),
		Logger:               s.logger,
	})
	if err != nil {
		return err
	}
	s.closeLater(s.temporal.Stop)
	c, err := s.temporal.NewClient(ctx, client.Options{Logger: telemetry.TemporalLogger(s.logger)})
	if err != nil {
		return err
	}
	s.client = c
	s.closeLater(func() error { c.Close(); return nil })
	return nil
}

// makeResources makes what CloudFormation makes in an account.
func (s *stack) makeResources(ctx context.Context) error {
	err := provision.Resources{
		Streams:    map[string]int{stream: s.options.Shards},
		Parameters: map[string]string{secretParameter: clientSecret},
	}.Make(ctx, s.awsSDK)
	if err != nil {
		return err
	}
	s.writer = traffic.NewWriter(cloudwatchlogs.NewFromConfig(s.awsSDK), &traffic.Subscription{
		Name:           "to-kinesis",
		DestinationARN: fmt.Sprintf("arn:aws:kinesis:%s:%s:stream/%s", s.aws.Region(), s.aws.Account(), stream),
		RoleARN:        filterRole,
	}, s.logger)
	return nil
}

// settings are those of the pipeline in this run.
func (s *stack) settings() (config.Config, error) {
	cfg, err := config.Load(config.RoleNone, "", environ(s.options.Settings))
	if err != nil {
		return config.Config{}, err
	}
	cfg.Pipeline = pipeline
	cfg.Stream = stream
	cfg.StageURL = "file://" + filepath.ToSlash(filepath.Join(s.dir, "stage"))
	cfg.WindowMaxAge = s.options.WindowMaxAge
	cfg.DestinationURL = s.api.EventsURL()
	cfg.TokenURL = s.api.TokenURL()
	cfg.TokenParameter = tokenParameter
	cfg.ClientID = clientID
	cfg.ClientSecretParameter = secretParameter
	if s.options.configure != nil {
		s.options.configure(&cfg)
	}
	return cfg, cfg.Validate(config.RoleStarter | config.RoleWorker)
}

func (s *stack) startPipeline(ctx context.Context) error {
	cfg, err := s.settings()
	if err != nil {
		return err
	}
	st, err := connect.Stage(ctx, cfg.StageURL, cfg.Pipeline)
	if err != nil {
		return err
	}
	s.closeLater(st.Close)
	app := fx.New(
		fx.NopLogger,
		fx.StopTimeout(stopTimeout),
		fx.Supply(cfg, s.logger, s.awsSDK, st, connect.Namespace(client.DefaultNamespace)),
		fx.Provide(
			func() client.Client { return s.client },
			func() metric.Meter { return noop.Meter{} },
		),
		worker.Module,
		starter.Module,
	)
	// fx does not roll a start back whose context has ended, so a signal does not end it.
	startCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTimeout)
	defer cancel()
	if err := app.Start(startCtx); err != nil {
		return fmt.Errorf("start the pipeline: %w", dig.RootCause(err))
	}
	s.closeLater(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		return app.Stop(ctx)
	})
	return nil
}

func listenOr(address string) string {
	if address == "" {
		return "127.0.0.1:0"
	}
	return address
}
