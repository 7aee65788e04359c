package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/log-event-pipeline/logpipe/dev/traffic"
	"github.com/log-event-pipeline/logpipe/workflows"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestValidateOptions(t *testing.T) {
	t.Parallel()
	fine := Options{
		Events: 1000, Mix: traffic.AccessJSON, RecordEvents: 100, Shards: 4, Starters: 1, Workers: 1, Repeat: 1,
		For: time.Minute, Patience: time.Minute, Out: io.Discard,
	}
	require.NoError(t, fine.Validate())
	for says, change := range map[string]func(*Options){
		"--events 0: want 1 to":                        func(o *Options) { o.Events = 0 },
		"--record-events 5001: want 1 to 5000":         func(o *Options) { o.RecordEvents = 5001 },
		"--shards 1001: want 1 to 1000":                func(o *Options) { o.Shards = 1001 },
		"--workers 0: want 1 to 64":                    func(o *Options) { o.Workers = 0 },
		"--repeat 0: want 1 to":                        func(o *Options) { o.Repeat = 0 },
		"--rate NaN: want":                             func(o *Options) { o.Rate = math.NaN() },
		"--rate -1: want":                              func(o *Options) { o.Rate = -1 },
		"--for 10ms: want 1s":                          func(o *Options) { o.Rate, o.For = 1, 10*time.Millisecond },
		"--find: needs a --rate":                       func(o *Options) { o.Find = true },
		"--find: cannot be repeated":                   func(o *Options) { o.Rate, o.Find, o.Repeat = 1, true, 2 },
		"--cpuprofile: needs a binary of its own":      func(o *Options) { o.Profiles, o.Logpipe = "a", "b" },
		"--patience 0s: want a positive":               func(o *Options) { o.Patience = 0 },
		"--window-age 1ms: want 100ms to 1h":           func(o *Options) { o.WindowAge = time.Millisecond },
		"--set batch_max_bytes: want the name":         func(o *Options) { o.Settings = map[string]string{"batch_max_bytes": "1MB"} },
		`--mix: no traffic mix is called "everything"`: func(o *Options) { o.Mix = "everything" },
	} {
		o := fine
		change(&o)
		require.ErrorContains(t, o.Validate(), says)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	o := Options{Shards: 500, WindowAge: time.Second, WindowBytes: "64kB", Settings: map[string]string{"LOGPIPE_BATCH_MAX_BYTES": "4MB"}}
	require.Equal(t, map[string]string{
		"LOGPIPE_MAX_SHARDS": "500", "LOGPIPE_WINDOW_MAX_AGE": "1s", "LOGPIPE_WINDOW_MAX_BYTES": "64kB", "LOGPIPE_BATCH_MAX_BYTES": "4MB",
	}, o.settings())
	require.Equal(t, time.Second, o.windowAge())
	require.Equal(t, time.Minute, Options{}.windowAge(), "the pipeline's default")
}

func TestGCTime(t *testing.T) {
	t.Parallel()
	log := strings.Join([]string{
		`{"time":"2026-01-31T15:04:05.678Z","level":"INFO","msg":"gc 1 of something"}`,
		`gc 1 @0.009s 2%: 0.010+0.55+0.020 ms clock, 0.02+0.1/0.5/0.25+0.03 ms cpu, 3->4->1 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P`,
		`gc 2 @1.5s 2%: 0.010+0.55+0.020 ms clock, 1+2/3/4+0.1 ms cpu, 3->4->1 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P (forced)`,
		`gc 3 @1.6s 2%: 0.010+0.55{"time":"2026"}`, // written into by another thread
		`+0.020 ms clock, 1+2/3/4+0.1 ms cpu, 3->4->1 MB`,
	}, "\n")
	spent, err := gcTime(strings.NewReader(log))
	require.NoError(t, err)
	require.Equal(t, 11*time.Millisecond, spent.Round(time.Microsecond))
}

func FuzzGCTime(f *testing.F) {
	f.Add(`gc 1 @0.009s 2%: 0.010+0.55+0.020 ms clock, 0.02+0.1/0.5/0.25+0.03 ms cpu, 3->4->1 MB`)
	f.Add(`gc 1 @0s 2%: 0 ms clock, 1.2.3+0/0/0+0 ms cpu`)
	f.Fuzz(func(t *testing.T, log string) {
		if spent, err := gcTime(strings.NewReader(log)); err != nil && spent != 0 {
			t.Errorf("%s with %v", spent, err)
		}
	})
}

func payloads(t *testing.T, v any) *commonpb.Payloads {
	t.Helper()
	p, err := converter.GetDefaultDataConverter().ToPayloads(v)
	require.NoError(t, err)
	return p
}

// TestHistory: which events are actions, and what they say of the stage.
func TestHistory(t *testing.T) {
	t.Parallel()
	began := time.Unix(1000, 0)
	r := historyReader{since: began, activities: map[int64]string{}, markers: map[int64]bool{}}
	var id int64
	size := 0
	add := func(kind enumspb.EventType, attributes any, actions int) {
		t.Helper()
		id++
		e := &historypb.HistoryEvent{EventId: id, EventType: kind, EventTime: timestamppb.New(began.Add(time.Second))}
		if attributes != nil {
			reflect.ValueOf(e).Elem().FieldByName("Attributes").Set(reflect.ValueOf(attributes))
		}
		before := r.actions
		require.NoError(t, r.event(e))
		require.Equal(t, actions, int(r.actions-before), kind)
		size += proto.Size(e)
	}
	add(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
		WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{
			WorkflowType: &commonpb.WorkflowType{Name: workflows.FlushWindowName},
			Input:        payloads(t, workflows.FlushWindowInput{StoredBytes: 1000}),
		},
	}, 1)
	add(enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, nil, 0)
	add(enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{
		ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{ActivityType: &commonpb.ActivityType{Name: workflows.FormatLogsName}},
	}, 0)
	scheduled := id
	add(enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED, &historypb.HistoryEvent_ActivityTaskStartedEventAttributes{
		ActivityTaskStartedEventAttributes: &historypb.ActivityTaskStartedEventAttributes{Attempt: 3},
	}, 3)
	add(enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, &historypb.HistoryEvent_ActivityTaskCompletedEventAttributes{
		ActivityTaskCompletedEventAttributes: &historypb.ActivityTaskCompletedEventAttributes{
			ScheduledEventId: scheduled,
			Result:           payloads(t, workflows.FormatLogsResult{Batches: []workflows.Batch{{Bytes: 300}, {Bytes: 40}}}),
		},
	}, 0)
	for task, actions := range map[int64]int{7: 1, 8: 1} {
		marker := &historypb.HistoryEvent_MarkerRecordedEventAttributes{
			MarkerRecordedEventAttributes: &historypb.MarkerRecordedEventAttributes{
				MarkerName: "LocalActivity", WorkflowTaskCompletedEventId: task,
				Details: map[string]*commonpb.Payloads{
					"data":   payloads(t, map[string]any{"ActivityID": "1", "ActivityType": workflows.FormatLogsName, "Attempt": 1}),
					"result": payloads(t, workflows.FormatLogsResult{Batches: []workflows.Batch{{Bytes: 7}}}),
				},
			},
		}
		add(enumspb.EVENT_TYPE_MARKER_RECORDED, marker, actions)
		marker.MarkerRecordedEventAttributes.Failure = &failurepb.Failure{Message: "not now"}
		add(enumspb.EVENT_TYPE_MARKER_RECORDED, marker, 0)
	}
	add(enumspb.EVENT_TYPE_MARKER_RECORDED, &historypb.HistoryEvent_MarkerRecordedEventAttributes{
		MarkerRecordedEventAttributes: &historypb.MarkerRecordedEventAttributes{MarkerName: "Version"},
	}, 0)
	for _, kind := range []enumspb.EventType{
		enumspb.EVENT_TYPE_TIMER_STARTED, enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, enumspb.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
		enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED, enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
	} {
		add(kind, nil, 1)
	}
	require.Equal(t, 1354, int(r.stageBytes))
	require.Equal(t, 1, int(r.windows))
	require.Equal(t, id, int64(r.historyEvents))
	require.Equal(t, size, int(r.historyBytes))

	// What was before the measurement is not counted.
	require.NoError(t, r.event(&historypb.HistoryEvent{EventId: id + 1, EventType: enumspb.EVENT_TYPE_TIMER_STARTED, EventTime: timestamppb.New(began.Add(-1))}))
	require.Equal(t, id, int64(r.historyEvents))
}

// TestHistoryBehindBacklog: the window of a control message is not counted.
func TestHistoryBehindBacklog(t *testing.T) {
	t.Parallel()
	until := time.Unix(1000, 0)
	for after, windows := range map[time.Duration]int{-time.Minute: 1, time.Minute: 0} {
		r := historyReader{backlogUntil: until}
		for _, e := range []*historypb.HistoryEvent{
			{EventTime: timestamppb.New(until), Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
				WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{
					WorkflowType: &commonpb.WorkflowType{Name: workflows.FlushWindowName},
					Input:        payloads(t, workflows.FlushWindowInput{FirstArrival: until.Add(after)}),
				},
			}},
			{EventTime: timestamppb.New(until)},
		} {
			require.NoError(t, r.event(e))
		}
		require.Equal(t, windows, int(r.windows))
		require.Equal(t, 2*windows, int(r.historyEvents))
	}
}

func TestDerive(t *testing.T) {
	t.Parallel()
	r := Result{LogText: 2e9, Seconds: 40, Windows: 100, Actions: 3000, HistoryBytes: 5e6, StageBytes: 6e9}
	r.derive([]taken{
		{roleTemporal, 4 * time.Second, time.Second, 200}, {roleStarter, time.Second, 0, 100},
		{roleWorker, 9 * time.Second, time.Second, 70}, {roleWorker, 6 * time.Second, 2 * time.Second, 90},
		{roleAWS, 7 * time.Second, 0, 500}, {roleAPI, 0, 0, 400},
	})
	require.InDelta(t, 50, r.MBPerSecond, 1e-9)
	require.InDelta(t, 100, r.MBPerCPUSecond, 1e-9, "2000 MB in 4 + 1 + 15 s")
	require.InDelta(t, 10, r.CPUSecondsPerGB, 1e-9)
	require.InDelta(t, 40, r.TemporalCPUPerWindow, 1e-9)
	require.InDelta(t, 50, r.WindowsPerGB, 1e-9)
	require.InDelta(t, 1500, r.ActionsPerGB, 1e-9)
	require.InDelta(t, 2.5e6, r.HistoryBytesPerGB, 1e-9)
	require.InDelta(t, 3e9, r.StageBytesPerGB, 1e-9)
	require.Equal(t, Process{
		Role: roleWorker, Count: 2, CPUSeconds: 15, CPUSecondsPerGB: 7.5, MBPerCPUSecond: 2000.0 / 15, PeakBytes: 90, GCShare: 0.2,
	}, r.Processes[2])
	require.Zero(t, r.Processes[4].MBPerCPUSecond, "it took less than the kernel counts")
}

func TestFreshness(t *testing.T) {
	t.Parallel()
	require.Equal(t, &Freshness{}, freshness(nil))
	var took []time.Duration
	for n := range 2000 {
		took = append(took, time.Duration(2000-n)*time.Millisecond)
	}
	require.Equal(t, &Freshness{P50: 1000, P99: 1980, P999: 1998, Max: 2000}, freshness(took))
}

// TestValues: the median knows every figure there is.
func TestValues(t *testing.T) {
	t.Parallel()
	r := Result{Processes: make([]Process, 2), Freshness: &Freshness{}, Outage: &Outage{Processes: make([]Waiting, 2)}}
	known := map[*float64]bool{}
	for _, v := range r.values() {
		known[v] = true
	}
	var check func(v reflect.Value)
	check = func(v reflect.Value) {
		for i := range v.NumField() {
			switch f := v.Field(i); f.Kind() {
			case reflect.Float64:
				require.True(t, known[f.Addr().Interface().(*float64)], v.Type().Field(i).Name)
			case reflect.Slice:
				for n := range f.Len() {
					check(f.Index(n))
				}
			case reflect.Pointer:
				check(f.Elem())
			}
		}
	}
	check(reflect.ValueOf(&r).Elem())
}

func TestMedian(t *testing.T) {
	t.Parallel()
	require.Zero(t, median(nil))
	var runs []Result
	for _, n := range []float64{5, 1, 3} {
		runs = append(runs, Result{Events: 9, Seconds: n, Windows: 10 * n, Processes: []Process{{Role: roleWorker, CPUSeconds: 6 - n}}, Freshness: &Freshness{P99: n}})
	}
	runs[2].Lost, runs[1].Duplicates, runs[1].Freshness.Late = 2, 1, true
	m := median(runs)
	require.Equal(t, Result{
		Events: 9, Lost: 2, Duplicates: 1, Seconds: 3, Windows: 30,
		Processes: []Process{{Role: roleWorker, CPUSeconds: 3}}, Freshness: &Freshness{P99: 3, Late: true},
	}, m)
	require.Equal(t, 5, int(runs[0].Seconds), "the runs are as they were")
	require.False(t, m.OK())
	require.InDelta(t, 2, median(runs[1:]).Seconds, 1e-9, "of two, the middle")
}

func TestBracket(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ first, most, low, high float64 }{
		"upwards":       {1000, 5000, 4000, 8000},
		"downwards":     {1000, 300, 250, 500},
		"at once":       {1000, 1500, 1000, 2000},
		"never":         {1000, 0, 0, 15.625},
		"without limit": {maxRate, 1e9, maxRate, 0},
	} {
		low, high, err := bracket(c.first, func(rate float64) (bool, error) { return rate <= c.most, nil })
		require.NoError(t, err, name)
		require.InDelta(t, c.low, low, 1e-9, name)
		require.InDelta(t, c.high, high, 1e-9, name)
	}
	_, _, err := bracket(1, func(float64) (bool, error) { return false, errors.New("not reached") })
	require.NoError(t, err, "below what is looked for")
}

func TestSustained(t *testing.T) {
	t.Parallel()
	fresh := func(p99 float64) Result { return Result{Freshness: &Freshness{P99: p99}} }
	require.True(t, fresh(2999).Sustained(time.Second))
	require.False(t, fresh(3001).Sustained(time.Second))
	late, lost := fresh(1), fresh(1)
	late.Freshness.Late, lost.Lost = true, 1
	require.False(t, late.Sustained(time.Second))
	require.False(t, lost.Sustained(time.Second))
	require.False(t, Result{}.Sustained(time.Second))
}

// TestReport holds what the report looks like, as JSON and for a person.
func TestReport(t *testing.T) {
	t.Parallel()
	result := Result{
		Events: 1_000_000, Replays: 1, LogText: 415e6, Stored: 74e6, Delivered: 1173e6, Records: 2008, Seconds: 8, Windows: 80, Batches: 1210,
		Actions: 1700, HistoryEvents: 6700, HistoryBytes: 1.7e6, StageBytes: 1.25e9,
		Freshness: &Freshness{P50: 900.4, P99: 1500, P999: 1600, Max: 1650},
	}
	result.derive([]taken{
		{roleTemporal, 3200 * time.Millisecond, 400 * time.Millisecond, 200e6}, {roleStarter, 700 * time.Millisecond, 70 * time.Millisecond, 140e6},
		{roleWorker, 4 * time.Second, 500 * time.Millisecond, 100e6}, {roleWorker, 4 * time.Second, 500 * time.Millisecond, 110e6},
		{roleAWS, 300 * time.Millisecond, 0, 500e6}, {roleAPI, 4 * time.Second, 600 * time.Millisecond, 400e6},
	})
	r := Report{
		Options: Summary{
			Mix: "access-json", Rate: 2000, ForSeconds: 60, Shards: 4, Starters: 1, Workers: 2, Seed: 1,
			Settings: map[string]string{"LOGPIPE_WINDOW_MAX_AGE": "1s", "LOGPIPE_BATCH_MAX_BYTES": "4MB"},
		},
		Machine: Machine{System: "linux/amd64", CPUs: 2, CPU: "a processor", Go: "go1.26"},
		Median:  result, Runs: []Result{result, result}, Highest: 2000,
		Steps: []Step{{Rate: 2000, Sustained: true, Freshness: *result.Freshness}, {Rate: 4000, Freshness: Freshness{P99: 4000, Late: true}}},
	}
	path := filepath.Join(t.TempDir(), "report.json")
	require.NoError(t, r.WriteFile(path))
	written, err := os.ReadFile(path)
	require.NoError(t, err)
	var printed bytes.Buffer
	r.Print(&printed)
	golden(t, "report.json", written)
	golden(t, "report.txt", printed.Bytes())
	require.True(t, r.OK())
	require.False(t, Report{}.OK(), "nothing was measured")

	var read Report
	require.NoError(t, json.Unmarshal(written, &read))
	require.Equal(t, r, read)
	require.Equal(t, "p50 0s, p99 4s, p99.9 0s, too much to write", r.Steps[1].String())
	require.Equal(t, "p50 0s, p99 4s, p99.9 0s, not sustained", Step{Freshness: Freshness{P99: 4000}}.String())
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "go test ./bench -update writes it anew")
}
