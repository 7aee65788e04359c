package chaos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/log-event-pipeline/logpipe/dev/fleet"
	"github.com/log-event-pipeline/logpipe/dev/ledger"
)

// reconcile compares the records in Kinesis, the windows in Temporal and the events at
// the API.
func (r *run) reconcile(ctx context.Context) (Report, error) {
	windows, err := r.fleet.Windows(ctx)
	if err != nil {
		return Report{}, err
	}
	windows, err = r.addUnlisted(ctx, windows)
	if err != nil {
		return Report{}, err
	}
	partition := r.fleet.Records.Divide(ranges(windows))
	delivery := r.fleet.Events.Compare(r.fleet.API.LogEvents())
	stats := r.fleet.API.Stats()
	report := Report{
		Seed: r.options.Seed, Kills: int(r.kills.Load()), Faults: r.faults,
		Records: partition.Records, Windows: partition.Windows,
		LostRecords: partition.Lost(), LostEvents: delivery.Lost, Lost: partition.Lost() + delivery.Lost,
		Twice: partition.Doubled(), Duplicates: delivery.Duplicates,
		Events: delivery.Produced, Delivered: delivery.Delivered,
		Strangers: delivery.Strangers + int(stats.Unidentified),
		Requests:  int(stats.Attempts), Replays: int(stats.Replays),
		UnexpectedExits: int(r.exits.Load()), UncleanStops: int(r.unclean.Load()),
	}
	report.inspect(partition, windows)
	gaps, err := r.fleet.Gaps(ctx)
	if err != nil {
		return Report{}, err
	}
	report.Gaps, report.Findings = len(gaps), append(report.Findings, gaps...)
	// Quarantined pieces and the markers of how far each shard was read are to stay.
	for _, kind := range []string{"raw", "batch"} {
		n, err := countFiles(filepath.Join(r.fleet.Stage(), fleet.Pipeline, kind))
		if err != nil {
			return Report{}, fmt.Errorf("look into the stage: %w", err)
		}
		report.StagedLeft += n
	}
	return report, nil
}

// addUnlisted asks Temporal for the window of each record that seems to be in none:
// visibility, by which windows are listed, is a little behind.
func (r *run) addUnlisted(ctx context.Context, windows []fleet.Window) ([]fleet.Window, error) {
	for {
		found := false
		for _, missing := range r.fleet.Records.Divide(ranges(windows)).Missing {
			w, ok, err := r.fleet.Window(ctx, missing.ShardID, missing.First)
			if err != nil {
				return nil, err
			}
			if ok {
				windows, found = append(windows, w), true
			}
		}
		if !found {
			return windows, nil
		}
	}
}

func ranges(windows []fleet.Window) []ledger.Window {
	all := make([]ledger.Window, len(windows))
	for i, w := range windows {
		all[i] = w.Window
	}
	return all
}

// inspect looks at each window and notes what is wrong, for a person.
func (r *Report) inspect(partition ledger.Partition, windows []fleet.Window) {
	wrong := func(format string, args ...any) { r.Findings = append(r.Findings, fmt.Sprintf(format, args...)) }
	for _, run := range partition.Missing {
		wrong("in no window: %s", run)
	}
	for _, run := range partition.Twice {
		wrong("in more than one window: %s", run)
		for _, w := range windows {
			if w.ShardID == run.ShardID && w.First.Compare(run.Last) <= 0 && run.First.Compare(w.Last) <= 0 {
				wrong("  window %s from %s to %s, started %s", w.ID, w.First, w.Last, w.Started.Format("15:04:05.000"))
			}
		}
	}
	for _, w := range partition.Miscounted {
		r.Contradictions++
		wrong("window %s states %d records between %s and %s, which is not what Kinesis has there", w.ID, w.Records, w.First, w.Last)
	}
	for _, w := range windows {
		if w.Contradiction != "" {
			r.Contradictions++
			wrong("%s", w.Contradiction)
		}
		switch {
		case w.Parked:
			r.Parked++
			wrong("window %s is parked", w.ID)
		case w.Status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
			r.Unfinished++
			wrong("window %s is not finished", w.ID)
		case w.Status != enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
			r.Unfinished++
			wrong("window %s has ended as %s", w.ID, w.Status)
		}
	}
}

// countFiles counts the files below a directory, which need not exist.
func countFiles(dir string) (int, error) {
	n := 0
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			n++
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	return n, err
}
