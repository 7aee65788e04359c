package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/log-event-pipeline/logpipe/internal/window"
)

// Activity options. What a window needs is retried for ever: what must not be retried
// is said by the error's type. Timeouts bound one attempt; nothing bounds the
// whole, because an outage of days must not lose a window. After some tries by Temporal
// alone a FlushWindow goes on trying itself, so that it can tell what it waits for.

const (
	// firstRetry and longestRetry bound the pause between two attempts of an
	// activity that only needs our own side: stage, Parameter Store, Kinesis.
	firstRetry   = time.Second
	longestRetry = 30 * time.Second

	// refreshTokenTimeout bounds one attempt to replace the token: a request to the
	// token endpoint, and the parameters before and behind it.
	refreshTokenTimeout = 50 * time.Second

	// watchInterval is how often it is looked whether a refused client secret was
	// replaced.
	watchInterval = 15 * time.Second

	// DeliverBatchTimeout bounds one attempt to deliver, reading the batch from
	// the stage included. The HTTP timeout of a worker must be below it.
	DeliverBatchTimeout = time.Minute

	// DeliverBatchHeartbeat is how long nothing may be heard of an attempt to deliver before
	// it is made by another worker. An attempt tells every few seconds that it is under way.
	DeliverBatchHeartbeat = 15 * time.Second

	// DeliverBatchesTimeout bounds one attempt to deliver several batches: the time in which
	// new ones are begun, and that of the last one.
	DeliverBatchesTimeout = DeliverBatchesTime + DeliverBatchTimeout + 10*time.Second

	// DeliverBatchesTime is for how long several batches are delivered together. An API that
	// is slow is better told of for each batch.
	DeliverBatchesTime = 30 * time.Second

	// pollMargin is added to a lease and the age of a window, which the end of a lease
	// may wait for: a pause at the ceiling, and opening the last window.
	pollMargin = 10 * time.Minute

	// pollRetry is the pause before a shard whose starter has crashed has a poller again.
	// It does not grow: the crash was missed for a whole heartbeat timeout, and a next one
	// is another process'. An attempt that fails says itself when to try again.
	pollRetry = 100 * time.Millisecond
)

func retryForEver() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{
		InitialInterval:    firstRetry,
		BackoffCoefficient: 2,
		MaximumInterval:    longestRetry,
	}
}

// retryQuickly has Temporal try so often, and then tell the workflow.
func retryQuickly(tries int32) *temporal.RetryPolicy {
	policy := retryForEver()
	policy.MaximumAttempts = tries
	return policy
}

func formatLogsOptions(ctx workflow.Context, in FlushWindowInput, tries int32) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 5 * time.Minute,
		HeartbeatTimeout:    30 * time.Second,
		RetryPolicy:         retryQuickly(tries),
		Summary:             formatSummary(in),
	})
}

// formatLocallyOptions: one attempt, in the time that a workflow task may take without asking
// for more.
func formatLocallyOptions(ctx workflow.Context, in FlushWindowInput) workflow.Context {
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		ScheduleToCloseTimeout: 5 * time.Second,
		RetryPolicy:            &temporal.RetryPolicy{MaximumAttempts: 1},
		Summary:                formatSummary(in),
	})
}

func formatSummary(in FlushWindowInput) string {
	return fmt.Sprintf("%d records, %d bytes stored", in.Records, in.StoredBytes)
}

// acquireTokenOptions: an attempt that finds no token says itself when to try again.
// These pauses hold where it cannot.
func acquireTokenOptions(ctx workflow.Context, tries int32) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute,
		RetryPolicy:         retryQuickly(tries),
		Summary:             "the version of the token to send with",
	})
}

// refreshTokenOptions puts RefreshToken on a queue of its own: however many
// AcquireTokens hold the slots of a worker, what they wait for can run. It is tried
// once: the TokenKeeper has to know what is wrong.
func refreshTokenOptions(ctx workflow.Context, pipeline string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           window.TokenQueue(pipeline),
		StartToCloseTimeout: refreshTokenTimeout,
		RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: 1},
		Summary:             "replace the token",
	})
}

// watchClientSecretOptions: it fails for as long as the secret has not changed, so that
// its retries are the watch and the history gets no event for them.
func watchClientSecretOptions(ctx workflow.Context, pipeline string, atMost time.Duration) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              window.TokenQueue(pipeline),
		ScheduleToCloseTimeout: atMost,
		StartToCloseTimeout:    20 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: watchInterval, BackoffCoefficient: 1, MaximumInterval: watchInterval,
		},
		Summary: "is the client secret another one?",
	})
}

// deliverBatchesOptions: it is tried again only where a worker is gone. What it does not get
// done each batch goes on with by itself.
func deliverBatchesOptions(ctx workflow.Context, pipeline, summary string) workflow.Context {
	policy := retryForEver()
	policy.MaximumAttempts = 2
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           window.DeliveryQueue(pipeline),
		StartToCloseTimeout: DeliverBatchesTimeout,
		HeartbeatTimeout:    DeliverBatchHeartbeat,
		RetryPolicy:         policy,
		Summary:             summary,
	})
}

// deliverBatchOptions puts DeliverBatch on a queue of its own, whose rate Temporal limits.
// How long a batch waits there is not bounded. An attempt that fails says itself when to try
// again; these pauses hold where a worker is gone.
func deliverBatchOptions(ctx workflow.Context, pipeline, summary string, tries int32) workflow.Context {
	policy := retryQuickly(tries)
	policy.NonRetryableErrorTypes = []string{ErrorDeliveryPaused} // the workflow waits for that itself
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           window.DeliveryQueue(pipeline),
		StartToCloseTimeout: DeliverBatchTimeout,
		HeartbeatTimeout:    DeliverBatchHeartbeat,
		RetryPolicy:         policy,
		Summary:             summary,
	})
}

func splitBatchOptions(ctx workflow.Context, summary string, tries int32) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute,
		RetryPolicy:         retryQuickly(tries),
		Summary:             summary,
	})
}

// clearLocallyOptions: one attempt, in the time that a workflow task may take without
// asking for more.
func clearLocallyOptions(ctx workflow.Context) workflow.Context {
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		ScheduleToCloseTimeout: 5 * time.Second,
		RetryPolicy:            &temporal.RetryPolicy{MaximumAttempts: 1},
	})
}

func clearStageOptions(ctx workflow.Context, tries int32) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute,
		RetryPolicy:         retryQuickly(tries),
		Summary:             "delete what is delivered from the stage",
	})
}

func keepDiscardedOptions(ctx workflow.Context, tries int32) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: time.Minute,
		RetryPolicy:         retryQuickly(tries),
		Summary:             "note what was discarded",
	})
}

func startReadersOptions(ctx workflow.Context, readers int) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 5 * time.Minute,
		HeartbeatTimeout:    30 * time.Second,
		RetryPolicy:         retryForEver(),
		Summary:             fmt.Sprintf("%d shards", readers),
	})
}

// sweepStageOptions: an attempt that is cut short is gone on with by the next one.
func sweepStageOptions(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 30 * time.Minute,
		HeartbeatTimeout:    time.Minute,
		RetryPolicy:         retryForEver(),
		Summary:             "delete from the stage what no window needs",
	})
}

// resolveStartOptions: the first record of a quiet shard can be thousands of empty
// answers away, and each attempt begins with the oldest one. A read that is not answered
// and the pause before it take less than the heartbeat.
func resolveStartOptions(ctx workflow.Context, pipeline string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           window.ListingQueue(pipeline),
		StartToCloseTimeout: 24 * time.Hour,
		HeartbeatTimeout:    time.Minute,
		RetryPolicy:         retryForEver(),
		Summary:             "where the chain of windows begins",
	})
}

// listShardsOptions: ListShards runs in a starter process and pages through long
// answers.
func listShardsOptions(ctx workflow.Context, pipeline string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           window.ListingQueue(pipeline),
		StartToCloseTimeout: 5 * time.Minute,
		HeartbeatTimeout:    30 * time.Second,
		RetryPolicy:         retryForEver(),
		Summary:             "shards that are new, and what waits",
	})
}

func pollShardOptions(ctx workflow.Context, pipeline, summary string, poll PollOptions) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           window.StarterQueue(pipeline),
		StartToCloseTimeout: poll.Lease + poll.WindowMaxAge + pollMargin,
		HeartbeatTimeout:    poll.HeartbeatTimeout,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: pollRetry, BackoffCoefficient: 1, MaximumInterval: pollRetry,
		},
		Summary: summary,
	})
}
