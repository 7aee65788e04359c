package compose

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
)

// put is a log event in the stream.
type put struct {
	id      analytics.ID
	shard   string
	arrived time.Time // of its record
}

// readStream reads all log events that the stream holds, from its beginning.
func readStream(ctx context.Context, client *kinesis.Client, stream string) ([]put, error) {
	listed, err := client.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &stream})
	if err != nil {
		return nil, fmt.Errorf("list the shards of %s: %w", stream, err)
	}
	var all []put
	for _, shard := range listed.Shards {
		begin, err := client.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
			StreamName: &stream, ShardId: shard.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			return nil, fmt.Errorf("read shard %s: %w", *shard.ShardId, err)
		}
		for iterator := begin.ShardIterator; iterator != nil; {
			read, err := client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: iterator})
			if err != nil {
				return nil, fmt.Errorf("read shard %s: %w", *shard.ShardId, err)
			}
			for _, record := range read.Records {
				events, err := logEvents(record.Data)
				if err != nil {
					return nil, fmt.Errorf("record %s of shard %s: %w", *record.SequenceNumber, *shard.ShardId, err)
				}
				for _, id := range events {
					all = append(all, put{id: id, shard: *shard.ShardId, arrived: *record.ApproximateArrivalTimestamp})
				}
			}
			iterator = read.NextShardIterator
			if len(read.Records) == 0 && *read.MillisBehindLatest == 0 {
				break
			}
		}
	}
	return all, nil
}

// logEvents takes a record of CloudWatch Logs apart, as AWS documents it.
func logEvents(data []byte) ([]analytics.ID, error) {
	in, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("inflate: %w", err)
	}
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("inflate: %w", err)
	}
	var envelope struct {
		MessageType, Owner, LogGroup, LogStream string
		LogEvents                               []struct{ ID string }
	}
	if err := json.Unmarshal(text, &envelope); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	if envelope.MessageType != "DATA_MESSAGE" {
		return nil, nil
	}
	ids := make([]analytics.ID, len(envelope.LogEvents))
	for i, event := range envelope.LogEvents {
		ids[i] = analytics.LogEventID(envelope.Owner, envelope.LogGroup, envelope.LogStream, event.ID)
	}
	return ids, nil
}
