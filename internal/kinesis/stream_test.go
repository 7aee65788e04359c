package kinesis_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
)

// denied is how the SDK reports what IAM refuses; it has no type of its own.
var denied = &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized to perform: kinesis:GetShardIterator"}

func oneShard(id string) [][]types.Shard {
	return [][]types.Shard{{{ShardId: aws.String(id)}}}
}

func TestShardsPageByPage(t *testing.T) {
	t.Parallel()
	shard := func(id string, begin, end, parent, adjacent *string) types.Shard {
		return types.Shard{
			ShardId: &id, ParentShardId: parent, AdjacentParentShardId: adjacent,
			SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: begin, EndingSequenceNumber: end},
		}
	}
	text := func(s string) *string { return &s }
	f := newFake(0)
	f.pages = [][]types.Shard{
		{shard("a", text("1"), text("5"), nil, nil), shard("b", text("2"), text("6"), nil, nil)},
		{}, // an empty page that is not the last
		{shard("c", text("7"), nil, text("a"), text("b")), {ShardId: text("d"), ParentShardId: text("gone")}},
	}
	got, err := f.stream().Shards(t.Context())
	require.NoError(t, err)
	require.Equal(t, []kinesis.Shard{
		{ID: "a", Closed: true, First: "1"},
		{ID: "b", Closed: true, First: "2"},
		{ID: "c", Parents: []string{"a", "b"}, First: "7"},
		{ID: "d", Parents: []string{"gone"}},
	}, got)
	require.Len(t, f.listed, 3)
}

func TestNoSuchStream(t *testing.T) {
	t.Parallel()
	f := newFake(0)
	f.failDescribe = &types.ResourceNotFoundException{Message: aws.String("Stream api-logs not found")}
	f.failList = f.failDescribe
	err := f.stream().Check(t.Context())
	require.ErrorIs(t, err, kinesis.ErrNoStream)
	require.ErrorContains(t, err, "api-logs")
	_, err = f.stream().Shards(t.Context())
	require.ErrorIs(t, err, kinesis.ErrNoStream)
	require.ErrorContains(t, err, "api-logs")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	f := newFake(0)
	require.NoError(t, f.stream().Check(t.Context()))
	f.failDescribe = errDown
	require.ErrorIs(t, f.stream().Check(t.Context()), errDown)
}

func TestAccessDenied(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]bool{
		"AccessDeniedException": true, "KMSAccessDeniedException": true, "UnrecognizedClientException": true,
		"InvalidClientTokenId": true, "ExpiredTokenException": true, "InvalidSignatureException": true,
		"LimitExceededException": false, "ProvisionedThroughputExceededException": false, "InternalFailure": false,
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			f := newFake(0)
			refused := &smithy.GenericAPIError{Code: code, Message: "because of a reason"}
			f.failDescribe = &smithy.OperationError{ServiceID: "Kinesis", OperationName: "DescribeStreamSummary", Err: refused}
			f.failList = f.failDescribe
			err := f.stream().Check(t.Context())
			require.Equal(t, want, errors.Is(err, kinesis.ErrDenied), err)
			require.ErrorContains(t, err, code)
			require.ErrorContains(t, err, "because of a reason")
			_, err = f.stream().Shards(t.Context())
			require.Equal(t, want, errors.Is(err, kinesis.ErrDenied), err)
		})
	}
}
