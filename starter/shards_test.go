package starter_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/marker"
	"github.com/log-event-pipeline/logpipe/starter"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// oneRecord is a shard with record 7. With asked, reads are not answered, and the first
// one closes it.
type oneRecord struct {
	stream
	asked chan struct{}
}

func (oneRecord) GetShardIterator(context.Context, *awskinesis.GetShardIteratorInput, ...func(*awskinesis.Options)) (*awskinesis.GetShardIteratorOutput, error) {
	return &awskinesis.GetShardIteratorOutput{ShardIterator: aws.String("i")}, nil
}

func (o oneRecord) GetRecords(ctx context.Context, _ *awskinesis.GetRecordsInput, _ ...func(*awskinesis.Options)) (*awskinesis.GetRecordsOutput, error) {
	if o.asked != nil {
		close(o.asked)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &awskinesis.GetRecordsOutput{NextShardIterator: aws.String("i"), Records: []types.Record{{
		SequenceNumber: aws.String("7"), ApproximateArrivalTimestamp: aws.Time(time.Unix(1_700_000_000, 0)),
	}}}, nil
}

func resolveStart(t *testing.T, api kinesis.API, store marker.Store, in workflows.ResolveStartInput, stop chan struct{}) (workflows.ResolveStartResult, error) {
	t.Helper()
	env := activityEnvironment()
	env.SetWorkerStopChannel(stop)
	shards := &starter.Shards{
		Stream: kinesis.NewStream(api, "api-logs"), Markers: store,
		Ceiling: starter.NewOpenWindows(noWindows{}, "p", 1, slog.New(slog.DiscardHandler)),
	}
	env.RegisterActivityWithOptions(shards.ResolveStart, activity.RegisterOptions{Name: workflows.ResolveStartName})
	in.Pipeline, in.Stream, in.ShardID, in.Position = "p", "api-logs", shard, "TRIM_HORIZON"
	var out workflows.ResolveStartResult
	value, err := env.ExecuteActivity(workflows.ResolveStartName, in)
	if err != nil {
		return out, err
	}
	return out, value.Get(&out)
}

// TestResolveStartGoesByTheStage, except after a gap. What it finds is in the stage
// before anybody polls.
func TestResolveStartGoesByTheStage(t *testing.T) {
	t.Parallel()
	store := marker.Store{Stage: memory(t), Pipeline: "p"}
	found, err := resolveStart(t, oneRecord{}, store, workflows.ResolveStartInput{}, nil)
	require.NoError(t, err)
	require.Equal(t, workflows.ChainStart{Kind: workflows.StartAtSequenceNumber, SequenceNumber: "7"}, found.Start)
	require.Empty(t, found.Checkpoint)
	require.Equal(t, time.Unix(1_700_000_000, 0).UTC(), found.CompleteUntil.UTC())

	m, written, err := store.Get(t.Context(), shard)
	require.NoError(t, err)
	require.True(t, written)
	require.Equal(t, marker.Start{Kind: "AT_SEQUENCE_NUMBER", SequenceNumber: "7"}, m.Start)

	m.Start.SequenceNumber, m.Checkpoint = "1", "5"
	require.NoError(t, store.Replace(t.Context(), m))
	again, err := resolveStart(t, oneRecord{}, store, workflows.ResolveStartInput{}, nil)
	require.NoError(t, err)
	require.EqualValues(t, "1", again.Start.SequenceNumber, "another attempt must not begin another chain")
	require.EqualValues(t, "5", again.Checkpoint)

	after, err := resolveStart(t, oneRecord{}, store, workflows.ResolveStartInput{AfterGap: true}, nil)
	require.NoError(t, err)
	require.EqualValues(t, "7", after.Start.SequenceNumber)
	require.Empty(t, after.Checkpoint)
	m, _, err = store.Get(t.Context(), shard)
	require.NoError(t, err)
	require.EqualValues(t, "7", m.Start.SequenceNumber)
	require.Empty(t, m.Checkpoint)
}

// TestResolveStartEndsWithItsProcess: the first record can be hours away.
func TestResolveStartEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	asked, stop := make(chan struct{}), make(chan struct{})
	go func() {
		<-asked
		close(stop)
	}()
	store := marker.Store{Stage: memory(t), Pipeline: "p"}
	_, err := resolveStart(t, oneRecord{asked: asked}, store, workflows.ResolveStartInput{}, stop)
	requireType(t, err, starter.ErrorStream)
	_, written, err := store.Get(t.Context(), shard)
	require.NoError(t, err)
	require.False(t, written)
}
