package starter_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.uber.org/fx"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/connect"
	"github.com/log-event-pipeline/logpipe/internal/connect/frontendtest"
	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/marker"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/starter"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// stream is a Kinesis that only knows whether the stream is there, and its shards.
type stream struct {
	kinesis.API // the rest panics
	fails       error
	created     time.Time
}

func (s stream) DescribeStreamSummary(context.Context, *awskinesis.DescribeStreamSummaryInput, ...func(*awskinesis.Options)) (*awskinesis.DescribeStreamSummaryOutput, error) {
	return &awskinesis.DescribeStreamSummaryOutput{
		StreamDescriptionSummary: &types.StreamDescriptionSummary{StreamCreationTimestamp: &s.created},
	}, s.fails
}

func (s stream) ListShards(context.Context, *awskinesis.ListShardsInput, ...func(*awskinesis.Options)) (*awskinesis.ListShardsOutput, error) {
	return &awskinesis.ListShardsOutput{Shards: []types.Shard{
		{ShardId: aws.String("a"), SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: aws.String("1"), EndingSequenceNumber: aws.String("2")}},
		{ShardId: aws.String("b"), ParentShardId: aws.String("a"), SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: aws.String("3")}},
	}}, s.fails
}

func settings() config.Config {
	cfg := config.Default()
	cfg.Pipeline, cfg.Stream, cfg.StageURL = "p", "api-logs", "mem://"
	cfg.StartPosition = config.Latest()
	return cfg
}

// newStarter returns a starter whose Temporal is at the address; nobody connects to it
// before Start.
func newStarter(t *testing.T, address string, api kinesis.API) *starter.Starter {
	t.Helper()
	return newStarterOn(t, address, api, memory(t))
}

func newStarterOn(t *testing.T, address string, api kinesis.API, st starter.Storage) *starter.Starter {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	temporal, err := client.NewLazyClient(client.Options{HostPort: address, Logger: log.NewStructuredLogger(quiet)})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	s := starter.New(starter.Dependencies{
		Config: settings(), Temporal: temporal, Namespace: client.DefaultNamespace, Kinesis: api, Stage: st,
		Logger: quiet, OnFatal: func(error) {},
	})
	t.Cleanup(s.Stop)
	return s
}

// memory is an empty stage.
func memory(t *testing.T) *stage.Stage {
	t.Helper()
	s, err := stage.Open(t.Context(), "mem://")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// TestNewRegisters: registering panics on what is no activity.
func TestNewRegisters(t *testing.T) {
	t.Parallel()
	s := newStarter(t, "127.0.0.1:1", stream{})
	s.Stop() // before starting, and twice
	s.Stop()
}

func TestStartSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	operation := func(err error) error {
		return &smithy.OperationError{ServiceID: "Kinesis", OperationName: "DescribeStreamSummary", Err: err}
	}
	for name, c := range map[string]struct {
		fails error
		is    error
		says  []string
	}{
		"no stream": {operation(&types.ResourceNotFoundException{Message: aws.String("Stream api-logs not found")}), kinesis.ErrNoStream,
			[]string{"describe stream api-logs", "LOGPIPE_STREAM", "AWS_REGION"}},
		"access denied": {operation(&smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized"}), kinesis.ErrDenied,
			[]string{"describe stream api-logs", "AccessDeniedException", "kinesis:DescribeStreamSummary"}},
		"no connection": {operation(errors.New("dial tcp 127.0.0.1:1: connection refused")), nil,
			[]string{"describe stream api-logs", "connection refused", "AWS_ENDPOINT_URL"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStarter(t, "127.0.0.1:1", stream{fails: c.fails})
			err := s.Start(t.Context())
			require.Error(t, err)
			if c.is != nil {
				require.ErrorIs(t, err, c.is)
			}
			for _, text := range c.says {
				require.ErrorContains(t, err, text)
			}
			require.NotContains(t, err.Error(), "\n")
			s.Stop()
		})
	}
}

func TestStartWithoutTemporal(t *testing.T) {
	t.Parallel()
	s := newStarter(t, "127.0.0.1:1", stream{})
	err := s.Start(t.Context())
	require.ErrorContains(t, err, "describe workflow p/stream")
	require.NotContains(t, err.Error(), "\n")
	s.Stop()
}

func TestStartThatTemporalRefuses(t *testing.T) {
	t.Parallel()
	server := frontendtest.Start(t, client.DefaultNamespace)
	server.RefuseStarts(serviceerror.NewPermissionDenied("not for you", ""))
	s := newStarter(t, server.Address, stream{})
	err := s.Start(t.Context())
	require.ErrorContains(t, err, "start workflow p/stream")
	require.ErrorContains(t, err, "not for you")
	s.Stop()
}

func TestStartOfAPipelineThatReadsAnotherStream(t *testing.T) {
	t.Parallel()
	server := frontendtest.Start(t, client.DefaultNamespace)
	memo, err := converter.GetDefaultDataConverter().ToPayload("other-logs")
	require.NoError(t, err)
	_, err = server.StartWorkflowExecution(t.Context(), &workflowservice.StartWorkflowExecutionRequest{
		WorkflowId: "p/stream", Memo: &commonpb.Memo{Fields: map[string]*commonpb.Payload{workflows.MemoStream: memo}},
	})
	require.NoError(t, err)
	s := newStarter(t, server.Address, stream{})
	err = s.Start(t.Context())
	require.ErrorContains(t, err, "pipeline p reads stream other-logs")
	require.ErrorContains(t, err, "LOGPIPE_STREAM")
	s.Stop()
}

func TestStartAndStop(t *testing.T) {
	t.Parallel()
	server := frontendtest.Start(t, client.DefaultNamespace)
	for range 2 { // two starters of one pipeline
		s := newStarter(t, server.Address, stream{})
		require.NoError(t, s.Start(t.Context()))
		s.Stop()
		s.Stop()
	}
	starts := server.Starts()
	require.Len(t, starts, 2)
	for _, start := range starts {
		require.Equal(t, "p/stream", start.GetWorkflowId(), "both mean the same StreamReader")
		require.Equal(t, workflows.StreamReaderName, start.GetWorkflowType().GetName())
		require.Equal(t, "p/worker", start.GetTaskQueue().GetName())
		require.Equal(t, enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, start.GetWorkflowIdConflictPolicy())
		var in workflows.StreamReaderInput
		require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(start.GetInput(), &in))
		require.Equal(t, workflows.StreamReaderInput{
			Pipeline: "p", Stream: "api-logs", Position: "LATEST",
			Poll: workflows.PollOptions{
				HeartbeatTimeout: settings().HeartbeatTimeout, Lease: settings().PollLease, WindowMaxAge: settings().WindowMaxAge,
				OnGap: workflows.GapContinue,
			},
		}, in)
	}
}

// TestStartOfAPipelineThatTemporalHasForgotten: with a start position of LATEST it
// would leave records out, and nobody would notice.
func TestStartOfAPipelineThatTemporalHasForgotten(t *testing.T) {
	t.Parallel()
	server := frontendtest.Start(t, client.DefaultNamespace)
	st := memory(t)
	require.NoError(t, st.Put(t.Context(), "p-other/marker/7", []byte("of another pipeline")))
	start := func(address string) error {
		s := newStarterOn(t, address, stream{}, st)
		t.Cleanup(s.Stop)
		return s.Start(t.Context())
	}
	require.NoError(t, start(server.Address), "a new pipeline")

	require.NoError(t, marker.Store{Stage: st, Pipeline: "p"}.Replace(t.Context(), marker.Marker{Stream: "api-logs", ShardID: shard}))
	require.NoError(t, start(server.Address), "Temporal knows the StreamReader")
	var positions []string
	for _, asked := range server.Starts() {
		var in workflows.StreamReaderInput
		require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(asked.GetInput(), &in))
		positions = append(positions, in.Position)
	}
	require.Equal(t, []string{"LATEST", "TRIM_HORIZON"}, positions, "a second StreamReader leaves nothing out of the shards that came since the first")

	fresh := frontendtest.Start(t, client.DefaultNamespace)
	err := start(fresh.Address)
	for _, text := range []string{"pipeline p", "p/stream", "logpipe recover", "p/marker/", "TEMPORAL_NAMESPACE"} {
		require.ErrorContains(t, err, text)
	}
	require.NotContains(t, err.Error(), "\n")
	require.Empty(t, fresh.Starts())
}

func TestListShards(t *testing.T) {
	t.Parallel()
	out, err := listShards(t, stream{})
	require.NoError(t, err)
	require.Equal(t, []workflows.Shard{{ID: "a", Closed: true}, {ID: "b", Parents: []string{"a"}}}, out.Shards)
	require.False(t, out.At.IsZero())
	require.False(t, out.More)

	for code, want := range map[string]string{
		"AccessDeniedException": starter.ErrorStreamDenied, "LimitExceededException": starter.ErrorStreamThrottled,
		"KMSDisabledException": starter.ErrorStreamKey, "InternalFailure": starter.ErrorStream,
	} {
		_, err = listShards(t, stream{fails: &smithy.GenericAPIError{Code: code}})
		requireType(t, err, want)
	}
}

// TestPollShardRefusesAnotherStream: two starters of one pipeline with two streams
// would put the records of one into the windows of the other.
func TestPollShardRefusesAnotherStream(t *testing.T) {
	t.Parallel()
	p := &starter.Poller{Stream: "api-logs"}
	env := activityEnvironment()
	env.RegisterActivityWithOptions(p.PollShard, activity.RegisterOptions{Name: workflows.PollShardName})
	_, err := env.ExecuteActivity(workflows.PollShardName, workflows.PollShardInput{Pipeline: "p", Stream: "other-logs"})
	requireType(t, err, starter.ErrorWrongStream)
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	require.True(t, ok)
	require.GreaterOrEqual(t, app.NextRetryDelay(), time.Second, "not as soon as after a crash")
	for _, text := range []string{"api-logs", "other-logs", "LOGPIPE_STREAM", "LOGPIPE_PIPELINE"} {
		require.ErrorContains(t, err, text)
	}
}

// TestListShardsOfAStreamThatWasMadeAgain: its shards have ids that were read before, and
// the pipeline would take them for drained.
func TestListShardsOfAStreamThatWasMadeAgain(t *testing.T) {
	t.Parallel()
	made := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, in := range []workflows.ListShardsInput{{Stream: "api-logs"}, {Stream: "api-logs", Created: made}} {
		out, err := listShardsOf(t, stream{created: made}, in)
		require.NoError(t, err)
		require.Equal(t, made, out.Created)
	}
	_, err := listShardsOf(t, stream{created: made.Add(time.Hour)}, workflows.ListShardsInput{Stream: "api-logs", Created: made})
	requireType(t, err, starter.ErrorStreamRecreated)
	for _, text := range []string{"api-logs", "2026-01-02T03:04:05Z", "2026-01-02T04:04:05Z", "LOGPIPE_PIPELINE"} {
		require.ErrorContains(t, err, text)
	}
}

func listShards(t *testing.T, api kinesis.API) (workflows.ListShardsResult, error) {
	t.Helper()
	return listShardsOf(t, api, workflows.ListShardsInput{Stream: "api-logs"})
}

func listShardsOf(t *testing.T, api kinesis.API, in workflows.ListShardsInput) (workflows.ListShardsResult, error) {
	t.Helper()
	env := activityEnvironment()
	activities := &starter.Shards{
		Stream: kinesis.NewStream(api, "api-logs"), Markers: marker.Store{Stage: memory(t), Pipeline: "p"},
		Ceiling: starter.NewOpenWindows(noWindows{}, "p", 1, slog.New(slog.DiscardHandler)),
	}
	env.RegisterActivityWithOptions(activities.ListShards, activity.RegisterOptions{Name: workflows.ListShardsName})
	var out workflows.ListShardsResult
	value, err := env.ExecuteActivity(workflows.ListShardsName, in)
	if err != nil {
		return out, err
	}
	return out, value.Get(&out)
}

// noWindows is a Temporal without open windows.
type noWindows struct{}

func (noWindows) CountWorkflow(context.Context, *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
	return &workflowservice.CountWorkflowExecutionsResponse{}, nil
}

func activityEnvironment() *testsuite.TestActivityEnvironment {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	return suite.NewTestActivityEnvironment()
}

func TestModule(t *testing.T) {
	t.Parallel()
	require.NoError(t, fx.ValidateApp(
		fx.Supply(settings(), aws.Config{}, slog.New(slog.DiscardHandler), (*stage.Stage)(nil), connect.Namespace("default")),
		fx.Provide(func() client.Client { return nil }, func() metric.Meter { return noop.Meter{} }),
		starter.Module,
	))
	require.ErrorContains(t, fx.ValidateApp(fx.Supply(settings()), starter.Module), "missing", "the rest is what a process provides")
}
