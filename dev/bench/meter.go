package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/dev/fleet"
)

// Roles of processes, in the order of the report. The first three are the pipeline.
const (
	roleTemporal = "temporal"
	roleStarter  = "starter"
	roleWorker   = "worker"
	roleAWS      = "aws"
	roleAPI      = "api"
)

var roles = []string{roleTemporal, roleStarter, roleWorker, roleAWS, roleAPI}

// meter measures from begin to end.
type meter struct {
	run       *run
	processes []metered
	began     time.Time
	before    analytics.Stats // what the API had at the beginning
	waited    span            // while windows waited for the API
}

// metered is one process.
type metered struct {
	roleOf
	before fleet.Usage
	logged int64 // size of its log at the beginning
}

// begin notes what each process has taken so far, and lets the work begin.
func (r *run) begin(work func() error) (*meter, error) {
	processes, err := r.processes()
	if err != nil {
		return nil, err
	}
	m := &meter{run: r}
	for _, p := range processes {
		usage, err := p.process.Usage()
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(p.process.Log())
		if err != nil {
			return nil, fmt.Errorf("look at the log of %s: %w", p.process.Name(), err)
		}
		m.processes = append(m.processes, metered{p, usage, info.Size()})
	}
	m.began = time.Now()
	return m, work()
}

// taken is what one process has taken since the beginning.
type taken struct {
	role      string
	processor time.Duration
	gc        time.Duration
	peak      int64
}

// take reads what all processes have taken.
func (m *meter) take() ([]taken, error) {
	if err := m.run.failed(); err != nil {
		return nil, err // its successor has other figures
	}
	var all []taken
	for _, p := range m.processes {
		usage, err := p.process.Usage()
		if err != nil {
			return nil, err
		}
		all = append(all, taken{role: p.role, processor: usage.Processor - p.before.Processor, peak: usage.Peak})
	}
	for i, p := range m.processes {
		var err error
		if all[i].gc, err = collecting(p.process.Log(), p.logged); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// collecting is what a process has logged of its garbage collections from an offset on.
func collecting(log string, from int64) (time.Duration, error) {
	file, err := os.Open(log)
	if err != nil {
		return 0, fmt.Errorf("read a log: %w", err)
	}
	defer file.Close()
	spent, err := gcTime(io.NewSectionReader(file, from, 1<<62))
	if err != nil {
		return 0, fmt.Errorf("read log %s: %w", log, err)
	}
	return spent, nil
}

// end measures what was taken, and looks what has arrived and what is left behind.
func (m *meter) end(ctx context.Context) (Result, error) {
	r := m.run
	all, err := m.take()
	if err != nil {
		return Result{}, err
	}
	stats, err := analytics.FetchStats(ctx, r.fleet.APIURL())
	if err != nil {
		return Result{}, err
	}
	if stats.LastReceived == nil {
		return Result{}, errors.New("nothing has arrived at the API")
	}
	receipts, failed := analytics.FetchLogEvents(ctx, r.fleet.APIURL())
	delivery := r.fleet.Events.Compare(r.measured(receipts))
	if err := failed(); err != nil {
		return Result{}, err
	}
	temporal, err := m.tally(ctx)
	if err != nil {
		return Result{}, err
	}
	result := Result{
		Events: int(r.loader.count.Load()), Lost: delivery.Lost, Duplicates: delivery.Duplicates,
		Strangers: delivery.Strangers + int(stats.Unidentified), Replays: int(stats.Replays),
		Seconds: stats.LastReceived.Sub(m.began).Seconds(),
		LogText: float64(r.loader.text.Load()), Stored: float64(r.loader.stored.Load()), Delivered: float64(stats.Bytes - m.before.Bytes),
		Records: float64(r.loader.records.Load()), Batches: float64(stats.Batches - m.before.Batches),
		Windows: temporal.windows, Actions: temporal.actions, HistoryBytes: temporal.historyBytes,
		HistoryEvents: temporal.historyEvents, StageBytes: temporal.stageBytes,
	}
	if r.options.Rate > 0 {
		result.Freshness = freshness(delivery.Fresh)
	}
	result.derive(all)
	return result, nil
}
