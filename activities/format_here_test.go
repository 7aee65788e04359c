package activities_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/apigateway"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// formatHere runs FormatLogs as a local activity.
func formatHere(t *testing.T, f *activities.Format) (workflows.FormatLogsResult, error) {
	t.Helper()
	value, err := environment(t).ExecuteLocalActivity(f.FormatLogs, workflows.FormatLogsInput{Window: aWindow()})
	var out workflows.FormatLogsResult
	if err == nil {
		require.NoError(t, value.Get(&out))
	}
	return out, err
}

// Where a window is formatted makes no difference to its batches.
func TestFormatLogsHere(t *testing.T) {
	t.Parallel()
	s := staged(envelope(t, "one", "two"), envelope(t, "three"))
	f := &activities.Format{Stage: s, Formatter: newFormatter(t, apigateway.Options{BatchMaxEvents: 2}), Concurrency: 3}
	locally, err := formatHere(t, f)
	require.NoError(t, err)
	require.Equal(t, 3, locally.Events)
	apart, err := format(t, f)
	require.NoError(t, err)
	require.Equal(t, apart, locally)
}

// A stage that is away costs the workflow tasks of a worker one attempt, and activities go
// on trying.
func TestFormatLogsRestsHere(t *testing.T) {
	t.Parallel()
	s := staged(envelope(t, "one"))
	f := &activities.Format{Stage: s, Formatter: newFormatter(t, apigateway.Options{}), Concurrency: 1}
	s.brokenGet = errors.New("away")
	_, err := formatHere(t, f)
	requireFailure(t, err, activities.ErrorStageUnavailable, true)
	s.brokenGet = nil
	_, err = formatHere(t, f)
	requireFailure(t, err, workflows.ErrorNotHere, true)
	out, err := format(t, f)
	require.NoError(t, err)
	require.Equal(t, 1, out.Events)
}

// What is wrong with a window says nothing about the stage.
func TestDamagedWindowsDoNotMatterHere(t *testing.T) {
	t.Parallel()
	s := staged(envelope(t, "one"))
	f := &activities.Format{Stage: s, Formatter: newFormatter(t, apigateway.Options{}), Concurrency: 1}
	key := aWindow().StageKey
	whole := s.objects[key]
	s.objects[key] = whole[:len(whole)-1]
	_, err := formatHere(t, f)
	requireFailure(t, err, workflows.ErrorStageObject, false)
	s.objects[key] = whole
	_, err = formatHere(t, f)
	require.NoError(t, err)
}

// A stage that is slow is noticed while it is, and given another chance later.
func TestSlownessHere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := new(activities.Here)
		quick := h.Begin()
		time.Sleep(2*time.Second - 1)
		quick(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.False(t, h.Rests())

		slow := h.Begin()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.True(t, h.Rests())
		time.Sleep(30 * time.Second)
		require.False(t, h.Rests())
		slow(nil)
		require.False(t, h.Rests())
	})
}
