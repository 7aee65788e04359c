package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// shortestRefresh keeps a token endpoint whose tokens are too short, or a clock that
// is far off, from being asked in a circle.
const shortestRefresh = time.Second

// TokenKeeper is the only one that replaces the pipeline's token: on demand, by
// the update UpdateRefresh, and ahead of the token's expiry. One run of it is the
// life of one token, so the list of its runs reads as the history of tokens; it
// goes on as a new run after every refresh and never ends by itself.
//
// Attempts that fail are repeated here and not by the activity's retry policy, so that
// the workflow knows what is wrong: its page shows it, and QueryState tells it to those
// who wait.
func TokenKeeper(ctx workflow.Context, in TokenKeeperInput) error {
	k := &keeper{in: in}
	if err := k.listen(ctx); err != nil {
		return err
	}
	k.describe(ctx)
	if err := k.awaitOccasion(ctx); err != nil {
		return err
	}
	if err := k.replace(ctx); err != nil {
		return err
	}
	// A caller that was let in must get its answer from this run.
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	return workflow.NewContinueAsNewError(ctx, TokenKeeperName, k.in)
}

type keeper struct {
	in TokenKeeperInput

	wanted  bool // somebody needs another token than in.KnownVersion
	asking  bool // a RefreshToken is running
	retries int  // signals to try at once

	// One of these ends the run: its token was replaced, or its history has grown long
	// while that was tried.
	replaced, unfinished bool
}

func (k *keeper) listen(ctx workflow.Context) error {
	if err := workflow.SetUpdateHandler(ctx, UpdateRefresh, k.refresh); err != nil {
		return fmt.Errorf("handle update %s: %w", UpdateRefresh, err)
	}
	err := workflow.SetQueryHandler(ctx, QueryState, func() (TokenKeeperState, error) {
		return k.state(), nil
	})
	if err != nil {
		return fmt.Errorf("handle query %s: %w", QueryState, err)
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		channel := workflow.GetSignalChannel(ctx, SignalRetry)
		for channel.Receive(ctx, nil) {
			k.retries++
		}
	})
	return nil
}

func (k *keeper) state() TokenKeeperState {
	return TokenKeeperState{
		Current: k.in.Current, ObtainedAt: k.in.ObtainedAt, RefreshAt: k.in.RefreshAt, Refreshes: k.in.Refreshes,
		Trouble: k.in.Trouble, LastTrouble: k.in.LastTrouble, WorkerAheadMillis: k.in.WorkerAheadMillis,
	}
}

// awaitOccasion returns when there is a reason to replace the token.
func (k *keeper) awaitOccasion(ctx workflow.Context) error {
	if k.in.Trouble != nil || k.in.Current.Version == 0 {
		k.wanted = true
		return nil
	}
	wanted := func() bool { return k.wanted }
	if k.in.RefreshAt.IsZero() {
		return workflow.Await(ctx, wanted)
	}
	demanded, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout:      max(0, k.in.RefreshAt.Sub(workflow.Now(ctx))),
		TimerOptions: workflow.TimerOptions{Summary: "refresh ahead of expiry"},
	}, wanted)
	if err == nil && !demanded {
		k.wanted, k.in.KnownVersion = true, k.in.Current.Version
	}
	return err
}

// refresh answers with a token other than the known version. However many ask, one
// RefreshToken runs at a time, and who knows an older version than the current one is
// answered without any.
func (k *keeper) refresh(ctx workflow.Context, in RefreshTokenInput) (TokenVersion, error) {
	current := k.in.Current
	if current.Version != 0 && in.KnownVersion != 0 && current.Version != in.KnownVersion && !expired(current, workflow.Now(ctx)) {
		return current, nil
	}
	if !k.wanted {
		k.wanted, k.in.KnownVersion = true, in.KnownVersion
	}
	if err := workflow.Await(ctx, func() bool { return k.replaced || k.unfinished }); err != nil {
		return TokenVersion{}, err
	}
	if k.unfinished {
		return TokenVersion{}, temporal.NewApplicationError("the TokenKeeper goes on as a new run", ErrorTokenUnavailable)
	}
	// This can be the version that the caller knows, if it came just before the end of
	// the run. It asks again and finds the next one.
	return k.in.Current, nil
}

// replace returns when the token was replaced, or the history has grown long.
func (k *keeper) replace(ctx workflow.Context) error {
	wait := k.keepPace
	if k.in.Trouble != nil {
		wait = k.pause
	}
	if err := wait(ctx); err != nil {
		return err
	}
	for {
		fresh, err := k.ask(ctx)
		switch {
		case err == nil:
			k.take(ctx, fresh)
			return nil
		case temporal.IsCanceledError(err):
			return err
		}
		k.note(ctx, err)
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			k.unfinished = true
			return nil
		}
		if err := k.pause(ctx); err != nil {
			return err
		}
	}
}

// ask makes one attempt.
func (k *keeper) ask(ctx workflow.Context) (fresh TokenVersion, err error) {
	k.asking = true
	k.describe(ctx)
	err = workflow.ExecuteActivity(refreshTokenOptions(ctx, k.in.Pipeline), RefreshTokenName,
		RefreshTokenInput{KnownVersion: k.in.KnownVersion}).Get(ctx, &fresh)
	k.asking = false
	return fresh, err
}

// take makes the token the current one.
func (k *keeper) take(ctx workflow.Context, fresh TokenVersion) {
	now := workflow.Now(ctx)
	k.in.WorkerAheadMillis = 0
	if !fresh.At.IsZero() {
		k.in.WorkerAheadMillis = fresh.At.Sub(now).Milliseconds()
		fresh.At = time.Time{} // nobody else goes by it
	}
	k.in.Current, k.in.ObtainedAt = fresh, now
	k.in.RefreshAt = time.Time{}
	if !fresh.ExpiresAt.IsZero() {
		k.in.RefreshAt = now.Add(max(fresh.RefreshAfter, shortestRefresh))
	}
	k.in.Refreshes++
	if k.in.Trouble != nil {
		k.in.LastTrouble = k.in.Trouble
	}
	k.in.Trouble, k.in.KnownVersion = nil, 0
	k.replaced = true
	k.describe(ctx)
}

func (k *keeper) describe(ctx workflow.Context) {
	workflow.SetCurrentDetails(ctx, k.details(workflow.Now(ctx)))
}

// details are what the workflow's page shows.
func (k *keeper) details(now time.Time) string {
	current, trouble := k.in.Current, k.in.Trouble
	text := "**no token yet**"
	if current.Version != 0 {
		text = fmt.Sprintf("version %d of `%s`, token %d of this pipeline", current.Version, current.Parameter, k.in.Refreshes)
		switch {
		case expired(current, now):
			text += ", **expired** " + clock(current.ExpiresAt)
		case !current.ExpiresAt.IsZero():
			text += ", expires " + clock(current.ExpiresAt)
		}
	}
	if current.Version != 0 {
		if !k.in.ObtainedAt.IsZero() {
			text += ", obtained " + clock(k.in.ObtainedAt)
		}
		text += k.next()
		if ahead := time.Duration(k.in.WorkerAheadMillis) * time.Millisecond; ahead.Abs() >= ClockTolerance {
			text += fmt.Sprintf("\n\n**The clock of the worker that obtained it was %s Temporal's by %s.** Set it right: tokens are taken for expired too early or too late.", aheadOrBehind(ahead), ahead.Abs().Round(time.Second))
		}
	}
	if trouble == nil {
		if k.asking {
			text += "\n\nbeing replaced"
		}
		if last := k.in.LastTrouble; last != nil {
			text += fmt.Sprintf("\n\nThe last trouble is over: **%s** from %s, tried %d times in vain: %s", last.Type, clock(last.Since), last.Attempts, last.Message)
		}
		return text
	}
	text += fmt.Sprintf("\n\n**%s** since %s, tried %d times:\n\n%s\n\n", trouble.Type, clock(trouble.Since), trouble.Attempts, trouble.Message)
	if k.asking {
		return text + "Trying again now."
	}
	text += fmt.Sprintf("The next try is at %s", clock(trouble.NextAt))
	if trouble.SecretVersion != 0 {
		text += fmt.Sprintf(", or as soon as the client secret has another version than %d", trouble.SecretVersion)
	}
	return text + fmt.Sprintf(". Send the signal `%s` to try at once.", SignalRetry)
}

// next is when the token is replaced, as the end of a sentence.
func (k *keeper) next() string {
	switch {
	case k.in.Trouble != nil, k.asking:
		return ""
	case k.in.RefreshAt.IsZero():
		return "; it is replaced when the destination refuses it"
	}
	return "; it is replaced " + clock(k.in.RefreshAt)
}

// ClockTolerance is how far two clocks may be apart before somebody is told.
const ClockTolerance = 30 * time.Second

func aheadOrBehind(d time.Duration) string {
	if d < 0 {
		return "behind"
	}
	return "ahead of"
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func expired(token TokenVersion, now time.Time) bool {
	return !token.ExpiresAt.IsZero() && !now.Before(token.ExpiresAt)
}
