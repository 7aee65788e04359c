package kinesis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

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
	children []string
	begin    string // of the shard; "0" where empty
	// atOnce is how many records an answer holds at most, 10 where 0.
	atOnce int
	// quiet reads come back empty although there are records further on, as they
	// do over the gaps of a real shard.
	quiet int

	// failReads and failIterators are returned, the first one first; a nil lets a
	// call through.
	failReads, failIterators []error
	failDescribe, failList   error

	reads     []time.Time
	iterators []string // "TYPE position"
	asked     *awskinesis.GetShardIteratorInput
	pages     [][]types.Shard
	listed    []*awskinesis.ListShardsInput
}

// newFake holds n records that arrived one second after another, the first now.
func newFake(n int) *fakeKinesis {
	f := &fakeKinesis{}
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

func (f *fakeKinesis) GetShardIterator(_ context.Context, in *awskinesis.GetShardIteratorInput, _ ...func(*awskinesis.Options)) (*awskinesis.GetShardIteratorOutput, error) {
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
	return &awskinesis.GetShardIteratorOutput{ShardIterator: iteratorAt(at)}, nil
}

func iteratorAt(index int) *string {
	return aws.String(fmt.Sprintf("%d %d", index, time.Now().UnixNano()))
}

func (f *fakeKinesis) GetRecords(_ context.Context, in *awskinesis.GetRecordsInput, _ ...func(*awskinesis.Options)) (*awskinesis.GetRecordsOutput, error) {
	f.reads = append(f.reads, time.Now())
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
	}
	if !f.closed || end < len(f.records) {
		out.NextShardIterator = iteratorAt(end)
		return out, nil
	}
	for _, child := range f.children {
		out.ChildShards = append(out.ChildShards, types.ChildShard{ShardId: aws.String(child)})
	}
	return out, nil
}

func (f *fakeKinesis) ListShards(_ context.Context, in *awskinesis.ListShardsInput, _ ...func(*awskinesis.Options)) (*awskinesis.ListShardsOutput, error) {
	f.listed = append(f.listed, in)
	if f.failList != nil {
		return nil, f.failList
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
	out := &awskinesis.ListShardsOutput{Shards: f.pages[page]}
	if page+1 < len(f.pages) {
		out.NextToken = aws.String(fmt.Sprintf("page %d", page+1))
	}
	return out, nil
}

func (f *fakeKinesis) DescribeStreamSummary(context.Context, *awskinesis.DescribeStreamSummaryInput, ...func(*awskinesis.Options)) (*awskinesis.DescribeStreamSummaryOutput, error) {
	return &awskinesis.DescribeStreamSummaryOutput{}, f.failDescribe
}

func (f *fakeKinesis) stream() *kinesis.Stream { return kinesis.NewStream(f, "api-logs") }

// numbers are the records' sequence numbers in a line.
func numbers(records []window.Record) string {
	var out []string
	for _, r := range records {
		out = append(out, string(r.SequenceNumber))
	}
	return strings.Join(out, " ")
}

func at(number string) kinesis.Position {
	return kinesis.Position{Kind: types.ShardIteratorTypeAtSequenceNumber, SequenceNumber: window.SequenceNumber(number)}
}

func atTime(when time.Time) kinesis.Position {
	return kinesis.Position{Kind: types.ShardIteratorTypeAtTimestamp, Timestamp: when}
}

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
