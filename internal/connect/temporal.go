package connect

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"

	"github.com/log-event-pipeline/logpipe/internal/telemetry"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
)

// temporalTimeout bounds the first contact with Temporal.
const temporalTimeout = 10 * time.Second

// Namespace is the Temporal namespace that the processes work in.
type Namespace string

// TemporalNamespace is the namespace that the TEMPORAL_ variables or Temporal's
// configuration file name.
func TemporalNamespace() (Namespace, error) {
	options, err := clientOptions()
	return Namespace(options.Namespace), err
}

func clientOptions() (client.Options, error) {
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return client.Options{}, fmt.Errorf("the Temporal settings (TEMPORAL_… variables or Temporal's configuration file): %w", err)
	}
	if options.HostPort == "" {
		options.HostPort = client.DefaultHostPort
	}
	if options.Namespace == "" {
		options.Namespace = client.DefaultNamespace
	}
	return options, nil
}

// Retention is how long the namespace keeps a workflow that has ended.
func Retention(ctx context.Context, c client.Client, namespace Namespace) (time.Duration, error) {
	described, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: string(namespace)})
	if err != nil {
		return 0, fmt.Errorf("namespace %q: read its retention: %w", namespace, err)
	}
	return described.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration(), nil
}

// Place is where the TEMPORAL_ variables or Temporal's configuration file lead.
type Place struct {
	// Address is host and port.
	Address   string
	Namespace string
	// TLS and APIKey tell whether the connection is encrypted, and whether a key is sent.
	TLS, APIKey bool
}

// TemporalPlace tells where [Dial] connects to, and dials nothing.
func TemporalPlace() (Place, error) {
	options, err := clientOptions()
	if err != nil {
		return Place{}, err
	}
	key := options.Credentials != nil
	return Place{
		Address: options.HostPort, Namespace: options.Namespace, APIKey: key,
		TLS: options.ConnectionOptions.TLS != nil || key && !options.ConnectionOptions.TLSDisabled,
	}, nil
}

// Temporal dials the Temporal service that the TEMPORAL_ variables or Temporal's
// configuration file name, and makes sure that the namespace is there and has the
// search attributes. What the SDK measures goes to metrics. The options can be changed
// before they are used.
func Temporal(ctx context.Context, logger *slog.Logger, metrics client.MetricsHandler, changes ...func(*client.Options)) (client.Client, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	c, options, err := dial(ctx, logger, metrics, changes...)
	if err != nil {
		return nil, err
	}
	if err := prepare(ctx, c, options.Namespace); err != nil {
		c.Close()
		return nil, fmt.Errorf("Temporal at %s: %w", options.HostPort, brief(ctx, err))
	}
	return c, nil
}

// Dial dials it and changes nothing. Whether the namespace is there is not known then.
func Dial(ctx context.Context, logger *slog.Logger) (client.Client, error) {
	ctx, cancel := bounded(ctx)
	defer cancel()
	c, _, err := dial(ctx, logger, client.MetricsNopHandler)
	return c, err
}

func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, temporalTimeout, fmt.Errorf("no answer within %s", temporalTimeout))
}

func dial(ctx context.Context, logger *slog.Logger, metrics client.MetricsHandler, changes ...func(*client.Options)) (client.Client, client.Options, error) {
	options, err := clientOptions()
	if err != nil {
		return nil, options, err
	}
	options.Logger = telemetry.TemporalLogger(logger)
	options.MetricsHandler = metrics
	for _, change := range changes {
		change(&options)
	}
	// The SDK has a shorter limit of its own, whose error would not say how long it was.
	options.ConnectionOptions.GetSystemInfoTimeout = temporalTimeout
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, options, fmt.Errorf("connect to Temporal at %s: %w; is it running there? Set TEMPORAL_ADDRESS, and for TLS or Temporal Cloud TEMPORAL_TLS and TEMPORAL_API_KEY", options.HostPort, brief(ctx, err))
	}
	return c, options, nil
}

func prepare(ctx context.Context, c client.Client, namespace string) error {
	_, err := c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	if err != nil {
		return fmt.Errorf("namespace %q: %w; set TEMPORAL_NAMESPACE to one that exists", namespace, err)
	}
	return visibility.Ensure(ctx, c.OperatorService(), namespace)
}

// brief replaces an error that only says that the time was over.
func brief(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
