package kinesis

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/log-event-pipeline/logpipe/internal/awsclock"
)

// Description is what Kinesis tells about a stream.
type Description struct {
	// Status is one of Kinesis: ACTIVE, CREATING, DELETING or UPDATING.
	Status string
	// OnDemand streams have as many shards as they need.
	OnDemand bool
	// OpenShards take records.
	OpenShards int
	// Retention is how long a record is kept.
	Retention time.Duration
	// Encrypted streams are encrypted at rest by KMS, with Key: an id, an alias or an ARN.
	Encrypted bool
	Key       string
	// At is the time of Kinesis in whole seconds, zero where the answer does not tell it.
	At time.Time
}

// Describe asks Kinesis about the stream. Like the two calls below it is for those who
// want to know whether reading would work, each by the action that its name says; Shards
// is the fourth.
func (s *Stream) Describe(ctx context.Context) (Description, error) {
	out, err := s.api.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: s.name, StreamARN: s.arn})
	if err != nil {
		return Description{}, fmt.Errorf("describe stream %s: %w", s, s.ofStream(err))
	}
	d := Description{At: clock(out.ResultMetadata)}
	if of := out.StreamDescriptionSummary; of != nil {
		d.Status = string(of.StreamStatus)
		d.OnDemand = of.StreamModeDetails != nil && of.StreamModeDetails.StreamMode == types.StreamModeOnDemand
		d.OpenShards = int(aws.ToInt32(of.OpenShardCount))
		d.Retention = time.Duration(aws.ToInt32(of.RetentionPeriodHours)) * time.Hour
		d.Encrypted = of.EncryptionType == types.EncryptionTypeKms
		d.Key = aws.ToString(of.KeyId)
	}
	return d, nil
}

// TryIterator calls GetShardIterator for the oldest record of a shard.
func (s *Stream) TryIterator(ctx context.Context, shardID string) (string, error) {
	out, err := s.iterator(ctx, shardID, horizon)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ShardIterator), nil
}

// TryRecords calls GetRecords for one record at most, and tells whether one came. Only a
// record that came proves that the key of an encrypted stream can be used. It takes one
// of the five reads that the shard serves in a second to all its readers.
func (s *Stream) TryRecords(ctx context.Context, iterator string) (int, error) {
	out, err := s.api.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: &iterator, StreamARN: s.arn, Limit: aws.Int32(1)}, once)
	if err != nil {
		return 0, fmt.Errorf("read stream %s: %w", s, s.ofStream(err))
	}
	return len(out.Records), nil
}

// Clock is the time of Kinesis in whole seconds, zero where it does not tell it. An answer
// that refuses the request tells it, too.
func (s *Stream) Clock(ctx context.Context) (time.Time, error) {
	in := &kinesis.ListShardsInput{StreamName: s.name, StreamARN: s.arn, MaxResults: aws.Int32(1)}
	out, err := s.api.ListShards(ctx, in)
	if err != nil {
		out = &kinesis.ListShardsOutput{}
	}
	at, err := awsclock.Of(out.ResultMetadata, err)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask stream %s for the time: %w", s, s.ofStream(err))
	}
	return at, nil
}
