package frontendtest

import (
	"context"
	"slices"
	"strconv"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"
)

// placed are workflows that nobody has started, in the order in which they are listed.
type placed struct {
	workflows []*workflowpb.WorkflowExecutionInfo
	queries   []string
	signals   []string
}

// Place makes the server know workflows as they are.
func (s *Server) Place(infos ...*workflowpb.WorkflowExecutionInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.placed.workflows = append(s.placed.workflows, infos...)
}

// End completes a placed workflow.
func (s *Server) End(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, info := range s.placed.workflows {
		if info.GetExecution().GetWorkflowId() == id {
			// Another one: that which was listed may still be on its way.
			ended := proto.CloneOf(info)
			ended.Status = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
			s.placed.workflows[i] = ended
		}
	}
}

// Queries are the filters that workflows were listed by, of each list one. All placed
// workflows that run are listed, whatever it says.
func (s *Server) Queries() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.placed.queries)
}

// Signals are those that placed workflows have taken: name and workflow id.
func (s *Server) Signals() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.placed.signals)
}

func (s *Server) find(id string) *workflowpb.WorkflowExecutionInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, info := range s.placed.workflows {
		if info.GetExecution().GetWorkflowId() == id {
			return info
		}
	}
	return nil
}

// ListWorkflowExecutions lists what was placed and runs.
func (s *Server) ListWorkflowExecutions(_ context.Context, in *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from, err := strconv.Atoi(string(in.GetNextPageToken()))
	if err != nil {
		s.placed.queries = append(s.placed.queries, in.GetQuery())
		from = 0
	}
	var running []*workflowpb.WorkflowExecutionInfo
	for _, info := range s.placed.workflows {
		if info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			running = append(running, info)
		}
	}
	out := &workflowservice.ListWorkflowExecutionsResponse{Executions: running[min(from, len(running)):]}
	if size := int(in.GetPageSize()); size < len(out.GetExecutions()) {
		out.Executions = out.GetExecutions()[:size]
		out.NextPageToken = []byte(strconv.Itoa(from + size))
	}
	return out, nil
}

// SignalWorkflowExecution reaches what was placed and runs.
func (s *Server) SignalWorkflowExecution(_ context.Context, in *workflowservice.SignalWorkflowExecutionRequest) (*workflowservice.SignalWorkflowExecutionResponse, error) {
	id := in.GetWorkflowExecution().GetWorkflowId()
	if info := s.find(id); info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return nil, serviceerror.ToStatus(serviceerror.NewNotFound("workflow execution already completed")).Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.placed.signals = append(s.placed.signals, in.GetSignalName()+" "+id)
	return &workflowservice.SignalWorkflowExecutionResponse{}, nil
}
