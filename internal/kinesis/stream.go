package kinesis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
)

// API is the part of the Kinesis client that this package needs.
type API interface {
	DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error)
	ListShards(context.Context, *kinesis.ListShardsInput, ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error)
	GetShardIterator(context.Context, *kinesis.GetShardIteratorInput, ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error)
	GetRecords(context.Context, *kinesis.GetRecordsInput, ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error)
}

var _ API = (*kinesis.Client)(nil)

// ErrNoStream is wrapped where the stream does not exist.
var ErrNoStream = errors.New("no such stream")

// ErrNoShard is wrapped where the stream has no shard of that id, or no longer.
var ErrNoShard = errors.New("no such shard")

// ErrDenied is wrapped where AWS refused the caller.
var ErrDenied = errors.New("access denied")

// Stream is one Kinesis data stream.
type Stream struct {
	api  API
	name *string
	arn  *string
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

// Check reports whether the stream is there and may be described.
func (s *Stream) Check(ctx context.Context) error {
	_, err := s.api.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: s.name, StreamARN: s.arn})
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		return fmt.Errorf("describe stream %s: %w", s, ErrNoStream)
	}
	if err != nil {
		return fmt.Errorf("describe stream %s: %w", s, classify(err))
	}
	return nil
}

// Shard is one shard as Kinesis lists it.
type Shard struct {
	ID string
	// Parents are the shards this one came from, one after a split, two after a
	// merge, none for a shard of the stream's beginning.
	Parents []string
	// Closed shards take no more records.
	Closed bool
	// First is the sequence number below which the shard has no record.
	First string
}

// Shards lists all shards that Kinesis still knows, closed ones too, in its order.
func (s *Stream) Shards(ctx context.Context) ([]Shard, error) {
	var shards []Shard
	in := &kinesis.ListShardsInput{StreamName: s.name, StreamARN: s.arn}
	for {
		out, err := s.api.ListShards(ctx, in)
		if err != nil {
			if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
				return nil, fmt.Errorf("list the shards of stream %s: %w", s, ErrNoStream)
			}
			return nil, fmt.Errorf("list the shards of stream %s: %w", s, classify(err))
		}
		for _, sh := range out.Shards {
			shard := Shard{ID: *sh.ShardId}
			for _, parent := range []*string{sh.ParentShardId, sh.AdjacentParentShardId} {
				if parent != nil {
					shard.Parents = append(shard.Parents, *parent)
				}
			}
			if r := sh.SequenceNumberRange; r != nil {
				shard.Closed = r.EndingSequenceNumber != nil
				if r.StartingSequenceNumber != nil {
					shard.First = *r.StartingSequenceNumber
				}
			}
			shards = append(shards, shard)
		}
		if out.NextToken == nil {
			return shards, nil
		}
		// A token stands for the stream; both together are refused.
		in = &kinesis.ListShardsInput{NextToken: out.NextToken}
	}
}

// classify marks refusals of the caller. The message of AWS, which names the
// action and the resource, is kept.
func classify(err error) error {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		switch api.ErrorCode() {
		case "AccessDeniedException", "KMSAccessDeniedException", "UnrecognizedClientException", "InvalidClientTokenId", "ExpiredTokenException", "InvalidSignatureException":
			return fmt.Errorf("%w: %s: %s", ErrDenied, api.ErrorCode(), api.ErrorMessage())
		}
	}
	return err
}
