package activities

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/log-event-pipeline/logpipe/workflows"
)

// failureLife is how long a failure answers for those who ask after it.
const failureLife = 5 * time.Second

// SharedKeeper lets all of a process who need the same token ask and wait as one, and
// tells the failure to those who come just after it: in an outage thousands of windows
// would hold all slots with waiting otherwise.
type SharedKeeper struct {
	keeper Keeper
	now    func() time.Time
	asking singleflight.Group

	mu     sync.Mutex
	failed map[string]failedRefresh
}

type failedRefresh struct {
	err error
	at  time.Time
}

var _ Keeper = (*SharedKeeper)(nil)

// NewSharedKeeper shares the keeper.
func NewSharedKeeper(keeper Keeper, now func() time.Time) *SharedKeeper {
	return &SharedKeeper{keeper: keeper, now: now, failed: map[string]failedRefresh{}}
}

// Refresh implements Keeper.
func (s *SharedKeeper) Refresh(ctx context.Context, pipeline string, known int64) (workflows.TokenVersion, error) {
	question := pipeline + "/" + strconv.FormatInt(known, 10)
	if err := s.failure(question); err != nil {
		return workflows.TokenVersion{}, err
	}
	answer := s.asking.DoChan(question, func() (any, error) {
		// The one who asked first may give up, and the others still want an answer.
		fresh, err := s.keeper.Refresh(context.WithoutCancel(ctx), pipeline, known)
		s.remember(question, err)
		return fresh, err
	})
	select {
	case got := <-answer:
		fresh, _ := got.Val.(workflows.TokenVersion)
		return fresh, got.Err
	case <-ctx.Done():
		return workflows.TokenVersion{}, context.Cause(ctx)
	}
}

// failure returns what became of the question a moment ago, nil where it is to be asked.
func (s *SharedKeeper) failure(question string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.failed[question]
	if !ok || s.now().Sub(last.at).Abs() >= failureLife {
		return nil
	}
	return last.err
}

func (s *SharedKeeper) remember(question string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Whatever else was asked is history: versions only grow.
	clear(s.failed)
	if err != nil && !errors.Is(err, context.Canceled) {
		s.failed[question] = failedRefresh{err: err, at: s.now()}
	}
}
