package localaws_test

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/log-event-pipeline/logpipe/dev/localaws"
)

const role = "arn:aws:iam::123456789012:role/logs"

func (c *cloud) logStream(t testing.TB, group string, streams ...string) {
	t.Helper()
	if _, err := c.logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &group}); err != nil {
		t.Fatal(err)
	}
	for _, s := range streams {
		if _, err := c.logs.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &s}); err != nil {
			t.Fatal(err)
		}
	}
}

func (c *cloud) subscribe(t testing.TB, group, name, pattern, arn string) {
	t.Helper()
	_, err := c.logs.PutSubscriptionFilter(t.Context(), &cloudwatchlogs.PutSubscriptionFilterInput{
		LogGroupName: &group, FilterName: &name, FilterPattern: &pattern, DestinationArn: &arn, RoleArn: aws.String(role),
	})
	if err != nil {
		t.Fatal(err)
	}
}

func events(now time.Time, messages ...string) []types.InputLogEvent {
	var out []types.InputLogEvent
	for _, m := range messages {
		out = append(out, types.InputLogEvent{Message: &m, Timestamp: aws.Int64(now.UnixMilli())})
	}
	return out
}

func (c *cloud) putEvents(t testing.TB, group, stream string, evs []types.InputLogEvent) *cloudwatchlogs.PutLogEventsOutput {
	t.Helper()
	out, err := c.logs.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream, LogEvents: evs})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func flush(t testing.TB, c *cloud) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := c.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

// recorder is the hook of a pipeline that reconciles.
type recorder struct {
	mu   sync.Mutex
	seen []localaws.ForwardedEvent
}

func (r *recorder) hook(e localaws.ForwardedEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, e)
}

func TestSubscriptionDelivers(t *testing.T) {
	t.Parallel()
	clk, rec := newClock(), &recorder{}
	c := start(t, localaws.Config{Now: clk.Now, OnForward: rec.hook})
	arn := c.stream(t, "logs", 2)
	c.logStream(t, "/api/access", "a", "b")
	c.subscribe(t, "/api/access", "all", "", arn)
	c.subscribe(t, "/api/access", "errors", `{ $.status >= 500 }`, arn)
	const fine, broken = `{"status":200,"ua":"x \"y\" <z>"}`, `{"status":500}`
	c.putEvents(t, "/api/access", "a", events(clk.Now(), fine, broken))
	c.putEvents(t, "/api/access", "b", events(clk.Now(), fine))
	flush(t, c)

	var control int
	got := map[string][]string{}
	for _, r := range c.records(t, "logs") {
		if len(*r.PartitionKey) != 32 {
			t.Errorf("partition key %s", *r.PartitionKey)
		}
		e := open(t, r)
		switch e.MessageType {
		case "CONTROL_MESSAGE":
			control++
			if e.Owner != "CloudwatchLogs" || e.LogGroup != "" || e.LogStream != "" || len(e.LogEvents) != 1 || e.LogEvents[0].ID != "" ||
				e.LogEvents[0].Message != "CWL CONTROL MESSAGE: Checking health of destination Kinesis stream." {
				t.Errorf("control message %+v", e)
			}
		case "DATA_MESSAGE":
			if e.Owner != c.Account() || e.LogGroup != "/api/access" || len(e.SubscriptionFilters) != 1 {
				t.Errorf("envelope %+v", e)
			}
			for _, ev := range e.LogEvents {
				id, _ := new(big.Int).SetString(ev.ID, 10)
				if len(ev.ID) != 56 || new(big.Int).Rsh(id, 144).Int64() != ev.Timestamp {
					t.Errorf("event id %s at %d", ev.ID, ev.Timestamp)
				}
				key := e.SubscriptionFilters[0] + " " + e.LogStream
				got[key] = append(got[key], ev.Message)
			}
		}
	}
	want := map[string][]string{"all a": {fine, broken}, "errors a": {broken}, "all b": {fine}}
	if control != 2 || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d control messages and %v, want 2 and %v", control, got, want)
	}
	if len(rec.seen) != 3 {
		t.Errorf("the hook saw %d events, want each of 3 once", len(rec.seen))
	}
	for _, e := range rec.seen {
		if e.Owner != c.Account() || e.LogGroup != "/api/access" || len(e.ID) != 56 || e.Timestamp != clk.Now().UnixMilli() {
			t.Errorf("the hook saw %+v", e)
		}
	}
}

// With the stream throttled and failing, everything arrives in order and Flush waits for it.
func TestDeliveryKeepsOrderThroughFaults(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	c := start(t, localaws.Config{OnForward: rec.hook})
	arn := c.stream(t, "logs", 3)
	streams := []string{"s0", "s1", "s2", "s3"}
	c.logStream(t, "g", streams...)
	c.subscribe(t, "g", "f", "", arn)
	for _, code := range []string{"ProvisionedThroughputExceededException", "InternalFailure"} {
		if _, err := c.InjectFault(localaws.FaultRule{Service: "kinesis", Operation: "PutRecord", Error: code, Share: 0.3, Count: 20}); err != nil {
			t.Fatal(err)
		}
	}
	const batches = 12
	var wg sync.WaitGroup
	for _, s := range streams {
		wg.Go(func() {
			for i := range batches {
				c.putEvents(t, "g", s, events(time.Now(), fmt.Sprintf("%s %03d a", s, i), fmt.Sprintf("%s %03d b", s, i)))
			}
		})
	}
	wg.Wait()
	flush(t, c)
	got := map[string][]string{}
	ids := map[string]bool{}
	for _, r := range c.records(t, "logs") {
		for _, ev := range open(t, r).LogEvents {
			if ev.ID != "" {
				got[ev.Message[:2]] = append(got[ev.Message[:2]], ev.Message)
				ids[ev.ID] = true
			}
		}
	}
	for _, s := range streams {
		if len(got[s]) != 2*batches || !slices.IsSorted(got[s]) {
			t.Errorf("%s: %d events of %d, in order %v", s, len(got[s]), 2*batches, slices.IsSorted(got[s]))
		}
	}
	if want := len(streams) * batches * 2; len(ids) != want || len(rec.seen) != want || c.Undelivered() != 0 {
		t.Errorf("%d ids, %d seen by the hook, want %d; %d undelivered", len(ids), len(rec.seen), want, c.Undelivered())
	}
}

func TestRefusedForGoodIsCounted(t *testing.T) {
	t.Parallel()
	c := start(t, localaws.Config{})
	arn := c.stream(t, "logs", 1)
	c.logStream(t, "g", "s")
	c.subscribe(t, "g", "f", "", arn)
	if _, err := c.kinesis.DeleteStream(t.Context(), &kinesis.DeleteStreamInput{StreamName: aws.String("logs")}); err != nil {
		t.Fatal(err)
	}
	c.putEvents(t, "g", "s", events(time.Now(), "a", "b"))
	flush(t, c)
	if got := c.Undelivered(); got != 2 {
		t.Errorf("%d events undelivered, want 2", got)
	}
}

func TestPutLogEventsLimits(t *testing.T) {
	t.Parallel()
	clk := newClock()
	c := start(t, localaws.Config{Now: clk.Now})
	c.logStream(t, "g", "s")
	now := clk.Now()
	at := func(offsets ...time.Duration) []types.InputLogEvent {
		var out []types.InputLogEvent
		for _, o := range offsets {
			out = append(out, events(now.Add(o), "m")...)
		}
		return out
	}
	many := make([]types.InputLogEvent, 10001)
	for i := range many {
		many[i] = at(0)[0]
	}
	for name, evs := range map[string][]types.InputLogEvent{
		"none": {}, "too many": many, "out of order": at(0, -time.Second), "span": at(-25*time.Hour, 0),
		"empty message": events(now, ""), "event size": events(now, strings.Repeat("x", 1<<20-25)),
		"batch size": events(now, strings.Repeat("x", 1<<19), strings.Repeat("x", 1<<19-51)),
	} {
		_, err := c.logs.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("s"), LogEvents: evs})
		wantCode(t, name, err, "InvalidParameterException")
	}
	c.putEvents(t, "g", "s", many[:10000])
	c.putEvents(t, "g", "s", events(now, strings.Repeat("x", 1<<20-26)))
	c.putEvents(t, "g", "s", events(now, strings.Repeat("x", 1<<19), strings.Repeat("x", 1<<19-52)))
	out := c.putEvents(t, "g", "s", at(-15*24*time.Hour, -time.Hour, 3*time.Hour))
	r := out.RejectedLogEventsInfo
	if r == nil || aws.ToInt32(r.TooOldLogEventEndIndex) != 1 || aws.ToInt32(r.TooNewLogEventStartIndex) != 2 {
		t.Errorf("rejected %+v", r)
	}
	_, err := c.logs.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("no"), LogEvents: at(0)})
	wantCode(t, "no such stream", err, "ResourceNotFoundException")
}

func TestSubscriptionRefusals(t *testing.T) {
	t.Parallel()
	c := start(t, localaws.Config{})
	arn := c.stream(t, "logs", 1)
	c.logStream(t, "g", "s")
	in := func(change func(*cloudwatchlogs.PutSubscriptionFilterInput)) error {
		p := &cloudwatchlogs.PutSubscriptionFilterInput{
			LogGroupName: aws.String("g"), FilterName: aws.String("f"), FilterPattern: aws.String(""), DestinationArn: &arn, RoleArn: aws.String(role),
		}
		change(p)
		_, err := c.logs.PutSubscriptionFilter(t.Context(), p)
		return err
	}
	type input = cloudwatchlogs.PutSubscriptionFilterInput
	const bad = "InvalidParameterException"
	wantCode(t, "pattern", in(func(p *input) { p.FilterPattern = aws.String("[a, b]") }), bad)
	wantCode(t, "no role", in(func(p *input) { p.RoleArn = nil }), bad)
	wantCode(t, "lambda", in(func(p *input) { p.DestinationArn = aws.String("arn:aws:lambda:us-east-1:123456789012:function:f") }), bad)
	wantCode(t, "no stream", in(func(p *input) { p.DestinationArn = aws.String(arn + "-no") }), bad)
	wantCode(t, "no group", in(func(p *input) { p.LogGroupName = aws.String("no") }), "ResourceNotFoundException")
	wantCode(t, "transformed", in(func(p *input) { p.ApplyOnTransformedLogs = true }), bad)
	for _, name := range []string{"one", "two", "one"} {
		if err := in(func(p *input) { p.FilterName = &name }); err != nil {
			t.Fatal(err)
		}
	}
	wantCode(t, "a third filter", in(func(p *input) { p.FilterName = aws.String("three") }), "LimitExceededException")
	if n := len(c.records(t, "logs")); n != 3 {
		t.Errorf("%d control messages, want one for each of 3 filters put", n)
	}
	if _, err := c.logs.DeleteSubscriptionFilter(t.Context(), &cloudwatchlogs.DeleteSubscriptionFilterInput{LogGroupName: aws.String("g"), FilterName: aws.String("one")}); err != nil {
		t.Fatal(err)
	}
	out, err := c.logs.DescribeSubscriptionFilters(t.Context(), &cloudwatchlogs.DescribeSubscriptionFiltersInput{LogGroupName: aws.String("g")})
	if err != nil || len(out.SubscriptionFilters) != 1 || *out.SubscriptionFilters[0].FilterName != "two" || out.SubscriptionFilters[0].Distribution != types.DistributionByLogStream {
		t.Errorf("filters left: %+v, %v", out, err)
	}
}

func TestEventsReadBack(t *testing.T) {
	t.Parallel()
	clk := newClock()
	c := start(t, localaws.Config{Now: clk.Now})
	c.logStream(t, "g", "s", "other")
	var want []string
	for i := range 25 {
		m := fmt.Sprintf("event %02d", i)
		want = append(want, m)
		c.putEvents(t, "g", "s", events(clk.Now(), m))
		clk.advance(time.Second)
	}
	c.putEvents(t, "g", "other", events(clk.Now(), "elsewhere ERROR"))
	var got []string
	in := &cloudwatchlogs.GetLogEventsInput{LogGroupName: aws.String("g"), LogStreamName: aws.String("s"), StartFromHead: aws.Bool(true), Limit: aws.Int32(10)}
	for {
		out, err := c.logs.GetLogEvents(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Events) == 0 {
			if aws.ToString(out.NextForwardToken) != aws.ToString(in.NextToken) {
				t.Error("the token at the end is not the one given, which clients stop at")
			}
			break
		}
		for _, e := range out.Events {
			got = append(got, *e.Message)
		}
		in.NextToken = out.NextForwardToken
	}
	if !slices.Equal(got, want) {
		t.Errorf("read %v", got)
	}
	found, err := c.logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("g"), FilterPattern: aws.String("ERROR")})
	if err != nil || len(found.Events) != 1 || *found.Events[0].LogStreamName != "other" {
		t.Errorf("found %+v, %v", found, err)
	}
	streams, err := c.logs.DescribeLogStreams(t.Context(), &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: aws.String("g"), OrderBy: types.OrderByLastEventTime, Descending: aws.Bool(true)})
	if err != nil || len(streams.LogStreams) != 2 || *streams.LogStreams[0].LogStreamName != "other" {
		t.Errorf("streams %+v, %v", streams, err)
	}
	groups, err := c.logs.DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: aws.String("g")})
	if err != nil || len(groups.LogGroups) != 1 {
		t.Errorf("groups %+v, %v", groups, err)
	}
}

func TestAcceptOldEvents(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	c := start(t, localaws.Config{AcceptOldEvents: true, OnForward: rec.hook})
	arn := c.stream(t, "logs", 1)
	c.logStream(t, "g", "s")
	c.subscribe(t, "g", "f", "", arn)
	old := time.Date(2016, 4, 4, 0, 0, 0, 0, time.UTC)
	if out := c.putEvents(t, "g", "s", events(old, "a", "b")); out.RejectedLogEventsInfo != nil {
		t.Errorf("rejected %+v", out.RejectedLogEventsInfo)
	}
	flush(t, c)
	if len(rec.seen) != 2 || rec.seen[0].Timestamp != old.UnixMilli() {
		t.Errorf("forwarded %+v", rec.seen)
	}
}
