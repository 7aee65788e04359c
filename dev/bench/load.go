package bench

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"golang.org/x/sync/errgroup"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/dev/fleet"
	"github.com/log-event-pipeline/logpipe/dev/ledger"
	"github.com/log-event-pipeline/logpipe/dev/localaws"
	"github.com/log-event-pipeline/logpipe/dev/traffic"
)

// Limits of PutRecords, with room for partition keys.
const (
	maxPutRecords = 500
	maxPutBytes   = 4 << 20
)

// parts is how many makers share a backlog. It does not depend on the machine, so that
// the same options make the same traffic everywhere.
const parts = 4

// eventInterval is between the events of one part of a backlog.
const eventInterval = time.Millisecond

// loader puts records into the stream and enters their events into a ledger.
type loader struct {
	kinesis *kinesis.Client
	stream  string
	events  *ledger.Events

	text, stored, count, records atomic.Int64
}

func newLoader(f *fleet.Fleet) *loader {
	return &loader{kinesis: kinesis.NewFromConfig(f.AWSConfig), stream: fleet.Stream, events: f.Events}
}

// recordsConfig is that of one maker.
func (o Options) recordsConfig(part uint64) traffic.RecordsConfig {
	return traffic.RecordsConfig{
		Mix: o.Mix, Seed: o.Seed, Part: part, Account: localaws.DefaultAccount, Region: localaws.DefaultRegion, Events: o.RecordEvents,
	}
}

// backlog puts events into the stream as fast as it takes them.
func (l *loader) backlog(ctx context.Context, o Options) error {
	group, ctx := errgroup.WithContext(ctx)
	for part := range parts {
		n := o.Events / parts
		if part < o.Events%parts {
			n++
		}
		group.Go(func() error { return l.part(ctx, o, uint64(part), n) })
	}
	return group.Wait()
}

func (l *loader) part(ctx context.Context, o Options, part uint64, events int) error {
	maker, err := traffic.NewRecords(o.recordsConfig(part))
	if err != nil {
		return err
	}
	var waiting []traffic.SubscriptionRecord
	size := 0
	send := func() error {
		err := l.put(ctx, waiting, time.Now())
		waiting, size = waiting[:0], 0
		return err
	}
	add := func(r traffic.SubscriptionRecord) error {
		if len(waiting) == maxPutRecords || len(waiting) > 0 && size+len(r.Data) > maxPutBytes {
			if err := send(); err != nil {
				return err
			}
		}
		waiting, size = append(waiting, r), size+len(r.Data)
		return nil
	}
	answered := time.Now().Add(-time.Duration(events) * eventInterval)
	for made := 0; made < events; {
		n, err := maker.Request(answered, add)
		if err != nil {
			return err
		}
		made += n
		answered = answered.Add(time.Duration(n) * eventInterval)
	}
	if err := maker.Flush(add); err != nil || len(waiting) == 0 {
		return err
	}
	return send()
}

// exactly puts so many records into the stream.
func (l *loader) exactly(ctx context.Context, o Options, records int) error {
	maker, err := traffic.NewRecords(o.recordsConfig(0))
	if err != nil {
		return err
	}
	var made []traffic.SubscriptionRecord
	add := func(r traffic.SubscriptionRecord) error {
		made = append(made, r)
		return nil
	}
	for answered := time.Now(); len(made) < records; {
		n, err := maker.Request(answered, add)
		if err != nil {
			return err
		}
		answered = answered.Add(time.Duration(n) * eventInterval)
	}
	return l.put(ctx, made[:records], time.Now())
}

// put puts records with random partition keys, as a subscription filter with random
// distribution does, in as many requests as it takes.
func (l *loader) put(ctx context.Context, records []traffic.SubscriptionRecord, at time.Time) error {
	for len(records) > 0 {
		n, size := 0, 0
		for n < len(records) && n < maxPutRecords && (n == 0 || size+len(records[n].Data) <= maxPutBytes) {
			size += len(records[n].Data)
			n++
		}
		entries := make([]types.PutRecordsRequestEntry, n)
		for i, r := range records[:n] {
			entries[i] = types.PutRecordsRequestEntry{Data: r.Data, PartitionKey: aws.String(randomKey())}
		}
		if err := l.send(ctx, entries); err != nil {
			return err
		}
		for _, r := range records[:n] {
			l.enter(r, at)
		}
		records = records[n:]
	}
	return nil
}

// enter counts a record that was put, and its events.
func (l *loader) enter(r traffic.SubscriptionRecord, at time.Time) {
	for _, id := range r.EventIDs {
		l.events.AddAt(analytics.LogEventID(r.Owner, r.LogGroup, r.LogStream, id), at)
	}
	l.records.Add(1)
	l.count.Add(int64(len(r.EventIDs)))
	l.text.Add(int64(r.TextBytes))
	l.stored.Add(int64(len(r.Data)))
}

func (l *loader) send(ctx context.Context, entries []types.PutRecordsRequestEntry) error {
	for chunk := range slices.Chunk(entries, maxPutRecords) {
		out, err := l.kinesis.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &l.stream, Records: chunk})
		if err != nil {
			return fmt.Errorf("put %d records into stream %s: %w", len(chunk), l.stream, err)
		}
		if failed := aws.ToInt32(out.FailedRecordCount); failed > 0 {
			return fmt.Errorf("stream %s refused %d of %d records", l.stream, failed, len(chunk))
		}
	}
	return nil
}

// everywhere puts a record into each shard, which data makes.
func (l *loader) everywhere(ctx context.Context, data func() []byte) error {
	var entries []types.PutRecordsRequestEntry
	in := &kinesis.ListShardsInput{StreamName: &l.stream}
	for {
		page, err := l.kinesis.ListShards(ctx, in)
		if err != nil {
			return fmt.Errorf("list the shards of stream %s: %w", l.stream, err)
		}
		for _, shard := range page.Shards {
			entries = append(entries, types.PutRecordsRequestEntry{
				Data: data(), PartitionKey: aws.String(randomKey()), ExplicitHashKey: shard.HashKeyRange.StartingHashKey,
			})
		}
		if page.NextToken == nil {
			break
		}
		in = &kinesis.ListShardsInput{NextToken: page.NextToken}
	}
	return l.send(ctx, entries)
}

// controlMessage is how CloudWatch Logs looks whether it may write to a stream. It has
// no events.
const controlMessage = `{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],` +
	`"logEvents":[{"id":"","timestamp":1790000000000,"message":"CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."}]}`

// randomKey is the partition key of a filter with random distribution.
func randomKey() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // does not fail
	return hex.EncodeToString(b[:])
}
