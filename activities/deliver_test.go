package activities_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/semaphore"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/delivery"
	"github.com/log-event-pipeline/logpipe/internal/token"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// destination gives one answer and remembers what it was sent.
type destination struct {
	answer delivery.Answer
	sent   []delivery.Request
}

func (d *destination) Deliver(_ context.Context, r delivery.Request) delivery.Answer {
	d.sent = append(d.sent, r)
	return d.answer
}

var batch = workflows.Batch{StageKey: "p/batch/1", IdempotencyKey: "key-1", Events: 1, Bytes: len(logCanary)}

// deliver makes one attempt with the version of the token.
func deliver(t *testing.T, d *activities.Deliver, version int64) (workflows.DeliverBatchResult, error) {
	t.Helper()
	return execute(t, d.DeliverBatch, workflows.DeliverBatchInput{Batch: batch, TokenVersion: version})
}

// newDeliver has the batch staged and two tokens in the store, the older one
// expired.
func newDeliver(t *testing.T, answer delivery.Answer) (*activities.Deliver, *destination, *fakeStage, *parameterStore) {
	t.Helper()
	store, parameters := newStore(t, -time.Minute, time.Hour)
	s, to := newFakeStage(), &destination{answer: answer}
	s.objects[batch.StageKey] = []byte(logCanary)
	return &activities.Deliver{
		Stage: s, Cache: token.NewCache(store, clock), Destination: to, GiveUpAfter: time.Hour, StopTimeout: stopTimeout,
		Requests: semaphore.NewWeighted(32), Chance: noChance,
	}, to, s, parameters
}

func TestDeliverBatch(t *testing.T) {
	t.Parallel()
	d, to, _, _ := newDeliver(t, delivery.Answer{Verdict: delivery.Accepted, Status: 202})
	out, err := deliver(t, d, 2)
	require.NoError(t, err)
	require.Equal(t, workflows.DeliverBatchResult{HTTPStatus: 202, Attempts: 1}, out)
	require.Len(t, to.sent, 1)
	sent := to.sent[0]
	require.Equal(t, logCanary, string(sent.Body))
	require.Equal(t, "key-1", sent.IdempotencyKey)
	require.Equal(t, "Bearer", sent.TokenType)
	require.Equal(t, secretCanary+"-2", sent.Token.Reveal())
}

func TestDeliverBatchJudgesTheAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer  delivery.Answer
		kind    string
		retried bool
		delay   time.Duration
		detail  *workflows.Refusal
		says    string
	}{
		"401": {delivery.Answer{Verdict: delivery.TokenRefused, Status: 401},
			workflows.ErrorTokenRefused, false, 0, &workflows.Refusal{HTTPStatus: 401, Attempts: 1, TokenVersion: 2}, "401 to token version 2"},
		"400": {delivery.Answer{Verdict: delivery.Refused, Status: 400},
			workflows.ErrorDestinationRefused, false, 0, &workflows.Refusal{HTTPStatus: 400, Attempts: 1}, "HTTP status 400"},
		"400 with an excerpt": {delivery.Answer{Verdict: delivery.Refused, Status: 400, Excerpt: "invalid field"},
			workflows.ErrorDestinationRefused, false, 0, &workflows.Refusal{HTTPStatus: 400, Attempts: 1, Excerpt: "invalid field"}, "HTTP status 400"},
		"308": {delivery.Answer{Verdict: delivery.Refused, Status: 308, Reason: "it redirects to https://b"},
			workflows.ErrorDestinationRefused, false, 0, &workflows.Refusal{HTTPStatus: 308, Attempts: 1}, "HTTP status 308: it redirects to https://b"},
		"413": {delivery.Answer{Verdict: delivery.TooLarge, Status: 413},
			workflows.ErrorBatchTooLarge, false, 0, &workflows.Refusal{HTTPStatus: 413, Attempts: 1}, "to a batch of 20 bytes"},
		"503 with an excerpt": {delivery.Answer{Verdict: delivery.Unavailable, Status: 503, Excerpt: "quota exceeded"},
			workflows.ErrorDestinationUnavailable, true, 500 * time.Millisecond,
			&workflows.Refusal{HTTPStatus: 503, Attempts: 1, Excerpt: "quota exceeded", GiveUpAfter: time.Hour}, "HTTP status 503: quota exceeded"},
		"503": {delivery.Answer{Verdict: delivery.Unavailable, Status: 503},
			workflows.ErrorDestinationUnavailable, true, 500 * time.Millisecond,
			&workflows.Refusal{HTTPStatus: 503, Attempts: 1, GiveUpAfter: time.Hour}, "HTTP status 503"},
		"429 with Retry-After": {delivery.Answer{Verdict: delivery.Unavailable, Status: 429, RetryAfter: 90 * time.Second},
			workflows.ErrorDestinationUnavailable, true, 90 * time.Second,
			&workflows.Refusal{HTTPStatus: 429, Attempts: 1, RetryAfter: 90 * time.Second, GiveUpAfter: time.Hour},
			"asked to wait for 1m30s: the destination answered HTTP status 429"},
		"no answer": {delivery.Answer{Verdict: delivery.Unavailable, Err: errors.New("connection refused")},
			workflows.ErrorDestinationUnavailable, true, 500 * time.Millisecond,
			&workflows.Refusal{Attempts: 1, GiveUpAfter: time.Hour}, "connection refused"},
		"a verdict that nobody knows": {delivery.Answer{Verdict: 99, Status: 299},
			workflows.ErrorDestinationUnavailable, true, 500 * time.Millisecond,
			&workflows.Refusal{HTTPStatus: 299, Attempts: 1, GiveUpAfter: time.Hour}, "HTTP status 299"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, to, _, _ := newDeliver(t, c.answer)
			_, err := deliver(t, d, 2)
			failure := requireFailure(t, err, c.kind, c.retried)
			require.Equal(t, c.delay, failure.NextRetryDelay())
			require.ErrorContains(t, err, c.says)
			require.Len(t, to.sent, 1, "one attempt, one request")
			var got workflows.Refusal
			require.NoError(t, failure.Details(&got))
			require.Equal(t, *c.detail, got)
		})
	}
}

func TestDeliverBatchTakesTheTokenThatHasReplacedItsOwn(t *testing.T) {
	t.Parallel()
	d, to, _, _ := newDeliver(t, delivery.Answer{Verdict: delivery.TokenRefused, Status: 401})
	_, err := deliver(t, d, 1)
	failure := requireFailure(t, err, workflows.ErrorTokenRefused, false)
	require.Len(t, to.sent, 1)
	var got workflows.Refusal
	require.NoError(t, failure.Details(&got))
	require.Equal(t, int64(2), got.TokenVersion, "what was sent and refused, not what was asked for")
}

func TestDeliverBatchWithoutARequest(t *testing.T) {
	t.Parallel()
	broken := errors.New("throttled")
	unused := func(version int64) *workflows.Refusal {
		return &workflows.Refusal{HTTPStatus: 0, Attempts: 0, TokenVersion: version}
	}
	later := &workflows.Refusal{GiveUpAfter: time.Hour}
	for name, c := range map[string]struct {
		version int64
		prepare func(*fakeStage, *parameterStore)
		kind    string
		retried bool
		detail  *workflows.Refusal
	}{
		"token expired": {version: 1, kind: workflows.ErrorTokenRefused, detail: unused(1),
			prepare: func(_ *fakeStage, p *parameterStore) { p.versions[parameter] = p.versions[parameter][:1] }},
		"token version is gone": {version: 7, kind: workflows.ErrorTokenRefused, detail: unused(7)},
		"Parameter Store down": {version: 2, kind: activities.ErrorTokenUnavailable, retried: true, detail: later,
			prepare: func(_ *fakeStage, p *parameterStore) { p.brokenGet = broken }},
		"parameter holds something else": {version: 3, kind: activities.ErrorParameterForeign, retried: true, detail: later,
			prepare: func(_ *fakeStage, p *parameterStore) {
				p.versions[parameter] = append(p.versions[parameter], secretCanary)
			}},
		"batch missing": {version: 2, kind: workflows.ErrorStageObject,
			prepare: func(s *fakeStage, _ *parameterStore) { delete(s.objects, batch.StageKey) }},
		"batch cut short": {version: 2, kind: workflows.ErrorStageObject,
			prepare: func(s *fakeStage, _ *parameterStore) { s.objects[batch.StageKey] = []byte(logCanary[1:]) }},
		"stage down": {version: 2, kind: activities.ErrorStageUnavailable, retried: true, detail: later,
			prepare: func(s *fakeStage, _ *parameterStore) { s.brokenGet = broken }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, to, s, p := newDeliver(t, delivery.Answer{Verdict: delivery.Accepted, Status: 200})
			if c.prepare != nil {
				c.prepare(s, p)
			}
			_, err := deliver(t, d, c.version)
			failure := requireFailure(t, err, c.kind, c.retried)
			require.Empty(t, to.sent)
			require.Equal(t, c.retried, failure.NextRetryDelay() > 0)
			require.Equal(t, c.detail != nil, failure.HasDetails())
			if c.detail != nil {
				var got workflows.Refusal
				require.NoError(t, failure.Details(&got))
				require.Equal(t, *c.detail, got, "an attempt that made no request does not count")
			}
		})
	}
}
