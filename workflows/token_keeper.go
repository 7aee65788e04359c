package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"
)

// shortestRefresh keeps a token endpoint whose tokens are too short, or a clock that
// is far off, from being asked in a circle.
const shortestRefresh = time.Second

// TokenKeeper is the only one that replaces the pipeline's token: on demand, by
// the update UpdateRefresh, and ahead of the token's expiry. One run of it is the
// life of one token, so the list of its runs reads as the history of tokens; it
// goes on as a new run after every refresh and never ends by itself.
func TokenKeeper(ctx workflow.Context, in TokenKeeperInput) error {
	k := &keeper{in: in}
	err := workflow.SetUpdateHandler(ctx, UpdateRefresh, k.refresh)
	if err != nil {
		return fmt.Errorf("handle update %s: %w", UpdateRefresh, err)
	}
	k.describe(ctx)
	if err := k.awaitRefreshTime(ctx); err != nil {
		return err
	}
	if !k.replaced && !k.replacing {
		if _, err := k.refresh(ctx, RefreshTokenInput{KnownVersion: in.Current.Version}); err != nil {
			return err
		}
	}
	// A caller that was let in must get its answer from this run.
	err = workflow.Await(ctx, func() bool { return k.replaced && workflow.AllHandlersFinished(ctx) })
	if err != nil {
		return err
	}
	return workflow.NewContinueAsNewError(ctx, TokenKeeperName, k.in)
}

type keeper struct {
	in        TokenKeeperInput
	replacing bool // a RefreshToken is running
	replaced  bool // this run has replaced its token, and ends
	failed    error
}

// awaitRefreshTime returns when the token is to be replaced or has been.
func (k *keeper) awaitRefreshTime(ctx workflow.Context) error {
	busy := func() bool { return k.replaced || k.replacing }
	if k.in.RefreshAt.IsZero() {
		return workflow.Await(ctx, busy)
	}
	wait := max(0, k.in.RefreshAt.Sub(workflow.Now(ctx)))
	_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout:      wait,
		TimerOptions: workflow.TimerOptions{Summary: "refresh ahead of expiry"},
	}, busy)
	return err
}

// refresh answers with a token other than the known version. However many ask,
// one RefreshToken runs at a time, and who knows an older version than the
// current one is answered without any.
func (k *keeper) refresh(ctx workflow.Context, in RefreshTokenInput) (TokenVersion, error) {
	if err := workflow.Await(ctx, func() bool { return !k.replacing }); err != nil {
		return TokenVersion{}, err
	}
	if k.failed != nil {
		return TokenVersion{}, k.failed
	}
	current := k.in.Current
	if current.Version != 0 && in.KnownVersion != 0 && current.Version != in.KnownVersion && !expired(current, workflow.Now(ctx)) {
		return current, nil
	}
	if k.replaced {
		// The token of this run is new; only its successor may replace it. This is
		// reached by a caller that found no token or knows the new one already:
		// it asks again and finds the next run.
		return current, nil
	}

	k.replacing = true
	k.describe(ctx)
	var fresh TokenVersion
	err := workflow.ExecuteActivity(refreshTokenOptions(ctx, k.in.Pipeline), RefreshTokenName, in).Get(ctx, &fresh)
	k.replacing = false
	if err != nil {
		// Retries never end, so this is a cancelled workflow or a non-retryable
		// fault: the run fails, and the next caller starts another.
		k.failed = err
		return TokenVersion{}, err
	}
	k.in.Current = fresh
	k.in.RefreshAt = time.Time{}
	if !fresh.ExpiresAt.IsZero() {
		k.in.RefreshAt = workflow.Now(ctx).Add(max(fresh.RefreshAfter, shortestRefresh))
	}
	k.in.Refreshes++
	k.replaced = true
	k.describe(ctx)
	return fresh, nil
}

func (k *keeper) describe(ctx workflow.Context) {
	current := k.in.Current
	var details string
	switch {
	case k.replacing:
		details = fmt.Sprintf("replacing version %d of `%s`", current.Version, current.Parameter)
	case current.Version == 0:
		details = "no token yet"
	default:
		details = fmt.Sprintf("version %d of `%s`, token %d of this pipeline", current.Version, current.Parameter, k.in.Refreshes)
		if !current.ExpiresAt.IsZero() {
			details += ", expires " + current.ExpiresAt.UTC().Format(time.RFC3339)
		}
	}
	workflow.SetCurrentDetails(ctx, details)
}

func expired(token TokenVersion, now time.Time) bool {
	return !token.ExpiresAt.IsZero() && !now.Before(token.ExpiresAt)
}
