package kinesis_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
)

func TestTrying(t *testing.T) {
	t.Parallel()
	f := newFake(3)
	f.retention = 48 * time.Hour
	s := f.stream()
	d, err := s.Describe(t.Context())
	require.NoError(t, err)
	require.Equal(t, 48*time.Hour, d.Retention)
	iterator, err := s.TryIterator(t.Context(), shardID)
	require.NoError(t, err)
	records, err := s.TryRecords(t.Context(), iterator)
	require.NoError(t, err)
	require.Equal(t, 1, records, "one record is enough")
}

func TestTryingWithoutPermission(t *testing.T) {
	t.Parallel()
	f := newFake(3)
	f.failDescribe, f.failIterators, f.failReads = denied, []error{denied}, []error{denied}
	s := f.stream()
	_, err := s.Describe(t.Context())
	requireOnly(t, err, kinesis.ErrDenied)
	_, err = s.TryIterator(t.Context(), shardID)
	requireOnly(t, err, kinesis.ErrDenied)
	_, err = s.TryRecords(t.Context(), "1")
	requireOnly(t, err, kinesis.ErrDenied)
}

func TestClock(t *testing.T) {
	t.Parallel()
	f := newFake(0)
	f.at = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	at, err := f.stream().Clock(t.Context())
	require.NoError(t, err)
	require.Equal(t, f.at, at)
	f.failList = errDown
	_, err = f.stream().Clock(t.Context())
	require.ErrorIs(t, err, errDown)
}
