package bench

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/log-event-pipeline/logpipe/dev/traffic"
)

func TestParseAxes(t *testing.T) {
	t.Parallel()
	parsed, err := ParseAxes([]string{"windows", "shards=16/4/16", "backlog=1MB/10GB"})
	require.NoError(t, err)
	var names []string
	for _, a := range parsed {
		names = append(names, a.axis.name)
	}
	require.Equal(t, []string{"shards", "backlog", "windows"}, names)
	require.Equal(t, []int64{4, 16}, parsed[0].Values)
	require.Equal(t, []int64{1e6, 1e10}, parsed[1].Values)
	require.Equal(t, []int64{64e3, 256e3, 1e6, 8e6}, parsed[2].Values)

	none, err := ParseAxes(nil)
	require.NoError(t, err)
	require.Empty(t, none)

	for text, says := range map[string]string{
		"speed":           `"speed": nothing that grows is called so: want shards, backlog, workers, windows, outage`,
		"":                "nothing that grows is called so",
		"shards=":         `"" is no number`,
		"shards=1/x":      `"x" is no number: write whole numbers with / between them`,
		"shards=0":        "0: want 1 to 1000",
		"workers=65":      "65: want 1 to 64",
		"backlog=10":      "10: want 1kB to 100GB",
		"windows=1GB":     "1GB: want 1kB to 64MiB",
		"windows=big":     `"big" is not a byte size`,
		"outage=1/100001": "100001: want 1 to 100000",
	} {
		_, err := ParseAxes([]string{text})
		require.ErrorContains(t, err, says, text)
	}
	_, err = ParseAxes([]string{"shards", "shards=4", "x"})
	require.ErrorContains(t, err, `"shards=4": shards is there twice`)
	require.ErrorContains(t, err, `"x": nothing`)
}

func FuzzParseAxis(f *testing.F) {
	f.Add("shards=1/4")
	f.Add("backlog=1MB/10GB")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parseAxis(text)
		if err != nil {
			return
		}
		again := a.axis.name
		for i, v := range a.Values {
			if v < a.axis.least || v > a.axis.most {
				t.Errorf("%d is out of range", v)
			}
			again += map[bool]string{true: "=", false: "/"}[i == 0] + a.axis.text(v)
		}
		if b, err := parseAxis(again); err != nil || len(b.Values) != len(a.Values) {
			t.Errorf("%q became %q: %v", text, again, err)
		}
	})
}

func scalable() Options {
	return Options{
		Events: 1000, Mix: traffic.AccessJSON, Seed: 1, RecordEvents: 100, Shards: 4, Starters: 1, Workers: 1, Repeat: 1,
		For: time.Minute, Patience: time.Minute, Out: io.Discard,
	}
}

// TestPoints: one thing changes, by the settings of the pipeline, and the options are
// such as can be run.
func TestPoints(t *testing.T) {
	t.Parallel()
	base := scalable()
	base.Shards, base.Workers = 3, 3 // no point is like it
	for _, a := range axes {
		for _, v := range a.usual {
			o, err := a.point(base, v)
			require.NoError(t, err, a.name)
			require.NoError(t, o.Validate(), a.name)
			require.NotEqual(t, base, o, "%s %d", a.name, v)
		}
	}
	require.Equal(t, 3, base.Shards)
	require.Nil(t, base.Settings)

	point := func(name string, v int64) Options {
		for _, a := range axes {
			if a.name == name {
				o, err := a.point(base, v)
				require.NoError(t, err)
				return o
			}
		}
		require.Fail(t, name)
		return Options{}
	}
	require.Equal(t, 16, point("shards", 16).Shards)
	require.Equal(t, 8, point("workers", 8).Workers)
	require.Equal(t, map[string]string{"LOGPIPE_WINDOW_MAX_BYTES": "64kB"}, point("windows", 64_000).settings())
	require.Equal(t, "256kB", point("windows", 256_000).WindowBytes, "not 250KiB")
	require.Equal(t, "64MiB", point("windows", 64<<20).WindowBytes)
	outage := point("outage", 10_000)
	require.Equal(t, map[string]string{"LOGPIPE_WINDOW_MAX_RECORDS": "1", "LOGPIPE_MAX_OPEN_WINDOWS": "20000"}, outage.settings())
	require.Equal(t, outagePatience, outage.Patience)
	summary := outage.summary()
	require.Equal(t, 10_000, summary.Waiting)
	require.Zero(t, summary.Events)

	// A line of the JSON access log has about 415 bytes.
	require.InDelta(t, 1e7/415, point("backlog", 1e7).Events, 1e7/415/20)
	require.Equal(t, 1, point("backlog", 100).Events)
}

func TestValidateScale(t *testing.T) {
	t.Parallel()
	along, err := ParseAxes([]string{"windows", "outage"})
	require.NoError(t, err)
	require.NoError(t, scalable().ValidateScale(along))
	steady := scalable()
	steady.Rate = 1
	require.NoError(t, steady.ValidateScale(nil), "nothing is to grow")
	for says, change := range map[string]func(*Options){
		"--scale: measures backlogs, leave out --rate":                func(o *Options) { o.Rate = 1 },
		"--set LOGPIPE_WINDOW_MAX_BYTES=1MB: --scale windows sets it": func(o *Options) { o.Settings = map[string]string{"LOGPIPE_WINDOW_MAX_BYTES": "1MB"} },
		"--set LOGPIPE_MAX_OPEN_WINDOWS=1: --scale outage sets it":    func(o *Options) { o.Settings = map[string]string{"LOGPIPE_MAX_OPEN_WINDOWS": "1"} },
		"--for 1ms: want 1s": func(o *Options) { o.For = time.Millisecond },
		"--settle -1s: want": func(o *Options) { o.Settle = -time.Second },
	} {
		o := scalable()
		change(&o)
		require.ErrorContains(t, o.ValidateScale(along), says)
		_, err := Scale(t.Context(), o, along)
		require.ErrorContains(t, err, says, "it does not begin")
	}
}

func scaleReport() ScaleReport {
	at := func(text, cpu float64, value, memory int64) Point {
		r := Result{Events: int(text / 400), LogText: text, Seconds: 8, Windows: 80}
		r.derive([]taken{
			{roleTemporal, time.Duration(cpu * 3 * float64(time.Second)), 0, 200e6 + memory},
			{roleStarter, time.Duration(cpu * float64(time.Second)), 0, 60e6 + memory/5}, {roleWorker, 8 * time.Second, 0, 180e6},
		})
		return Point{Value: value, Options: Summary{Mix: "access-json", Shards: 4}, Median: r, Runs: []Result{r}}
	}
	outage := func(n int64) Point {
		p := at(1e6, 1, n, 0)
		p.Median.Outage = &Outage{
			Windows: float64(n), OpenSeconds: 40, Seconds: 60, DrainSeconds: 200, RequestsPerSecond: float64(n) / 300,
			EventsPerWindowHour: 150, HistoryBytesPerWindowHour: 30_500,
			Processes: []Waiting{{roleTemporal, float64(n) / 9000, 250e6}, {roleStarter, 0.004, 70e6}, {roleWorker, float64(n) / 20_000, 110e6}},
		}
		return p
	}
	return ScaleReport{
		Began:   time.Date(2026, 11, 30, 20, 0, 0, 0, time.UTC),
		Machine: Machine{System: "linux/amd64", CPUs: 2, CPU: "a processor", Go: "go1.26"},
		Axes: []Growth{
			{Axis: "shards", Points: []Point{at(415e6, 1, 1, 0), at(415e6, 1.2, 4, 4e6), at(415e6, 3, 256, 256e6)}},
			{Axis: "windows", Points: []Point{at(415e6, 6, 64_000, 0), at(415e6, 1, 8_000_000, 90e6)}},
			{Axis: "outage", Points: []Point{outage(100), outage(10_000)}},
			{Axis: "workers"}, // the run ended before
		},
	}
}

// TestScaleReport holds what the report looks like, as JSON, for a person, and drawn.
func TestScaleReport(t *testing.T) {
	t.Parallel()
	r := scaleReport()
	dir := t.TempDir()
	short := r // of each kind one
	short.Axes = []Growth{{Axis: "shards", Points: r.Axes[0].Points[:1]}, {Axis: "outage", Points: r.Axes[2].Points[:1]}}
	require.NoError(t, short.WriteFile(filepath.Join(dir, "scale.json")))
	require.NoError(t, r.WritePlot(filepath.Join(dir, "scale.svg")))
	var printed bytes.Buffer
	r.Print(&printed)
	golden(t, "scale.txt", printed.Bytes())
	for _, name := range []string{"scale.json", "scale.svg"} {
		written, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		golden(t, name, written)
	}
	var read ScaleReport
	written, err := os.ReadFile(filepath.Join(dir, "scale.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(written, &read))
	require.Equal(t, short, read)

	rows := 0
	for decoder := xml.NewDecoder(bytes.NewReader(r.Plot())); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if text, ok := token.(xml.CharData); ok && (string(text) == "shards" || string(text) == "window_max_bytes" || string(text) == "open windows while the API is away") {
			rows++
		}
	}
	require.Equal(t, 3, rows, "one for each axis that was measured")
}

func TestLine(t *testing.T) {
	t.Parallel()
	r := Result{Seconds: 8, MBPerCPUSecond: 34.56, Windows: 80, Duplicates: 2}
	require.Equal(t, "8.0 s, 34.6 MB per CPU-second, 80 windows: lost 0, duplicates 2, strangers 0", r.line())
	r.Outage = &Outage{}
	require.Equal(t, "8.0 s, 80 windows: lost 0, duplicates 2, strangers 0", r.line())
}

func TestScaleOK(t *testing.T) {
	t.Parallel()
	require.True(t, scaleReport().OK())
	require.False(t, ScaleReport{}.OK(), "nothing was measured")
	require.False(t, ScaleReport{Axes: []Growth{{Axis: "shards"}}}.Measured())
	r := scaleReport()
	r.Axes[1].Points[1].Median.Duplicates = 1
	require.False(t, r.OK())

	var other bytes.Buffer
	ScaleReport{Axes: []Growth{{Axis: "planets", Points: []Point{{Value: 9}}}}}.Print(&other)
	require.Contains(t, other.String(), "planets", "of a version that can measure more")
}

// TestMedianOfOutages: the runs stay as they are.
func TestMedianOfOutages(t *testing.T) {
	t.Parallel()
	var runs []Result
	for _, n := range []float64{5, 1, 3} {
		runs = append(runs, Result{Outage: &Outage{Windows: 9, DrainSeconds: n, Processes: []Waiting{{Role: roleWorker, CPUPerSecond: n}}}})
	}
	m := median(runs)
	require.Equal(t, &Outage{Windows: 9, DrainSeconds: 3, Processes: []Waiting{{Role: roleWorker, CPUPerSecond: 3}}}, m.Outage)
	require.InDelta(t, 5, runs[0].Outage.DrainSeconds, 1e-9)
	require.InDelta(t, 5, runs[0].Outage.Processes[0].CPUPerSecond, 1e-9)
}

// TestHistoryOfOutage: only events of windows, and of the time that is measured.
func TestHistoryOfOutage(t *testing.T) {
	t.Parallel()
	from := time.Unix(1000, 0)
	waited := span{from: from, to: from.Add(time.Minute)}
	for _, ofWindow := range []bool{true, false} {
		r := historyReader{window: ofWindow, waited: waited}
		for _, after := range []time.Duration{-time.Second, 0, 59 * time.Second, time.Minute} {
			require.NoError(t, r.event(&historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_TIMER_STARTED, EventTime: timestamppb.New(from.Add(after))}))
		}
		require.Equal(t, 4, int(r.historyEvents))
		require.Equal(t, map[bool]int{true: 2}[ofWindow], int(r.waitedEvents))
		require.Equal(t, ofWindow, r.waitedBytes > 0)
	}
}
