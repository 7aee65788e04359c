package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/internal/pausing"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// TestStreamReaderRemembersPauses: the memo and the page tell what is paused, the first
// one stands, and the next run knows.
func TestStreamReaderRemembersPauses(t *testing.T) {
	t.Parallel()
	env := environment(t)
	k := &kinesis{shards: []workflows.Shard{{ID: "shardId-000000000000"}}}
	k.register(env)
	var memos []map[string]any
	env.OnUpsertMemo(mock.Anything).Run(func(args mock.Arguments) {
		memo, ok := args.Get(0).(map[string]any)
		require.True(t, ok)
		memos = append(memos, memo)
	}).Return(nil)
	begun := env.Now()
	signal := func(after time.Duration, requests ...pausing.Request) {
		env.RegisterDelayedCallback(func() {
			for _, request := range requests {
				env.SignalWorkflow(workflows.SignalSetPaused, request)
			}
		}, after)
	}
	// While nobody answers a listing, too.
	signal(time.Minute, pausing.Request{What: pausing.Delivery, Paused: true, By: "ann", Reason: "it is\nlate"})
	signal(2*time.Minute,
		pausing.Request{What: pausing.Delivery, Paused: true, By: "bob"},
		pausing.Request{What: "everything", Paused: true},
		pausing.Request{What: pausing.Reading})
	// In the order in which they were sent.
	signal(3*time.Minute, pausing.Request{What: pausing.Reading, Paused: true}, pausing.Request{What: pausing.Reading})
	signal(4*time.Minute, pausing.Request{What: pausing.Reading}, pausing.Request{What: pausing.Reading, Paused: true, By: "eve"})
	env.RegisterDelayedCallback(func() {
		text := details(t, env)
		require.Contains(t, text, "**delivery is paused by ann since ")
		require.Contains(t, text, ": it is late**")
		require.Contains(t, text, "logpipe resume reading")
		env.SignalWorkflow(workflows.SignalSetPaused, pausing.Request{What: pausing.Delivery})
	}, 5*time.Minute)
	env.RegisterDelayedCallback(func() { env.SetContinueAsNewSuggested(true) }, 5*time.Minute+time.Second)
	env.ExecuteWorkflow(workflows.StreamReader, aStream("LATEST"))

	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, env.GetWorkflowError(), &next)
	in := continuedInput[workflows.StreamReaderInput](t, next)
	require.Nil(t, in.PausedDelivery)
	require.Equal(t, "eve", in.PausedReading.By)
	require.WithinDuration(t, begun.Add(4*time.Minute), in.PausedReading.Since, 2*time.Second)

	first, ok := memos[0]["paused_delivery"].(*pausing.Pause)
	require.True(t, ok)
	require.Equal(t, "ann", first.By)
	require.Equal(t, "it is late", first.Reason)
	for i, memo := range memos {
		require.Len(t, memo, 1, "what has not changed is left alone")
		if i > 0 {
			require.NotEqual(t, memos[i-1], memo)
		}
	}
	require.Equal(t, map[string]any{"paused_delivery": nil}, memos[len(memos)-1])
}
