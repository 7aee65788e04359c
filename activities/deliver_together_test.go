package activities_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"golang.org/x/sync/semaphore"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/delivery"
	"github.com/log-event-pipeline/logpipe/internal/token"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// answers gives each batch its answer, by the idempotency key, and remembers the keys.
type answers struct {
	by      map[string]delivery.Answer
	panicAt string

	mu     sync.Mutex
	keys   []string
	active int
	most   int // requests at once
}

func (a *answers) Deliver(_ context.Context, r delivery.Request) delivery.Answer {
	a.mu.Lock()
	a.keys = append(a.keys, r.IdempotencyKey)
	a.active++
	a.most = max(a.most, a.active)
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		a.active--
		a.mu.Unlock()
	}()
	if r.IdempotencyKey == a.panicAt {
		panic(string(r.Body))
	}
	if answer, ok := a.by[r.IdempotencyKey]; ok {
		return answer
	}
	return delivery.Answer{Verdict: delivery.Accepted, Status: 200}
}

// newTogether has n batches staged, and a token that is good for as long.
func newTogether(t *testing.T, n int, life time.Duration) (*activities.Deliver, *answers, *fakeStage, workflows.DeliverBatchesInput) {
	t.Helper()
	store, _ := newStore(t, life)
	s, to := newFakeStage(), &answers{by: map[string]delivery.Answer{}}
	in := workflows.DeliverBatchesInput{Concurrency: 1}
	for i := range n {
		b := workflows.Batch{StageKey: fmt.Sprintf("p/batch/%d", i), IdempotencyKey: fmt.Sprintf("key-%d", i), Events: 1, Bytes: len(logCanary)}
		s.objects[b.StageKey] = []byte(logCanary)
		in.Batches = append(in.Batches, b)
	}
	return &activities.Deliver{
		Stage: s, Cache: token.NewCache(store, clock), Destination: to, GiveUpAfter: time.Hour, StopTimeout: stopTimeout,
		Requests: semaphore.NewWeighted(32), Chance: noChance,
	}, to, s, in
}

func together(t *testing.T, d *activities.Deliver, in workflows.DeliverBatchesInput, configure func(*testsuite.TestActivityEnvironment)) []workflows.DeliveryOutcome {
	t.Helper()
	env := environment(t)
	if configure != nil {
		configure(env)
	}
	env.RegisterActivity(d.DeliverBatches)
	value, err := env.ExecuteActivity(d.DeliverBatches, in)
	require.NoError(t, err)
	var out workflows.DeliverBatchesResult
	require.NoError(t, value.Get(&out))
	require.Len(t, out.Outcomes, len(in.Batches))
	return out.Outcomes
}

func delivered(status int) workflows.DeliveryOutcome {
	return workflows.DeliveryOutcome{Result: &workflows.DeliverBatchResult{HTTPStatus: status, Attempts: 1}}
}

func TestDeliverBatches(t *testing.T) {
	t.Parallel()
	d, to, _, in := newTogether(t, 20, time.Hour)
	in.Concurrency = 4
	for _, o := range together(t, d, in, nil) {
		require.Equal(t, delivered(200), o)
	}
	require.Len(t, to.keys, 20)
	require.LessOrEqual(t, to.most, 4)
}

// Requests under way are bounded for the whole process.
func TestDeliverBatchesSharesTheRequestsOfTheProcess(t *testing.T) {
	t.Parallel()
	d, to, _, in := newTogether(t, 20, time.Hour)
	d.Requests, in.Concurrency = semaphore.NewWeighted(2), 8
	together(t, d, in, nil)
	require.Len(t, to.keys, 20)
	require.LessOrEqual(t, to.most, 2)
}

// What one batch meets and others would meet, too, ends it; what is wrong with a single
// batch does not.
func TestDeliverBatchesStopsWhereNothingIsToBeHad(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer delivery.Answer
		kind   string
		goesOn bool
	}{
		"unavailable":   {delivery.Answer{Verdict: delivery.Unavailable, Status: 503, RetryAfter: time.Minute}, workflows.ErrorDestinationUnavailable, false},
		"no answer":     {delivery.Answer{Verdict: delivery.Unavailable, Err: errors.New("refused")}, workflows.ErrorDestinationUnavailable, false},
		"token refused": {delivery.Answer{Verdict: delivery.TokenRefused, Status: 401}, workflows.ErrorTokenRefused, false},
		"refused":       {delivery.Answer{Verdict: delivery.Refused, Status: 400, Excerpt: "no"}, workflows.ErrorDestinationRefused, true},
		"too large":     {delivery.Answer{Verdict: delivery.TooLarge, Status: 413}, workflows.ErrorBatchTooLarge, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, to, _, in := newTogether(t, 3, time.Hour)
			to.by["key-1"] = c.answer
			out := together(t, d, in, nil)
			require.Equal(t, delivered(200), out[0])
			failure := out[1].Failure
			require.NotNil(t, failure)
			require.Equal(t, c.kind, failure.Type)
			require.NotEmpty(t, failure.Message)
			require.Equal(t, c.answer.Status, failure.Refusal.HTTPStatus)
			require.Equal(t, 1, failure.Refusal.Attempts)
			require.Equal(t, c.answer.Excerpt, failure.Refusal.Excerpt)
			require.Equal(t, c.answer.RetryAfter, failure.Refusal.RetryAfter)
			require.Equal(t, c.kind != workflows.ErrorDestinationUnavailable, failure.NonRetryable)
			if c.kind == workflows.ErrorTokenRefused {
				require.Equal(t, int64(1), failure.Refusal.TokenVersion)
			}
			if c.goesOn {
				require.Equal(t, delivered(200), out[2])
			} else {
				require.Zero(t, out[2], "it is not sent")
				require.Len(t, to.keys, 2)
			}
		})
	}
}

func TestDeliverBatchesWithoutAToken(t *testing.T) {
	t.Parallel()
	d, to, _, in := newTogether(t, 2, -time.Minute)
	for _, o := range together(t, d, in, nil) {
		require.Zero(t, o)
	}
	require.Empty(t, to.keys)
}

func TestDeliverBatchesWithoutAStage(t *testing.T) {
	t.Parallel()
	d, to, s, in := newTogether(t, 2, time.Hour)
	s.brokenGet = errBroken
	out := together(t, d, in, nil)
	require.Equal(t, activities.ErrorStageUnavailable, out[0].Failure.Type)
	require.Zero(t, out[1])
	require.Empty(t, to.keys)
}

// A panic ends neither the process nor the batches beside it, and quotes nothing.
func TestDeliverBatchesOutlivesAPanic(t *testing.T) {
	t.Parallel()
	d, to, _, in := newTogether(t, 3, time.Hour)
	to.panicAt = "key-1"
	out := together(t, d, in, nil)
	require.Equal(t, delivered(200), out[0])
	require.Equal(t, workflows.ErrorPanic, out[1].Failure.Type)
	require.False(t, out[1].Failure.NonRetryable)
	require.NotContains(t, out[1].Failure.Message, logCanary)
	require.Zero(t, out[2])
}

// An attempt after a killed one sends what that had not told of.
func TestDeliverBatchesGoesOnWhereAKilledOneWas(t *testing.T) {
	t.Parallel()
	d, to, _, in := newTogether(t, 4, time.Hour)
	before := []workflows.DeliveryOutcome{
		delivered(201), {},
		{Failure: &workflows.DeliveryFailure{Type: workflows.ErrorDestinationRefused, Message: "no", NonRetryable: true}},
		{},
	}
	out := together(t, d, in, func(env *testsuite.TestActivityEnvironment) { env.SetHeartbeatDetails(before) })
	require.Equal(t, before[0], out[0])
	require.Equal(t, delivered(200), out[1])
	require.Equal(t, before[2], out[2])
	require.Equal(t, []string{"key-1", "key-3"}, to.keys)
}

// What has a heartbeat of another form begins anew.
func TestDeliverBatchesIgnoresForeignProgress(t *testing.T) {
	t.Parallel()
	for _, details := range []any{"what", []workflows.DeliveryOutcome{delivered(200)}} {
		d, to, _, in := newTogether(t, 2, time.Hour)
		together(t, d, in, func(env *testsuite.TestActivityEnvironment) { env.SetHeartbeatDetails(details) })
		require.Len(t, to.keys, 2)
	}
}
