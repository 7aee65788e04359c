package activities_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/log-event-pipeline/logpipe/activities"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

const week = 7 * 24 * time.Hour

// listing is a stage whose objects have an age.
type listing struct {
	objects []stage.Object
	// brokenList is yielded behind the first object, brokenDelete returned for the key.
	brokenList   error
	brokenDelete string
	deleted      []string
}

func (l *listing) add(age time.Duration, keys ...string) {
	for _, key := range keys {
		l.objects = append(l.objects, stage.Object{Key: key, Size: 10, ModTime: now.Add(-age)})
	}
	slices.SortFunc(l.objects, func(a, b stage.Object) int { return cmp.Compare(a.Key, b.Key) })
}

func (l *listing) keys() []string {
	var keys []string
	for _, object := range l.objects {
		keys = append(keys, object.Key)
	}
	return keys
}

func (l *listing) List(_ context.Context, prefix string) iter.Seq2[stage.Object, error] {
	return func(yield func(stage.Object, error) bool) {
		for _, object := range slices.Clone(l.objects) {
			if !strings.HasPrefix(object.Key, prefix) {
				continue
			}
			if !yield(object, nil) {
				return
			}
			if l.brokenList != nil {
				yield(stage.Object{}, l.brokenList)
				return
			}
		}
	}
}

func (l *listing) Delete(_ context.Context, key string) error {
	if key == l.brokenDelete {
		return errors.New("bucket is gone")
	}
	l.deleted = append(l.deleted, key)
	l.objects = slices.DeleteFunc(l.objects, func(o stage.Object) bool { return o.Key == key })
	return nil
}

// directory is a Temporal that knows some workflows.
type directory struct {
	known  map[string]*workflowpb.WorkflowExecutionInfo
	broken map[string]error
	asked  []string
	// after runs after each answer.
	after func(id string)
}

func newDirectory() *directory {
	d := &directory{known: map[string]*workflowpb.WorkflowExecutionInfo{}, broken: map[string]error{}}
	d.known["p/stream"] = &workflowpb.WorkflowExecutionInfo{FirstRunId: "first"}
	return d
}

func (d *directory) window(t *testing.T, r window.Range, status enumspb.WorkflowExecutionStatus, memo any) {
	t.Helper()
	payload, err := converter.GetDefaultDataConverter().ToPayload(memo)
	require.NoError(t, err)
	d.known[window.FlushWindowID("p", r.ShardID, r.First)] = &workflowpb.WorkflowExecutionInfo{
		Status: status, Memo: &commonpb.Memo{Fields: map[string]*commonpb.Payload{workflows.MemoLastSequenceNumber: payload}},
	}
}

func (d *directory) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	d.asked = append(d.asked, id)
	if d.after != nil {
		defer d.after(id)
	}
	if err := d.broken[id]; err != nil {
		return nil, err
	}
	info, known := d.known[id]
	if !known {
		return nil, serviceerror.NewNotFound("no workflow " + id)
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: info}, nil
}

// cut is a window of the shard in these tests.
func cut(first, last int) window.Range {
	return window.Range{ShardID: "shardId-000000000007", First: window.SequenceNumber(fmt.Sprint(first)), Last: window.SequenceNumber(fmt.Sprint(last))}
}

func newSweep(l *listing, d *directory) *activities.Sweep {
	return &activities.Sweep{Stage: l, Temporal: d, After: week, Now: clock}
}

func sweep(t *testing.T, s *activities.Sweep) (workflows.SweepStageResult, error) {
	t.Helper()
	return execute(t, s.SweepStage, workflows.SweepStageInput{Pipeline: "p"})
}

func TestSweepDeletesWhatNoOpenWindowNeeds(t *testing.T) {
	t.Parallel()
	l, d := &listing{}, newDirectory()
	const running, completed, terminated = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED
	var keep, gone []string
	stageAll := func(r window.Range) []string {
		keys := []string{r.RawKey("p"), r.BatchKey("p", 0, "a"), r.BatchKey("p", 1, "b")}
		l.add(week+time.Second, keys...)
		return keys
	}
	open := cut(10, 19)
	d.window(t, open, running, open.Last)
	keep = append(keep, stageAll(open)...)
	gone = append(gone, stageAll(cut(10, 15))...) // a rejected cut
	gone = append(gone, stageAll(cut(10, 25))...)
	discarded, given := cut(20, 29), cut(30, 39)
	d.window(t, discarded, completed, discarded.Last)
	gone = append(gone, stageAll(discarded)...)
	d.window(t, given, terminated, given.Last)
	gone = append(gone, stageAll(given)...)
	gone = append(gone, stageAll(cut(40, 49))...) // unknown
	unreadable := cut(50, 59)
	d.window(t, unreadable, running, 59)
	keep = append(keep, stageAll(unreadable)...)

	// Batches of pieces that are formatted again belong to another workflow.
	for group, status := range []enumspb.WorkflowExecutionStatus{running, completed} {
		retry := window.Retry{Window: discarded, Group: group}
		d.known[retry.WorkflowID("p")] = &workflowpb.WorkflowExecutionInfo{Status: status}
		key := retry.BatchKey("p", 0, "a")
		l.add(week+time.Second, key)
		if status == running {
			keep = append(keep, key)
		} else {
			gone = append(gone, key)
		}
	}
	// So do windows of backfills, whatever became of the window of the chain.
	for run, of := range map[string]enumspb.WorkflowExecutionStatus{"runs": running, "is-over": completed} {
		b := window.Backfill{Run: run, Window: open}
		info := d.known[window.FlushWindowID("p", open.ShardID, open.First)]
		d.known[b.WorkflowID("p")] = &workflowpb.WorkflowExecutionInfo{Status: of, Memo: info.GetMemo()}
		keys := []string{b.RawKey("p"), b.BatchKey("p", 0, "a"), window.Backfill{Run: run, Window: cut(10, 15)}.RawKey("p")}
		l.add(week+time.Second, keys...)
		if of == running {
			keep = append(keep, keys[:2]...)
			gone = append(gone, keys[2]) // a rejected cut
		} else {
			gone = append(gone, keys...)
		}
	}
	unknown := window.Retry{Window: open, Group: 5}.BatchKey("p", 0, "a")
	l.add(week+time.Second, unknown)
	gone = append(gone, unknown)

	foreign := []string{"p/raw/7/fileblob123", "p/batch/readme", "p/raw/7/x/y", "p/retry/7/x"}
	l.add(2*week, foreign...)
	young := []string{cut(60, 69).RawKey("p"), cut(60, 69).BatchKey("p", 0, "a"), "p/raw/7/fileblob9"}
	l.add(week, young...)
	others := []string{"p/marker/7", "p/check/1", cut(40, 49).QuarantineKey("p", 0, "a"), "q/raw/7/x", cut(40, 49).RawKey("pp")}
	l.add(9*week, others...)

	s := newSweep(l, d)
	got, err := sweep(t, s)
	require.NoError(t, err)
	require.Equal(t, workflows.SweepStageResult{Swept: len(gone), Bytes: int64(10 * len(gone)), Kept: len(keep), Foreign: len(foreign)}, got)
	require.ElementsMatch(t, gone, l.deleted)
	require.ElementsMatch(t, slices.Concat(keep, foreign, young, others), l.keys())

	again, err := sweep(t, s)
	require.NoError(t, err)
	require.Equal(t, workflows.SweepStageResult{Kept: len(keep), Foreign: len(foreign)}, again)
}

func TestSweepAsksOnceForAnOpenWindow(t *testing.T) {
	t.Parallel()
	l, d := &listing{}, newDirectory()
	for n := range 30 { // more objects than are judged at once
		r := cut(100*n, 100*n+99)
		d.window(t, r, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, r.Last)
		l.add(2*week, r.RawKey("p"))
		for batch := range 20 {
			l.add(2*week, r.BatchKey("p", batch, "a"))
		}
	}
	got, err := sweep(t, newSweep(l, d))
	require.NoError(t, err)
	require.Equal(t, workflows.SweepStageResult{Kept: 30 * 21}, got)
	asked := slices.DeleteFunc(d.asked, func(id string) bool { return id == "p/stream" })
	require.Len(t, asked, 30)
	slices.Sort(asked)
	require.Len(t, slices.Compact(asked), 30)
}

// TestSweepOfALostDatabaseDeletesNothing: then what is staged is all that is left.
func TestSweepOfALostDatabaseDeletesNothing(t *testing.T) {
	t.Parallel()
	staged := func() *listing {
		l := &listing{}
		l.add(2*week, cut(1, 2).RawKey("p"), cut(3, 4).RawKey("p"))
		return l
	}
	t.Run("before the sweep", func(t *testing.T) {
		t.Parallel()
		l, d := staged(), newDirectory()
		delete(d.known, "p/stream")
		got, err := sweep(t, newSweep(l, d))
		require.NoError(t, err)
		require.Zero(t, got)
		require.Empty(t, l.deleted)
		require.Equal(t, []string{"p/stream"}, d.asked)
	})
	for name, replace := range map[string]func(*directory){
		"during the sweep":                   func(d *directory) { delete(d.known, "p/stream") },
		"during the sweep, and is recovered": func(d *directory) { d.known["p/stream"] = &workflowpb.WorkflowExecutionInfo{FirstRunId: "another"} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, d := staged(), newDirectory()
			d.after = func(id string) {
				if id == window.FlushWindowID("p", "shardId-000000000007", "3") {
					replace(d)
				}
			}
			_, err := sweep(t, newSweep(l, d))
			requireFailure(t, err, activities.ErrorTemporal, true)
			require.Empty(t, l.deleted)
		})
	}
}

func TestSweepGoesOnWhereItWasInterrupted(t *testing.T) {
	t.Parallel()
	l, d := &listing{}, newDirectory()
	open := cut(1, 2)
	d.window(t, open, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, open.Last)
	l.add(2*week, open.BatchKey("p", 0, "a"), open.RawKey("p"), cut(3, 4).RawKey("p"), cut(5, 6).RawKey("p"))
	l.brokenDelete = cut(5, 6).RawKey("p")
	s := newSweep(l, d)

	// Temporal keeps the last heartbeat of the attempt that failed.
	var last map[string]any
	env := environment(t)
	env.RegisterActivity(s.SweepStage)
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		assert.NoError(t, details.Get(&last))
	})
	_, err := env.ExecuteActivity(s.SweepStage, workflows.SweepStageInput{Pipeline: "p"})
	requireFailure(t, err, activities.ErrorStageUnavailable, true)
	require.Equal(t, []string{cut(3, 4).RawKey("p")}, l.deleted)

	l.brokenDelete, d.asked = "", nil
	env = environment(t)
	env.RegisterActivity(s.SweepStage)
	env.SetHeartbeatDetails(last)
	value, err := env.ExecuteActivity(s.SweepStage, workflows.SweepStageInput{Pipeline: "p"})
	require.NoError(t, err)
	var got workflows.SweepStageResult
	require.NoError(t, value.Get(&got))
	require.Equal(t, workflows.SweepStageResult{Swept: 2, Bytes: 20, Kept: 2}, got, "as if it had not been interrupted")
	require.NotContains(t, d.asked, window.FlushWindowID("p", open.ShardID, open.First))
}

func TestSweepFailures(t *testing.T) {
	t.Parallel()
	flush := window.FlushWindowID("p", "shardId-000000000007", "1")
	down := errors.New("no connection")
	for name, c := range map[string]struct {
		prepare func(*listing, *directory)
		kind    string
		says    string
	}{
		"the StreamReader is not described": {func(_ *listing, d *directory) { d.broken["p/stream"] = down }, activities.ErrorTemporal, "p/stream"},
		"a window is not described":         {func(_ *listing, d *directory) { d.broken[flush] = down }, activities.ErrorTemporal, flush},
		"the stage is not listed":           {func(l *listing, _ *directory) { l.brokenList = errors.New("bucket is gone") }, activities.ErrorStageUnavailable, "bucket is gone"},
		"an object is not deleted":          {func(l *listing, _ *directory) { l.brokenDelete = cut(1, 2).RawKey("p") }, activities.ErrorStageUnavailable, "bucket is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, d := &listing{}, newDirectory()
			l.add(2*week, cut(1, 2).RawKey("p"))
			c.prepare(l, d)
			_, err := sweep(t, newSweep(l, d))
			requireFailure(t, err, c.kind, true)
			require.ErrorContains(t, err, c.says)
			require.Empty(t, l.deleted)
		})
	}
}

func TestSweepThatIsTurnedOff(t *testing.T) {
	t.Parallel()
	l, d := &listing{}, newDirectory()
	l.add(99*week, cut(1, 2).RawKey("p"))
	s := newSweep(l, d)
	s.After = 0
	got, err := sweep(t, s)
	require.NoError(t, err)
	require.Zero(t, got)
	require.Empty(t, l.deleted)
	require.Empty(t, d.asked)
}
