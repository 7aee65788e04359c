package traffic

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/stretchr/testify/require"
)

func TestWriterSubscribesBeforeItPuts(t *testing.T) {
	t.Parallel()
	logs := newFakeLogs()
	w := testWriter(t, logs)
	for range 2 {
		require.NoError(t, w.Put(t.Context(), "g", "s", []Event{{1, "a"}}))
	}
	require.NoError(t, w.Put(t.Context(), "g", "other", []Event{{1, "a"}}))
	require.Equal(t, []string{"CreateLogGroup", "PutSubscriptionFilter", "CreateLogStream", "PutLogEvents", "PutLogEvents", "CreateLogStream", "PutLogEvents"}, logs.calls)

	again := testWriter(t, logs) // all of it exists
	require.NoError(t, again.Put(t.Context(), "g", "s", []Event{{1, "a"}}))
	require.EqualValues(t, 1, again.Counts().Events)

	bare := NewWriter(newFakeLogs(), nil, nil)
	require.NoError(t, bare.Ensure(t.Context(), "g", "s"))
}

func TestWriterKeepsTheLimits(t *testing.T) {
	t.Parallel()
	day := (24 * time.Hour).Milliseconds()
	tests := []struct {
		name    string
		events  []Event
		batches []int
	}{
		{"nothing", nil, nil},
		{"sorted", []Event{{3, "c"}, {1, "a"}, {2, "b"}}, []int{3}},
		{"just below a day", []Event{{0, "a"}, {day - 1, "b"}}, []int{2}},
		{"a day", []Event{{0, "a"}, {day, "b"}, {day + 1, "c"}}, []int{1, 2}},
		{"count", repeat(Event{1, "x"}, 10_001), []int{10_000, 1}},
		{"just fits", repeat(Event{1, strings.Repeat("x", 1_048_576/2-26)}, 3), []int{2, 1}},
		{"one byte more", repeat(Event{1, strings.Repeat("x", 1_048_576/2-25)}, 3), []int{1, 1, 1}},
		{"largest", []Event{{1, strings.Repeat("x", MaxMessage)}, {2, "y"}}, []int{1, 1}},
		{"bytes, not characters", repeat(Event{1, strings.Repeat("ö", 200_000)}, 3), []int{2, 1}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			logs := newFakeLogs()
			w := testWriter(t, logs)
			n := len(test.events)
			require.NoError(t, w.Put(t.Context(), "g", "s", test.events))
			var sizes []int
			for _, b := range logs.batches {
				sizes = append(sizes, len(b))
			}
			require.Equal(t, test.batches, sizes)
			require.EqualValues(t, n, w.Counts().Events)
			require.EqualValues(t, len(sizes), w.Counts().Batches)
			require.Zero(t, w.Counts().Lost())
		})
	}
}

func repeat(e Event, n int) []Event {
	events := make([]Event, n)
	for i := range events {
		events[i] = e
	}
	return events
}

func TestWriterCountsWhatCannotBePut(t *testing.T) {
	t.Parallel()
	logs := newFakeLogs()
	w := testWriter(t, logs)
	require.NoError(t, w.Put(t.Context(), "g", "s", []Event{{1, ""}, {2, "a"}, {3, strings.Repeat("x", MaxMessage+1)}}))
	got := w.Counts()
	require.Equal(t, Counts{Events: 1, Bytes: 1, Batches: 1, Empty: 1, TooLarge: 1}, got)
	require.EqualValues(t, 2, got.Lost())
}

func TestWriterCountsRejectedEvents(t *testing.T) {
	t.Parallel()
	index := func(i int32) *int32 { return &i }
	tests := []struct {
		name string
		info types.RejectedLogEventsInfo
		want Counts
	}{
		{"too old", types.RejectedLogEventsInfo{TooOldLogEventEndIndex: index(2)}, Counts{Events: 3, Bytes: 3, Batches: 1, TooOld: 2}},
		{"too new", types.RejectedLogEventsInfo{TooNewLogEventStartIndex: index(4)}, Counts{Events: 4, Bytes: 4, Batches: 1, TooNew: 1}},
		{"expired", types.RejectedLogEventsInfo{ExpiredLogEventEndIndex: index(5)}, Counts{Batches: 1, Expired: 5}},
		{"all of them", types.RejectedLogEventsInfo{TooOldLogEventEndIndex: index(1), ExpiredLogEventEndIndex: index(2), TooNewLogEventStartIndex: index(4)}, Counts{Events: 2, Bytes: 2, Batches: 1, TooOld: 1, Expired: 1, TooNew: 1}},
		{"nonsense", types.RejectedLogEventsInfo{TooOldLogEventEndIndex: index(99), TooNewLogEventStartIndex: index(-1)}, Counts{Batches: 1, TooOld: 5}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			logs := newFakeLogs()
			logs.reject = func([]types.InputLogEvent) *types.RejectedLogEventsInfo { return &test.info }
			w := testWriter(t, logs)
			require.NoError(t, w.Put(t.Context(), "g", "s", repeat(Event{1, "x"}, 5)))
			require.Equal(t, test.want, w.Counts())
		})
	}
}

func TestWriterRepeats(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		operation string
		err       error
		want      Counts
	}{
		{"throttled", "PutLogEvents", &types.ThrottlingException{}, Counts{Events: 1, Bytes: 1, Batches: 1, Throttled: 3}},
		{"unavailable", "PutLogEvents", &types.ServiceUnavailableException{}, Counts{Events: 1, Bytes: 1, Batches: 1, Uncertain: 3}},
		{"no answer", "PutLogEvents", errors.New("connection reset by peer"), Counts{Events: 1, Bytes: 1, Batches: 1, Uncertain: 3}},
		{"group throttled", "CreateLogGroup", &types.ThrottlingException{}, Counts{Events: 1, Bytes: 1, Batches: 1, Throttled: 3}},
		{"filter aborted", "PutSubscriptionFilter", &types.OperationAbortedException{}, Counts{Events: 1, Bytes: 1, Batches: 1, Throttled: 3}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				logs := newFakeLogs()
				left := 3
				logs.fault = func(operation string) error {
					if operation == test.operation && left > 0 {
						left--
						return fmt.Errorf("operation error: %w", test.err)
					}
					return nil
				}
				w := testWriter(t, logs)
				require.NoError(t, w.Put(t.Context(), "g", "s", []Event{{1, "x"}}))
				require.Equal(t, test.want, w.Counts())
			})
		})
	}
}

func TestWriterMakesAgainWhatWasDeleted(t *testing.T) {
	t.Parallel()
	logs := newFakeLogs()
	w := testWriter(t, logs)
	require.NoError(t, w.Put(t.Context(), "g", "s", []Event{{1, "x"}}))
	clear(logs.groups)
	clear(logs.streams)
	clear(logs.filters)
	require.NoError(t, w.Put(t.Context(), "g", "s", []Event{{2, "y"}}))
	require.Contains(t, logs.filters, "g")
	require.EqualValues(t, 2, w.Counts().Events)
}

func TestWriterFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		logs := newFakeLogs()
		logs.fault = func(operation string) error {
			if operation == "PutLogEvents" {
				return &types.UnrecognizedClientException{}
			}
			return nil
		}
		w := testWriter(t, logs)
		err := w.Put(t.Context(), "g", "s", repeat(Event{1, "x"}, 5))
		require.ErrorContains(t, err, `put 5 events to "g", stream "s"`)
		require.Equal(t, Counts{Failed: 5}, w.Counts())

		logs.fault = func(string) error { return &types.ThrottlingException{} }
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.Error(t, w.Put(ctx, "g", "s", repeat(Event{1, "x"}, 2)), "the context ended")
		require.EqualValues(t, 7, w.Counts().Failed)

		err = testWriter(t, logs).Ensure(ctx, "g", "s")
		require.ErrorContains(t, err, `create log group "g"`)
	})
}
