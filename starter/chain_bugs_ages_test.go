package starter

import (
	"context"
	"time"

	"github.com/log-event-pipeline/logpipe/internal/kinesis"
	"github.com/log-event-pipeline/logpipe/internal/marker"
	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// agingBugs are the ways in which the chain could be wrong that take hours or days to
// show: what Kinesis deletes and Temporal forgets is lost, or done again, or missed
// without need.
var agingBugs = map[string]bug{
	"nobody looks whether the record before is still there": seen(func(_ *modelPoller, h *wrongHorizon) {
		h.holds = func(context.Context, string, window.SequenceNumber) (bool, error) { return true, nil }
	}),
	"it is looked before the read instead of after": {
		reader: func(_ *modelPoller, next *modelReader) ShardReader { return &lookingReader{modelReader: next} },
		horizon: func(p *modelPoller, next Horizon) Horizon {
			return wrongHorizon{next, nil, func(context.Context, string, window.SequenceNumber) (bool, error) { return p.looked, nil }}
		},
	},
	"the retention is taken for longer than it is": seen(func(p *modelPoller, h *wrongHorizon) {
		h.retention = func(context.Context) (time.Duration, error) { return 2 * p.w.rules.retention, nil }
	}),
	"a record that is there is taken for deleted": seen(func(_ *modelPoller, h *wrongHorizon) {
		h.holds = func(context.Context, string, window.SequenceNumber) (bool, error) { return false, nil }
	}),
	"what was read before a gap is dropped": {
		open: func(p *modelPoller, next Windows) openFunc {
			return func(ctx context.Context, shardID string, records []window.Record, why window.Reason) (Accepted, error) {
				if why == window.ReasonDrain && p.looked {
					return Accepted{Last: lastOf(records)}, nil
				}
				return next.Open(ctx, shardID, records, why)
			}
		},
		horizon: func(p *modelPoller, next Horizon) Horizon {
			return wrongHorizon{next, nil, func(ctx context.Context, shardID string, record window.SequenceNumber) (bool, error) {
				held, err := next.Holds(ctx, shardID, record)
				p.looked = p.looked || err == nil && !held
				return held, err
			}}
		},
	},
	"each poller resolves the start behind a gap":       {resolvesGapsAgain: true},
	"behind a gap the progress before it is handed out": {keepsReports: true},

	"what was read days ago is put into a window": {reader: func(_ *modelPoller, next *modelReader) ShardReader { return youngReader{next} }},

	"Temporal is believed to remember for ever": {believed: 1000},
	"the checkpoint always was the end of the chain a moment ago": {report: func(_ *modelPoller, said workflows.Progress) workflows.Progress {
		said.CheckpointAt = time.Now()
		return said
	}},
	"the checkpoint never was the end of the chain": {report: func(p *modelPoller, said workflows.Progress) workflows.Progress {
		said.CheckpointAt = p.shard.reader.chains[0].resolved
		return said
	}},
	"all that was read counts as being in windows": {report: func(p *modelPoller, said workflows.Progress) workflows.Progress {
		said.CompleteUntil = p.saw.tip
		return said
	}},
	"nobody says until when everything is in windows": {report: func(_ *modelPoller, said workflows.Progress) workflows.Progress {
		said.CompleteUntil = time.Time{}
		return said
	}},

	"the marker is written before the window is accepted": {open: func(p *modelPoller, next Windows) openFunc {
		return func(ctx context.Context, shardID string, records []window.Record, why window.Reason) (Accepted, error) {
			reached := workflows.Progress{Checkpoint: lastOf(records), CheckpointAt: time.Now()}
			_ = markersOf(p).Advance(ctx, markerOf("s", shardID, p.start, reached))
			return next.Open(ctx, shardID, records, why)
		}
	}},
	"who has slept sets the marker back": {markers: func(_ *modelPoller, next Markers) Markers { return replacing{next} }},
}

func markersOf(p *modelPoller) marker.Store { return marker.Store{Stage: modelStage{p}, Pipeline: "p"} }

// wrongHorizon answers wrongly where it has an answer.
type wrongHorizon struct {
	Horizon
	retention func(context.Context) (time.Duration, error)
	holds     func(context.Context, string, window.SequenceNumber) (bool, error)
}

func seen(wrong func(*modelPoller, *wrongHorizon)) bug {
	return bug{horizon: func(p *modelPoller, next Horizon) Horizon {
		h := wrongHorizon{Horizon: next}
		wrong(p, &h)
		return h
	}}
}

func (h wrongHorizon) Retention(ctx context.Context) (time.Duration, error) {
	if h.retention == nil {
		return h.Horizon.Retention(ctx)
	}
	return h.retention(ctx)
}

func (h wrongHorizon) Holds(ctx context.Context, shardID string, record window.SequenceNumber) (bool, error) {
	if h.holds == nil {
		return h.Horizon.Holds(ctx, shardID, record)
	}
	return h.holds(ctx, shardID, record)
}

// lookingReader looks before each read whether the last record is still there.
type lookingReader struct{ *modelReader }

func (r *lookingReader) Next(ctx context.Context) (kinesis.Batch, error) {
	held, err := modelHorizon{r.p}.Holds(ctx, r.p.shard.id, r.next.SequenceNumber)
	if err != nil {
		return kinesis.Batch{}, err
	}
	r.p.looked = held
	return r.modelReader.Next(ctx)
}

// youngReader says of all records that they have just been read, whenever that was.
type youngReader struct{ *modelReader }

func (r youngReader) Next(ctx context.Context) (kinesis.Batch, error) {
	b, err := r.modelReader.Next(ctx)
	for i := range b.Records {
		b.Records[i].Received = time.Now().Add(1000 * time.Hour)
	}
	return b, err
}

// replacing writes every marker, whatever is there.
type replacing struct{ Markers }

func (r replacing) Advance(ctx context.Context, m marker.Marker) error { return r.Replace(ctx, m) }
