package localaws_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/log-event-pipeline/logpipe/dev/localaws"
)

// clock is a clock that tests move by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.UnixMilli(1_790_000_000_000)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// cloud is a running server and a client of each service. The clients do not retry.
type cloud struct {
	*localaws.Server
	url     string
	kinesis *kinesis.Client
	ssm     *ssm.Client
	logs    *cloudwatchlogs.Client
	sts     *sts.Client
}

func start(t testing.TB, cfg localaws.Config) *cloud {
	t.Helper()
	if cfg.StateDelay == 0 {
		cfg.StateDelay = -1
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	srv := localaws.New(cfg)
	// It ends with the Close below, not with the test's context, which ends before.
	addr, err := srv.Start(context.WithoutCancel(t.Context()), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	c := aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + addr),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} }, HTTPClient: &http.Client{Transport: localaws.Transport(nil)},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
		}),
	}
	return &cloud{
		Server: srv, url: "http://" + addr, kinesis: kinesis.NewFromConfig(c), ssm: ssm.NewFromConfig(c),
		logs: cloudwatchlogs.NewFromConfig(c), sts: sts.NewFromConfig(c),
	}
}

// stream makes a stream and returns its ARN.
func (c *cloud) stream(t testing.TB, name string, shards int32) string {
	t.Helper()
	if _, err := c.kinesis.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: &name, ShardCount: &shards}); err != nil {
		t.Fatal(err)
	}
	sum, err := c.kinesis.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return *sum.StreamDescriptionSummary.StreamARN
}

// records reads all that is in a stream.
func (c *cloud) records(t testing.TB, name string) []kinesistypes.Record {
	t.Helper()
	list, err := c.kinesis.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: &name})
	if err != nil {
		t.Fatal(err)
	}
	var all []kinesistypes.Record
	for _, sh := range list.Shards {
		it, err := c.kinesis.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
			StreamName: &name, ShardId: sh.ShardId, ShardIteratorType: kinesistypes.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			t.Fatal(err)
		}
		for next := it.ShardIterator; next != nil; {
			out, err := c.kinesis.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: next})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, out.Records...)
			next = out.NextShardIterator
			if aws.ToInt64(out.MillisBehindLatest) == 0 && len(out.Records) == 0 {
				break
			}
		}
	}
	return all
}

// envelope is a record of a subscription.
type envelope struct {
	MessageType         string
	Owner               string
	LogGroup            string
	LogStream           string
	SubscriptionFilters []string
	LogEvents           []struct {
		ID        string
		Timestamp int64
		Message   string
	}
}

func open(t testing.TB, r kinesistypes.Record) envelope {
	t.Helper()
	zr, err := gzip.NewReader(bytes.NewReader(r.Data))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	var e envelope
	if err := json.Unmarshal(plain, &e); err != nil {
		t.Fatalf("%v in %s", err, plain)
	}
	return e
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

func wantCode(t testing.TB, what string, err error, codes ...string) {
	t.Helper()
	if !slices.Contains(codes, code(err)) {
		t.Errorf("%s: got %s, want %v", what, code(err), codes)
	}
}
