package worker_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.uber.org/fx"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect/frontendtest"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/worker"
)

const secretCanary = "canary-of-a-secret"

// parameters answers for each name with a value or an error.
type parameters map[string]any

func (p parameters) GetParameter(_ context.Context, in *ssm.GetParameterInput, _ ...func(*ssm.Options)) (*ssm.GetParameterOutput, error) {
	switch v := p[*in.Name].(type) {
	case string:
		return &ssm.GetParameterOutput{Parameter: &types.Parameter{Value: &v, Version: 1}}, nil
	case error:
		return nil, v
	}
	return nil, &types.ParameterNotFound{}
}

func (p parameters) PutParameter(context.Context, *ssm.PutParameterInput, ...func(*ssm.Options)) (*ssm.PutParameterOutput, error) {
	return nil, &smithy.GenericAPIError{Code: "AccessDeniedException"}
}

func settings() config.Config {
	cfg := config.Default()
	cfg.Pipeline = "p"
	cfg.Stream = "arn:aws:kinesis:eu-central-1:123456789012:stream/api-logs"
	cfg.StageURL = "mem://"
	cfg.DestinationURL = "https://analytics.example.com/v1/events"
	cfg.TokenURL = "https://login.example.com/token"
	cfg.TokenParameter = "/p/token"
	cfg.ClientID = "client"
	cfg.ClientSecretParameter = "/p/secret"
	return cfg
}

// newWorker returns a worker whose Temporal is at the address; nobody connects to it
// before Start.
func newWorker(t *testing.T, address string, p parameters) *worker.Worker {
	t.Helper()
	return newWorkerWith(t, settings(), address, p)
}

func newWorkerWith(t *testing.T, cfg config.Config, address string, p parameters) *worker.Worker {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	temporal, err := client.NewLazyClient(client.Options{HostPort: address, Logger: log.NewStructuredLogger(quiet)})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	st, err := stage.Open(t.Context(), "mem://")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	w, err := worker.New(worker.Dependencies{
		Config: cfg, Temporal: temporal, Parameters: p, Stage: st, Region: "eu-central-1",
		Logger: quiet, OnFatal: func(error) {},
	})
	require.NoError(t, err)
	return w
}

// TestNewRegisters: registering panics on what is no workflow and no activity.
func TestNewRegisters(t *testing.T) {
	t.Parallel()
	w := newWorker(t, "127.0.0.1:1", nil)
	w.Stop() // before starting, and twice
	w.Stop()
}

func TestNewRefusesOptionsOutOfRange(t *testing.T) {
	t.Parallel()
	temporal, err := client.NewLazyClient(client.Options{})
	require.NoError(t, err)
	defer temporal.Close()
	cfg := settings()
	cfg.BatchMaxEvents = -1
	_, err = worker.New(worker.Dependencies{Config: cfg, Temporal: temporal, Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "batch max events is -1")
}

func TestStartSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	denied := &smithy.OperationError{ServiceID: "SSM", OperationName: "GetParameter",
		Err: &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized to perform: ssm:GetParameter"}}
	for name, c := range map[string]struct {
		have parameters
		says []string
	}{
		"no client secret":     {nil, []string{"client secret", `"/p/secret"`, "no such parameter", "LOGPIPE_CLIENT_SECRET_PARAMETER"}},
		"client secret denied": {parameters{"/p/secret": denied}, []string{`"/p/secret"`, "AccessDeniedException", "ssm:GetParameter"}},
		"token denied": {parameters{"/p/secret": secretCanary, "/p/token": denied},
			[]string{"token", `"/p/token"`, "AccessDeniedException", "LOGPIPE_TOKEN_PARAMETER"}},
		"token parameter of another use": {parameters{"/p/secret": secretCanary, "/p/token": secretCanary},
			[]string{`"/p/token"`, "does not hold a token", "LOGPIPE_TOKEN_PARAMETER"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorker(t, "127.0.0.1:1", c.have)
			err := w.Start(t.Context())
			require.Error(t, err)
			for _, text := range c.says {
				require.ErrorContains(t, err, text)
			}
			require.NotContains(t, err.Error(), "\n")
			require.NotContains(t, err.Error(), secretCanary)
			w.Stop()
		})
	}
}

func TestStartAndStop(t *testing.T) {
	t.Parallel()
	server := frontendtest.Start(t, client.DefaultNamespace)
	// No token yet: the first delivery gets one.
	w := newWorker(t, server.Address, parameters{"/p/secret": secretCanary})
	require.NoError(t, w.Start(t.Context()))
	w.Stop()
	w.Stop()
}

// TestEachQueueIsServed: Temporal is told the rate of deliveries, and limits no other
// activity by it. What the SDK says where there is no limit, Temporal takes for none.
func TestEachQueueIsServed(t *testing.T) {
	t.Parallel()
	const unlimited = 100_000
	for name, c := range map[string]struct{ rate, told float64 }{
		"unlimited": {0, unlimited},
		"limited":   {0.5, 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := frontendtest.Start(t, client.DefaultNamespace)
			cfg := settings()
			cfg.DeliveryRate = c.rate
			w := newWorkerWith(t, cfg, server.Address, parameters{"/p/secret": secretCanary})
			require.NoError(t, w.Start(t.Context()))
			defer w.Stop()
			require.EventuallyWithT(t, func(t *assert.CollectT) {
				assert.Equal(t, map[string]float64{
					window.WorkerQueue("p"): unlimited, window.TokenQueue("p"): unlimited, window.DeliveryQueue("p"): c.told,
				}, server.ActivityRates())
			}, time.Minute, time.Millisecond)
		})
	}
}

func TestStartWithoutTemporal(t *testing.T) {
	t.Parallel()
	w := newWorker(t, "127.0.0.1:1", parameters{"/p/secret": secretCanary})
	err := w.Start(t.Context())
	require.ErrorContains(t, err, "task queue p/worker")
	require.NotContains(t, err.Error(), "\n")
	w.Stop()
}

func TestModule(t *testing.T) {
	t.Parallel()
	require.NoError(t, fx.ValidateApp(
		fx.Supply(settings(), aws.Config{}, slog.New(slog.DiscardHandler), (*stage.Stage)(nil)),
		fx.Provide(func() client.Client { return nil }, func() metric.Meter { return noop.Meter{} }),
		worker.Module,
	))
	require.ErrorContains(t, fx.ValidateApp(fx.Supply(settings()), worker.Module), "missing", "the rest is what a process provides")
}
