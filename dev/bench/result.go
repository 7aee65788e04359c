package bench

import (
	"math"
	"slices"
	"time"
)

const (
	mega = 1e6
	giga = 1e9
)

func megabytes(bytes float64) float64 { return bytes / mega }

// Result is what one run has measured, or the medians of several. A megabyte is 10⁶
// bytes, a gigabyte 10⁹, and both are of log text where nothing else is said.
type Result struct {
	Events     int `json:"events"`
	Lost       int `json:"lost"`
	Duplicates int `json:"duplicates"`
	Strangers  int `json:"strangers"` // events at the API that nobody put
	Replays    int `json:"replays"`   // batches that the API had already

	LogText   float64 `json:"log_text_bytes"`  // what was logged, without envelopes
	Stored    float64 `json:"stored_bytes"`    // the same in Kinesis: gzip of it with its envelopes
	Delivered float64 `json:"delivered_bytes"` // bodies at the API, inflated
	Records   float64 `json:"records"`
	Seconds   float64 `json:"seconds"` // until the API has accepted the last batch

	MBPerSecond float64 `json:"mb_per_second"`
	// MBPerCPUSecond and CPUSecondsPerGB are of Temporal, starters and workers together.
	MBPerCPUSecond  float64 `json:"mb_per_cpu_second"`
	CPUSecondsPerGB float64 `json:"cpu_seconds_per_gb"`

	Windows float64 `json:"windows"`
	Batches float64 `json:"batches"`
	// TemporalCPUPerWindow is in milliseconds.
	TemporalCPUPerWindow float64 `json:"temporal_cpu_ms_per_window"`

	Actions           float64 `json:"temporal_actions"`
	HistoryEvents     float64 `json:"history_events"`
	HistoryBytes      float64 `json:"history_bytes"`
	StageBytes        float64 `json:"stage_bytes"` // written
	WindowsPerGB      float64 `json:"windows_per_gb"`
	ActionsPerGB      float64 `json:"temporal_actions_per_gb"`
	HistoryBytesPerGB float64 `json:"history_bytes_per_gb"`
	StageBytesPerGB   float64 `json:"stage_bytes_per_gb"`

	Processes []Process `json:"processes"`
	// Freshness is nil where a backlog was drained.
	Freshness *Freshness `json:"freshness,omitempty"`
	// Outage is nil where the API was there.
	Outage *Outage `json:"outage,omitempty"`
}

// Process is what the processes of one role have taken.
type Process struct {
	Role            string  `json:"role"`
	Count           int     `json:"count"`
	CPUSeconds      float64 `json:"cpu_seconds"` // user and system, of all of them
	CPUSecondsPerGB float64 `json:"cpu_seconds_per_gb"`
	MBPerCPUSecond  float64 `json:"mb_per_cpu_second"`
	PeakBytes       float64 `json:"peak_bytes"` // resident, of the largest of them, since its start
	GCShare         float64 `json:"gc_share"`   // of CPUSeconds
}

// Freshness is how long events took from Kinesis to the API, in milliseconds.
type Freshness struct {
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p99_9_ms"`
	Max  float64 `json:"max_ms"`
	// Late: the events could not even be written at the rate.
	Late bool `json:"late"`
}

// OK tells whether every event arrived once.
func (r Result) OK() bool { return r.Lost == 0 && r.Duplicates == 0 && r.Strangers == 0 }

// derive fills in what follows from the counts and from what was taken.
func (r *Result) derive(all []taken) {
	r.MBPerSecond = ratio(megabytes(r.LogText), r.Seconds)
	gigabytes := r.LogText / giga
	pipeline := 0.0
	for _, role := range roles {
		p := Process{Role: role}
		var gc time.Duration
		for _, t := range all {
			if t.role == role {
				p.Count++
				p.CPUSeconds += t.processor.Seconds()
				p.PeakBytes = max(p.PeakBytes, float64(t.peak))
				gc += t.gc
			}
		}
		p.CPUSecondsPerGB = ratio(p.CPUSeconds, gigabytes)
		p.MBPerCPUSecond = ratio(megabytes(r.LogText), p.CPUSeconds)
		p.GCShare = ratio(gc.Seconds(), p.CPUSeconds)
		switch role {
		case roleTemporal:
			r.TemporalCPUPerWindow = ratio(1000*p.CPUSeconds, r.Windows)
			pipeline += p.CPUSeconds
		case roleStarter, roleWorker:
			pipeline += p.CPUSeconds
		}
		r.Processes = append(r.Processes, p)
	}
	r.MBPerCPUSecond, r.CPUSecondsPerGB = ratio(megabytes(r.LogText), pipeline), ratio(pipeline, gigabytes)
	r.WindowsPerGB, r.ActionsPerGB = ratio(r.Windows, gigabytes), ratio(r.Actions, gigabytes)
	r.HistoryBytesPerGB, r.StageBytesPerGB = ratio(r.HistoryBytes, gigabytes), ratio(r.StageBytes, gigabytes)
}

// ratio is 0 where there is nothing to divide by, such as the processor time of a
// process that took less than the kernel counts.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// freshness sorts the times that events took.
func freshness(took []time.Duration) *Freshness {
	slices.Sort(took)
	at := func(perMille int) float64 {
		if len(took) == 0 {
			return 0
		}
		// The nearest rank.
		return float64(took[max(0, (len(took)*perMille+999)/1000-1)]) / float64(time.Millisecond)
	}
	return &Freshness{P50: at(500), P99: at(990), P999: at(999), Max: at(1000)}
}

// values are all figures of which there are medians.
func (r *Result) values() []*float64 {
	values := []*float64{
		&r.LogText, &r.Stored, &r.Delivered, &r.Records, &r.Seconds, &r.MBPerSecond, &r.MBPerCPUSecond, &r.CPUSecondsPerGB,
		&r.Windows, &r.Batches, &r.TemporalCPUPerWindow, &r.Actions, &r.HistoryEvents, &r.HistoryBytes, &r.StageBytes,
		&r.WindowsPerGB, &r.ActionsPerGB, &r.HistoryBytesPerGB, &r.StageBytesPerGB,
	}
	for i := range r.Processes {
		p := &r.Processes[i]
		values = append(values, &p.CPUSeconds, &p.CPUSecondsPerGB, &p.MBPerCPUSecond, &p.PeakBytes, &p.GCShare)
	}
	if f := r.Freshness; f != nil {
		values = append(values, &f.P50, &f.P99, &f.P999, &f.Max)
	}
	if o := r.Outage; o != nil {
		values = append(values, &o.Windows, &o.OpenSeconds, &o.Seconds, &o.DrainSeconds, &o.RequestsPerSecond,
			&o.EventsPerWindowHour, &o.HistoryBytesPerWindowHour)
		for i := range o.Processes {
			values = append(values, &o.Processes[i].CPUPerSecond, &o.Processes[i].ResidentBytes)
		}
	}
	return values
}

// median has the median of each figure, for itself, and what went wrong in any run.
func median(runs []Result) Result {
	if len(runs) == 0 {
		return Result{}
	}
	m := runs[0]
	m.Processes = slices.Clone(m.Processes)
	if m.Freshness != nil {
		f := *m.Freshness
		m.Freshness = &f
	}
	if m.Outage != nil {
		o := *m.Outage
		o.Processes = slices.Clone(o.Processes)
		m.Outage = &o
	}
	each := make([][]*float64, len(runs))
	for i := range runs {
		each[i] = runs[i].values()
	}
	for n, value := range m.values() {
		var all []float64
		for i := range runs {
			all = append(all, *each[i][n])
		}
		*value = middle(all)
	}
	for _, r := range runs[1:] {
		m.Lost, m.Duplicates = m.Lost+r.Lost, m.Duplicates+r.Duplicates
		m.Strangers, m.Replays = m.Strangers+r.Strangers, m.Replays+r.Replays
		if m.Freshness != nil {
			m.Freshness.Late = m.Freshness.Late || r.Freshness.Late
		}
	}
	return m
}

// middle is the median of values, of which there is one at least.
func middle(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	if n%2 == 1 {
		return values[n/2]
	}
	return math.FMA(0.5, values[n/2]-values[n/2-1], values[n/2-1])
}
