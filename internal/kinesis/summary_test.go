package kinesis_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
)

func TestNoSuchStream(t *testing.T) {
	t.Parallel()
	f := newFake(0)
	f.failDescribe = &types.ResourceNotFoundException{Message: aws.String("Stream api-logs under account 123456789012 not found.")}
	f.failList = f.failDescribe
	err := f.stream().Check(t.Context())
	requireOnly(t, err, kinesis.ErrNoStream)
	require.ErrorContains(t, err, "123456789012")
	_, err = f.stream().Shards(t.Context(), "")
	requireOnly(t, err, kinesis.ErrNoStream)
	require.ErrorContains(t, err, "123456789012")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	f := newFake(0)
	s := f.stream()
	require.NoError(t, s.Check(t.Context()))
	f.failDescribe = errDown
	require.ErrorIs(t, s.Check(t.Context()), errDown, "what was so a moment ago does not count")
}

func TestRetentionIsAskedForOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(0)
		f.retention = 48 * time.Hour
		s := f.stream()
		var wg sync.WaitGroup
		ask := func(want time.Duration) {
			for range 256 {
				wg.Go(func() {
					got, err := s.Retention(t.Context())
					if err != nil || got != want {
						t.Errorf("retention is %v, %v; want %v", got, err, want)
					}
				})
			}
			wg.Wait()
		}
		ask(48 * time.Hour)
		f.retention = 72 * time.Hour
		time.Sleep(9 * time.Second)
		ask(48 * time.Hour)
		require.EqualValues(t, 1, f.described.Load())
		time.Sleep(time.Second)
		ask(72 * time.Hour)
		require.EqualValues(t, 2, f.described.Load())
	})
}

func TestRetentionThatCannotBeHad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(0)
		s := f.stream()
		f.failDescribe = throttled
		var wg sync.WaitGroup
		for range 256 {
			wg.Go(func() {
				if _, err := s.Retention(t.Context()); err == nil {
					t.Error("there is an answer")
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, f.described.Load(), "a failure is shared, too")

		f.failDescribe = nil
		got, err := s.Retention(t.Context())
		require.NoError(t, err, "but not remembered")
		require.Equal(t, 24*time.Hour, got)

		f.retention = 0
		_, err = f.stream().Retention(t.Context())
		require.ErrorContains(t, err, "no retention")
	})
}

// TestRetentionOutlivesItsFirstAsker: who gives up must not take the answer from the
// others.
func TestRetentionOutlivesItsFirstAsker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(0)
		s := f.stream()
		impatient, cancel := context.WithTimeout(t.Context(), describing/2)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := s.Retention(impatient); err == nil {
				t.Error("an answer after giving up")
			}
		})
		synctest.Wait()
		got, err := s.Retention(t.Context())
		require.NoError(t, err)
		require.Equal(t, 24*time.Hour, got)
		wg.Wait()
		require.EqualValues(t, 1, f.described.Load())
	})
}

func TestNow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake(0)
		time.Sleep(2900 * time.Millisecond)
		got, err := f.stream().Now(t.Context())
		require.NoError(t, err)
		require.Equal(t, epoch.Add(2*time.Second), got, "the local clock, where no answer tells")
		f.at = epoch.Add(-time.Hour)
		got, err = f.stream().Now(t.Context())
		require.NoError(t, err)
		require.Equal(t, epoch.Add(-time.Hour), got)
		require.Zero(t, f.described.Load(), "that would need a limit of the account")
	})
}
