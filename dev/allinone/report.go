package allinone

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/dev/ledger"
	"github.com/log-event-pipeline/logpipe/dev/reportfile"
)

// Report is the reconciliation of a run: what CloudWatch Logs took in against what
// the analytics API counted.
type Report struct {
	Produced  int `json:"produced"`  // log events that CloudWatch Logs accepted and forwarded
	Delivered int `json:"delivered"` // of these, at the API
	Lost      int `json:"lost"`      // of these, not at the API
	// Duplicates counts events that the API accepted again after the first time.
	Duplicates    int    `json:"duplicates"`
	Windows       int64  `json:"windows"`
	Batches       uint64 `json:"batches"`
	Retries       uint64 `json:"retries"` // requests to the API beyond one for each batch
	TokenRequests uint64 `json:"token_requests"`
	// Freshness is the time from PutLogEvents to the API's acceptance.
	FreshnessP50 int64 `json:"freshness_p50_ms"`
	FreshnessP99 int64 `json:"freshness_p99_ms"`

	// Strangers are events at the API that nobody produced. There must be none, and
	// a run that has some has failed, but the report's form does not hold them.
	Strangers int `json:"-"`
	// Parked windows hold lost events that an operator can still save.
	Parked int64 `json:"-"`
}

// OK tells whether every event arrived once.
func (r Report) OK() bool { return r.Lost == 0 && r.Duplicates == 0 && r.Strangers == 0 }

// reconcile compares event by event.
func reconcile(produced *ledger.Events, api *analytics.Server, windows, parked int64) Report {
	stats := api.Stats()
	d := produced.Compare(api.LogEvents())
	r := Report{
		Produced: d.Produced, Delivered: d.Delivered, Lost: d.Lost, Duplicates: d.Duplicates,
		Windows: windows, Parked: parked, Batches: stats.Batches,
		Retries: stats.Attempts - min(stats.Attempts, stats.Batches), TokenRequests: stats.TokenRequests,
		Strangers: d.Strangers + int(stats.Unidentified),
	}
	slices.Sort(d.Fresh)
	r.FreshnessP50 = percentile(d.Fresh, 50).Milliseconds()
	r.FreshnessP99 = percentile(d.Fresh, 99).Milliseconds()
	return r
}

// percentile of sorted values by the nearest rank.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*p+99)/100-1]
}

// Print writes the reconciliation for a person.
func (r Report) Print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, value any, note string) { fmt.Fprintf(t, "%s\t%v\t\t%s\n", name, value, note) }
	fmt.Fprintln(w, "\nreconciliation, by the analytics API's own counts")
	row("produced", r.Produced, "log events that CloudWatch Logs took in")
	row("delivered", r.Delivered, "of these, by themselves or folded into interactions")
	row("lost", r.Lost, "")
	if r.Parked > 0 {
		row("parked", r.Parked, "windows that the API has refused; in the Web UI, which --stay keeps: "+parkedFlushes)
	}
	row("duplicates", r.Duplicates, "")
	if r.Strangers > 0 {
		row("strangers", r.Strangers, "events at the API that nobody produced")
	}
	row("windows", r.Windows, "")
	row("batches", r.Batches, "")
	row("retries", r.Retries, "requests beyond one for each batch")
	row("token requests", r.TokenRequests, "")
	row("freshness p50", time.Duration(r.FreshnessP50)*time.Millisecond, "from PutLogEvents to the API, the window's age included")
	row("freshness p99", time.Duration(r.FreshnessP99)*time.Millisecond, "")
	_ = t.Flush() // a terminal that is gone is not an error of the run
}

// WriteFile writes the report as JSON.
func (r Report) WriteFile(path string) error { return reportfile.Write(path, r) }
