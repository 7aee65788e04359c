package kinesis_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
)

// answering answers every request with a body.
type answering struct {
	status int
	body   func() io.Reader
}

func (a answering) Do(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(a.body())}, nil
}

// answered is what a client makes of an answer to GetRecords, in the way of this package
// or in that of the SDK.
func answered(ctx context.Context, ours bool, status int, body func() io.Reader) (*awskinesis.GetRecordsOutput, error) {
	client := awskinesis.New(awskinesis.Options{
		Region: "eu-central-1", HTTPClient: answering{status, body}, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
		}),
	}, func(o *awskinesis.Options) {
		if ours {
			o.Protocol = kinesis.Protocol(o.Protocol)
		}
	})
	return client.GetRecords(ctx, &awskinesis.GetRecordsInput{ShardIterator: aws.String("i")})
}

func text(body string) func() io.Reader {
	return func() io.Reader { return strings.NewReader(body) }
}

// requireSame compares all but what is left out.
func requireSame(t *testing.T, want, got *awskinesis.GetRecordsOutput) {
	t.Helper()
	for i := range want.Records {
		want.Records[i].PartitionKey, want.Records[i].EncryptionType = nil, ""
	}
	require.Equal(t, want.Records, got.Records)
	require.Equal(t, want.ChildShards, got.ChildShards)
	require.Equal(t, want.MillisBehindLatest, got.MillisBehindLatest)
	require.Equal(t, want.NextShardIterator, got.NextShardIterator)
}

var answers = map[string]string{
	"records": `{"Records":[{"SequenceNumber":"1","ApproximateArrivalTimestamp":1.725544035523E9,"Data":"YWJj","PartitionKey":"p","EncryptionType":"KMS"},` +
		`{"Data":"\/\/8=","SequenceNumber":"2","ApproximateArrivalTimestamp":1725544035.1}],"NextShardIterator":"AAA","MillisBehindLatest":12}`,
	"no records":   `{"Records":[],"NextShardIterator":"AAA","MillisBehindLatest":0}`,
	"null":         `{"Records":null,"NextShardIterator":null,"MillisBehindLatest":null}`,
	"nothing":      `{}`,
	"blanks":       " {\n \"MillisBehindLatest\" : 3 , \"Records\" : [ { \"Data\" : \"\" , \"SequenceNumber\" : \"\\u0031\" } ] } ",
	"null members": `{"Records":[{"SequenceNumber":null,"Data":null,"ApproximateArrivalTimestamp":null,"New":{"a":[1]}}]}`,
	"end": `{"ChildShards":[{"ShardId":"shardId-000000000002","ParentShards":["shardId-000000000001"],` +
		`"HashKeyRange":{"StartingHashKey":"0","EndingHashKey":"1"}}],"Records":[{"SequenceNumber":"1","Data":"eA=="}],"New":[{}]}`,
}

func TestProtocol(t *testing.T) {
	t.Parallel()
	for name, body := range answers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, err := answered(t.Context(), false, http.StatusOK, text(body))
			require.NoError(t, err)
			got, err := answered(t.Context(), true, http.StatusOK, text(body))
			require.NoError(t, err)
			requireSame(t, want, got)
		})
	}
}

// TestProtocolFaults: what is no answer is a fault that time mends, and its error quotes
// nothing.
func TestProtocolFaults(t *testing.T) {
	t.Parallel()
	const canary = "Y2FuYXJ5"
	for name, body := range map[string]string{
		"a page":         `<html>` + canary,
		"cut off":        `{"Records":[{"Data":"` + canary,
		"cut in between": `{"Records":[{"Data":"` + canary + `"}`,
		"no end":         `{"Records":[]`,
		"an array":       `["` + canary + `"]`,
		"no list":        `{"Records":"` + canary + `"}`,
		"no records":     `{"Records":["` + canary + `"]}`,
		"no base64":      `{"Records":[{"Data":"` + canary + `*"}]}`,
		"no text":        `{"Records":[{"Data":1}]}`,
		"no time":        `{"Records":[{"ApproximateArrivalTimestamp":"` + canary + `"}]}`,
		"no number":      `{"Records":[{"SequenceNumber":{"a":"` + canary + `"}}]}`,
		"more":           `{"Records":[]}"` + canary + `"`,
		"control":        "{\"Records\":[{\"Data\":\"" + canary + "\n\"}]}",
	} {
		_, err := answered(t.Context(), true, http.StatusOK, text(body))
		var fault *smithy.DeserializationError
		require.ErrorAs(t, err, &fault, name)
		require.NotContains(t, err.Error(), canary, name)
	}
	_, err := answered(t.Context(), true, http.StatusOK, func() io.Reader {
		return io.MultiReader(strings.NewReader(`{"Records":[`), broken{})
	})
	require.ErrorIs(t, err, errBroken)
	_, err = answered(t.Context(), true, http.StatusBadRequest, text(`{"__type":"ExpiredIteratorException","message":"m"}`))
	var expired *types.ExpiredIteratorException
	require.ErrorAs(t, err, &expired)
}

var errBroken = fmt.Errorf("broken: %w", io.ErrUnexpectedEOF)

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

// FuzzProtocol: what is read of an answer is what the SDK reads.
func FuzzProtocol(f *testing.F) {
	for _, body := range answers {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := answered(t.Context(), true, http.StatusOK, text(body))
		if err != nil {
			return
		}
		want, err := answered(t.Context(), false, http.StatusOK, text(body))
		if err != nil {
			return // of a member that is read here only if somebody looks at it
		}
		requireSame(t, want, got)
	})
}

// answerOf has records of so many bytes.
func answerOf(records, size int) []byte {
	var body bytes.Buffer
	data := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("0123456789abcdef"), size/16))
	body.WriteString(`{"MillisBehindLatest":1000,"NextShardIterator":"AAA","Records":[`)
	for i := range records {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"ApproximateArrivalTimestamp":1725544035.%03d,"Data":"%s","PartitionKey":"p","SequenceNumber":"%056d"}`, i, data, i)
	}
	body.WriteString(`]}`)
	return body.Bytes()
}

// BenchmarkGetRecords reads answers of 2 MB.
func BenchmarkGetRecords(b *testing.B) { benchmarkAnswers(b, true) }

// BenchmarkSDKAnswers reads them as the SDK does.
func BenchmarkSDKAnswers(b *testing.B) { benchmarkAnswers(b, false) }

func benchmarkAnswers(b *testing.B, ours bool) {
	b.Helper()
	const records, size = 54, 37 << 10
	body := answerOf(records, size)
	b.SetBytes(records * size)
	b.ReportAllocs()
	for b.Loop() {
		out, err := answered(b.Context(), ours, http.StatusOK, func() io.Reader { return bytes.NewReader(body) })
		if err != nil || len(out.Records) != records {
			b.Fatal(err)
		}
	}
}
