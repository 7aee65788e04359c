// Package frontendtest is a Temporal service that a process can connect to and
// start with, and nothing more, for tests of what happens then.
package frontendtest

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
)

// Server is a Temporal service with one namespace. It takes starts of workflows and
// never runs them, lets polls for activities wait, and lists and signals the workflows that
// were placed there; calls that are not about these, the namespace or its search
// attributes are answered with "unimplemented".
type Server struct {
	// Address is host and port.
	Address string

	workflowservice.UnimplementedWorkflowServiceServer
	operatorservice.UnimplementedOperatorServiceServer

	namespace         string
	mu                sync.Mutex
	attributes        map[string]enumspb.IndexedValueType
	starts            []*workflowservice.StartWorkflowExecutionRequest
	rates             map[string]float64
	refusal           error
	attributesRefusal error
	placed            placed
}

// Start starts a server on a free port of this machine. It ends with the test.
func Start(tb testing.TB, namespace string) *Server {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{Address: listener.Addr().String(), namespace: namespace, attributes: map[string]enumspb.IndexedValueType{}, rates: map[string]float64{}}
	server := grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(server, s)
	operatorservice.RegisterOperatorServiceServer(server, s)
	var serving sync.WaitGroup
	serving.Go(func() {
		// A test that is over at once stops the server before it has begun to serve.
		if err := server.Serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			tb.Errorf("serve %s: %v", s.Address, err)
		}
	})
	tb.Cleanup(func() {
		server.Stop()
		serving.Wait()
	})
	return s
}

// Attributes are the search attributes of the namespace.
func (s *Server) Attributes() map[string]enumspb.IndexedValueType {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.attributes)
}

// Starts are the requests to start a workflow that were taken.
func (s *Server) Starts() []*workflowservice.StartWorkflowExecutionRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.starts)
}

// ActivityRates are the task queues that were polled for activities, and how many of these a
// second the last poll has allowed.
func (s *Server) ActivityRates() map[string]float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.rates)
}

// RefuseStarts makes the server answer every start of a workflow with err, which is
// one of package serviceerror or of gRPC.
func (s *Server) RefuseStarts(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = err
}

// RefuseAttributes makes the server refuse to add search attributes with err, as Temporal
// Cloud does; nil lets them in.
func (s *Server) RefuseAttributes(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attributesRefusal = err
}

// StartWorkflowExecution remembers the request. What it has started once runs for ever, so
// an id that is used is refused unless the request is content with what runs.
func (s *Server) StartWorkflowExecution(_ context.Context, in *workflowservice.StartWorkflowExecutionRequest) (*workflowservice.StartWorkflowExecutionResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusal != nil {
		return nil, serviceerror.ToStatus(s.refusal).Err()
	}
	used := slices.ContainsFunc(s.starts, func(earlier *workflowservice.StartWorkflowExecutionRequest) bool {
		return earlier.GetWorkflowId() == in.GetWorkflowId()
	})
	if used && in.GetWorkflowIdConflictPolicy() != enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING {
		return nil, serviceerror.ToStatus(serviceerror.NewWorkflowExecutionAlreadyStarted("used: "+in.GetWorkflowId(), "", "")).Err()
	}
	s.starts = append(s.starts, in)
	return &workflowservice.StartWorkflowExecutionResponse{RunId: "run"}, nil
}

// DescribeWorkflowExecution knows the first start of each workflow id: that is the
// workflow which runs. And it knows what was placed.
func (s *Server) DescribeWorkflowExecution(_ context.Context, in *workflowservice.DescribeWorkflowExecutionRequest) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if info := s.find(in.GetExecution().GetWorkflowId()); info != nil {
		return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: info}, nil
	}
	for _, start := range s.Starts() {
		if start.GetWorkflowId() == in.GetExecution().GetWorkflowId() {
			return &workflowservice.DescribeWorkflowExecutionResponse{
				WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Memo: start.GetMemo()},
			}, nil
		}
	}
	return nil, serviceerror.ToStatus(serviceerror.NewNotFound("no workflow " + in.GetExecution().GetWorkflowId())).Err()
}

// PollActivityTaskQueue remembers the queue and never has a task.
func (s *Server) PollActivityTaskQueue(ctx context.Context, in *workflowservice.PollActivityTaskQueueRequest) (*workflowservice.PollActivityTaskQueueResponse, error) {
	s.mu.Lock()
	s.rates[in.GetTaskQueue().GetName()] = in.GetTaskQueueMetadata().GetMaxTasksPerSecond().GetValue()
	s.mu.Unlock()
	<-ctx.Done()
	return &workflowservice.PollActivityTaskQueueResponse{}, nil
}

// GetSystemInfo is the first call of every client.
func (s *Server) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{Capabilities: &workflowservice.GetSystemInfoResponse_Capabilities{}}, nil
}

// DescribeNamespace knows one namespace.
func (s *Server) DescribeNamespace(_ context.Context, in *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	if in.GetNamespace() != s.namespace {
		return nil, serviceerror.ToStatus(serviceerror.NewNamespaceNotFound(in.GetNamespace())).Err()
	}
	return &workflowservice.DescribeNamespaceResponse{}, nil
}

// ListSearchAttributes lists what was added.
func (s *Server) ListSearchAttributes(context.Context, *operatorservice.ListSearchAttributesRequest) (*operatorservice.ListSearchAttributesResponse, error) {
	return &operatorservice.ListSearchAttributesResponse{CustomAttributes: s.Attributes()}, nil
}

// AddSearchAttributes adds them at once.
func (s *Server) AddSearchAttributes(_ context.Context, in *operatorservice.AddSearchAttributesRequest) (*operatorservice.AddSearchAttributesResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.attributesRefusal != nil {
		return nil, serviceerror.ToStatus(s.attributesRefusal).Err()
	}
	maps.Copy(s.attributes, in.GetSearchAttributes())
	return &operatorservice.AddSearchAttributesResponse{}, nil
}
