package chaos

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/reportfile"
)

// Report is what a run has found.
type Report struct {
	Seed     uint64        `json:"seed"`
	Duration time.Duration `json:"-"` // of the chaos
	Drain    time.Duration `json:"-"` // from its end until all was delivered

	Records int `json:"records"` // that Kinesis took in
	Windows int `json:"windows"` // that Temporal holds
	Kills   int `json:"kills"`   // SIGKILLs of starters, workers and Temporal

	// Lost is the records in no window and the events that never arrived.
	Lost int `json:"lost"`
	// Twice is the records in more than one window.
	Twice int `json:"twice"`
	// Duplicates counts events that the API accepted again after the first time. A batch
	// that is sent again under its idempotency key is not accepted again.
	Duplicates int `json:"duplicates"`

	LostRecords int `json:"lost_records"`
	LostEvents  int `json:"lost_events"`
	Events      int `json:"events"`    // that CloudWatch Logs took in
	Delivered   int `json:"delivered"` // of these, at the API
	Strangers   int `json:"strangers"` // events at the API that nobody put
	Parked      int `json:"parked"`    // windows that wait for an operator
	Unfinished  int `json:"unfinished"`
	Gaps        int `json:"gaps"` // ranges that readers have reported as missing
	// Contradictions are windows whose id, memo, input and the records in Kinesis do not
	// agree.
	Contradictions int  `json:"contradictions"`
	Drained        bool `json:"drained"`

	Requests int `json:"requests"` // to the API
	Replays  int `json:"replays"`  // of these, batches that the API had already
	// UnexpectedExits are processes that ended, or did not start, without having been told
	// to: for example because Temporal was away when they began.
	UnexpectedExits int `json:"unexpected_exits"`
	// UncleanStops are processes that were asked to stop and did so late or with a status
	// other than 0.
	UncleanStops int `json:"unclean_stops"`
	// StagedLeft are raw windows and batches in the stage that nobody needs any more, such
	// as cuts that were rejected and whose poller was killed before it deleted them.
	StagedLeft int `json:"staged_left"`

	Faults map[Kind]int `json:"faults"`
	// LongestStall is the longest time in which nothing arrived at the API although
	// something was on its way and the API was up.
	LongestStall time.Duration `json:"-"`
	// StallEnded is when that was over, counted from the beginning.
	StallEnded time.Duration `json:"-"`

	// Findings say what is wrong, for a person.
	Findings []string `json:"findings,omitempty"`
}

// MarshalJSON writes durations in milliseconds.
func (r Report) MarshalJSON() ([]byte, error) {
	type plain Report
	return json.Marshal(struct {
		plain
		Duration     int64 `json:"duration_ms"`
		Drain        int64 `json:"drain_ms"`
		LongestStall int64 `json:"longest_stall_ms"`
		StallEnded   int64 `json:"longest_stall_ended_ms"`
	}{plain(r), r.Duration.Milliseconds(), r.Drain.Milliseconds(), r.LongestStall.Milliseconds(), r.StallEnded.Milliseconds()})
}

// OK tells whether each record is in one window and each event arrived once.
func (r Report) OK() bool {
	return r.Drained && r.Lost == 0 && r.Twice == 0 && r.Duplicates == 0 &&
		r.Strangers == 0 && r.Parked == 0 && r.Unfinished == 0 && r.Contradictions == 0 && r.Gaps == 0
}

// findingsShown bounds what is printed of what is wrong. The file has all of it.
const findingsShown = 30

// Print writes the report for a person.
func (r Report) Print(w io.Writer) {
	fmt.Fprintln(w, "\nreconciliation of the records in Kinesis, the windows in Temporal and the events at the API")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, value any, note string) { fmt.Fprintf(t, "%s\t%v\t\t%s\n", name, value, note) }
	row("records", r.Records, "that Kinesis took in")
	row("windows", r.Windows, "")
	row("events", r.Events, "in these records")
	row("delivered", r.Delivered, "")
	row("lost", r.Lost, fmt.Sprintf("%d records in no window, %d events not at the API", r.LostRecords, r.LostEvents))
	row("twice", r.Twice, "records in two windows")
	row("duplicates", r.Duplicates, "events that the API accepted twice")
	if !r.OK() {
		row("drained", r.Drained, "")
		row("strangers", r.Strangers, "events at the API that nobody put")
		row("parked", r.Parked, "windows")
		row("unfinished", r.Unfinished, "windows")
		row("gaps", r.Gaps, "that readers have reported, although nothing was deleted")
		row("contradictions", r.Contradictions, "windows whose id, memo, input and records do not agree")
	}
	row("kills", r.Kills, "SIGKILLs")
	row("unexpected exits", r.UnexpectedExits, "processes that ended by themselves and were started again")
	row("unclean stops", r.UncleanStops, "processes that took SIGTERM badly")
	row("replays", r.Replays, fmt.Sprintf("of %d requests, answered by the idempotency key", r.Requests))
	row("objects left", r.StagedLeft, "in the stage, for the sweep")
	row("longest stall", round(r.LongestStall), fmt.Sprintf("until %s, without an event at the API while it was up and some were on their way", round(r.StallEnded)))
	row("chaos", round(r.Duration), "")
	row("drained after", round(r.Drain), "")
	_ = t.Flush() // a terminal that is gone is not an error of the run

	var faults []string
	for _, kind := range slices.Sorted(maps.Keys(r.Faults)) {
		faults = append(faults, fmt.Sprintf("%s %d", kind, r.Faults[kind]))
	}
	fmt.Fprintf(w, "\nwhat went wrong: %s\n", strings.Join(faults, ", "))
	for i, finding := range r.Findings {
		if i == findingsShown {
			fmt.Fprintf(w, "and %d more\n", len(r.Findings)-i)
			break
		}
		fmt.Fprintln(w, finding)
	}
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }

// WriteFile writes the report as JSON.
func (r Report) WriteFile(path string) error { return reportfile.Write(path, r) }
