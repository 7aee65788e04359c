package pausing_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"github.com/log-event-pipeline/logpipe/internal/pausing"
)

var since = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, what := range []pausing.What{pausing.Reading, pausing.Delivery} {
		got, err := pausing.Parse(string(what))
		require.NoError(t, err)
		require.Equal(t, what, got)
	}
	_, err := pausing.Parse("everything")
	require.ErrorIs(t, err, pausing.ErrUnknown)
	require.EqualError(t, err, `"everything": neither reading nor delivery`)
}

func TestTextIsOneShortLine(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a b c", pausing.Text(" a\n\tb\x00c\u0085 "))
	long := pausing.Text(strings.Repeat("ü", 100))
	require.LessOrEqual(t, len(long), 120)
	require.True(t, utf8.ValidString(long))
	require.True(t, strings.HasSuffix(long, "ü…"))
	require.Equal(t, "a?", pausing.Text("a\xff"))
}

func TestSentence(t *testing.T) {
	t.Parallel()
	require.Equal(t, "delivery is paused by ann since 2026-03-04T05:06:07Z: too hot",
		pausing.Pause{By: "ann", Since: since, Reason: "too hot"}.Sentence(pausing.Delivery))
	require.Equal(t, "reading is paused since 2026-03-04T05:06:07Z", pausing.Pause{Since: since}.Sentence(pausing.Reading))
}

// fakeTemporal describes the StreamReader of a pipeline.
type fakeTemporal struct {
	mu    sync.Mutex
	memo  map[string]any
	err   error
	asked int
}

func (f *fakeTemporal) set(memo map[string]any, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.memo, f.err = memo, err
}

func (f *fakeTemporal) DescribeWorkflowExecution(_ context.Context, id, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.err != nil {
		return nil, f.err
	}
	if id != "p/stream" || runID != "" {
		return nil, serviceerror.NewNotFound(id)
	}
	memo := &commonpb.Memo{Fields: map[string]*commonpb.Payload{}}
	for name, value := range f.memo {
		payload, err := converter.GetDefaultDataConverter().ToPayload(value)
		if err != nil {
			return nil, err
		}
		memo.Fields[name] = payload
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Memo: memo}}, nil
}

func newWatch(temporal *fakeTemporal) *pausing.Watch {
	return pausing.NewWatch(temporal, "p", slog.New(slog.DiscardHandler))
}

func TestWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		temporal := &fakeTemporal{}
		w := newWatch(temporal)
		paused := func(what pausing.What) *pausing.Pause {
			t.Helper()
			pause, err := w.Paused(t.Context(), what)
			require.NoError(t, err)
			return pause
		}
		for range 100 {
			require.Nil(t, paused(pausing.Delivery))
			require.Nil(t, paused(pausing.Reading))
		}
		require.Equal(t, 1, temporal.asked, "one question for all")

		pause := pausing.Pause{By: "ann", Since: since, Reason: "why not"}
		temporal.set(map[string]any{"paused_delivery": pause, "paused_reading": nil, "stream": "s"}, nil)
		require.Nil(t, paused(pausing.Delivery), "it is not asked at once")
		time.Sleep(5 * time.Second)
		require.Equal(t, &pause, paused(pausing.Delivery))
		require.Nil(t, paused(pausing.Reading))
		require.Equal(t, 2, temporal.asked)

		temporal.set(nil, errors.New("down"))
		time.Sleep(time.Hour)
		require.Equal(t, &pause, paused(pausing.Delivery), "the last answer holds")
		temporal.set(map[string]any{"paused_delivery": "nonsense"}, nil)
		time.Sleep(time.Hour)
		require.Equal(t, &pause, paused(pausing.Delivery))

		temporal.set(nil, nil)
		require.NotNil(t, paused(pausing.Delivery))
		time.Sleep(time.Second)
		require.Nil(t, paused(pausing.Delivery), "the end of a pause is noticed sooner")
	})
}

// TestWatchThatWasNeverAnswered: a process that is restarted must not go on with what is
// paused.
func TestWatchThatWasNeverAnswered(t *testing.T) {
	t.Parallel()
	temporal := &fakeTemporal{err: errors.New("down")}
	w := newWatch(temporal)
	_, err := w.Paused(t.Context(), pausing.Reading)
	require.EqualError(t, err, "whether the pipeline is paused is not known: describe workflow p/stream: down")
	temporal.set(nil, serviceerror.NewNotFound("no such workflow"))
	pause, err := w.Paused(t.Context(), pausing.Reading)
	require.NoError(t, err, "nobody can have paused it")
	require.Nil(t, pause)
	pause, err = (*pausing.Watch)(nil).Paused(t.Context(), pausing.Reading)
	require.NoError(t, err)
	require.Nil(t, pause)
}
