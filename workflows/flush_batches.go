package workflows

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

const (
	// noBatch is the number of a window that is parked before it has batches.
	noBatch = -1

	// maxParkedParts bounds what of divided batches an operator is asked about. A
	// destination that takes no events at all but refuses each by itself would otherwise be
	// sent thousands of requests, and leave thousands of parts.
	maxParkedParts = 50

	// firstPartialPause is the pause before what the destination could not take is sent
	// again, unless it asks for a longer one. It doubles while next to nothing of it is
	// taken.
	firstPartialPause = time.Second

	// goodPart of a batch, one in so many, is more than next to nothing of it.
	goodPart = 10
)

// refusalPause is how long a batch waits after its nth refused token in a row. The
// first refusal is the normal end of a token's life. Any more say that the
// destination refuses tokens it should not, and must not cost a token each second.
func refusalPause(n int) time.Duration {
	if n < 2 {
		return 0
	}
	return doubled(time.Second, n-1, longestPause)
}

// enqueue puts in line what is left to deliver.
func (f *flush) enqueue() {
	f.left = make([]int, len(f.formatted.Batches))
	for _, p := range f.parked {
		f.left[p.Part.Number]++
	}
	if p := f.in.Progress; p != nil {
		for _, part := range p.Parts {
			f.left[part.Number]++
			f.queue = append(f.queue, part)
		}
	}
	for n, batch := range f.formatted.Batches {
		if f.left[n] == 0 && !slices.Contains(f.finished, n) {
			f.left[n]++
			f.queue = append(f.queue, BatchPart{Number: n, Batch: batch, Whole: true})
		}
	}
}

// progress is the state for the next run.
func (f *flush) progress() *FlushProgress {
	p := &FlushProgress{
		Formatted: f.formatted, Unformatted: !f.ready, Finished: f.finished, Divided: f.divided, Parked: slices.Clone(f.parked), Discarded: f.discarded,
		Attempts: f.result.Attempts, HTTPStatus: f.result.HTTPStatus,
		Stage: f.stage.trouble, Token: f.tokens.trouble, Refused: f.refused, Delivery: f.delivery.trouble,
		Paused: f.pause.by, PausedAt: f.pause.since, PausedFor: f.pause.before,
	}
	for _, part := range f.queue {
		if !part.Whole { // whole ones are in Formatted
			p.Parts = append(p.Parts, part)
		}
	}
	// Of thousands of parked batches the reasons would be too much for one payload.
	for i := shownParked; i < len(p.Parked); i++ {
		p.Parked[i].Reason = ""
	}
	return p
}

// ended: all is accepted or discarded, or left for the next run.
func (f *flush) ended() bool {
	return f.interrupted() || len(f.queue)+f.active+len(f.parked) == 0
}

// interrupted: what is being waited for is not waited for in this run.
func (f *flush) interrupted() bool { return f.unfinished || f.failed }

// deliver sends all batches, some at a time, and returns when each is accepted or
// discarded, or left for the next run.
func (f *flush) deliver(ctx workflow.Context) error {
	if err := f.deliverTogether(ctx); err != nil {
		return err
	}
	var failures []error
	group := workflow.NewWaitGroup(ctx)
	for range max(1, f.formatted.Concurrency) {
		group.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer group.Done()
			if err := f.deliverParts(ctx); err != nil {
				f.failed = true
				failures = append(failures, err)
			}
		})
	}
	group.Add(1)
	workflow.Go(ctx, func(ctx workflow.Context) {
		defer group.Done()
		if err := f.showParked(ctx); err != nil {
			f.failed = true
			failures = append(failures, err)
		}
	})
	group.Wait(ctx)
	return errors.Join(failures...)
}

// deliverParts delivers what is in line, one part after the other, until nothing can come
// any more: a part that fails or an operator can put more in line.
func (f *flush) deliverParts(ctx workflow.Context) error {
	for {
		err := workflow.Await(ctx, func() bool { return len(f.queue) > 0 || f.ended() })
		if err != nil || f.ended() {
			return err
		}
		part := f.queue[0]
		f.queue = f.queue[1:]
		f.active++
		err = f.deliverPart(ctx, part)
		f.active--
		if err != nil {
			return err
		}
	}
}

// deliverPart tries until the part is accepted, parked, divided, or left for the next run.
func (f *flush) deliverPart(ctx workflow.Context, part BatchPart) error {
	if err := f.show(ctx); err != nil {
		return err
	}
	if !part.Whole && len(f.parked) >= maxParkedParts {
		return f.park(ctx, part, fmt.Errorf("not tried: %d others wait already", maxParkedParts))
	}
	if err := f.restBefore(ctx, part); err != nil {
		return f.leave(part, err)
	}
	refused := f.lastRefused // version of the token that was refused
	refusals := 0            // in a row
	for {
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			f.unfinished = true
			return f.leave(part, errInterrupted)
		}
		out, failure, refusal, err := f.attempt(ctx, part, refused)
		switch {
		case err == nil:
			return f.settle(ctx, part, out)
		case errors.Is(err, errInterrupted):
			return f.leave(part, err)
		case errors.Is(err, errTurn):
			f.queue = append(f.queue, part)
			return nil
		case failure != ErrorTokenRefused:
			return f.refuse(ctx, part, err)
		}
		refused = refusal.TokenVersion
		if refusal.HTTPStatus != 0 {
			refusals++
		}
		pause := refusalPause(refusals)
		if err := f.noteRefused(ctx, err, refusals, pause); err != nil {
			return err
		}
		if err := f.rest(ctx, pause, "before the next token"); err != nil {
			return f.leave(part, err)
		}
	}
}

// restBefore waits until the part may be sent, and shows that it waits.
func (f *flush) restBefore(ctx workflow.Context, part BatchPart) error {
	pause := part.NotBefore.Sub(workflow.Now(ctx))
	if pause <= 0 {
		return nil
	}
	f.resting = append(f.resting, part)
	err := f.show(ctx)
	if err == nil {
		err = f.rest(ctx, pause, "before what was not accepted is sent again")
	}
	f.resting = slices.DeleteFunc(f.resting, func(p BatchPart) bool { return p.Batch.IdempotencyKey == part.Batch.IdempotencyKey })
	return err
}

// untaken is what the destination could not take when it was sent and what waits to be sent
// again: how many events, for how many rounds at most, and when the first of it is sent.
func (f *flush) untaken() (events, rounds int, next time.Time) {
	for _, p := range slices.Concat(f.resting, f.queue) {
		if p.Rounds == 0 {
			continue
		}
		events += p.Batch.Events
		rounds = max(rounds, p.Rounds)
		if next.IsZero() || p.NotBefore.Before(next) {
			next = p.NotBefore
		}
	}
	return events, rounds, next
}

// refuse takes a part that the destination does not take as it is.
func (f *flush) refuse(ctx workflow.Context, part BatchPart, failure error) error {
	if kindOf(failure) == ErrorBatchTooLarge && part.Batch.Events > 1 {
		return f.divide(ctx, part)
	}
	return f.park(ctx, part, failure)
}

// noteRefused shows that tokens are refused one after the other, by the part for which
// that is true for the longest time.
func (f *flush) noteRefused(ctx workflow.Context, failure error, refusals int, pause time.Duration) error {
	now := workflow.Now(ctx)
	if refusals >= 2 {
		if f.refused == nil {
			f.refused = &FlushTrouble{Type: ErrorTokenRefused, Since: now}
		}
		f.refused.Message, f.refused.NextAt = message(failure), now.Add(pause)
		f.refused.Tries = max(f.refused.Tries, refusals)
	}
	return f.show(ctx)
}

// leave puts the part back at the front of the line where the run ends before it does.
func (f *flush) leave(part BatchPart, because error) error {
	f.queue = slices.Insert(f.queue, 0, part)
	if errors.Is(because, errInterrupted) {
		return nil
	}
	return because
}

// attempt gets a token and has the part delivered with it. An error comes with the
// type of the failure and, where the destination has refused, with the refusal.
func (f *flush) attempt(ctx workflow.Context, part BatchPart, refused int64) (DeliverBatchResult, string, Refusal, error) {
	token, err := f.acquireToken(ctx, refused)
	if err != nil {
		return DeliverBatchResult{}, "", Refusal{}, err
	}
	var out DeliverBatchResult
	err = f.persist(ctx, f.delivery, func(ctx workflow.Context, tries int32) error {
		return f.unlessPaused(ctx, func(ctx workflow.Context) error {
			err := workflow.ExecuteActivity(deliverBatchOptions(ctx, f.in.Pipeline, f.summary(part), tries), DeliverBatchName,
				DeliverBatchInput{Batch: part.Batch, TokenVersion: token.Version}).Get(ctx, &out)
			f.count(out, err)
			return err
		})
	})
	if err == nil {
		f.refused = nil
		return out, "", Refusal{}, nil
	}
	failure, refusal := refusalOf(err)
	if failure == ErrorTokenRefused {
		if refusal.TokenVersion == 0 {
			refusal.TokenVersion = token.Version
		}
		if f.token.Version == token.Version {
			f.token = TokenVersion{}
		}
	}
	return DeliverBatchResult{}, failure, refusal, err
}

// count adds what one DeliverBatch has come to.
func (f *flush) count(out DeliverBatchResult, err error) {
	attempts, status := out.Attempts, out.HTTPStatus
	if err != nil {
		_, refusal := refusalOf(err)
		attempts, status = refusal.Attempts, refusal.HTTPStatus
	}
	f.result.Attempts += attempts
	if status != 0 {
		f.result.HTTPStatus = status
	}
}

// acquireToken returns a token that is not the refused version. Batches that see
// the same version refused share one answer.
func (f *flush) acquireToken(ctx workflow.Context, refused int64) (TokenVersion, error) {
	if err := f.tokenLock.Lock(ctx); err != nil {
		return TokenVersion{}, err
	}
	defer f.tokenLock.Unlock()
	if f.token.Version != 0 && f.token.Version != refused {
		return f.token, nil
	}
	var token TokenVersion
	err := f.persist(ctx, f.tokens, func(ctx workflow.Context, tries int32) error {
		return workflow.ExecuteActivity(acquireTokenOptions(ctx, tries), AcquireTokenName,
			AcquireTokenInput{Pipeline: f.in.Pipeline, RefusedVersion: refused}).Get(ctx, &token)
	})
	if err != nil {
		return TokenVersion{}, err
	}
	f.token = token
	return token, nil
}

// settle takes what the destination has accepted of the part as done. What it could not
// take is put in line again, and what it refused waits for an operator.
func (f *flush) settle(ctx workflow.Context, part BatchPart, out DeliverBatchResult) error {
	if out.Remainder != nil {
		rest := part.remainder(*out.Remainder, workflow.Now(ctx), out.RetryAfter)
		if lasted := workflow.Now(ctx).Sub(rest.UntakenSince) - f.pause.before; out.GiveUpAfter > 0 && lasted >= out.GiveUpAfter {
			if err := f.parkOf(ctx, part, rest, temporal.NewNonRetryableApplicationError(
				fmt.Sprintf("the destination could not take %d events, %d times in a row: HTTP status %d", rest.Batch.Events, rest.Rounds, out.HTTPStatus),
				ErrorDestinationUnavailable, nil)); err != nil {
				return err
			}
		} else {
			f.replace(part, []BatchPart{rest})
		}
	}
	if out.Refused != nil {
		refusal := out.Refused.Refusal
		if err := f.parkOf(ctx, part, BatchPart{Number: part.Number, Batch: out.Refused.Batch}, temporal.NewNonRetryableApplicationError(
			fmt.Sprintf("the destination refused %d events of the batch: HTTP status %d", out.Refused.Batch.Events, refusal.HTTPStatus),
			ErrorDestinationRefused, nil, refusal)); err != nil {
			return err
		}
	}
	return f.finish(ctx, part)
}

// remainder is what the destination could not take now of a part, and when it may have that
// again.
func (p BatchPart) remainder(left Batch, now time.Time, retryAfter time.Duration) BatchPart {
	rest := BatchPart{Number: p.Number, Batch: left, Rounds: p.Rounds + 1, UntakenSince: p.UntakenSince}
	if taken := p.Batch.Events - left.Events; rest.UntakenSince.IsZero() || taken*goodPart > p.Batch.Events {
		rest.Rounds, rest.UntakenSince = 1, now
	}
	rest.NotBefore = now.Add(max(doubled(firstPartialPause, rest.Rounds, longestPause), retryAfter))
	return rest
}

// parkOf parks what is left of a part.
func (f *flush) parkOf(ctx workflow.Context, part, left BatchPart, failure error) error {
	f.divides(part)
	f.left[part.Number]++
	return f.park(ctx, left, failure)
}

// divide puts the halves of a part that is too large in its place.
func (f *flush) divide(ctx workflow.Context, part BatchPart) error {
	var out SplitBatchResult
	err := f.persist(ctx, f.stage, func(ctx workflow.Context, tries int32) error {
		return workflow.ExecuteActivity(splitBatchOptions(ctx, f.summary(part), tries), SplitBatchName, SplitBatchInput{Batch: part.Batch}).Get(ctx, &out)
	})
	switch {
	case errors.Is(err, errInterrupted):
		return f.leave(part, err)
	case err != nil:
		return f.park(ctx, part, err)
	}
	halves := make([]BatchPart, len(out.Batches))
	for i, batch := range out.Batches {
		halves[i] = BatchPart{Number: part.Number, Batch: batch}
	}
	f.replace(part, halves)
	return f.finish(ctx, part)
}

// replace puts parts of a part at the front of the line, so that few batches are divided
// at a time.
func (f *flush) replace(part BatchPart, by []BatchPart) {
	if len(by) > 0 {
		f.divides(part)
	}
	f.left[part.Number] += len(by)
	f.queue = slices.Insert(f.queue, 0, by...)
}

// divides notes that the stage holds parts of a batch.
func (f *flush) divides(part BatchPart) {
	if !slices.Contains(f.divided, part.Number) {
		f.divided = append(f.divided, part.Number)
	}
}

// finish counts a part as done, and its batch if it was the last one of it. Where nothing is
// left, the list of workflows is told of it once, when the window ends.
func (f *flush) finish(ctx workflow.Context, part BatchPart) error {
	f.done(part)
	if len(f.queue)+f.active+len(f.parked) == 0 {
		f.describe(ctx)
		return nil
	}
	return f.show(ctx)
}

func (f *flush) done(part BatchPart) {
	f.left[part.Number]--
	if f.left[part.Number] == 0 {
		f.finished = append(f.finished, part.Number)
	}
}

// park leaves the part to the operator; the others go on.
func (f *flush) park(ctx workflow.Context, part BatchPart, failure error) error {
	if temporal.IsCanceledError(failure) {
		return f.leave(part, failure)
	}
	f.parked = append(f.parked, ParkedPart{Part: part, Since: workflow.Now(ctx), Reason: reason(failure)})
	return f.show(ctx)
}

// decide ends the waiting of all that is parked now.
func (f *flush) decide(discard bool) {
	parked := f.parked
	f.parked = nil
	f.decisions++
	f.discard = discard
	f.delivery.givenUp = nil
	for _, p := range parked {
		switch {
		case discard:
			f.discarded++
			if p.Part.Number != noBatch {
				f.done(p.Part)
			}
		case p.Part.Number != noBatch:
			part := p.Part
			part.Rounds, part.NotBefore, part.UntakenSince = 0, time.Time{}, time.Time{}
			f.queue = append(f.queue, part)
		}
	}
}

// summary of the activities of a part.
func (f *flush) summary(part BatchPart) string {
	what := "batch"
	if !part.Whole {
		what = "part of batch"
	}
	return fmt.Sprintf("%s %d of %d: %d events, %d bytes", what, part.Number+1, len(f.formatted.Batches), part.Batch.Events, part.Batch.Bytes)
}
