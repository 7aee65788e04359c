package allinone

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

// TestLatestGoesByTheClockOfKinesis: a starter whose clock is an hour ahead must not
// ask for a time in the future, and one whose clock is behind must not read the past.
func TestLatestGoesByTheClockOfKinesis(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := servers(t, testOptions(t, &out))
	reader := kinesis.NewStream(awskinesis.NewFromConfig(s.awsSDK), stream)
	shards, err := reader.Shards(t.Context(), "")
	require.NoError(t, err)
	for _, skew := range []time.Duration{time.Hour, -time.Hour} {
		at, err := reader.Resolve(t.Context(), shards[0].ID, "LATEST", 0, time.Now().Add(skew), func() {})
		require.NoError(t, err)
		require.Equal(t, types.ShardIteratorTypeAtTimestamp, at.Kind)
		require.WithinDuration(t, time.Now(), at.Timestamp, time.Minute)
	}
}

// TestStreamReaderFindsReadersOfThePast: a StreamReader is terminated, and the reader
// of a shard ends with nobody to tell. The next StreamReader has to find that out, or
// the shard's children are never read.
func TestStreamReaderFindsReadersOfThePast(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	o := testOptions(t, &out)
	o.For = 8 * time.Second
	failed := make(chan error, 1)
	o.onStarted = func(s *stack) {
		go func() { failed <- replaceStreamReader(t.Context(), s) }()
	}
	report, err := Run(t.Context(), o)
	require.NoError(t, <-failed)
	require.NoError(t, err, out.String())
	require.True(t, report.OK(), "%+v\n%s", report, out.String())
}

func replaceStreamReader(ctx context.Context, s *stack) error {
	id := window.StreamReaderID(pipeline)
	reader := window.ShardReaderID(pipeline, "shardId-000000000000")
	// The reader must run before its parent ends.
	if err := waitFor(ctx, s, reader, enums.WORKFLOW_EXECUTION_STATUS_RUNNING); err != nil {
		return err
	}
	if err := s.client.TerminateWorkflow(ctx, id, "", "test"); err != nil {
		return err
	}
	_, err := awskinesis.NewFromConfig(s.awsSDK).SplitShard(ctx, &awskinesis.SplitShardInput{
		StreamName: aws.String(stream), ShardToSplit: aws.String("shardId-000000000000"), NewStartingHashKey: aws.String("1000"),
	})
	if err != nil {
		return err
	}
	if err := waitFor(ctx, s, reader, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED); err != nil {
		return err
	}
	return s.startPipeline(ctx) // another starter, which starts another StreamReader
}

// waitFor returns when the workflow has the status.
func waitFor(ctx context.Context, s *stack, id string, want enums.WorkflowExecutionStatus) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		// Before it is started, there is nothing to describe.
		described, err := s.client.DescribeWorkflowExecution(ctx, id, "")
		if err == nil && described.GetWorkflowExecutionInfo().GetStatus() == want {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("workflow %s is not %s: %w", id, want, ctx.Err())
		}
	}
}
