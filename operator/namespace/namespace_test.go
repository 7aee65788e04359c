package namespace_test

import (
	"context"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"

	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/operator/namespace"
)

type attributes = map[string]enumspb.IndexedValueType

// temporal is a service with at most one namespace. What it is told it knows after lag.
type temporal struct {
	exists     bool
	retention  time.Duration
	have       attributes
	registered attributes // seen later
	added      int
	lag        time.Duration
	since      time.Time // of the last change
	refuse     error
}

func (s *temporal) known() bool { return s.exists && time.Since(s.since) >= s.lag }

func (s *temporal) DescribeNamespace(context.Context, *workflowservice.DescribeNamespaceRequest, ...grpc.CallOption) (*workflowservice.DescribeNamespaceResponse, error) {
	if !s.exists {
		return nil, serviceerror.NewNamespaceNotFound("ns")
	}
	return &workflowservice.DescribeNamespaceResponse{}, nil
}

func (s *temporal) RegisterNamespace(_ context.Context, in *workflowservice.RegisterNamespaceRequest, _ ...grpc.CallOption) (*workflowservice.RegisterNamespaceResponse, error) {
	if s.refuse != nil {
		return nil, s.refuse
	}
	if s.exists {
		return nil, serviceerror.NewNamespaceAlreadyExists("ns")
	}
	s.exists, s.since, s.retention = true, time.Now(), in.GetWorkflowExecutionRetentionPeriod().AsDuration()
	return &workflowservice.RegisterNamespaceResponse{}, nil
}

func (s *temporal) ListSearchAttributes(context.Context, *operatorservice.ListSearchAttributesRequest, ...grpc.CallOption) (*operatorservice.ListSearchAttributesResponse, error) {
	if !s.known() {
		return &operatorservice.ListSearchAttributesResponse{CustomAttributes: maps.Clone(s.have)}, nil
	}
	all := maps.Clone(s.have)
	maps.Copy(all, s.registered)
	return &operatorservice.ListSearchAttributesResponse{CustomAttributes: all}, nil
}

func (s *temporal) AddSearchAttributes(_ context.Context, in *operatorservice.AddSearchAttributesRequest, _ ...grpc.CallOption) (*operatorservice.AddSearchAttributesResponse, error) {
	switch {
	case s.refuse != nil:
		return nil, s.refuse
	case !s.known():
		return nil, serviceerror.NewNamespaceNotFound("ns")
	}
	s.added++
	s.since, s.registered = time.Now(), in.GetSearchAttributes()
	return &operatorservice.AddSearchAttributesResponse{}, nil
}

func of(s *temporal) namespace.Setup {
	if s.have == nil {
		s.have = attributes{}
	}
	return namespace.Setup{Name: "ns", Namespaces: s, Operator: s, Retention: 72 * time.Hour, Patience: time.Minute}
}

func TestSetup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &temporal{exists: true, lag: 10 * time.Second}
		time.Sleep(time.Minute)
		have := visibility.Types()
		delete(have, "LogpipeBytes")
		s.have = have
		setup := of(s)
		plan, err := setup.Plan(t.Context(), false)
		require.NoError(t, err)
		require.Equal(t, attributes{"LogpipeBytes": enumspb.INDEXED_VALUE_TYPE_INT}, plan.Missing())
		require.Zero(t, s.added, "a plan changes nothing")
		require.NoError(t, setup.Register(t.Context(), plan))
		require.Equal(t, plan.Missing(), s.registered)

		plan, err = setup.Plan(t.Context(), true)
		require.NoError(t, err)
		require.Empty(t, plan.Missing())
		require.False(t, plan.Create, "it is there")
		require.NoError(t, setup.Register(t.Context(), plan))
		require.Equal(t, 1, s.added, "the second time there is nothing to do")
	})
}

func TestSetupMakesTheNamespace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &temporal{lag: 10 * time.Second}
		setup := of(s)
		_, err := setup.Plan(t.Context(), false)
		require.ErrorIs(t, err, namespace.ErrNoNamespace)
		require.ErrorContains(t, err, `"ns"`)
		plan, err := setup.Plan(t.Context(), true)
		require.NoError(t, err)
		require.True(t, plan.Create)
		require.Equal(t, visibility.Types(), plan.Missing())
		require.False(t, s.exists, "a plan changes nothing")
		require.NoError(t, setup.Create(t.Context()))
		require.NoError(t, setup.Create(t.Context()), "somebody else was faster")
		require.Equal(t, 72*time.Hour, s.retention)
		require.NoError(t, setup.Register(t.Context(), plan), "it is patient with a namespace that is new")
		require.Equal(t, visibility.Types(), s.registered)
	})
}

func TestSetupFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		denied := serviceerror.NewPermissionDenied("not for you", "")
		s := &temporal{exists: true, refuse: denied}
		setup := of(s)
		plan, err := setup.Plan(t.Context(), false)
		require.NoError(t, err)
		require.ErrorIs(t, setup.Register(t.Context(), plan), denied, "at once")
		require.ErrorIs(t, of(&temporal{refuse: denied}).Create(t.Context()), denied)

		s = &temporal{exists: true, have: attributes{"LogpipeBytes": enumspb.INDEXED_VALUE_TYPE_TEXT}}
		plan, err = of(s).Plan(t.Context(), false)
		require.NoError(t, err)
		require.True(t, plan.Mistyped())
		require.NotContains(t, plan.Missing(), "LogpipeBytes")

		slow := &temporal{exists: true, lag: time.Hour}
		time.Sleep(2 * time.Hour)
		plan, err = of(slow).Plan(t.Context(), false)
		require.NoError(t, err)
		err = of(slow).Register(t.Context(), plan)
		require.ErrorContains(t, err, "not to be seen yet")
		require.ErrorContains(t, err, "1m0s")
	})
}
