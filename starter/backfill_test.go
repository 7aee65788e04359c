package starter

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/visibility"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// again is a Temporal in which each window of a backfill ends as soon as somebody waits for
// that, with ten events a record.
type again struct {
	client.Client
	known    map[string]workflows.FlushWindowInput
	live     []workflows.FlushWindowInput // of the chain, as they are listed
	started  []string                     // "first-last"
	open     int
	mostOpen int
	dies     int // with the start of the nth window, from 1; 0 for never
	lost     context.CancelFunc
}

func (a *again) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	in, ok := args[0].(workflows.FlushWindowInput)
	if !ok || o.ID != in.WorkflowID() {
		return nil, fmt.Errorf("%T under id %s", args[0], o.ID)
	}
	if _, exists := a.known[o.ID]; exists {
		return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("used", "", "")
	}
	a.known[o.ID] = in
	a.started = append(a.started, string(in.FirstSequenceNumber)+"-"+string(in.LastSequenceNumber))
	a.open++
	a.mostOpen = max(a.mostOpen, a.open)
	if len(a.started) == a.dies {
		a.lost()
		return nil, context.Canceled
	}
	return nil, nil
}

func describe(in workflows.FlushWindowInput) *workflowpb.WorkflowExecutionInfo {
	payload := func(value any) *commonpb.Payload {
		p, err := converter.GetDefaultDataConverter().ToPayload(value)
		if err != nil {
			panic(err)
		}
		return p
	}
	return &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: in.WorkflowID()},
		Memo: &commonpb.Memo{Fields: map[string]*commonpb.Payload{
			workflows.MemoLastSequenceNumber: payload(in.LastSequenceNumber), workflows.MemoRecords: payload(in.Records),
		}},
		SearchAttributes: &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{visibility.FirstArrival.GetName(): payload(in.FirstArrival)}},
	}
}

func (a *again) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	in, known := a.known[id]
	if !known {
		return nil, serviceerror.NewNotFound(id)
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: describe(in)}, nil
}

func (a *again) ListWorkflow(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	out := &workflowservice.ListWorkflowExecutionsResponse{}
	for _, in := range a.live {
		out.Executions = append(out.Executions, describe(in))
	}
	return out, nil
}

func (a *again) GetWorkflow(_ context.Context, id, _ string) client.WorkflowRun {
	return &ending{of: a, in: a.known[id]}
}

type ending struct {
	client.WorkflowRun
	of *again
	in workflows.FlushWindowInput
}

func (e *ending) Get(ctx context.Context, value any) error {
	e.of.open--
	result, ok := value.(*workflows.FlushWindowResult)
	if !ok {
		return fmt.Errorf("result in a %T", value)
	}
	result.Events = 10 * e.in.Records
	return ctx.Err()
}

const refilled = "shardId-000000000007"

// theRange begins an hour ago and takes ten minutes; a record of it arrives each minute,
// from five minutes before it on.
func theRange() (from, to time.Time) {
	from = time.Now().Add(-time.Hour).UTC()
	return from, from.Add(10 * time.Minute)
}

func arrivals(first, last int) []window.Record {
	from, _ := theRange()
	var out []window.Record
	for n := first; n <= last; n++ {
		out = append(out, window.Record{
			SequenceNumber: window.SequenceNumber(fmt.Sprint(n)), Arrival: from.Add(time.Duration(n-6) * time.Minute), Data: []byte("0123456789"),
		})
	}
	return out
}

// shardOf reads records from a position, four at a time.
func shardOf(records []window.Record, from kinesis.Position) *script {
	s := &script{from: from}
	for len(records) > 0 {
		r := records[0]
		if r.SequenceNumber.Compare(from.SequenceNumber) > 0 && !r.Arrival.Before(from.Timestamp) {
			break
		}
		records = records[1:]
	}
	for ; len(records) > 0; records = records[min(4, len(records)):] {
		s.batches = append(s.batches, kinesis.Batch{Records: records[:min(4, len(records))], Bytes: 40, Behind: time.Hour})
	}
	return s
}

// refillOf runs BackfillShard without Temporal's part of it.
func refillOf(ctx context.Context, a *again, stage Stage, records []window.Record, change func(*workflows.BackfillShardInput)) (workflows.BackfillProgress, error) {
	from, to := theRange()
	b := &Backfiller{
		Stream: "s", Pipeline: "p", Horizon: endless{}, Temporal: a, Stage: stage, Logger: slog.New(slog.DiscardHandler),
		Read:   func(_ string, at kinesis.Position) ShardReader { return shardOf(records, at) },
		Limits: window.Limits{MaxRecords: 3, MaxAge: time.Hour},
	}
	in := workflows.BackfillShardInput{
		Pipeline: "p", Stream: "s", Run: "again", From: from, To: to, Keys: workflows.BackfillOwn, MaxOpen: 2,
		Progress: workflows.BackfillProgress{ShardID: refilled},
	}
	if change != nil {
		change(&in)
	}
	r := b.refill(in, func(workflows.BackfillProgress) {})
	err := r.run(ctx, ctx)
	return r.state(), err
}

// heap is a stage in memory.
type heap map[string][]byte

func (h heap) Put(_ context.Context, key string, body []byte) error {
	h[key] = body
	return nil
}

func (h heap) Delete(_ context.Context, key string) error {
	delete(h, key)
	return nil
}

func newAgain() *again { return &again{known: map[string]workflows.FlushWindowInput{}} }

// TestBackfillDeliversTheRange: what arrived in it, and nothing else, in windows of its own
// of which only so many are open.
func TestBackfillDeliversTheRange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, stage := newAgain(), heap{}
		out, err := refillOf(t.Context(), a, stage, arrivals(1, 30), nil)
		require.NoError(t, err)
		require.True(t, out.Done)
		require.Equal(t, []string{"6-8", "9-11", "12-14", "15-15"}, a.started)
		require.Equal(t, 2, a.mostOpen)
		require.Equal(t, []int{4, 10, 100}, []int{out.Windows, out.Records, out.Events})
		require.Empty(t, out.Open)
		require.Len(t, stage, 4)
		for key := range stage {
			require.True(t, strings.HasPrefix(key, "p/backfill/again/7/"), key)
		}
	})
}

// TestBackfillGoesOn: an activity that died with a window whose start it does not know of,
// at every one of them, leaves nothing out and opens nothing twice.
func TestBackfillGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for dies := 1; dies <= 4; dies++ {
			a, stage := newAgain(), heap{}
			ctx, cancel := context.WithCancel(t.Context())
			a.dies, a.lost = dies, cancel
			progress, err := refillOf(ctx, a, stage, arrivals(1, 30), nil)
			require.Error(t, err)
			require.False(t, progress.Done)

			a.dies = 0
			out, err := refillOf(t.Context(), a, stage, arrivals(1, 30), func(in *workflows.BackfillShardInput) {
				in.Progress = progress
			})
			require.NoError(t, err)
			require.Equal(t, []string{"6-8", "9-11", "12-14", "15-15"}, a.started)
			require.Equal(t, []int{4, 10, 100}, []int{out.Windows, out.Records, out.Events})

			// So does a run that begins anew, whatever its windows would be.
			out, err = refillOf(t.Context(), a, stage, arrivals(1, 30), func(in *workflows.BackfillShardInput) { in.Rate = 1000 })
			require.NoError(t, err)
			require.Len(t, a.started, 4)
			require.Equal(t, 100, out.Events)
		}
	})
}

func TestBackfillKeepsItsRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, begin := newAgain(), time.Now()
		_, err := refillOf(t.Context(), a, heap{}, arrivals(1, 30), func(in *workflows.BackfillShardInput) { in.Rate = 2 })
		require.NoError(t, err)
		require.Equal(t, 1, a.mostOpen)
		require.Equal(t, "6-8", a.started[0])
		require.Equal(t, "9-9", a.started[1], "as much as the rate allows in five seconds")
		took := time.Since(begin)
		require.GreaterOrEqual(t, took, 45*time.Second, "100 events, but for the last window")
		require.Less(t, took, 60*time.Second)
	})
}

// liveWindow is one of the chain.
func liveWindow(records []window.Record) workflows.FlushWindowInput {
	return workflows.FlushWindowInput{
		Pipeline: "p", ShardID: refilled, FirstSequenceNumber: records[0].SequenceNumber, LastSequenceNumber: records[len(records)-1].SequenceNumber,
		FirstArrival: records[0].Arrival, Records: len(records),
	}
}

// TestBackfillRepeatsCuts: with the original keys the windows that begin in the range come
// again as they were, and where one is not known nobody makes up another.
func TestBackfillRepeatsCuts(t *testing.T) {
	t.Parallel()
	original := func(in *workflows.BackfillShardInput) { in.Keys = workflows.BackfillOriginal }
	for name, c := range map[string]struct {
		windows [][2]int // of the chain, that Temporal knows
		first   int      // record that Kinesis has
		started []string
		fails   string
	}{
		"all are known":              {[][2]int{{3, 7}, {8, 8}, {9, 13}, {14, 18}, {19, 30}}, 1, []string{"8-8", "9-13", "14-18"}, ""},
		"the first one is forgotten": {[][2]int{{8, 8}, {9, 13}, {14, 18}}, 1, nil, "the window of record 6"},
		"one is forgotten":           {[][2]int{{3, 7}, {8, 8}, {14, 18}}, 1, []string{"8-8"}, "the window of record 9"},
		"the last one is not read":   {[][2]int{{3, 7}, {8, 8}, {9, 13}}, 1, []string{"8-8", "9-13"}, "the window of record 14"},
		"none is known":              {nil, 1, nil, "the window of record 6"},
		"its beginning is deleted":   {[][2]int{{3, 7}, {8, 12}, {13, 18}}, 9, nil, "record 8 is missing"},
		"there is nothing":           {nil, 16, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := newAgain()
				for _, w := range c.windows {
					a.live = append(a.live, liveWindow(arrivals(w[0], w[1])))
				}
				// Those of a backfill are no windows of the chain.
				other := liveWindow(arrivals(6, 20))
				other.Run = "other"
				a.live = append(a.live, other)
				out, err := refillOf(t.Context(), a, heap{}, arrivals(c.first, 30), original)
				require.Equal(t, c.started, a.started)
				require.Equal(t, c.fails == "", out.Done)
				if c.fails == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, c.fails)
					require.True(t, isRange(err))
				}
				for _, in := range a.known {
					require.True(t, in.OriginalKeys)
				}
			})
		})
	}
}

// daily keeps records for a day.
type daily struct{ endless }

func (daily) Retention(context.Context) (time.Duration, error) { return 24 * time.Hour, nil }

type listing []kinesis.Shard

func (l listing) Shards(context.Context, string) ([]kinesis.Shard, error) { return l, nil }
func (listing) Now(context.Context) (time.Time, error)                    { return time.Now(), nil }

func TestPlanBackfill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := &Backfiller{Stream: "s", Horizon: daily{}, Shards: listing{{ID: "a"}, {ID: "b", Closed: true}}}
		in := workflows.PlanBackfillInput{Stream: "s", From: time.Now().Add(-time.Hour), To: time.Now()}
		out, err := b.PlanBackfill(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, []string{"a", "b"}, out.Shards)
		in.Shards = []string{"b"}
		out, err = b.PlanBackfill(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, []string{"b"}, out.Shards)
		for want, change := range map[string]func(*workflows.PlanBackfillInput){
			"records that arrived from 1999-12-30T00:00:00Z to 1999-12-31T00:00:00Z are missing": func(in *workflows.PlanBackfillInput) { in.From = time.Now().Add(-48 * time.Hour) },
			"choose an end that has passed": func(in *workflows.PlanBackfillInput) { in.To = time.Now().Add(time.Hour) },
			"stream s has no shard c":       func(in *workflows.PlanBackfillInput) { in.Shards = []string{"a", "c"} },
		} {
			wrong := in
			change(&wrong)
			_, err := b.PlanBackfill(t.Context(), wrong)
			require.ErrorContains(t, err, want)
			var app *temporal.ApplicationError
			require.ErrorAs(t, err, &app)
			require.True(t, app.NonRetryable())
		}
		in.Stream = "other"
		_, err = b.PlanBackfill(t.Context(), in)
		require.ErrorContains(t, err, "LOGPIPE_STREAM")
	})
}
