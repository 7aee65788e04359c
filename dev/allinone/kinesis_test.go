package allinone

import (
	"bytes"
	"testing"
	"time"

	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
)

// TestLatestGoesByTheClockOfKinesis: a starter whose clock is an hour ahead must not
// ask for a time in the future, and one whose clock is behind must not read the past.
func TestLatestGoesByTheClockOfKinesis(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := servers(t, testOptions(t, &out))
	reader := kinesis.NewStream(awskinesis.NewFromConfig(s.awsSDK), stream)
	shards, err := reader.Shards(t.Context())
	require.NoError(t, err)
	for _, skew := range []time.Duration{time.Hour, -time.Hour} {
		at, err := reader.Resolve(t.Context(), shards[0].ID, "LATEST", time.Now().Add(skew), func() {})
		require.NoError(t, err)
		require.Equal(t, types.ShardIteratorTypeAtTimestamp, at.Kind)
		require.WithinDuration(t, time.Now(), at.Timestamp, time.Minute)
	}
}
