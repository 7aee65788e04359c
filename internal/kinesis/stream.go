package kinesis

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// API is the part of the Kinesis client that this package needs.
type API interface {
	DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error)
	ListShards(context.Context, *kinesis.ListShardsInput, ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error)
	GetShardIterator(context.Context, *kinesis.GetShardIteratorInput, ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error)
	GetRecords(context.Context, *kinesis.GetRecordsInput, ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error)
}

var _ API = (*kinesis.Client)(nil)

// Stream is one Kinesis data stream. One Stream serves a whole process; its methods
// are safe for concurrent use.
type Stream struct {
	api       API
	name      *string
	arn       *string
	summaries summaries
}

// NewStream names a stream by its name or its ARN.
func NewStream(api API, nameOrARN string) *Stream {
	s := &Stream{api: api}
	if strings.HasPrefix(nameOrARN, "arn:") {
		s.arn = &nameOrARN
	} else {
		s.name = &nameOrARN
	}
	return s
}

func (s *Stream) String() string {
	if s.arn != nil {
		return *s.arn
	}
	return *s.name
}

// once switches the SDK's retries off for a call. Reads are repeated by the reader's
// own rule, which keeps to the limits of the shard and shows its caller every fault;
// beneath it the SDK would spend the shard's five reads a second on retries of its own.
func once(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} }
