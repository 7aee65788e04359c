package starter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/marker"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// RecoveryStage is a stage that can be read, too; *stage.Stage is one.
type RecoveryStage interface {
	Storage
	Keys(ctx context.Context, prefix string) ([]string, error)
	Reader(ctx context.Context, key string) (io.ReadCloser, error)
}

var _ RecoveryStage = (*stage.Stage)(nil)

// Recovery brings a pipeline back whose workflows Temporal has lost, by what is in the
// stage: windows that were not delivered yet are started again, and reading goes on
// where the markers or the last of these windows say. Nothing that was accepted is
// lost. What an operator has discarded stays discarded. Records come twice where a window was delivered after its shard's last marker
// and no later window is staged, and where a staged cut was not the accepted one.
//
// It can be interrupted at any point and run again: a window has the workflow id that
// it always had, a marker only advances, and the StreamReader, without which no
// starter reads, is started last.
type Recovery struct {
	// Config is that of a starter of the pipeline.
	Config   config.Config
	Temporal client.Client
	Stage    RecoveryStage
	Logger   *slog.Logger
	// Now is the clock of the markers.
	Now func() time.Time
}

// Recovered counts what a Recovery has done.
type Recovered struct {
	// Started windows, and those that Temporal knew already.
	Started, Known int
	// Markers that were written.
	Markers int
}

func (r *Recovery) store() marker.Store {
	return marker.Store{Stage: r.Stage, Pipeline: r.Config.Pipeline}
}

func (r *Recovery) chain() *Chain {
	return &Chain{Client: r.Temporal, Stage: r.Stage, Pipeline: r.Config.Pipeline, Stream: r.Config.Stream}
}

// refuseKnown refuses to recover a pipeline that Temporal has not lost: what is staged
// is then looked after, or waits for nobody.
func (r *Recovery) refuseKnown(ctx context.Context) error {
	known, err := findStreamReader(ctx, r.Temporal, r.Config.Pipeline)
	if err != nil || known == nil {
		return err
	}
	return fmt.Errorf("workflow %s is known to Temporal (%s), so pipeline %s is not lost and there is nothing to recover: start a starter, it goes on where reading has stopped",
		window.StreamReaderID(r.Config.Pipeline), known.GetStatus(), r.Config.Pipeline)
}

// startsAtOnce bounds how many windows are started at a time.
const startsAtOnce = 16

// Run starts the windows of the plan, then advances the markers, then starts the
// StreamReader.
func (r *Recovery) Run(ctx context.Context, plan RecoveryPlan) (Recovered, error) {
	done, err := r.run(ctx, plan)
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		err = errors.New(app.Message()) // for a person: what Temporal does with it is of no interest here
	}
	if err != nil {
		err = fmt.Errorf("%w; mend that and recover again, what was started is found", err)
	}
	return done, err
}

func (r *Recovery) run(ctx context.Context, plan RecoveryPlan) (Recovered, error) {
	if err := r.refuseKnown(ctx); err != nil {
		return Recovered{}, err
	}
	done, reached, err := r.startWindows(ctx, plan)
	if err != nil {
		return done, err
	}
	for _, shard := range plan.Shards {
		m, advanced := r.advance(shard, reached[shard.ShardID])
		if !advanced {
			continue
		}
		if err := r.store().Advance(ctx, m); err != nil {
			return done, err
		}
		done.Markers++
	}
	return done, startStreamReader(ctx, r.Temporal, r.Config, plan.Position, plan.begun(), nil)
}

// startWindows starts all windows and returns how far they reach in each shard.
func (r *Recovery) startWindows(ctx context.Context, plan RecoveryPlan) (Recovered, map[string]window.SequenceNumber, error) {
	var done Recovered
	var mu sync.Mutex
	reached := map[string]window.SequenceNumber{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(startsAtOnce)
	for _, shard := range plan.Shards {
		for _, w := range shard.Windows {
			group.Go(func() error {
				last, started, err := r.startWindow(ctx, w)
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				reached[w.ShardID] = further(reached[w.ShardID], last)
				if started {
					done.Started++
				} else {
					done.Known++
				}
				if all := done.Started + done.Known; all%progressEvery == 0 {
					r.Logger.Info("starting windows", "started", done.Started, "known", done.Known)
				}
				return nil
			})
		}
	}
	err := group.Wait()
	return done, reached, err
}

// startWindow starts a window and returns the record up to which its records are in
// windows now: its last, or a later one.
func (r *Recovery) startWindow(ctx context.Context, w workflows.FlushWindowInput) (last window.SequenceNumber, started bool, err error) {
	chain := r.chain()
	if started, err = chain.start(ctx, w); err != nil || started {
		return w.LastSequenceNumber, started, err
	}
	last, _, err = chain.existing(ctx, w.Range())
	if err != nil || last.Compare(w.LastSequenceNumber) >= 0 {
		return last, false, err
	}
	// A poller that outlived the database has begun a shorter window here. What ours
	// has beyond its end would be in none, and reading may resume behind it.
	rest, err := r.recordsAfter(ctx, w.StageKey, last)
	for err == nil && len(rest) > 0 {
		var accepted Accepted
		if accepted, err = chain.Open(ctx, w.ShardID, rest, window.ReasonRecovered); err == nil {
			last, started = accepted.Last, started || accepted.Ours
			rest = window.After(rest, last)
		}
	}
	return last, started, err
}

// recordsAfter returns the records of a staged window that come after last.
func (r *Recovery) recordsAfter(ctx context.Context, key string, last window.SequenceNumber) ([]window.Record, error) {
	var records []window.Record
	err := r.eachRecord(ctx, key, func(rec window.Record) error {
		if rec.SequenceNumber.Compare(last) > 0 {
			rec.Data = bytes.Clone(rec.Data)
			records = append(records, rec)
		}
		return nil
	})
	return records, err
}

// advance returns the marker of a shard past its windows, and false where there is
// nothing to write. Temporal knows nothing that comes behind it, so it is as of now, and
// no poller has to fear that windows behind it are forgotten.
func (r *Recovery) advance(shard ShardRecovery, reached window.SequenceNumber) (marker.Marker, bool) {
	var m marker.Marker
	switch {
	case shard.Marker != nil:
		m = *shard.Marker
	case shard.staged():
		// Where the chain began is forgotten. Nobody reads before its checkpoint.
		m = marker.Marker{
			Stream: r.Config.Stream, ShardID: shard.ShardID,
			Start: marker.Start{Kind: string(workflows.StartAtSequenceNumber), SequenceNumber: shard.first.FirstSequenceNumber},
		}
	default:
		return m, false
	}
	reached = further(reached, shard.furthest.LastSequenceNumber)
	if reached.Compare(m.Checkpoint) > 0 && !shard.beforeChain() {
		m.Checkpoint = reached
		// Arrival times need not rise with sequence numbers, so the first one of the last
		// window is the safe one of the two.
		if first := shard.furthest.FirstArrival; first.After(m.CompleteUntil) {
			m.CompleteUntil = first
		}
	} else if m.Drained {
		return m, false
	}
	m.WrittenAt = r.Now().UTC()
	return m, true
}
