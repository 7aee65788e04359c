package compose

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/reportfile"
)

// Report is what a run has found.
type Report struct {
	Produced   int `json:"produced"` // log events in the stream
	Delivered  int `json:"delivered"`
	Lost       int `json:"lost"`
	Duplicates int `json:"duplicates"`
	Strangers  int `json:"strangers"`

	Containers    int      `json:"containers"` // that were looked at
	AsRoot        []string `json:"as_root"`    // of these, running as root or with more than they need
	Restarts      int      `json:"restarts"`   // by the restart policy
	UncleanStops  []string `json:"unclean_stops"`
	DeployPause   float64  `json:"deploy_pause_seconds"`
	SteadyPause   float64  `json:"steady_pause_seconds"` // in the seconds before it
	PauseLimit    float64  `json:"pause_limit_seconds"`
	DeployStop    float64  `json:"deploy_longest_stop_seconds"`
	WholePause    float64  `json:"longest_pause_seconds"`
	FreshnessP50  float64  `json:"freshness_p50_seconds"`
	FreshnessP99  float64  `json:"freshness_p99_seconds"`
	TookInSeconds float64  `json:"took_seconds"`

	deployed [2]time.Time
}

// OK reports whether all is as it has to be.
func (r Report) OK() bool {
	return r.Produced > 0 && r.Lost == 0 && r.Duplicates == 0 && r.Strangers == 0 && r.Restarts >= 2 &&
		len(r.AsRoot) == 0 && len(r.UncleanStops) == 0 && r.DeployPause > 0 && r.DeployPause < r.PauseLimit
}

// Print writes the report for a person.
func (r Report) Print(w io.Writer) {
	fmt.Fprintln(w, "\nreconciliation of the log events in the stream and those at the API")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, value any, note string) { fmt.Fprintf(t, "%s\t%v\t\t%s\n", name, value, note) }
	seconds := func(s float64) string { return fmt.Sprintf("%.3fs", s) }
	row("produced", r.Produced, "log events in the stream")
	row("delivered", r.Delivered, "")
	row("lost", r.Lost, "")
	row("duplicates", r.Duplicates, "")
	row("strangers", r.Strangers, "events at the API that nobody put")
	row("containers", r.Containers, "looked at")
	row("as root", len(r.AsRoot), fmt.Sprint(r.AsRoot))
	row("restarts", r.Restarts, "by the restart policy, of what was killed")
	row("unclean stops", len(r.UncleanStops), fmt.Sprint(r.UncleanStops))
	row("longest stop", seconds(r.DeployStop), "of an old container in the deployment")
	row("longest pause", seconds(r.DeployPause), fmt.Sprintf("of a shard in the deployment, window age included; less than %s is wanted", seconds(r.PauseLimit)))
	row("", seconds(r.SteadyPause), "in the seconds before it")
	row("", seconds(r.WholePause), "at any time, kills and the restart of Temporal included")
	row("freshness p50", seconds(r.FreshnessP50), "from the stream to the API, of all")
	row("freshness p99", seconds(r.FreshnessP99), "")
	_ = t.Flush() // a terminal that is gone is not an error of the run
}

// WriteFile writes the report as JSON.
func (r Report) WriteFile(path string) error { return reportfile.Write(path, r) }
