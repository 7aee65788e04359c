// Package kinesissuite is what a reader that keeps checkpoints depends on in Kinesis, as checks that run through the
// AWS SDK against any endpoint: the local AWS of this repository, emulators that others wrote, or the service itself.
//
// [Run] checks the endpoint, [RunReader] the pipeline's own reader at it.
package kinesissuite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
)

// Target is an endpoint to check.
type Target struct {
	Client *kinesis.Client
	// Advance moves the endpoint's clock on. Without it the checks about ageing are skipped.
	Advance func(time.Duration)
}

// Options adapt the suite to an endpoint.
type Options struct {
	// Exceptions names checks that the endpoint is known to fail, each with the reason. A check listed here that
	// passes fails the test, so that the list cannot go stale.
	Exceptions map[string]string
	// Skip names checks not to run at all, each with the reason: those that would take an endpoint too long.
	Skip map[string]string
	// Records is how many records the checks about volume put; 2000 when 0.
	Records int
	// Serial runs one check after another, for endpoints that share one process and are slow.
	Serial bool
}

// check is one behaviour. It returns what is wrong.
type check struct {
	name string
	run  func(context.Context, *bench) error
	ages bool // needs Target.Advance
}

func checks() []check {
	return slices.Concat(positionChecks(), orderChecks(), reshardChecks(), listChecks(), refusalChecks(), ageChecks())
}

const checkTimeout = 90 * time.Second

// Run runs every check of an endpoint as a subtest of its own, with a target from newTarget for each.
func Run(t *testing.T, newTarget func(testing.TB) Target, opt Options) {
	t.Helper()
	run(t, checks(), newTarget, opt)
}

func run(t *testing.T, checks []check, newTarget func(testing.TB) Target, opt Options) {
	t.Helper()
	if opt.Records == 0 {
		opt.Records = 2000
	}
	var names []string
	for _, c := range checks {
		names = append(names, c.name)
	}
	for _, listed := range []map[string]string{opt.Exceptions, opt.Skip} {
		for name := range listed {
			if !slices.Contains(names, name) {
				t.Errorf("option names check %q, which does not exist", name)
			}
		}
	}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			if !opt.Serial {
				t.Parallel()
			}
			if reason, ok := opt.Skip[c.name]; ok {
				t.Skipf("left out for this endpoint: %s", reason)
			}
			target := newTarget(t)
			if c.ages && target.Advance == nil {
				t.Skip("this endpoint's clock cannot be moved")
			}
			ctx, cancel := context.WithTimeout(t.Context(), checkTimeout)
			defer cancel()
			b := &bench{Client: target.Client, advance: target.Advance, records: opt.Records}
			err := errors.Join(c.run(ctx, b), b.cleanUp(ctx))
			reason, excepted := opt.Exceptions[c.name]
			switch {
			case err != nil && excepted:
				t.Logf("known deviation (%s): %v", reason, err)
			case err != nil:
				t.Error(err)
			case excepted:
				t.Errorf("passes although listed as an exception (%s): take it off the list", reason)
			}
		})
	}
}

// bench is what a check works with.
type bench struct {
	*kinesis.Client
	advance func(time.Duration)
	records int
	streams []string
}

var streamNumber atomic.Int64

// stream makes a stream of n shards, ready for use, that goes with the check.
func (b *bench) stream(ctx context.Context, n int32) (string, error) {
	name := fmt.Sprintf("suite-%d-%d", time.Now().UnixNano(), streamNumber.Add(1))
	if _, err := b.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &name, ShardCount: &n}); err != nil {
		return "", err
	}
	b.streams = append(b.streams, name)
	return name, b.waitActive(ctx, name)
}

func (b *bench) cleanUp(ctx context.Context) error {
	var errs []error
	for _, name := range b.streams {
		_, err := b.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: &name})
		if err != nil && code(err) != "ResourceNotFoundException" {
			errs = append(errs, fmt.Errorf("delete stream: %w", err))
		}
	}
	return errors.Join(errs...)
}

const pollInterval = 5 * time.Millisecond

func (b *bench) waitActive(ctx context.Context, name string) error {
	for {
		out, err := b.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &name})
		if err != nil {
			return err
		}
		if out.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive {
			return nil
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("stream %s never became ACTIVE: %w", name, err)
		}
	}
}

// pause is the step of a poll.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pollInterval):
		return nil
	}
}

// put writes records "<prefix>0" to "<prefix>n-1" to the shard that holds a hash key, in one request, and returns
// their sequence numbers.
func (b *bench) put(ctx context.Context, stream, prefix string, n int, hashKey string) ([]string, error) {
	in := &kinesis.PutRecordsInput{StreamName: &stream}
	for i := range n {
		in.Records = append(in.Records, types.PutRecordsRequestEntry{
			Data: fmt.Appendf(nil, "%s%d", prefix, i), PartitionKey: aws.String("key"), ExplicitHashKey: &hashKey,
		})
	}
	out, err := b.PutRecords(ctx, in)
	if err != nil {
		return nil, err
	}
	var seqs []string
	for _, r := range out.Records {
		if r.ErrorCode != nil {
			return nil, fmt.Errorf("record refused: %s", *r.ErrorCode)
		}
		seqs = append(seqs, *r.SequenceNumber)
	}
	return seqs, nil
}

// position names a place in a shard.
type position struct {
	kind types.ShardIteratorType
	seq  string
	at   time.Time
}

func trimHorizon() position { return position{kind: types.ShardIteratorTypeTrimHorizon} }
func latest() position      { return position{kind: types.ShardIteratorTypeLatest} }
func at(seq string) position {
	return position{kind: types.ShardIteratorTypeAtSequenceNumber, seq: seq}
}
func after(seq string) position {
	return position{kind: types.ShardIteratorTypeAfterSequenceNumber, seq: seq}
}
func atTime(t time.Time) position { return position{kind: types.ShardIteratorTypeAtTimestamp, at: t} }

func (b *bench) iterator(ctx context.Context, stream, shard string, p position) (*string, error) {
	in := &kinesis.GetShardIteratorInput{StreamName: &stream, ShardId: &shard, ShardIteratorType: p.kind}
	if p.seq != "" {
		in.StartingSequenceNumber = &p.seq
	}
	if !p.at.IsZero() {
		in.Timestamp = &p.at
	}
	out, err := b.GetShardIterator(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("iterator %s: %w", p.kind, err)
	}
	return out.ShardIterator, nil
}

// reading is what reading on from an iterator brings.
type reading struct {
	records []types.Record
	last    *kinesis.GetRecordsOutput
}

// ended reports whether the shard's end was reached.
func (r reading) ended() bool { return r.last != nil && r.last.NextShardIterator == nil }

func (r reading) data() []string {
	out := make([]string, len(r.records))
	for i, rec := range r.records {
		out[i] = string(rec.Data)
	}
	return out
}

// quietPages is how many empty pages in a row at the tip count as its end. One could be a hiccup.
const quietPages = 2

// toTip reads on from an iterator until the tip of an open shard or the end of a closed one.
func (b *bench) toTip(ctx context.Context, it *string, limit int32) (reading, error) {
	var r reading
	for quiet := 0; it != nil && quiet < quietPages; {
		in := &kinesis.GetRecordsInput{ShardIterator: it}
		if limit > 0 {
			in.Limit = &limit
		}
		out, err := b.GetRecords(ctx, in)
		if err != nil {
			return r, fmt.Errorf("get records: %w", err)
		}
		r.records = append(r.records, out.Records...)
		r.last, it = out, out.NextShardIterator
		quiet++
		if len(out.Records) > 0 || aws.ToInt64(out.MillisBehindLatest) > 0 {
			quiet = 0
		}
	}
	return r, nil
}

// toEnd reads on until the end of a closed shard, which endpoints may take a moment to tell.
func (b *bench) toEnd(ctx context.Context, it *string, limit int32) (reading, error) {
	var all reading
	for {
		r, err := b.toTip(ctx, it, limit)
		all.records, all.last = append(all.records, r.records...), r.last
		if err != nil {
			return all, err
		}
		if r.ended() {
			return all, nil
		}
		it = r.last.NextShardIterator
		if err := pause(ctx); err != nil {
			return all, fmt.Errorf("closed shard gives NextShardIterator for ever: %w", err)
		}
	}
}

// read reads from a position to the tip.
func (b *bench) read(ctx context.Context, stream, shard string, p position, limit int32) (reading, error) {
	it, err := b.iterator(ctx, stream, shard, p)
	if err != nil {
		return reading{}, err
	}
	return b.toTip(ctx, it, limit)
}

func (b *bench) shards(ctx context.Context, stream string, f *types.ShardFilter) ([]types.Shard, error) {
	out, err := b.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &stream, ShardFilter: f})
	if err != nil {
		return nil, fmt.Errorf("list shards: %w", err)
	}
	return out.Shards, nil
}

func code(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	if err == nil {
		return "no error"
	}
	return err.Error()
}

// refused checks that a call failed with one of the codes.
func refused(what string, err error, codes ...string) error {
	if slices.Contains(codes, code(err)) {
		return nil
	}
	return fmt.Errorf("%s: got %s, want %v", what, code(err), codes)
}

func sameData(what string, got, want []string) error {
	if slices.Equal(got, want) {
		return nil
	}
	return fmt.Errorf("%s: got %d records %.200q, want %d %.200q", what, len(got), got, len(want), want)
}

func series(prefix string, from, to int) []string {
	out := []string{}
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprint(prefix, i))
	}
	return out
}
