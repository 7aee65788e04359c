package localaws_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/fxamacker/cbor/v2"

	"github.com/log-event-pipeline/logpipe/dev/localaws"
)

func post(t testing.TB, url, contentType, target string, body []byte) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	if target != "" {
		req.Header.Set("X-Amz-Target", target)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, answer
}

// The Java SDK speaks CBOR to Kinesis: byte strings for data, tag 1 with milliseconds for times.
func TestCBOR(t *testing.T) {
	t.Parallel()
	clk := newClock()
	c := start(t, localaws.Config{Now: clk.Now})
	const cborType = "application/x-amz-cbor-1.1"
	call := func(operation string, in map[string]any) map[string]any {
		body, err := cbor.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		resp, answer := post(t, c.url, cborType, "Kinesis_20131202."+operation, body)
		if got := resp.Header.Get("Content-Type"); got != cborType {
			t.Errorf("%s answers in %s", operation, got)
		}
		out := map[string]any{}
		if err := cbor.Unmarshal(answer, &out); err != nil {
			t.Fatalf("%s: %v", operation, err)
		}
		if resp.StatusCode != http.StatusOK {
			out["status"] = resp.StatusCode
		}
		return out
	}
	call("CreateStream", map[string]any{"StreamName": "s", "ShardCount": 1})
	put := call("PutRecords", map[string]any{"StreamName": "s", "Records": []any{map[string]any{"Data": []byte{0, 1, 0xff}, "PartitionKey": "k"}}})
	if n, _ := put["FailedRecordCount"].(uint64); n != 0 {
		t.Fatalf("put %v", put)
	}
	at := cbor.Tag{Number: 1, Content: clk.Now().UnixMilli()}
	it := call("GetShardIterator", map[string]any{"StreamName": "s", "ShardId": "shardId-000000000000", "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": at})
	got := call("GetRecords", map[string]any{"ShardIterator": it["ShardIterator"], "Limit": 10})
	records, _ := got["Records"].([]any)
	if len(records) != 1 {
		t.Fatalf("got %v", got)
	}
	rec, _ := records[0].(map[any]any)
	when, _ := rec["ApproximateArrivalTimestamp"].(time.Time) // the decoder's reading of tag 1, in seconds
	if data, _ := rec["Data"].([]byte); !bytes.Equal(data, []byte{0, 1, 0xff}) || when.Unix() != clk.Now().UnixMilli() {
		t.Errorf("record %v", rec)
	}
	refused := call("GetRecords", map[string]any{"ShardIterator": "bogus"})
	if refused["__type"] != "InvalidArgumentException" || refused["status"] != http.StatusBadRequest {
		t.Errorf("refusal %v", refused)
	}
}

func TestWhatIsNotServedIsNamed(t *testing.T) {
	t.Parallel()
	c := start(t, localaws.Config{})
	for _, tc := range []struct{ contentType, target, body, code, says string }{
		{"application/x-amz-json-1.1", "Kinesis_20131202.Fly", `{}`, "UnknownOperationException", "Supported: AddTagsToStream, CreateStream"},
		{"application/x-amz-json-1.0", "DynamoDB_20120810.GetItem", `{}`, "UnknownOperationException", "AmazonSSM, Kinesis_20131202, Logs_20140328"},
		{"application/x-amz-json-1.1", "", `{}`, "UnknownOperationException", "names no service"},
		{"text/plain", "Kinesis_20131202.ListStreams", `{}`, "UnknownOperationException", "text/plain"},
		{"application/x-amz-json-1.1", "Kinesis_20131202.ListStreams", `{"Limit":`, "SerializationException", "JSON"},
		{"application/x-amz-json-1.1", "Kinesis_20131202.GetRecords", `[]`, "SerializationException", "JSON"},
		{"application/x-amz-json-1.1", "Kinesis_20131202.CreateStream", ``, "ValidationException", "streamName"},
	} {
		resp, body := post(t, c.url, tc.contentType, tc.target, []byte(tc.body))
		var out struct {
			Type    string `json:"__type"`
			Message string
		}
		if err := json.Unmarshal(body, &out); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusBadRequest || out.Type != tc.code || !strings.Contains(out.Message, tc.says) || resp.Header.Get("x-amzn-RequestId") == "" {
			t.Errorf("%s: %d %+v, want %s with %q", tc.target, resp.StatusCode, out, tc.code, tc.says)
		}
	}
	resp, body := post(t, c.url, "application/x-www-form-urlencoded", "", []byte("Action=GetFederationToken&Version=2011-06-15"))
	if resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "<Code>InvalidAction</Code>") || !strings.Contains(string(body), "AssumeRole, GetCallerIdentity") {
		t.Errorf("STS: %d %s", resp.StatusCode, body)
	}
}

func TestSTS(t *testing.T) {
	t.Parallel()
	clk := newClock()
	c := start(t, localaws.Config{Account: "210987654321", Now: clk.Now})
	who, err := c.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || *who.Account != "210987654321" {
		t.Fatalf("%+v, %v", who, err)
	}
	role, err := c.sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::210987654321:role/path/reader"), RoleSessionName: aws.String("session"), DurationSeconds: aws.Int32(900),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := *role.AssumedRoleUser.Arn; got != "arn:aws:sts::210987654321:assumed-role/reader/session" {
		t.Errorf("assumed %s", got)
	}
	if got := role.Credentials.Expiration.Sub(clk.Now().Truncate(time.Second)); got != 15*time.Minute {
		t.Errorf("credentials live for %s", got)
	}
	_, err = c.sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::x:role/r"), RoleSessionName: aws.String("session")})
	wantCode(t, "bad role", err, "ValidationError")
}

func TestThrottle(t *testing.T) {
	t.Parallel()
	clk := newClock()
	c := start(t, localaws.Config{Throttle: true, Now: clk.Now})
	c.stream(t, "s", 1)
	name, exceeded := aws.String("s"), "ProvisionedThroughputExceededException"
	put := func(n, size int) (refused int32) {
		in := &kinesis.PutRecordsInput{StreamName: name}
		for range n {
			in.Records = append(in.Records, kinesistypes.PutRecordsRequestEntry{Data: make([]byte, size-1), PartitionKey: aws.String("k")})
		}
		out, err := c.kinesis.PutRecords(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.Records {
			if r.ErrorCode != nil && *r.ErrorCode != exceeded {
				t.Errorf("record refused with %s", *r.ErrorCode)
			}
		}
		return *out.FailedRecordCount
	}
	if a, b, d := put(500, 10), put(500, 10), put(500, 10); a != 0 || b != 0 || d != 500 {
		t.Errorf("of three times 500 records %d, %d and %d were refused, want only the last", a, b, d)
	}
	clk.advance(time.Second)
	if got := put(4, 1<<19); got != 2 {
		t.Errorf("of 2 MiB in halves %d were refused, want 2", got)
	}
	it, err := c.kinesis.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{StreamName: name, ShardId: aws.String("shardId-000000000000"), ShardIteratorType: kinesistypes.ShardIteratorTypeTrimHorizon})
	if err != nil {
		t.Fatal(err)
	}
	read := func(limit int32) error {
		_, err := c.kinesis.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: it.ShardIterator, Limit: &limit})
		return err
	}
	for range 5 {
		if err := read(1); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, "a sixth read", read(1), exceeded)
	for range 4 { // fill the shard to read 5 MiB at once
		clk.advance(time.Second)
		put(2, 1<<19)
	}
	clk.advance(time.Second)
	if err := read(10000); err != nil {
		t.Fatal(err)
	}
	clk.advance(time.Second)
	wantCode(t, "a read a second after 5 MiB", read(1), exceeded)
	clk.advance(2 * time.Second)
	if err := read(1); err != nil {
		t.Errorf("a read three seconds after 5 MiB: %v", err)
	}

	_, first := c.ssm.PutParameter(t.Context(), &ssm.PutParameterInput{Name: aws.String("/p"), Value: aws.String("v"), Type: "String"})
	if first != nil {
		t.Fatal(first)
	}
	refusedGets := 0
	for range 45 {
		if _, err := c.ssm.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/p")}); err != nil {
			wantCode(t, "get", err, "ThrottlingException")
			refusedGets++
		}
	}
	if refusedGets != 5 {
		t.Errorf("of 45 gets in one second %d were refused, want 5", refusedGets)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	clk := newClock()
	c := start(t, localaws.Config{Now: clk.Now})
	c.stream(t, "s", 1)
	c.stream(t, "other", 1)
	list := func(name string) error {
		_, err := c.kinesis.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: &name})
		return err
	}
	add := func(r localaws.FaultRule) string {
		id, err := c.InjectFault(r)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	id := add(localaws.FaultRule{Operation: "ListShards", Stream: "s", Error: "AccessDeniedException", Message: "no"})
	wantCode(t, "the stream of the rule", list("s"), "AccessDeniedException")
	wantCode(t, "another stream", list("other"), "no error")
	if !c.ClearFault(id) || c.ClearFault(id) {
		t.Error("a rule can be ended once")
	}
	wantCode(t, "after the rule", list("s"), "no error")

	add(localaws.FaultRule{Service: "Kinesis", Error: "InternalFailure", Count: 2})
	wantCode(t, "first of two", list("s"), "InternalFailure")
	wantCode(t, "second of two", list("other"), "InternalFailure")
	wantCode(t, "third", list("s"), "no error")
	for code, want := range map[string]int{"InternalFailureException": 500, "ServiceUnavailable": 503, "KMSDisabledException": 400} {
		add(localaws.FaultRule{Service: "Kinesis", Error: code, Count: 1})
		answer, ok := errors.AsType[*awshttp.ResponseError](list("s"))
		if !ok || answer.HTTPStatusCode() != want {
			t.Errorf("%s came with %v, want status %d", code, answer, want)
		}
	}

	add(localaws.FaultRule{Operation: "ListShards", Error: "LimitExceededException", For: localaws.FaultDuration(time.Minute)})
	wantCode(t, "within the minute", list("s"), "LimitExceededException")
	clk.advance(time.Minute)
	wantCode(t, "after the minute", list("s"), "no error")

	add(localaws.FaultRule{Service: "ssm", Operation: "PutParameter", Name: "/p", Error: "InternalServerError", After: true, Count: 1})
	_, err := c.ssm.PutParameter(t.Context(), &ssm.PutParameterInput{Name: aws.String("/p"), Value: aws.String("v"), Type: "String"})
	wantCode(t, "failed after it was done", err, "InternalServerError")
	if got := c.value(t, "/p"); got != "v" {
		t.Errorf("the put left %q", got)
	}

	add(localaws.FaultRule{Operation: "PutRecords", PerRecord: true, Error: "InternalFailure", Count: 3})
	in := &kinesis.PutRecordsInput{StreamName: aws.String("s")}
	for range 10 {
		in.Records = append(in.Records, kinesistypes.PutRecordsRequestEntry{Data: []byte("x"), PartitionKey: aws.String("k")})
	}
	out, err := c.kinesis.PutRecords(t.Context(), in)
	if err != nil || *out.FailedRecordCount != 3 {
		t.Errorf("put: %v, %v", out, err)
	}
	add(localaws.FaultRule{Operation: "GetRecords", EmptyPage: true, Count: 1})
	if n := len(c.records(t, "s")); n != 7 {
		t.Errorf("read %d records across an empty page, want 7", n)
	}
	add(localaws.FaultRule{Service: "sts", Error: "AccessDenied", Status: http.StatusForbidden, Latency: localaws.FaultDuration(time.Millisecond)})
	_, err = c.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	wantCode(t, "STS", err, "AccessDenied")
	for _, r := range c.Faults() {
		if r.Hits == 0 {
			t.Errorf("rule %s never applied", r.ID)
		}
	}
}

func TestFaultsOverHTTP(t *testing.T) {
	t.Parallel()
	c := start(t, localaws.Config{})
	url := c.url + "/_localaws/faults"
	resp, body := post(t, url, "application/json", "", []byte(`{"service":"kinesis","error":"KMSThrottlingException","latency":"1ms","share":1}`))
	if resp.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	_, err := c.kinesis.ListStreams(t.Context(), &kinesis.ListStreamsInput{})
	wantCode(t, "under the rule", err, "KMSThrottlingException")
	for _, bad := range []string{`{}`, `{"error":"X","share":2}`, `{"eror":"X"}`, `{"error":"X","latency":5}`, `{"service":"s3","error":"X"}`, `{"perRecord":true,"error":"X"}`, `nonsense`} {
		if resp, body := post(t, url, "application/json", "", []byte(bad)); resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), `"error"`) {
			t.Errorf("%s: %d %s", bad, resp.StatusCode, body)
		}
	}
	list, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer list.Body.Close()
	var rules []localaws.FaultRule
	if err := json.NewDecoder(list.Body).Decode(&rules); err != nil || len(rules) != 1 || rules[0].Hits != 1 {
		t.Errorf("rules %+v, %v", rules, err)
	}
	for path, want := range map[string]int{url + "/99": http.StatusNotFound, url: http.StatusNoContent} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("DELETE %s: %d, want %d", path, resp.StatusCode, want)
		}
	}
	if len(c.Faults()) != 0 {
		t.Error("rules left")
	}
}

func TestSubscribeToShard(t *testing.T) {
	t.Parallel()
	c := start(t, localaws.Config{})
	arn := c.stream(t, "s", 1)
	shard := aws.String("shardId-000000000000")
	put := func(data string) {
		if _, err := c.kinesis.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("s"), Data: []byte(data), PartitionKey: aws.String("k")}); err != nil {
			t.Error(err)
		}
	}
	reg, err := c.kinesis.RegisterStreamConsumer(t.Context(), &kinesis.RegisterStreamConsumerInput{StreamARN: &arn, ConsumerName: aws.String("fan")})
	if err != nil {
		t.Fatal(err)
	}
	put("before")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	in := &kinesis.SubscribeToShardInput{
		ConsumerARN: reg.Consumer.ConsumerARN, ShardId: shard,
		StartingPosition: &kinesistypes.StartingPosition{Type: kinesistypes.ShardIteratorTypeTrimHorizon},
	}
	out, err := c.kinesis.SubscribeToShard(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	_, second := c.kinesis.SubscribeToShard(ctx, in)
	wantCode(t, "a second subscription at once", second, "ResourceInUseException")
	var got []string
	children := 0
	for ev := range out.GetStream().Events() {
		e, ok := ev.(*kinesistypes.SubscribeToShardEventStreamMemberSubscribeToShardEvent)
		if !ok {
			t.Fatalf("event %T", ev)
		}
		for _, r := range e.Value.Records {
			got = append(got, string(r.Data))
		}
		children = len(e.Value.ChildShards)
		switch {
		case children > 0:
			continue
		case e.Value.ContinuationSequenceNumber == nil:
			t.Error("an event says not where to continue")
		}
		switch len(got) {
		case 1:
			put("live")
		case 2:
			if _, err := c.kinesis.SplitShard(ctx, &kinesis.SplitShardInput{StreamName: aws.String("s"), ShardToSplit: shard, NewStartingHashKey: aws.String("1000")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := out.GetStream().Err(); err != nil {
		t.Error(err)
	}
	if fmt.Sprint(got) != "[before live]" || children != 2 {
		t.Errorf("got %v and %d children, want [before live] and 2", got, children)
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	err := localaws.Config{Account: "12", Region: "US East", ShardLimit: -1}.Validate()
	if err == nil {
		t.Fatal("taken")
	}
	for _, part := range []string{"account", "region", "shard limit"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not name %s", err, part)
		}
	}
}

func TestStartAndCloseAnyNumberOfTimes(t *testing.T) {
	t.Parallel()
	unused := localaws.New(localaws.Config{})
	for range 2 {
		if err := unused.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := unused.Start(t.Context(), "127.0.0.1:0"); err == nil {
		t.Error("started after Close")
	}
	srv := localaws.New(localaws.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	first, err := srv.Start(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := srv.Start(ctx, first); err == nil {
		t.Error("started twice on one address")
	}
	resp, err := http.Get("http://" + first + "/_localaws/health")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("health: %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
	cancel()
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
}

func TestOnDemandStream(t *testing.T) {
	t.Parallel()
	c := start(t, localaws.Config{ShardLimit: 5})
	name := aws.String("od")
	_, err := c.kinesis.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: name, StreamModeDetails: &kinesistypes.StreamModeDetails{StreamMode: kinesistypes.StreamModeOnDemand}})
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.kinesis.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: name})
	if err != nil || len(list.Shards) != 4 {
		t.Errorf("%v, %v", list, err)
	}
	_, err = c.kinesis.UpdateShardCount(t.Context(), &kinesis.UpdateShardCountInput{StreamName: name, TargetShardCount: aws.Int32(5), ScalingType: kinesistypes.ScalingTypeUniformScaling})
	wantCode(t, "scaling by hand", err, "ValidationException")
	_, err = c.kinesis.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: aws.String("more"), ShardCount: aws.Int32(2)})
	wantCode(t, "beyond the shard limit", err, "LimitExceededException")
}

func TestLargeRecords(t *testing.T) {
	t.Parallel()
	c := start(t, localaws.Config{})
	arn := c.stream(t, "s", 1)
	put := func(size int) error {
		_, err := c.kinesis.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("s"), Data: make([]byte, size), PartitionKey: aws.String("k")})
		return err
	}
	wantCode(t, "1 MiB with its key", put(1<<20-1), "no error")
	wantCode(t, "more than 1 MiB", put(1<<20), "ValidationException")
	if _, err := c.kinesis.UpdateMaxRecordSize(t.Context(), &kinesis.UpdateMaxRecordSizeInput{StreamARN: &arn, MaxRecordSizeInKiB: aws.Int32(10240)}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "10 MiB with its key", put(10<<20-1), "no error")
	wantCode(t, "more than 10 MiB", put(10<<20), "ValidationException")
}
