package kinesissuite_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/dev/localaws"
	"github.com/log-event-pipeline/logpipe/dev/localaws/kinesissuite"
	"github.com/log-event-pipeline/logpipe/internal/kinesis"
)

const (
	streamName = "reader"
	firstShard = "shardId-000000000000"
)

// newStream makes a stream at a local AWS that enforces the quotas of Kinesis.
func newStream(t *testing.T, shards int32, cfg localaws.Config) kinesissuite.Target {
	t.Helper()
	cfg.Throttle = true
	target := localAWS(cfg)(t)
	_, err := target.Client.CreateStream(t.Context(), &awskinesis.CreateStreamInput{StreamName: aws.String(streamName), ShardCount: &shards})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		sum, err := target.Client.DescribeStreamSummary(t.Context(), &awskinesis.DescribeStreamSummaryInput{StreamName: aws.String(streamName)})
		return err == nil && sum.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive
	}, 10*time.Second, 5*time.Millisecond)
	return target
}

func put(ctx context.Context, target kinesissuite.Target, data []byte) error {
	_, err := target.Client.PutRecord(ctx, &awskinesis.PutRecordInput{StreamName: aws.String(streamName), Data: data, PartitionKey: aws.String("key")})
	return err
}

// TestReaderKeepsToTheQuotas: a reader that has a shard to itself is never throttled,
// neither by a backlog nor by a shard that is written to all the time.
func TestReaderKeepsToTheQuotas(t *testing.T) {
	t.Parallel()
	target := newStream(t, 1, localaws.Config{})
	const large, small = 11, 4
	for range large {
		target.Advance(2 * time.Second) // for the quota of writing
		require.NoError(t, put(t.Context(), target, make([]byte, 1<<20-16)))
	}
	s := kinesis.NewStream(target.Client, streamName)
	begin, err := s.Resolve(t.Context(), firstShard, "TRIM_HORIZON", 0, time.Now(), func() {})
	require.NoError(t, err)
	target.Advance(time.Minute)
	r := s.Reader(firstShard, begin, kinesis.ReaderOptions{LongestIdle: kinesis.ReadInterval})
	for read := 0; read < large+small; {
		batch, err := r.Next(t.Context())
		require.NoError(t, err)
		if read += len(batch.Records); read >= large {
			require.NoError(t, put(t.Context(), target, []byte("small")))
		}
	}
	require.Zero(t, r.Stats().Throttled)
}

// TestReadersShareAShard: more readers than a shard has reads for get everything all
// the same, later.
func TestReadersShareAShard(t *testing.T) {
	t.Parallel()
	target := newStream(t, 1, localaws.Config{})
	s := kinesis.NewStream(target.Client, streamName)
	begin, err := s.Resolve(t.Context(), firstShard, "TRIM_HORIZON", 0, time.Now(), func() {})
	require.NoError(t, err)
	const records = 20
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			r := s.Reader(firstShard, begin, kinesis.ReaderOptions{LongestIdle: kinesis.ReadInterval})
			for read := 0; read < records; {
				batch, err := r.Next(t.Context())
				if err != nil && !errors.Is(err, kinesis.ErrThrottled) {
					t.Error(err)
					return
				}
				for _, rec := range batch.Records {
					if want := fmt.Sprint(read); string(rec.Data) != want {
						t.Errorf("read record %s, want %s", rec.Data, want)
					}
					read++
				}
			}
		})
	}
	for i := range records {
		require.NoError(t, put(t.Context(), target, fmt.Append(nil, i)))
	}
	wg.Wait()
}

func TestThousandsOfShards(t *testing.T) {
	t.Parallel()
	const shards = 2300
	target := newStream(t, shards, localaws.Config{ShardLimit: shards})
	s := kinesis.NewStream(target.Client, streamName)
	all, err := s.Shards(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, all, shards)
	for i, sh := range all {
		require.Equal(t, fmt.Sprintf("shardId-%012d", i), sh.ID)
	}
	rest, err := s.Shards(t.Context(), all[1999].ID)
	require.NoError(t, err)
	require.Equal(t, all[2000:], rest)
	last := all[shards-1]
	begin, err := s.Resolve(t.Context(), last.ID, "TRIM_HORIZON", 0, time.Now(), func() {})
	require.NoError(t, err)
	require.EqualValues(t, last.First, begin.SequenceNumber)
}
