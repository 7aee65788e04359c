package starter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/log-event-pipeline/logpipe/internal/config"
	"github.com/log-event-pipeline/logpipe/internal/marker"
	"github.com/log-event-pipeline/logpipe/internal/stage"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// RecoveryPlan is what the stage remembers of a pipeline.
type RecoveryPlan struct {
	// Shards with staged windows or a marker, in the order in which Kinesis numbers them.
	Shards []ShardRecovery
	// Position is where reading begins in all other shards.
	Position config.StartPosition
	// Damaged windows are left alone.
	Damaged []DamagedWindow
	// Foreign are keys among those of windows that this program has not made, such as a
	// file that was being written when its process was killed.
	Foreign []string
}

// ShardRecovery is what the stage remembers of one shard.
type ShardRecovery struct {
	ShardID string
	// Windows to start, in the order of the shard.
	Windows []workflows.FlushWindowInput
	// Covered counts staged windows that lie wholly inside another one.
	Covered int
	// Overlapping counts windows that share records with the one before.
	Overlapping int
	// Discarded counts staged windows that an operator has given up. They are not started
	// again, and neither is what lies wholly inside one, nor is it read again.
	Discarded int
	// Marker is nil where there is none.
	Marker *marker.Marker

	// first and furthest are the outermost of the staged windows, discarded ones included.
	first, furthest workflows.FlushWindowInput
}

// staged reports whether the shard has staged windows.
func (s ShardRecovery) staged() bool { return s.furthest.LastSequenceNumber != "" }

// begun are the shards that were being read. Kinesis may have forgotten some of them
// since, and their readers are to say so.
func (p RecoveryPlan) begun() []workflows.KnownShard {
	var begun []workflows.KnownShard
	for _, s := range p.Shards {
		if s.Marker == nil || !s.Marker.Drained {
			begun = append(begun, workflows.KnownShard{
				Shard: workflows.Shard{ID: s.ShardID}, State: workflows.ShardWaiting, Position: p.Position.String(),
			})
		}
	}
	return begun
}

// DamagedWindow is a staged object that does not hold the window it is named after.
type DamagedWindow struct {
	Key string
	Err error
}

// Resume is the record after which reading goes on, empty where no window was ever
// accepted. Every staged window begins where another one ends, so all that comes
// before the last of them is in windows that were accepted: they are staged or have
// been delivered. The same holds for all up to the marker.
func (s ShardRecovery) Resume() window.SequenceNumber {
	var resume window.SequenceNumber
	if s.Marker != nil {
		resume = s.Marker.Checkpoint
	}
	if s.staged() && !s.beforeChain() {
		resume = further(resume, s.furthest.LastSequenceNumber)
	}
	return resume
}

// beforeChain reports whether all windows are of the time before a gap behind which the
// chain has begun anew and has no window yet: then reading goes on at that beginning.
func (s ShardRecovery) beforeChain() bool {
	if s.Marker == nil || s.Marker.Checkpoint != "" {
		return false
	}
	last, start := s.furthest, s.Marker.Start
	if start.SequenceNumber != "" {
		return last.LastSequenceNumber.Compare(start.SequenceNumber) < 0
	}
	return last.LastArrival.Before(start.Timestamp)
}

// Records in all windows of the shard.
func (s ShardRecovery) Records() int {
	var n int
	for _, w := range s.Windows {
		n += w.Records
	}
	return n
}

// Arrivals are the earliest and the latest arrival of a window's first and last
// record; zero without windows.
func (s ShardRecovery) Arrivals() (first, last time.Time) {
	for i, w := range s.Windows {
		if i == 0 || w.FirstArrival.Before(first) {
			first = w.FirstArrival
		}
		if i == 0 || w.LastArrival.After(last) {
			last = w.LastArrival
		}
	}
	return first, last
}

func further(a, b window.SequenceNumber) window.SequenceNumber {
	if a.Compare(b) < 0 {
		return b
	}
	return a
}

// Plan reads everything that the stage holds of the pipeline and changes nothing. It
// is an error where Temporal has not lost the pipeline, and where the stage remembers
// nothing of it.
func (r *Recovery) Plan(ctx context.Context) (RecoveryPlan, error) {
	if err := r.refuseKnown(ctx); err != nil {
		return RecoveryPlan{}, err
	}
	markers, err := r.markers(ctx)
	if err != nil {
		return RecoveryPlan{}, err
	}
	discarded, err := r.discarded(ctx)
	if err != nil {
		return RecoveryPlan{}, err
	}
	plan, windows, err := r.readWindows(ctx, discarded)
	if err != nil {
		return RecoveryPlan{}, err
	}
	for shardID := range markers {
		if _, staged := windows[shardID]; !staged {
			windows[shardID] = nil
		}
	}
	for shardID, staged := range windows {
		s := arrange(staged, discarded)
		s.ShardID = shardID
		if m, ok := markers[shardID]; ok {
			s.Marker = &m
		}
		plan.Shards = append(plan.Shards, s)
	}
	slices.SortFunc(plan.Shards, func(a, b ShardRecovery) int {
		// By number: ids that Kinesis hands out have one length.
		return cmp.Or(cmp.Compare(len(a.ShardID), len(b.ShardID)), cmp.Compare(a.ShardID, b.ShardID))
	})
	if len(plan.Shards)+len(plan.Damaged) == 0 {
		return RecoveryPlan{}, fmt.Errorf("the stage holds neither a window nor a marker of pipeline %s, so there is nothing to recover: check LOGPIPE_PIPELINE and LOGPIPE_STAGE_URL; if they are right, start a starter, which begins at LOGPIPE_START_POSITION", r.Config.Pipeline)
	}
	plan.Position = othersBeginAt(r.Config.StartPosition)
	return plan, nil
}

// othersBeginAt is where reading begins in a shard that the stage does not remember.
// A shard that has come from a split or a merge since is among them, and with LATEST
// what it has taken in before now would be left out. The price of the oldest record
// instead is paid where the pipeline was begun at LATEST less than the stream's
// retention ago: shards that were closed before then are read, too.
func othersBeginAt(configured config.StartPosition) config.StartPosition {
	if configured.Type() == config.PositionLatest {
		return config.TrimHorizon()
	}
	return configured
}

// markers are those of the pipeline, by shard id.
func (r *Recovery) markers(ctx context.Context) (map[string]marker.Marker, error) {
	all, err := r.store().All(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w; a marker that is damaged can be deleted: its shard is then read on after the last window that is staged, or else from the start", err)
	}
	byShard := make(map[string]marker.Marker, len(all))
	for _, m := range all {
		if m.Stream != r.Config.Stream {
			return nil, fmt.Errorf("by its markers in the stage, pipeline %s reads stream %s, LOGPIPE_STREAM is %s: set it to the same text", r.Config.Pipeline, m.Stream, r.Config.Stream)
		}
		byShard[m.ShardID] = m
	}
	return byShard, nil
}

// discarded are the windows that an operator has given up and that the stage keeps.
func (r *Recovery) discarded(ctx context.Context) (map[window.Range]bool, error) {
	keys, err := r.Stage.Keys(ctx, window.DiscardedPrefix(r.Config.Pipeline))
	if err != nil {
		return nil, err
	}
	discarded := map[window.Range]bool{}
	for _, key := range keys {
		// Retries are not recovered, so their notes are of no interest.
		if note, err := window.ParseNoteKey(r.Config.Pipeline, key); err == nil && !note.IsRetry {
			discarded[note.Window] = true
		}
	}
	return discarded, nil
}

// arrange puts the windows of a shard in order and leaves out those that were discarded,
// and those that lie wholly inside another one. Of two cuts from the same record Temporal
// has accepted one, and nobody remembers which: the longer one has all the records.
func arrange(staged []workflows.FlushWindowInput, discarded map[window.Range]bool) ShardRecovery {
	slices.SortFunc(staged, func(a, b workflows.FlushWindowInput) int {
		return cmp.Or(a.FirstSequenceNumber.Compare(b.FirstSequenceNumber), b.LastSequenceNumber.Compare(a.LastSequenceNumber))
	})
	var s ShardRecovery
	for _, w := range staged {
		reached := s.furthest.LastSequenceNumber
		switch covered := w.LastSequenceNumber.Compare(reached) <= 0; {
		case discarded[w.Range()]:
			s.Discarded++
			if covered {
				continue
			}
		case covered:
			s.Covered++
			continue
		default:
			if w.FirstSequenceNumber.Compare(reached) <= 0 {
				s.Overlapping++
			}
			s.Windows = append(s.Windows, w)
		}
		if !s.staged() {
			s.first = w
		}
		s.furthest = w
	}
	return s
}

const (
	// readersAtOnce bounds how many staged windows are read at a time. Reading streams,
	// so it is about connections, not about memory.
	readersAtOnce = 16
	// readAttempts: a connection that breaks looks like an object that was cut short.
	readAttempts = 3
	// progressEvery is how many windows pass between two lines of the log.
	progressEvery = 1000
)

// readWindows reads all staged windows and returns the whole ones by shard id, and a
// plan with the others. Of one that was discarded only its place matters, so it is
// whole.
func (r *Recovery) readWindows(ctx context.Context, discarded map[window.Range]bool) (RecoveryPlan, map[string][]workflows.FlushWindowInput, error) {
	keys, err := r.Stage.Keys(ctx, window.RawPrefix(r.Config.Pipeline))
	if err != nil {
		return RecoveryPlan{}, nil, err
	}
	var plan RecoveryPlan
	var mu sync.Mutex
	windows := map[string][]workflows.FlushWindowInput{}
	read := 0
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readersAtOnce)
	for _, key := range keys {
		named, err := window.ParseRawKey(r.Config.Pipeline, key)
		if err != nil {
			plan.Foreign = append(plan.Foreign, key)
			continue
		}
		group.Go(func() error {
			in, err := r.readWindow(ctx, key, named)
			if errors.Is(err, window.ErrCorrupt) && discarded[named] {
				err = nil
				in = workflows.FlushWindowInput{ShardID: named.ShardID, FirstSequenceNumber: named.First, LastSequenceNumber: named.Last}
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, stage.ErrNotFound):
				// Delivered since it was listed: it was started by a run of this command
				// that was interrupted.
			case errors.Is(err, window.ErrCorrupt):
				plan.Damaged = append(plan.Damaged, DamagedWindow{Key: key, Err: err})
			case err != nil:
				return err
			default:
				windows[in.ShardID] = append(windows[in.ShardID], in)
			}
			if read++; read%progressEvery == 0 {
				r.Logger.Info("reading staged windows", "read", read, "of", len(keys))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return RecoveryPlan{}, nil, err
	}
	slices.SortFunc(plan.Damaged, func(a, b DamagedWindow) int { return cmp.Compare(a.Key, b.Key) })
	return plan, windows, nil
}

// readWindow reads one staged window to its end. The error wraps window.ErrCorrupt
// where the object is not the window that its key names.
func (r *Recovery) readWindow(ctx context.Context, key string, named window.Range) (in workflows.FlushWindowInput, err error) {
	for range readAttempts {
		in, err = r.tryWindow(ctx, key, named)
		if !errors.Is(err, window.ErrCorrupt) {
			break
		}
	}
	return in, err
}

func (r *Recovery) tryWindow(ctx context.Context, key string, named window.Range) (workflows.FlushWindowInput, error) {
	in := workflows.FlushWindowInput{
		Pipeline: r.Config.Pipeline, Stream: r.Config.Stream, ShardID: named.ShardID,
		ClosedBecause: window.ReasonRecovered, StageKey: key,
	}
	err := r.eachRecord(ctx, key, func(rec window.Record) error {
		if in.Records == 0 {
			in.FirstSequenceNumber, in.FirstArrival = rec.SequenceNumber, rec.Arrival
		} else if rec.SequenceNumber.Compare(in.LastSequenceNumber) <= 0 {
			return fmt.Errorf("%w: record %s follows %s", window.ErrCorrupt, rec.SequenceNumber, in.LastSequenceNumber)
		}
		in.LastSequenceNumber, in.LastArrival = rec.SequenceNumber, rec.Arrival
		in.Records++
		in.StoredBytes += len(rec.Data)
		return nil
	})
	if err == nil && in.Range() != named {
		err = fmt.Errorf("%w: its key names the records %s to %s, it holds %d records from %s to %s",
			window.ErrCorrupt, named.First, named.Last, in.Records, in.FirstSequenceNumber, in.LastSequenceNumber)
	}
	return in, err
}

// eachRecord reads a staged window. The data of a record is valid until see returns.
func (r *Recovery) eachRecord(ctx context.Context, key string, see func(window.Record) error) (err error) {
	object, err := r.Stage.Reader(ctx, key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, object.Close()) }()
	for rec, err := range window.Read(object) {
		if err == nil {
			err = see(rec)
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", key, err)
		}
	}
	return nil
}
