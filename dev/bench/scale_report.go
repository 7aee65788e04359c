package bench

import (
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/plot"
	"github.com/log-event-pipeline/logpipe/dev/reportfile"
)

// ScaleReport is how cost grows.
type ScaleReport struct {
	Began   time.Time `json:"began"`
	Machine Machine   `json:"machine"`
	Axes    []Growth  `json:"axes"`
}

// Growth is what was measured along one axis.
type Growth struct {
	Axis   string  `json:"axis"`
	Points []Point `json:"points"`
}

// Point is what was measured at one value, which is in bytes where it is a size.
type Point struct {
	Value   int64    `json:"value"`
	Options Summary  `json:"options"`
	Median  Result   `json:"median"`
	Runs    []Result `json:"runs"`
}

// OK tells whether something was measured, and every event of every run arrived once.
func (r ScaleReport) OK() bool {
	return r.Measured() && !slices.ContainsFunc(r.Axes, func(g Growth) bool {
		return slices.ContainsFunc(g.Points, func(p Point) bool { return !p.Median.OK() })
	})
}

// Measured tells whether there is a figure at all.
func (r ScaleReport) Measured() bool {
	return slices.ContainsFunc(r.Axes, func(g Growth) bool { return len(g.Points) > 0 })
}

// WriteFile writes the report as JSON.
func (r ScaleReport) WriteFile(path string) error { return reportfile.Write(path, r) }

// pipeline is the roles whose cost is reported.
var pipeline = []string{roleTemporal, roleStarter, roleWorker}

// axis is what grew.
func (g Growth) axis() *axis {
	for _, a := range axes {
		if a.name == g.Axis {
			return a
		}
	}
	return &axis{name: g.Axis, label: g.Axis} // a report of another version
}

// Print writes a table for each axis.
func (r ScaleReport) Print(w io.Writer) {
	for _, g := range r.Axes {
		if len(g.Points) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s\n", g.heading())
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		if g.Axis == outageAxis {
			g.printOutage(t)
		} else {
			g.printDrain(t)
		}
		_ = t.Flush() // a terminal that is gone is not an error of the run
	}
}

// heading says what follows.
func (g Growth) heading() string {
	if g.Axis == outageAxis {
		return "while windows wait for the API: CPU-seconds a second, resident memory, history of a window and hour; MB are 10^6 bytes"
	}
	return "MB of log text (10^6 bytes), a second and per CPU-second; CPU-seconds per GB of it; peak memory of the largest process; Temporal's ms of CPU a window"
}

func (g Growth) printDrain(t *tabwriter.Writer) {
	fmt.Fprintln(t, "\t\tMB/CPU s\tMB/CPU s\tMB/CPU s\tMB/CPU s\tCPU s\tpeak MB\tpeak MB\tpeak MB\t\tTemporal\t")
	fmt.Fprintf(t, "%s\tMB/s\tpipeline\ttemporal\tstarter\tworker\tper GB\ttemporal\tstarter\tworker\twindows\tms each\t\n", g.axis().label)
	for _, p := range g.Points {
		m := p.Median
		fmt.Fprintf(t, "%s\t%.1f\t%.1f\t", g.axis().text(p.Value), m.MBPerSecond, m.MBPerCPUSecond)
		for _, role := range pipeline {
			fmt.Fprintf(t, "%.0f\t", m.process(role).MBPerCPUSecond)
		}
		fmt.Fprintf(t, "%.1f\t", m.CPUSecondsPerGB)
		for _, role := range pipeline {
			fmt.Fprintf(t, "%.0f\t", megabytes(m.process(role).PeakBytes))
		}
		fmt.Fprintf(t, "%.0f\t%.1f\t\n", m.Windows, m.TemporalCPUPerWindow)
	}
}

func (g Growth) printOutage(t *tabwriter.Writer) {
	fmt.Fprintln(t, "\tCPU s/s\tCPU s/s\tCPU s/s\tMB\tMB\tMB\tevents of\tkB of\trequests\tdelivered\t")
	fmt.Fprintf(t, "%s\ttemporal\tstarter\tworker\ttemporal\tstarter\tworker\thistory/h\thistory/h\t/s\ts after it\t\n", g.axis().label)
	for _, p := range g.Points {
		o := p.Median.Outage
		if o == nil {
			continue
		}
		fmt.Fprintf(t, "%.0f\t", o.Windows)
		for _, role := range pipeline {
			fmt.Fprintf(t, "%.3f\t", o.process(role).CPUPerSecond)
		}
		for _, role := range pipeline {
			fmt.Fprintf(t, "%.0f\t", megabytes(o.process(role).ResidentBytes))
		}
		fmt.Fprintf(t, "%.0f\t%.1f\t%.1f\t%.0f\t\n", o.EventsPerWindowHour, o.HistoryBytesPerWindowHour/1000, o.RequestsPerSecond, o.DrainSeconds)
	}
}

// process is what the processes of a role have taken.
func (r Result) process(role string) Process {
	for _, p := range r.Processes {
		if p.Role == role {
			return p
		}
	}
	return Process{Role: role}
}

// Plot draws a row of charts for each axis.
func (r ScaleReport) Plot() []byte {
	figure := plot.Figure{Title: "What the pipeline costs as something grows", Series: slices.Concat([]string{"pipeline"}, pipeline)}
	for _, g := range r.Axes {
		if len(g.Points) > 0 {
			figure.Rows = append(figure.Rows, g.row())
		}
	}
	return figure.SVG()
}

func (g Growth) row() plot.Row {
	a := g.axis()
	row := plot.Row{Title: a.label}
	for _, p := range g.Points {
		row.X = append(row.X, float64(p.Value))
		row.Labels = append(row.Labels, a.text(p.Value))
	}
	// each has the values of one series at all points.
	each := func(value func(Result) float64) []float64 {
		var values []float64
		for _, p := range g.Points {
			values = append(values, value(p.Median))
		}
		return values
	}
	cost := plot.Chart{Title: "CPU-seconds per GB of log text", Y: [][]float64{each(func(m Result) float64 { return m.CPUSecondsPerGB })}}
	memory := plot.Chart{Title: "peak memory in MB, of the largest process", Y: [][]float64{nil}}
	if g.Axis == outageAxis {
		row.Title = "open windows while the API is away"
		cost = plot.Chart{Title: "CPU-seconds per second while they wait", Y: [][]float64{nil}}
		memory.Title = "memory in MB while they wait, of the largest process"
	}
	for _, role := range pipeline {
		if g.Axis == outageAxis {
			cost.Y = append(cost.Y, each(func(m Result) float64 { return m.Outage.process(role).CPUPerSecond }))
			memory.Y = append(memory.Y, each(func(m Result) float64 { return megabytes(m.Outage.process(role).ResidentBytes) }))
			continue
		}
		cost.Y = append(cost.Y, each(func(m Result) float64 { return m.process(role).CPUSecondsPerGB }))
		memory.Y = append(memory.Y, each(func(m Result) float64 { return megabytes(m.process(role).PeakBytes) }))
	}
	row.Charts = []plot.Chart{cost, memory}
	return row
}

// WritePlot draws the report into a file.
func (r ScaleReport) WritePlot(path string) error {
	if err := os.WriteFile(path, r.Plot(), 0o644); err != nil { //nolint:gosec // it is for anybody to look at
		return fmt.Errorf("write the plot: %w", err)
	}
	return nil
}
