package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// How long the TokenKeeper waits before it asks for a token again.
const (
	firstTokenRetry = time.Second

	// longestEndpointRetry bounds the pause where the endpoint does not answer, or not
	// with a token.
	longestEndpointRetry = time.Minute

	// Where the endpoint refuses the client, only somebody can mend it, and many a server
	// locks out who goes on trying. The same holds where tokens are given that cannot be
	// stored.
	firstRefusedRetry   = time.Minute
	longestRefusedRetry = 5 * time.Minute

	// longestPace bounds the pause between tokens that the destination refuses.
	longestPace = 5 * time.Minute
)

// doubled is first for n = 1, twice that for n = 2 and so on, up to longest.
func doubled(first time.Duration, n int, longest time.Duration) time.Duration {
	return min(first<<min(max(n-1, 0), 20), longest)
}

// pace is how long a token is kept after n others in a row were not.
func pace(n int) time.Duration {
	if n == 0 {
		return 0
	}
	return doubled(time.Second, n, longestPace)
}

// keepPace waits where tokens are to be replaced one soon after the other, before their
// time: the destination refuses what it should not, or somebody's clock is off. However
// many windows meet that, it must not cost a token for each of them.
//
// A token that was kept for longer than the pause after it shortens the pauses again.
// So a token that was revoked is replaced at once, and tokens that are revoked every
// half minute get no pause that is longer than that.
func (k *keeper) keepPace(ctx workflow.Context) error {
	now := workflow.Now(ctx)
	due := !k.in.RefreshAt.IsZero() && !now.Before(k.in.RefreshAt)
	switch {
	case k.in.Current.Version == 0:
		return nil
	case due:
		k.in.Early = 0
		return nil
	case now.Sub(k.in.ObtainedAt) < pace(k.in.Early+1):
		k.in.Early++
	default:
		k.in.Early = max(0, k.in.Early-1)
	}
	next := k.in.ObtainedAt.Add(pace(k.in.Early))
	if !next.After(now) {
		return nil
	}
	k.in.Trouble = &TokenTrouble{
		Type: ErrorTokenRefused,
		Message: fmt.Sprintf("%d tokens in a row were refused by the destination, or taken for expired, soon after they were obtained; "+
			"look at what it answers to DeliverBatch, at the scope and audience of the token, and at the workers' clocks", k.in.Early),
		Since: now, Attempts: k.in.Early, NextAt: next,
	}
	if err := k.pause(ctx); err != nil {
		return err
	}
	k.in.Trouble = nil
	return nil
}

// note keeps what was wrong with an attempt, and when the next one is.
func (k *keeper) note(ctx workflow.Context, err error) {
	now := workflow.Now(ctx)
	trouble := TokenTrouble{Since: now}
	if k.in.Trouble != nil {
		trouble.Since, trouble.Attempts = k.in.Trouble.Since, k.in.Trouble.Attempts
	}
	trouble.Attempts++

	var failure TokenFailure
	var asked time.Duration
	app, known := errors.AsType[*temporal.ApplicationError](err)
	switch {
	case known:
		trouble.Type, trouble.Message = app.Type(), app.Message()
		asked = app.NextRetryDelay()
		if app.HasDetails() {
			// An error without this detail leaves it empty.
			_ = app.Details(&failure)
		}
	case temporal.IsTimeoutError(err):
		trouble.Type = ErrorTokenUnavailable
		trouble.Message = fmt.Sprintf("RefreshToken did not end within %s: the worker that ran it was stopped, or Parameter Store is slow", refreshTokenTimeout)
	default:
		trouble.Type, trouble.Message = ErrorTokenUnavailable, err.Error()
	}
	trouble.SecretVersion = failure.SecretVersion

	wait := doubled(firstTokenRetry, trouble.Attempts, longestRetry)
	switch {
	case trouble.Type == ErrorTokenClientRefused, failure.TokenSpent:
		wait = doubled(firstRefusedRetry, trouble.Attempts, longestRefusedRetry)
	case trouble.Type == ErrorTokenEndpoint:
		wait = doubled(firstTokenRetry, trouble.Attempts, longestEndpointRetry)
	}
	trouble.NextAt = now.Add(max(wait, asked))
	k.in.Trouble = &trouble
}

// pause waits until the trouble's time, until somebody asks to try at once, or until the
// client secret that was refused has another version.
func (k *keeper) pause(ctx workflow.Context) error {
	wait := k.in.Trouble.NextAt.Sub(workflow.Now(ctx))
	if wait <= 0 {
		return nil
	}
	k.describe(ctx)
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	rotated := false
	if version := k.in.Trouble.SecretVersion; version != 0 {
		workflow.Go(ctx, func(ctx workflow.Context) {
			err := workflow.ExecuteActivity(watchClientSecretOptions(ctx, k.in.Pipeline, wait), WatchClientSecretName,
				WatchClientSecretInput{KnownVersion: version}).Get(ctx, nil)
			rotated = err == nil
		})
	}
	retries := k.retries
	_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout:      wait,
		TimerOptions: workflow.TimerOptions{Summary: "until the next try: " + k.in.Trouble.Type},
	}, func() bool { return rotated || k.retries != retries })
	return err
}
