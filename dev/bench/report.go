package bench

import (
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/reportfile"
)

// Report is what was measured, how, and on what.
type Report struct {
	Options Summary `json:"options"`
	Machine Machine `json:"machine"`
	// Median has the median of each figure of the runs, each for itself. Its counts of
	// what went wrong are those of all runs together.
	Median Result   `json:"median"`
	Runs   []Result `json:"runs"`

	// Steps are the rates that were tried, and Highest is the highest that was sustained,
	// in events a second: 0 where none was. Its run is the one in Runs.
	Steps   []Step  `json:"steps,omitempty"`
	Highest float64 `json:"highest_rate,omitempty"`
}

// Summary is the options that say what was measured.
type Summary struct {
	Mix           string            `json:"mix"`
	Events        int               `json:"events,omitempty"`
	Waiting       int               `json:"waiting_windows,omitempty"`
	SettleSeconds float64           `json:"settle_seconds,omitempty"`
	Rate          float64           `json:"rate,omitempty"`
	ForSeconds    float64           `json:"for_seconds,omitempty"`
	RecordEvents  int               `json:"record_events,omitempty"`
	Shards        int               `json:"shards"`
	Starters      int               `json:"starters"`
	Workers       int               `json:"workers"`
	Seed          uint64            `json:"seed"`
	Settings      map[string]string `json:"settings"`
}

// Machine is what was measured on.
type Machine struct {
	System string `json:"system"`
	CPUs   int    `json:"cpus"`
	CPU    string `json:"cpu,omitempty"`
	Go     string `json:"go"`
	// Profiled: CPU profiles were written, which changes the figures a little.
	Profiled bool `json:"profiled,omitempty"`
}

// Step is one rate that was tried.
type Step struct {
	Rate      float64 `json:"rate"`
	Sustained bool    `json:"sustained"`
	Freshness
}

func (s Step) String() string {
	text := fmt.Sprintf("p50 %s, p99 %s, p99.9 %s", millis(s.P50), millis(s.P99), millis(s.P999))
	switch {
	case s.Late:
		text += ", too much to write"
	case !s.Sustained:
		text += ", not sustained"
	}
	return text
}

func (o Options) summary() Summary {
	s := Summary{
		Mix: string(o.Mix), Shards: o.Shards, Starters: o.Starters, Workers: o.Workers, Seed: o.Seed, Settings: o.settings(),
	}
	switch {
	case o.Waiting > 0:
		s.Waiting, s.RecordEvents, s.ForSeconds, s.SettleSeconds = o.Waiting, o.RecordEvents, o.For.Seconds(), o.Settle.Seconds()
	case o.Rate > 0:
		s.Rate, s.ForSeconds = o.Rate, o.For.Seconds()
	default:
		s.Events, s.RecordEvents = o.Events, o.RecordEvents
	}
	return s
}

func thisMachine() Machine {
	return Machine{System: runtime.GOOS + "/" + runtime.GOARCH, CPUs: runtime.NumCPU(), CPU: cpuModel(), Go: runtime.Version()}
}

// cpuModel is how Linux names the processor, empty where it does not.
func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// OK tells whether every event of every run arrived once.
func (r Report) OK() bool { return len(r.Runs) > 0 && r.Median.OK() }

// Print writes the medians for a person.
func (r Report) Print(w io.Writer) {
	m := r.Median
	fmt.Fprintf(w, "\n%s, %d shards, %d starters, %d workers%s", r.Options.Mix, r.Options.Shards, r.Options.Starters, r.Options.Workers,
		settingsText(r.Options.Settings))
	if len(r.Runs) > 1 {
		fmt.Fprintf(w, "; medians of %d runs", len(r.Runs))
	}
	fmt.Fprint(w, "\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	row("log events", "%d: lost %d, duplicates %d, strangers %d, batches sent again %d", m.Events, m.Lost, m.Duplicates, m.Strangers, m.Replays)
	row("log text", "%.1f MB, %.1f MB as stored in %.0f records, %.1f MB delivered", megabytes(m.LogText), megabytes(m.Stored), m.Records, megabytes(m.Delivered))
	row("throughput", "%.1f MB/s: %.1f s", m.MBPerSecond, m.Seconds)
	row("pipeline", "%.1f MB per CPU-second, %.1f CPU-seconds per GB (Temporal, starters and workers)", m.MBPerCPUSecond, m.CPUSecondsPerGB)
	row("windows", "%.0f in %.0f batches, %.0f windows per GB, %.1f ms of Temporal's CPU each", m.Windows, m.Batches, m.WindowsPerGB, m.TemporalCPUPerWindow)
	row("Temporal", "%.0f actions per GB, %.1f MB of history per GB (%.0f events in all)", m.ActionsPerGB, megabytes(m.HistoryBytesPerGB), m.HistoryEvents)
	row("stage", "%.0f MB written per GB", megabytes(m.StageBytesPerGB))
	if f := m.Freshness; f != nil {
		row("freshness", "p50 %s, p99 %s, p99.9 %s, max %s", millis(f.P50), millis(f.P99), millis(f.P999), millis(f.Max))
	}
	if len(r.Steps) > 0 {
		row("sustained", "%.0f events/s", r.Highest)
	}
	_ = t.Flush() // a terminal that is gone is not an error of the run
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "process\tCPU s\tCPU s/GB\tMB/CPU s\tpeak MB\tGC\t")
	for _, p := range m.Processes {
		name := p.Role
		if p.Count > 1 {
			name = fmt.Sprintf("%d × %s", p.Count, p.Role)
		}
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.0f\t%.0f\t%.1f %%\t\n", name, p.CPUSeconds, p.CPUSecondsPerGB, p.MBPerCPUSecond, megabytes(p.PeakBytes), 100*p.GCShare)
	}
	_ = t.Flush()
}

// settingsText goes on with the settings that differ from the defaults.
func settingsText(settings map[string]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		text.WriteString(", " + name + "=" + settings[name])
	}
	return text.String()
}

func millis(ms float64) time.Duration {
	return time.Duration(ms * float64(time.Millisecond)).Round(time.Millisecond)
}

// WriteFile writes the report as JSON.
func (r Report) WriteFile(path string) error { return reportfile.Write(path, r) }
