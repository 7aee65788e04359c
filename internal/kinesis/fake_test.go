package kinesis_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/window"
)

const shardID = "shardId-000000000001"

// iteratorLife is that of Kinesis.
const iteratorLife = 5 * time.Minute

// fakeKinesis is a stream whose one shard holds records 1, 2, 3, …
type fakeKinesis struct {
	kinesis.API // what is not faked panics

	records  []types.Record
	trimmed  int // records that are no longer there
	closed   bool
	children []string // of shardID and of shardId-000000000009
	begin    string   // of the shard; "0" where empty
	// atOnce is how many records an answer holds at most, 10 where 0.
	atOnce int
	// quiet reads come back empty although there are records further on, as they
	// do over the gaps of a real shard.
	quiet int

	// behind is told by empty answers to reads from a trimmed position, which the
	// iterators of a fake that is stuck never leave; see TestReaderLeavesATrimmedPosition.
	stuck  bool
	behind time.Duration
	// at is the clock of Kinesis; where zero, no answer tells it.
	at        time.Time
	retention time.Duration
	status    types.StreamStatus

	// failReads and failIterators are returned, the first one first; a nil lets a
	// call through.
	failReads, failIterators, failLists []error
	failDescribe, failList              error

	reads     []time.Time
	limits    []int32  // of the reads, 0 where there was none
	iterators []string // "TYPE position"
	asked     *awskinesis.GetShardIteratorInput
	pages     [][]types.Shard
	listed    []*awskinesis.ListShardsInput
	described atomic.Int64
	// retried counts the reads that the SDK would have repeated by itself.
	retried int
}

// newFake holds n records that arrived one second after another, the first now.
func newFake(n int) *fakeKinesis {
	f := &fakeKinesis{retention: 24 * time.Hour}
	f.put(n)
	return f
}

// put adds n records behind the others.
func (f *fakeKinesis) put(n int) {
	begin, _ := strconv.Atoi(f.begin)
	for range n {
		at := len(f.records)
		f.records = append(f.records, types.Record{
			SequenceNumber:              aws.String(strconv.Itoa(begin + at + 1)),
			ApproximateArrivalTimestamp: aws.Time(epoch.Add(time.Duration(at) * time.Second)),
			Data:                        fmt.Appendf(nil, "data %d", at+1),
		})
	}
}

// epoch is where the clock of testing/synctest begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func pop(errs *[]error) error {
	if len(*errs) == 0 {
		return nil
	}
	err := (*errs)[0]
	*errs = (*errs)[1:]
	return err
}

// metadata is that of an answer.
func (f *fakeKinesis) metadata() (m middleware.Metadata) {
	if f.at.IsZero() {
		return m
	}
	// The SDK has no other way to set it than to read it from an answer.
	next := middleware.DeserializeHandlerFunc(func(context.Context, middleware.DeserializeInput) (out middleware.DeserializeOutput, m middleware.Metadata, err error) {
		out.RawResponse = &smithyhttp.Response{Response: &http.Response{Header: http.Header{"Date": {f.at.UTC().Format(http.TimeFormat)}}}}
		return out, m, nil
	})
	_, m, err := awsmiddleware.RecordResponseTiming{}.HandleDeserialize(context.Background(), middleware.DeserializeInput{}, next)
	if err != nil {
		panic(err)
	}
	return m
}

func (f *fakeKinesis) countRetries(options []func(*awskinesis.Options)) {
	o := awskinesis.Options{Retryer: retry.NewStandard()}
	for _, option := range options {
		option(&o)
	}
	if o.Retryer.MaxAttempts() != 1 {
		f.retried++
	}
}

func (f *fakeKinesis) GetShardIterator(_ context.Context, in *awskinesis.GetShardIteratorInput, options ...func(*awskinesis.Options)) (*awskinesis.GetShardIteratorOutput, error) {
	f.countRetries(options)
	f.asked = in
	if err := pop(&f.failIterators); err != nil {
		return nil, err
	}
	if *in.ShardId != shardID {
		return nil, &types.ResourceNotFoundException{Message: aws.String("no shard " + *in.ShardId)}
	}
	at := f.trimmed
	described := string(in.ShardIteratorType)
	seek := func(reached func(types.Record) bool) {
		if at = slices.IndexFunc(f.records, reached); at < 0 {
			at = len(f.records)
		}
		at = max(at, f.trimmed)
	}
	number := func(s *string) window.SequenceNumber { return window.SequenceNumber(aws.ToString(s)) }
	switch in.ShardIteratorType {
	case types.ShardIteratorTypeTrimHorizon:
	case types.ShardIteratorTypeAtTimestamp:
		described += " " + in.Timestamp.Format(time.TimeOnly)
		seek(func(r types.Record) bool { return !r.ApproximateArrivalTimestamp.Before(*in.Timestamp) })
	case types.ShardIteratorTypeAtSequenceNumber, types.ShardIteratorTypeAfterSequenceNumber:
		described += " " + *in.StartingSequenceNumber
		least := 0
		if in.ShardIteratorType == types.ShardIteratorTypeAfterSequenceNumber {
			least = 1
		}
		seek(func(r types.Record) bool {
			return number(r.SequenceNumber).Compare(number(in.StartingSequenceNumber)) >= least
		})
	case types.ShardIteratorTypeLatest:
		at = len(f.records)
	default:
		return nil, fmt.Errorf("no iterator of type %q", in.ShardIteratorType)
	}
	f.iterators = append(f.iterators, described)
	if f.stuck && in.ShardIteratorType != types.ShardIteratorTypeTrimHorizon {
		at = -1
	}
	return &awskinesis.GetShardIteratorOutput{ShardIterator: iteratorAt(at), ResultMetadata: f.metadata()}, nil
}

func iteratorAt(index int) *string {
	return aws.String(fmt.Sprintf("%d %d", index, time.Now().UnixNano()))
}

func (f *fakeKinesis) GetRecords(_ context.Context, in *awskinesis.GetRecordsInput, options ...func(*awskinesis.Options)) (*awskinesis.GetRecordsOutput, error) {
	f.countRetries(options)
	f.reads = append(f.reads, time.Now())
	f.limits = append(f.limits, aws.ToInt32(in.Limit))
	if err := pop(&f.failReads); err != nil {
		return nil, err
	}
	var at int
	var issued int64
	if _, err := fmt.Sscanf(*in.ShardIterator, "%d %d", &at, &issued); err != nil {
		return nil, err
	}
	if time.Since(time.Unix(0, issued)) > iteratorLife {
		return nil, &types.ExpiredIteratorException{Message: aws.String("iterator expired")}
	}
	if at < 0 {
		return &awskinesis.GetRecordsOutput{
			MillisBehindLatest: aws.Int64(f.behind.Milliseconds()), NextShardIterator: iteratorAt(at), ResultMetadata: f.metadata(),
		}, nil
	}
	atOnce := 10
	if f.atOnce > 0 {
		atOnce = f.atOnce
	}
	if in.Limit != nil {
		atOnce = min(atOnce, int(*in.Limit))
	}
	if f.quiet > 0 {
		f.quiet--
		atOnce = 0
	}
	end := min(at+atOnce, len(f.records))
	out := &awskinesis.GetRecordsOutput{
		Records:            f.records[at:end],
		MillisBehindLatest: aws.Int64(int64(len(f.records)-end) * 1000),
		ResultMetadata:     f.metadata(),
	}
	if !f.closed || end < len(f.records) {
		out.NextShardIterator = iteratorAt(end)
		return out, nil
	}
	for _, child := range f.children {
		out.ChildShards = append(out.ChildShards, types.ChildShard{
			ShardId: aws.String(child), ParentShards: []string{shardID, "shardId-000000000009"},
		})
	}
	return out, nil
}

func (f *fakeKinesis) ListShards(_ context.Context, in *awskinesis.ListShardsInput, _ ...func(*awskinesis.Options)) (*awskinesis.ListShardsOutput, error) {
	f.listed = append(f.listed, in)
	if f.failList != nil {
		return nil, f.failList
	}
	if err := pop(&f.failLists); err != nil {
		return nil, err
	}
	if f.pages == nil {
		begin := f.begin
		if begin == "" {
			begin = "0"
		}
		f.pages = [][]types.Shard{{{ShardId: aws.String(shardID), SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: &begin}}}}
	}
	page := 0
	if in.NextToken != nil {
		if in.StreamName != nil {
			return nil, &types.InvalidArgumentException{Message: aws.String("NextToken and StreamName cannot be provided together")}
		}
		page, _ = strconv.Atoi(strings.TrimPrefix(*in.NextToken, "page "))
	}
	out := &awskinesis.ListShardsOutput{Shards: f.pages[page], ResultMetadata: f.metadata()}
	if in.ExclusiveStartShardId != nil {
		out.Shards = slices.DeleteFunc(slices.Clone(out.Shards), func(sh types.Shard) bool { return *sh.ShardId <= *in.ExclusiveStartShardId })
	}
	if in.MaxResults != nil && len(out.Shards) > int(*in.MaxResults) {
		out.Shards = out.Shards[:*in.MaxResults]
		return out, nil
	}
	if page+1 < len(f.pages) {
		out.NextToken = aws.String(fmt.Sprintf("page %d", page+1))
	}
	return out, nil
}

func (f *fakeKinesis) DescribeStreamSummary(ctx context.Context, _ *awskinesis.DescribeStreamSummaryInput, _ ...func(*awskinesis.Options)) (*awskinesis.DescribeStreamSummaryOutput, error) {
	f.described.Add(1)
	// As long as a call takes, so that several askers meet.
	select {
	case <-time.After(describing):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if f.failDescribe != nil {
		return nil, f.failDescribe
	}
	return &awskinesis.DescribeStreamSummaryOutput{
		ResultMetadata: f.metadata(),
		StreamDescriptionSummary: &types.StreamDescriptionSummary{
			StreamStatus: cmp.Or(f.status, types.StreamStatusActive), RetentionPeriodHours: aws.Int32(int32(f.retention.Hours())),
		},
	}, nil
}

// describing is how long a fake describes.
const describing = 10 * time.Millisecond

func (f *fakeKinesis) stream() *kinesis.Stream { return kinesis.NewStream(f, "api-logs") }

// numbers are the records' sequence numbers in a line.
func numbers(records []window.Record) string {
	var out []string
	for _, r := range records {
		out = append(out, string(r.SequenceNumber))
	}
	return strings.Join(out, " ")
}

func (f *fakeKinesis) reader(from kinesis.Position) *kinesis.Reader {
	return f.stream().Reader(shardID, from, kinesis.ReaderOptions{})
}

func at(number string) kinesis.Position { return kinesis.At(window.SequenceNumber(number)) }

func atTime(when time.Time) kinesis.Position { return kinesis.AtTime(when) }

// mustRead makes one read that has to succeed.
func mustRead(t *testing.T, r *kinesis.Reader) kinesis.Batch {
	t.Helper()
	b, err := r.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var errDown = errors.New("no connection")
