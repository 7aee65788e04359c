package traffic

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// fakeLogs is a CloudWatch Logs that holds events in memory and fails where a call
// breaks a rule of PutLogEvents.
type fakeLogs struct {
	// fault is asked before each call, by the name of the operation, without a lock.
	fault func(operation string) error
	// reject is asked for each accepted batch.
	reject func(events []types.InputLogEvent) *types.RejectedLogEventsInfo

	mu      sync.Mutex
	groups  map[string]bool
	streams map[stream]bool
	filters map[string]cloudwatchlogs.PutSubscriptionFilterInput
	events  map[stream][]Event
	calls   []string
	batches [][]types.InputLogEvent
}

func newFakeLogs() *fakeLogs {
	return &fakeLogs{
		groups: map[string]bool{}, streams: map[stream]bool{},
		filters: map[string]cloudwatchlogs.PutSubscriptionFilterInput{}, events: map[stream][]Event{},
	}
}

func (f *fakeLogs) begin(operation string) (done func(), err error) {
	if f.fault != nil {
		if err := f.fault(operation); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	f.calls = append(f.calls, operation)
	return f.mu.Unlock, nil
}

func (f *fakeLogs) CreateLogGroup(_ context.Context, in *cloudwatchlogs.CreateLogGroupInput, _ ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.CreateLogGroupOutput, error) {
	done, err := f.begin("CreateLogGroup")
	if err != nil {
		return nil, err
	}
	defer done()
	if f.groups[*in.LogGroupName] {
		return nil, &types.ResourceAlreadyExistsException{}
	}
	f.groups[*in.LogGroupName] = true
	return &cloudwatchlogs.CreateLogGroupOutput{}, nil
}

func (f *fakeLogs) CreateLogStream(_ context.Context, in *cloudwatchlogs.CreateLogStreamInput, _ ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.CreateLogStreamOutput, error) {
	done, err := f.begin("CreateLogStream")
	if err != nil {
		return nil, err
	}
	defer done()
	place := stream{*in.LogGroupName, *in.LogStreamName}
	if f.streams[place] {
		return nil, &types.ResourceAlreadyExistsException{}
	}
	f.streams[place] = true
	return &cloudwatchlogs.CreateLogStreamOutput{}, nil
}

func (f *fakeLogs) PutSubscriptionFilter(_ context.Context, in *cloudwatchlogs.PutSubscriptionFilterInput, _ ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.PutSubscriptionFilterOutput, error) {
	done, err := f.begin("PutSubscriptionFilter")
	if err != nil {
		return nil, err
	}
	defer done()
	f.filters[*in.LogGroupName] = *in
	return &cloudwatchlogs.PutSubscriptionFilterOutput{}, nil
}

func (f *fakeLogs) PutLogEvents(_ context.Context, in *cloudwatchlogs.PutLogEventsInput, _ ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.PutLogEventsOutput, error) {
	done, err := f.begin("PutLogEvents")
	if err != nil {
		return nil, err
	}
	defer done()
	place := stream{*in.LogGroupName, *in.LogStreamName}
	if !f.streams[place] {
		return nil, &types.ResourceNotFoundException{}
	}
	if err := checkBatch(in.LogEvents); err != nil {
		return nil, err
	}
	f.batches = append(f.batches, in.LogEvents)
	for _, e := range in.LogEvents {
		f.events[place] = append(f.events[place], Event{*e.Timestamp, *e.Message})
	}
	out := &cloudwatchlogs.PutLogEventsOutput{}
	if f.reject != nil {
		out.RejectedLogEventsInfo = f.reject(in.LogEvents)
	}
	return out, nil
}

func checkBatch(events []types.InputLogEvent) error {
	invalid := func(format string, args ...any) error {
		message := fmt.Sprintf(format, args...)
		return &types.InvalidParameterException{Message: &message}
	}
	size := 0
	for i, e := range events {
		size += len(*e.Message) + 26
		if *e.Message == "" {
			return invalid("event %d is empty", i)
		}
		if i > 0 && *e.Timestamp < *events[i-1].Timestamp {
			return invalid("event %d is not in order", i)
		}
	}
	switch {
	case len(events) == 0 || len(events) > 10_000:
		return invalid("%d events", len(events))
	case size > 1_048_576:
		return invalid("%d bytes", size)
	case *events[len(events)-1].Timestamp-*events[0].Timestamp >= 24*60*60*1000:
		return invalid("more than 24 hours")
	}
	return nil
}

// all returns all events in the order of their streams.
func (f *fakeLogs) all() map[stream][]Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[stream][]Event{}
	for place, events := range f.events {
		all[place] = slices.Clone(events)
	}
	return all
}

func (f *fakeLogs) messages() []string {
	var texts []string
	for _, events := range f.all() {
		for _, e := range events {
			texts = append(texts, e.Message)
		}
	}
	slices.Sort(texts)
	return texts
}

func testWriter(t *testing.T, f *fakeLogs) *Writer {
	t.Helper()
	return NewWriter(f, &Subscription{Name: "to-stream", DestinationARN: "arn:aws:kinesis:eu-west-1:123456789012:stream/logs", RoleARN: "arn:aws:iam::123456789012:role/logs"}, slog.New(slog.DiscardHandler))
}
