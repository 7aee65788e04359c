package traffic

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
)

// Limits of PutLogEvents.
const (
	maxBatchEvents = 10_000
	maxBatchBytes  = 1_048_576
	eventOverhead  = 26 // counted for each event on top of its message
	maxBatchSpan   = 24 * time.Hour

	// MaxMessage is the longest message that fits into a batch, in bytes of UTF-8.
	MaxMessage = maxBatchBytes - eventOverhead
)

// LogsClient is the part of the CloudWatch Logs API that traffic is written with;
// a *cloudwatchlogs.Client is one. It must be safe for concurrent use.
type LogsClient interface {
	CreateLogGroup(context.Context, *cloudwatchlogs.CreateLogGroupInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.CreateLogGroupOutput, error)
	CreateLogStream(context.Context, *cloudwatchlogs.CreateLogStreamInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.CreateLogStreamOutput, error)
	PutSubscriptionFilter(context.Context, *cloudwatchlogs.PutSubscriptionFilterInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.PutSubscriptionFilterOutput, error)
	PutLogEvents(context.Context, *cloudwatchlogs.PutLogEventsInput, ...func(*cloudwatchlogs.Options)) (*cloudwatchlogs.PutLogEventsOutput, error)
}

var _ LogsClient = (*cloudwatchlogs.Client)(nil)

// Event is one log event.
type Event struct {
	Millis  int64 // when it happened, since 1970
	Message string
}

// Counts say what became of the events given to a [Writer].
type Counts struct {
	Events  int64 `json:"events"`  // accepted by CloudWatch Logs
	Bytes   int64 `json:"bytes"`   // of their messages
	Batches int64 `json:"batches"` // PutLogEvents calls that were accepted

	TooOld   int64 `json:"too_old"`   // rejected: older than 14 days
	TooNew   int64 `json:"too_new"`   // rejected: more than 2 hours ahead
	Expired  int64 `json:"expired"`   // rejected: older than the retention of the group
	Empty    int64 `json:"empty"`     // not put: without a message
	TooLarge int64 `json:"too_large"` // not put: longer than [MaxMessage]
	Failed   int64 `json:"failed"`    // not accepted: the call failed for good

	Throttled int64 `json:"throttled"` // calls refused as too many, and made again
	// Uncertain counts calls that were made again without knowing whether the one
	// before was stored. Each may have stored its batch twice.
	Uncertain int64 `json:"uncertain"`
}

// Lost is the number of events that CloudWatch Logs does not hold, for any reason.
func (c Counts) Lost() int64 {
	return c.TooOld + c.TooNew + c.Expired + c.Empty + c.TooLarge + c.Failed
}

// Writer writes to CloudWatch Logs. It is safe for concurrent use.
type Writer struct {
	client       LogsClient
	subscription *Subscription
	logger       *slog.Logger

	mu     sync.Mutex
	groups map[string]bool // that exist and are subscribed
	places map[stream]bool // that exist
	counts [countFields]atomic.Int64
}

type stream struct{ group, name string }

// Each event and call is counted in one of these; see [Counts].
const (
	countEvents = iota
	countBytes
	countBatches
	countTooOld
	countTooNew
	countExpired
	countEmpty
	countTooLarge
	countFailed
	countThrottled
	countUncertain
	countFields
)

// NewWriter makes a writer. It gives every log group that it writes to the
// subscription, unless that is nil. A nil logger is slog.Default.
func NewWriter(client LogsClient, subscription *Subscription, logger *slog.Logger) *Writer {
	if logger == nil {
		logger = slog.Default()
	}
	return &Writer{client: client, subscription: subscription, logger: logger, groups: map[string]bool{}, places: map[stream]bool{}}
}

// Counts returns the counts so far.
func (w *Writer) Counts() Counts {
	get := func(i int) int64 { return w.counts[i].Load() }
	return Counts{
		Events: get(countEvents), Bytes: get(countBytes), Batches: get(countBatches),
		TooOld: get(countTooOld), TooNew: get(countTooNew), Expired: get(countExpired),
		Empty: get(countEmpty), TooLarge: get(countTooLarge), Failed: get(countFailed),
		Throttled: get(countThrottled), Uncertain: get(countUncertain),
	}
}

// Put writes events to a log stream, which it makes where it does not exist. It sorts
// them by time and cuts them into as many calls as the limits demand. It repeats
// calls that were throttled or whose outcome is unknown until ctx ends. What is
// rejected is counted and logged, and is no error.
func (w *Writer) Put(ctx context.Context, group, name string, events []Event) error {
	events = w.puttable(group, name, events)
	slices.SortStableFunc(events, func(a, b Event) int { return int(min(max(a.Millis-b.Millis, -1), 1)) })
	for len(events) > 0 {
		n := batchLength(events)
		if err := w.Ensure(ctx, group, name); err != nil {
			w.counts[countFailed].Add(int64(len(events)))
			return err
		}
		if err := w.putBatch(ctx, stream{group, name}, events[:n]); err != nil {
			w.counts[countFailed].Add(int64(len(events)))
			return fmt.Errorf("put %d events to %q, stream %q: %w", n, group, name, err)
		}
		events = events[n:]
	}
	return nil
}

// puttable returns the events that PutLogEvents can take.
func (w *Writer) puttable(group, name string, events []Event) []Event {
	impossible := func(e Event) bool { return e.Message == "" || len(e.Message) > MaxMessage }
	if !slices.ContainsFunc(events, impossible) {
		return events
	}
	var kept []Event
	for _, e := range events {
		switch {
		case e.Message == "":
			w.counts[countEmpty].Add(1)
			w.logger.Warn("an event without a message cannot be put", "group", group, "stream", name, "timestamp_ms", e.Millis)
		case len(e.Message) > MaxMessage:
			w.counts[countTooLarge].Add(1)
			w.logger.Warn("an event is too large to be put", "group", group, "stream", name, "timestamp_ms", e.Millis, "bytes", len(e.Message), "limit", MaxMessage)
		default:
			kept = append(kept, e)
		}
	}
	return kept
}

// batchLength returns how many of the sorted events one call may carry.
func batchLength(events []Event) int {
	size := 0
	for i, e := range events {
		size += len(e.Message) + eventOverhead
		span := e.Millis - events[0].Millis
		if i == maxBatchEvents || size > maxBatchBytes || span >= maxBatchSpan.Milliseconds() {
			return i
		}
	}
	return len(events)
}

func (w *Writer) putBatch(ctx context.Context, to stream, events []Event) error {
	input := &cloudwatchlogs.PutLogEventsInput{LogGroupName: &to.group, LogStreamName: &to.name, LogEvents: make([]types.InputLogEvent, len(events))}
	for i := range events {
		input.LogEvents[i] = types.InputLogEvent{Message: &events[i].Message, Timestamp: &events[i].Millis}
	}
	remade := false
	for attempt := 0; ; attempt++ {
		out, err := w.client.PutLogEvents(ctx, input)
		if err == nil {
			w.accepted(to, events, out.RejectedLogEventsInfo)
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		switch kind := trouble(err); {
		case kind == missing && !remade:
			// Somebody deleted the group or stream. Making them again helps once.
			remade = true
			w.forget(to)
			if err := w.Ensure(ctx, to.group, to.name); err != nil {
				return err
			}
			continue
		case kind == throttled:
			w.counts[countThrottled].Add(1)
			w.logger.Warn("CloudWatch Logs throttles", "call", "PutLogEvents", "group", to.group, "stream", to.name, "attempt", attempt+1)
		case kind == uncertain:
			w.counts[countUncertain].Add(1)
			w.logger.Warn("PutLogEvents failed, it is not known whether the events were stored; trying again", "group", to.group, "stream", to.name, "events", len(events), "attempt", attempt+1, "error", err)
		default:
			return err
		}
		if stop := backoff(ctx, attempt); stop != nil {
			return err
		}
	}
}

// accepted counts a batch that was taken, apart from the events at its ends that
// were rejected.
func (w *Writer) accepted(to stream, events []Event, rejected *types.RejectedLogEventsInfo) {
	w.counts[countBatches].Add(1)
	first, end := 0, len(events)
	if rejected != nil {
		old := index(rejected.TooOldLogEventEndIndex, 0, len(events))
		expired := index(rejected.ExpiredLogEventEndIndex, 0, len(events))
		first = max(old, expired)
		end = max(first, index(rejected.TooNewLogEventStartIndex, len(events), len(events)))
		w.counts[countTooOld].Add(int64(old))
		w.counts[countExpired].Add(int64(first - old))
		w.counts[countTooNew].Add(int64(len(events) - end))
		w.logger.Error("CloudWatch Logs rejected events by their time", "group", to.group, "stream", to.name,
			"too_old", old, "expired", first-old, "too_new", len(events)-end,
			"first", time.UnixMilli(events[0].Millis).UTC(), "last", time.UnixMilli(events[len(events)-1].Millis).UTC())
	}
	size := 0
	for _, e := range events[first:end] {
		size += len(e.Message)
	}
	w.counts[countEvents].Add(int64(end - first))
	w.counts[countBytes].Add(int64(size))
}

func index(i *int32, absent, limit int) int {
	if i == nil {
		return absent
	}
	return min(max(int(*i), 0), limit)
}
