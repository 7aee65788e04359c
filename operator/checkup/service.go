package checkup

import (
	"context"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
)

// NewService is Temporal as a client reaches it.
func NewService(c client.Client, namespace string) Service { return service{c, namespace} }

type service struct {
	client    client.Client
	namespace string
}

// Retention implements Service.
func (s service) Retention(ctx context.Context) (time.Duration, error) {
	described, err := s.client.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: s.namespace})
	if err != nil {
		return 0, err
	}
	return described.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration(), nil
}

// SearchAttributes implements Service.
func (s service) SearchAttributes(ctx context.Context) (visibility.Comparison, error) {
	return visibility.Compare(ctx, s.client.OperatorService(), s.namespace)
}

// Pollers implements Service.
func (s service) Pollers(ctx context.Context, queue string, kind enumspb.TaskQueueType) (int, error) {
	described, err := s.client.DescribeTaskQueue(ctx, queue, kind)
	if err != nil {
		return 0, err
	}
	return len(described.GetPollers()), nil
}
