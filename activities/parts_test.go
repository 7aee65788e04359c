package activities_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/semaphore"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/apigateway"
	"github.com/log-event-pipeline/logpipe/internal/delivery"
	"github.com/log-event-pipeline/logpipe/internal/framing"
	"github.com/log-event-pipeline/logpipe/internal/token"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

var errBroken = errors.New("broken")

// stagedEvents stages a batch of so many events, each of which has the canary in it.
func stagedEvents(t *testing.T, s *fakeStage, format framing.Format, encoding string, n int) workflows.Batch {
	t.Helper()
	r := window.Range{ShardID: "shardId-000000000001", First: "1", Last: "2"}
	frame := format.Frame(framing.Origin{Pipeline: "p", Window: "p/flush/1/x", Shard: r.ShardID, Batch: 3})
	var events []string
	for i := range n {
		events = append(events, fmt.Sprintf(`{"n":%d,"text":"%s\n]},[{"}`, i, logCanary))
	}
	text := frame.Before + strings.Join(events, frame.Between) + frame.After
	body, err := framing.Encode(encoding, []byte(text))
	require.NoError(t, err)
	b := workflows.Batch{
		StageKey: r.BatchKey("p", 3, "0123456789ab"), IdempotencyKey: r.IdempotencyKey("p", 3, "0123456789ab"),
		Events: n, Bytes: len(body), ContentType: format.ContentType(), ContentEncoding: encoding,
	}
	s.objects[b.StageKey] = body
	return b
}

// numbers are the events in a staged batch, by what they say of themselves.
func numbers(t *testing.T, s *fakeStage, b workflows.Batch) []int {
	t.Helper()
	require.Len(t, s.objects[b.StageKey], b.Bytes)
	text, err := framing.Decode(b.ContentEncoding, s.objects[b.StageKey])
	require.NoError(t, err)
	var events []struct{ N int }
	switch {
	case b.ContentType == framing.TypeNDJSON:
		require.True(t, strings.HasSuffix(string(text), "\n"))
		for line := range strings.Lines(string(text)) {
			var event struct{ N int }
			require.NoError(t, json.Unmarshal([]byte(line), &event))
			events = append(events, event)
		}
	case text[0] == '{':
		var object struct {
			Pipeline, Window, Shard string
			Batch                   int
			Events                  []struct{ N int }
		}
		require.NoError(t, json.Unmarshal(text, &object))
		require.Equal(t, "p p/flush/1/x shardId-000000000001 3", fmt.Sprintf("%s %s %s %d", object.Pipeline, object.Window, object.Shard, object.Batch))
		events = object.Events
	default:
		require.NoError(t, json.Unmarshal(text, &events))
	}
	require.Len(t, events, b.Events)
	found := []int{}
	for _, event := range events {
		found = append(found, event.N)
	}
	return found
}

// TestSplitBatch splits down to single events: all are there, in order, under keys that
// are different from each other, the same the next time, and no longer at the end.
func TestSplitBatch(t *testing.T) {
	t.Parallel()
	for _, format := range []framing.Format{framing.Array, framing.NDJSON, framing.Object} {
		for _, encoding := range []string{"", framing.EncodingGzip} {
			t.Run(string(format)+encoding, func(t *testing.T) {
				t.Parallel()
				s := newFakeStage()
				split := &activities.Split{Stage: s}
				whole := stagedEvents(t, s, format, encoding, 13)
				keys := map[string]bool{}
				var leaves []int
				var walk func(b workflows.Batch)
				walk = func(b workflows.Batch) {
					require.False(t, keys[b.IdempotencyKey], "%s is used twice", b.IdempotencyKey)
					keys[b.IdempotencyKey] = true
					require.LessOrEqual(t, len(b.IdempotencyKey), len(whole.IdempotencyKey)+13)
					owner, err := window.ParseBatchKey("p", b.StageKey)
					require.NoError(t, err, "the sweep has to know whose it is")
					require.Equal(t, window.SequenceNumber("1"), owner.First)
					out, err := execute(t, split.SplitBatch, workflows.SplitBatchInput{Batch: b})
					require.NoError(t, err)
					again, err := execute(t, split.SplitBatch, workflows.SplitBatchInput{Batch: b})
					require.NoError(t, err)
					require.Equal(t, out, again)
					if b.Events == 1 {
						require.Equal(t, []workflows.Batch{b}, out.Batches)
						leaves = append(leaves, numbers(t, s, b)...)
						return
					}
					require.Len(t, out.Batches, 2)
					require.Equal(t, b.Events, out.Batches[0].Events+out.Batches[1].Events)
					for _, half := range out.Batches {
						numbers(t, s, half)
						walk(half)
					}
				}
				walk(whole)
				require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, leaves)
			})
		}
	}
}

func TestSplitBatchFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(*fakeStage, *workflows.Batch)
		kind    string
		retried bool
	}{
		"missing":        {func(s *fakeStage, b *workflows.Batch) { delete(s.objects, b.StageKey) }, workflows.ErrorStageObject, false},
		"of other size":  {func(_ *fakeStage, b *workflows.Batch) { b.Bytes++ }, workflows.ErrorStageObject, false},
		"of other count": {func(_ *fakeStage, b *workflows.Batch) { b.Events++ }, workflows.ErrorStageObject, false},
		"of other form":  {func(_ *fakeStage, b *workflows.Batch) { b.ContentType = framing.TypeNDJSON }, workflows.ErrorStageObject, false},
		"not compressed": {func(_ *fakeStage, b *workflows.Batch) { b.ContentEncoding = framing.EncodingGzip }, workflows.ErrorStageObject, false},
		"encoding":       {func(_ *fakeStage, b *workflows.Batch) { b.ContentEncoding = "br" }, workflows.ErrorStageObject, false},
		"cut short": {func(s *fakeStage, b *workflows.Batch) {
			b.Bytes -= 5
			s.objects[b.StageKey] = s.objects[b.StageKey][:b.Bytes]
		}, workflows.ErrorStageObject, false},
		"stage cannot be read": {func(s *fakeStage, _ *workflows.Batch) { s.brokenGet = errBroken }, activities.ErrorStageUnavailable, true},
		"nor be written":       {func(s *fakeStage, _ *workflows.Batch) { s.brokenPut = errBroken }, activities.ErrorStageUnavailable, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newFakeStage()
			b := stagedEvents(t, s, framing.Array, "", 4)
			c.prepare(s, &b)
			_, err := execute(t, (&activities.Split{Stage: s}).SplitBatch, workflows.SplitBatchInput{Batch: b})
			requireFailure(t, err, c.kind, c.retried)
		})
	}
}

// TestDeliverBatchDivides: what failed becomes batches of its own, what was taken is in
// none of them.
func TestDeliverBatchDivides(t *testing.T) {
	t.Parallel()
	again := func(i int) delivery.FailedItem { return delivery.FailedItem{Index: i, Status: 429, Retry: true} }
	never := func(i, status int) delivery.FailedItem { return delivery.FailedItem{Index: i, Status: status} }
	for name, c := range map[string]struct {
		failed            []delivery.FailedItem
		remainder, refuse []int
		status            int
	}{
		"both":          {[]delivery.FailedItem{again(0), never(1, 422), again(2), never(5, 400)}, []int{0, 2}, []int{1, 5}, 422},
		"only again":    {[]delivery.FailedItem{again(3)}, []int{3}, nil, 0},
		"only refused":  {[]delivery.FailedItem{never(2, 0), never(3, 0)}, nil, []int{2, 3}, 207},
		"all again":     {[]delivery.FailedItem{again(0), again(1), again(2), again(3), again(4), again(5)}, []int{0, 1, 2, 3, 4, 5}, nil, 0},
		"all refused":   {[]delivery.FailedItem{never(0, 400), never(1, 0), never(2, 0), never(3, 0), never(4, 0), never(5, 0)}, nil, []int{0, 1, 2, 3, 4, 5}, 400},
		"all, in parts": {[]delivery.FailedItem{again(0), again(1), again(2), again(3), again(4), never(5, 413)}, []int{0, 1, 2, 3, 4}, []int{5}, 413},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, _ := newStore(t, time.Hour)
			s := newFakeStage()
			b := stagedEvents(t, s, framing.Object, framing.EncodingGzip, 6)
			to := &destination{answer: delivery.Answer{Verdict: delivery.PartlyAccepted, Status: 207, Failed: c.failed, Excerpt: "invalid", RetryAfter: 7 * time.Second}}
			d := &activities.Deliver{Stage: s, Cache: token.NewCache(store, clock), Destination: to, Requests: semaphore.NewWeighted(32), Chance: noChance, GiveUpAfter: time.Hour}
			in := workflows.DeliverBatchInput{Batch: b, TokenVersion: 1}
			out, err := execute(t, d.DeliverBatch, in)
			require.NoError(t, err)
			require.Equal(t, 207, out.HTTPStatus)
			require.Equal(t, 7*time.Second, out.RetryAfter)
			require.Equal(t, framing.EncodingGzip, to.sent[0].ContentEncoding)
			require.Equal(t, 6, to.sent[0].Events)
			require.Equal(t, c.remainder != nil, out.Remainder != nil)
			require.Equal(t, c.remainder != nil, out.GiveUpAfter == time.Hour, "for as long as it is sent again")
			if out.Remainder != nil {
				require.Equal(t, c.remainder, numbers(t, s, *out.Remainder))
			}
			for _, made := range []*workflows.Batch{out.Remainder, refusedOf(out)} {
				if made != nil {
					require.NotEqual(t, b.IdempotencyKey, made.IdempotencyKey, "its answer is spent")
					require.Equal(t, made.Events == b.Events, made.StageKey == b.StageKey, "nothing is staged twice")
				}
			}
			require.Equal(t, c.refuse != nil, out.Refused != nil)
			if out.Refused != nil {
				require.Equal(t, c.refuse, numbers(t, s, out.Refused.Batch))
				require.Equal(t, workflows.Refusal{HTTPStatus: c.status, Attempts: 1, Excerpt: "invalid"}, out.Refused.Refusal)
			}
			repeated, err := execute(t, d.DeliverBatch, in)
			require.NoError(t, err)
			require.Equal(t, out, repeated, "the keys are stable")

			s.brokenPut = errBroken
			_, err = execute(t, d.DeliverBatch, in)
			if strings.HasPrefix(name, "all ") {
				require.NoError(t, err)
				return
			}
			failure := requireFailure(t, err, activities.ErrorStageUnavailable, true)
			var refusal workflows.Refusal
			require.NoError(t, failure.Details(&refusal))
			require.Equal(t, workflows.Refusal{HTTPStatus: 207, Attempts: 1, Excerpt: "invalid", RetryAfter: 7 * time.Second, GiveUpAfter: time.Hour}, refusal)
			require.Equal(t, 7*time.Second, failure.NextRetryDelay(), "the next attempt is a request, too")
		})
	}
}

// refusedOf is the batch of what was refused, nil if there is none.
func refusedOf(out workflows.DeliverBatchResult) *workflows.Batch {
	if out.Refused == nil {
		return nil
	}
	return &out.Refused.Batch
}

// TestFormatLogsInEveryForm: what is staged is what is sent, by the settings of whoever
// formats.
func TestFormatLogsInEveryForm(t *testing.T) {
	t.Parallel()
	idempotency := map[framing.Format]string{}
	for _, form := range []framing.Format{framing.Array, framing.NDJSON, framing.Object} {
		for _, encoding := range []string{"", framing.EncodingGzip} {
			s, in := staged(envelope(t, "one", "two")), aWindow()
			f := &activities.Format{Stage: s, Formatter: newFormatter(t, apigateway.Options{}), BatchFormat: form, BatchCompression: encoding}
			out, err := format(t, f)
			require.NoError(t, err)
			require.Len(t, out.Batches, 1)
			b := out.Batches[0]
			require.Equal(t, encoding, b.ContentEncoding)
			require.Equal(t, form.ContentType(), b.ContentType)
			body := s.objects[b.StageKey]
			require.Len(t, body, b.Bytes)
			text, err := framing.Decode(encoding, body)
			require.NoError(t, err)
			require.EqualValues(t, len(text), out.Bytes)
			events, err := framing.Parse(b.ContentType, text)
			require.NoError(t, err)
			require.Equal(t, b.Events, events.Len())
			if form == framing.Object {
				require.Contains(t, string(text), fmt.Sprintf(`{"pipeline":%q,"window":%q,"shard":%q,"batch":0,"events":[{`,
					in.Pipeline, window.FlushWindowID(in.Pipeline, in.ShardID, in.FirstSequenceNumber), in.ShardID))
			}
			if known, ok := idempotency[form]; ok {
				require.Equal(t, known, b.IdempotencyKey, "compression does not make another batch of it")
			}
			idempotency[form] = b.IdempotencyKey
		}
	}
}
