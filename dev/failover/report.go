package failover

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/reportfile"
)

// Report is what was measured; what was not is nil.
type Report struct {
	// Handover is from SIGTERM to a starter to the first read of a shard of it by another.
	Handover *Takeovers `json:"handover,omitempty"`
	// Recovery is the same from SIGKILL.
	Recovery *Takeovers `json:"recovery,omitempty"`
	Tip      *Tip       `json:"tip,omitempty"`
	Idle     *Idle      `json:"idle,omitempty"`
}

// Takeovers are the times that shards were without a reader. Times are in milliseconds.
type Takeovers struct {
	Times  int   `json:"times"`  // starters that were ended
	Shards int   `json:"shards"` // that these read, all in all
	Median int64 `json:"median_ms"`
	Max    int64 `json:"max_ms"`
	// SlowestMedian is the median, over the starters, of the shard that waited longest.
	SlowestMedian int64 `json:"slowest_median_ms"`
}

// Tip is how late the windows begin that are closed by their age, beyond that age. Times
// are in milliseconds.
type Tip struct {
	Windows      int   `json:"windows"`
	WindowMaxAge int64 `json:"window_max_age_ms"`
	P50          int64 `json:"excess_p50_ms"`
	P99          int64 `json:"excess_p99_ms"`
	Max          int64 `json:"excess_max_ms"`
}

// Idle is what a starter costs that reads quiet shards.
type Idle struct {
	Shards   int     `json:"shards"`
	Seconds  float64 `json:"seconds"`
	Resident int64   `json:"rss_bytes"`      // the most seen in that time
	Peak     int64   `json:"rss_peak_bytes"` // since its start
	CPU      float64 `json:"cpu_share"`      // of one core
}

// takeovers summarises the times of each round.
func takeovers(rounds [][]time.Duration) *Takeovers {
	var all, slowest []time.Duration
	for _, round := range rounds {
		all = append(all, round...)
		slowest = append(slowest, slices.Max(round))
	}
	slices.Sort(all)
	slices.Sort(slowest)
	return &Takeovers{
		Times: len(rounds), Shards: len(all),
		Median: percentile(all, 50).Milliseconds(), Max: percentile(all, 100).Milliseconds(),
		SlowestMedian: percentile(slowest, 50).Milliseconds(),
	}
}

// percentile of sorted values by the nearest rank; 0 where there are none.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

// Print writes the report for a person.
func (r Report) Print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\t\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintln(w)
	for _, kind := range []struct {
		name  string
		found *Takeovers
	}{{"handover at SIGTERM", r.Handover}, {"recovery after SIGKILL", r.Recovery}} {
		if f := kind.found; f != nil {
			row(kind.name, "median %s  max %s  (%d times, %d shards; median of the slowest shard %s)",
				millis(f.Median), millis(f.Max), f.Times, f.Shards, millis(f.SlowestMedian))
		}
	}
	if f := r.Tip; f != nil {
		row("arrival to window's start", "age + %s p50, + %s p99, + %s max  (%d windows of age %s)",
			millis(f.P50), millis(f.P99), millis(f.Max), f.Windows, millis(f.WindowMaxAge))
	}
	if f := r.Idle; f != nil {
		row("idle starter", "%.1f MB resident, %.1f MB at its peak, %.1f %% of a core  (%d shards, %.0f s)",
			megabytes(f.Resident), megabytes(f.Peak), 100*f.CPU, f.Shards, f.Seconds)
	}
	_ = t.Flush() // a terminal that is gone is not an error of the run
}

func millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func megabytes(n int64) float64 { return float64(n) / 1e6 }

// WriteFile writes the report as JSON.
func (r Report) WriteFile(path string) error { return reportfile.Write(path, r) }
