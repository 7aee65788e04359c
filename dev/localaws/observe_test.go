package localaws_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/log-event-pipeline/logpipe/dev/localaws"
)

// observed collects what the hooks are called with.
type observed struct {
	mu       sync.Mutex
	stored   []localaws.StoredRecord
	requests []localaws.Request
}

func (o *observed) store(r localaws.StoredRecord) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.stored = append(o.stored, r)
}

func (o *observed) request(r localaws.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requests = append(o.requests, r)
}

func TestObservers(t *testing.T) {
	t.Parallel()
	clk := newClock()
	var o observed
	c := start(t, localaws.Config{Now: clk.Now, OnStore: o.store, OnRequest: o.request})
	c.stream(t, "s", 1)
	in := &kinesis.PutRecordsInput{StreamName: aws.String("s")}
	for range 5 {
		in.Records = append(in.Records, types.PutRecordsRequestEntry{Data: []byte("x"), PartitionKey: aws.String("k")})
	}
	if _, err := c.InjectFault(localaws.FaultRule{Operation: "PutRecords", PerRecord: true, Error: "InternalFailure", Count: 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.kinesis.PutRecords(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	clk.advance(time.Second)
	if _, err := c.kinesis.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("s"), Data: []byte("y"), PartitionKey: aws.String("k")}); err != nil {
		t.Fatal(err)
	}

	records := c.records(t, "s")
	if len(records) != 4 || len(o.stored) != 4 {
		t.Fatalf("%d records in the stream, %d observed, want 4 of each", len(records), len(o.stored))
	}
	for i, r := range records {
		want := localaws.StoredRecord{
			Stream: "s", ShardID: "shardId-000000000000",
			SequenceNumber: *r.SequenceNumber, Arrival: *r.ApproximateArrivalTimestamp,
		}
		got := o.stored[i]
		if !got.Arrival.Equal(want.Arrival) || got.SequenceNumber != want.SequenceNumber || got.Stream != want.Stream || got.ShardID != want.ShardID {
			t.Errorf("record %d: observed %+v, want %+v", i, got, want)
		}
	}

	at := slices.IndexFunc(o.requests, func(r localaws.Request) bool { return r.Operation == "GetRecords" })
	if at < 0 {
		t.Fatalf("no read among %+v", o.requests)
	}
	read := o.requests[at]
	if read.Service != "kinesis" || read.Stream != "s" || read.Shard != "shardId-000000000000" ||
		!read.Time.Equal(clk.Now()) || !strings.Contains(read.Agent, "aws-sdk-go") {
		t.Errorf("observed %+v", read)
	}
}

func TestExpireIterators(t *testing.T) {
	t.Parallel()
	clk := newClock()
	c := start(t, localaws.Config{Now: clk.Now})
	c.stream(t, "s", 1)
	iterator := func() *string {
		t.Helper()
		out, err := c.kinesis.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
			StreamName: aws.String("s"), ShardId: aws.String("shardId-000000000000"), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			t.Fatal(err)
		}
		return out.ShardIterator
	}
	read := func(iterator *string) error {
		_, err := c.kinesis.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: iterator})
		return err
	}
	old := iterator()
	wantCode(t, "before", read(old), "no error")
	clk.advance(time.Millisecond)
	c.ExpireIterators()
	wantCode(t, "one from before", read(old), "ExpiredIteratorException")
	renewed := iterator()
	wantCode(t, "one from after", read(renewed), "no error")

	clk.advance(time.Millisecond)
	if resp, body := post(t, c.url+"/_localaws/expire-iterators", "application/json", "", nil); resp.StatusCode != http.StatusNoContent {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	wantCode(t, "over HTTP", read(renewed), "ExpiredIteratorException")
}

// TestClockBehind: what arrives while the clock is behind is old when it is right again.
func TestClockBehind(t *testing.T) {
	t.Parallel()
	clk := newClock()
	c := start(t, localaws.Config{Now: clk.Now})
	set := func(behind string, want int) {
		t.Helper()
		answer, err := http.Post(c.url+"/_localaws/clock?behind="+behind, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Fatalf("behind=%s: %s", behind, answer.Status)
		}
	}
	set("2m", http.StatusNoContent)
	c.stream(t, "s", 1)
	put := func() {
		t.Helper()
		if _, err := c.kinesis.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("s"), Data: []byte("y"), PartitionKey: aws.String("k")}); err != nil {
			t.Fatal(err)
		}
	}
	put()
	for _, wrong := range []string{"", "2", "-1m"} {
		set(wrong, http.StatusBadRequest)
	}
	set("0s", http.StatusNoContent)
	put()
	records := c.records(t, "s")
	if len(records) != 2 {
		t.Fatalf("%d records, want 2", len(records))
	}
	if apart := records[1].ApproximateArrivalTimestamp.Sub(*records[0].ApproximateArrivalTimestamp); apart != 2*time.Minute {
		t.Errorf("the records arrived %s apart, want 2m", apart)
	}
}
