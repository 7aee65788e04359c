package starter

import (
	"context"
	"errors"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/log-event-pipeline/logpipe/internal/window"
	"github.com/log-event-pipeline/logpipe/workflows"
)

// bug is a rule of the chain, broken. Most are planted between the real parts: where
// the poller opens windows, or where the Chain calls Temporal and the stage.
type bug struct {
	open  func(p *modelPoller, next Windows) openFunc
	start func(p *modelPoller, next client.Client) startFunc
	stage func(p *modelPoller, next Stage) Stage

	reader  func(p *modelPoller, next *modelReader) ShardReader
	horizon func(p *modelPoller, next Horizon) Horizon
	markers func(p *modelPoller, next Markers) Markers
	report  func(p *modelPoller, said workflows.Progress) workflows.Progress

	ages     bool // it takes hours or days to show
	believed int  // how many times as long Temporal is believed to remember

	impatient         bool // children are read before their parents are drained
	resolvesAgain     bool // each poller finds out itself where the chain begins
	resolvesGapsAgain bool // the same behind a gap
	keepsReports      bool // behind a gap the next poller can begin with what was before it
}

type (
	openFunc  func(ctx context.Context, shardID string, records []window.Record, why window.Reason) (Accepted, error)
	startFunc func(ctx context.Context, o client.StartWorkflowOptions, in workflows.FlushWindowInput) error
)

func (f openFunc) Open(ctx context.Context, shardID string, records []window.Record, why window.Reason) (Accepted, error) {
	return f(ctx, shardID, records, why)
}

// startingClient is a client that starts windows in a way of its own.
type startingClient struct {
	client.Client
	start startFunc
}

func (c startingClient) ExecuteWorkflow(ctx context.Context, o client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	return nil, c.start(ctx, o, args[0].(workflows.FlushWindowInput))
}

func (b bug) inWindows(p *modelPoller, next Windows) Windows {
	if b.open == nil {
		return next
	}
	return b.open(p, next)
}

func (b bug) inClient(p *modelPoller, next client.Client) client.Client {
	if b.start == nil {
		return next
	}
	return startingClient{Client: next, start: b.start(p, next)}
}

func (b bug) inStage(p *modelPoller, next Stage) Stage {
	if b.stage == nil {
		return next
	}
	return b.stage(p, next)
}

func (b bug) inReader(p *modelPoller, next *modelReader) ShardReader {
	if b.reader == nil {
		return next
	}
	return b.reader(p, next)
}

func (b bug) inHorizon(p *modelPoller, next Horizon) Horizon {
	if b.horizon == nil {
		return next
	}
	return b.horizon(p, next)
}

func (b bug) inMarkers(p *modelPoller, next Markers) Markers {
	if b.markers == nil {
		return next
	}
	return b.markers(p, next)
}

func (b bug) inReport(p *modelPoller, said workflows.Progress) workflows.Progress {
	if b.report == nil {
		return said
	}
	return b.report(p, said)
}

func (b bug) believes(truth time.Duration) time.Duration {
	return truth * time.Duration(max(b.believed, 1))
}

// bugs are the ways in which the chain could be wrong.
var bugs = map[string]bug{
	"the checkpoint moves before the start is acknowledged": {open: func(p *modelPoller, next Windows) openFunc {
		return func(ctx context.Context, shardID string, records []window.Record, why window.Reason) (Accepted, error) {
			p.heartbeat(workflows.PollShardHeartbeat{Progress: workflows.Progress{Checkpoint: lastOf(records)}})
			return next.Open(ctx, shardID, records, why)
		}
	}},
	"a failed start is taken for an accepted one": opened(func(_ *modelPoller, records []window.Record, a Accepted, err error) (Accepted, error) {
		if err != nil {
			return Accepted{Last: lastOf(records), Ours: true}, nil
		}
		return a, nil
	}),
	"a rejected start is an error": opened(func(_ *modelPoller, _ []window.Record, a Accepted, err error) (Accepted, error) {
		if err == nil && !a.Ours {
			return Accepted{}, errors.New("window exists")
		}
		return a, err
	}),
	"whoever is rejected goes on after its own cut": opened(func(_ *modelPoller, records []window.Record, a Accepted, err error) (Accepted, error) {
		if err == nil {
			a.Last = lastOf(records)
		}
		return a, err
	}),
	"whoever is rejected deletes its object, even if it is the accepted one": opened(func(p *modelPoller, records []window.Record, a Accepted, err error) (Accepted, error) {
		if err == nil && !a.Ours {
			own := window.Range{ShardID: p.shard.id, First: records[0].SequenceNumber, Last: lastOf(records)}
			return a, modelStage{p}.Delete(context.Background(), own.RawKey("p"))
		}
		return a, err
	}),
	"the next window begins one record too late": opened(func(p *modelPoller, _ []window.Record, a Accepted, err error) (Accepted, error) {
		if next := window.After(p.shard.records, a.Last); err == nil && len(next) > 0 {
			a.Last = next[0].SequenceNumber
		}
		return a, err
	}),
	"the next window begins one record too early": opened(func(_ *modelPoller, records []window.Record, a Accepted, err error) (Accepted, error) {
		if err == nil && len(records) > 1 {
			a.Last = records[len(records)-2].SequenceNumber
		}
		return a, err
	}),
	"what is open at the end of the shard is dropped": {open: func(_ *modelPoller, next Windows) openFunc {
		return func(ctx context.Context, shardID string, records []window.Record, why window.Reason) (Accepted, error) {
			if why == window.ReasonShardEnd {
				return Accepted{Last: lastOf(records)}, nil
			}
			return next.Open(ctx, shardID, records, why)
		}
	}},

	"an id can be used again once its window is delivered": started(func(o *client.StartWorkflowOptions, _ *workflows.FlushWindowInput) {
		o.WorkflowIDReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	}),
	"a second start terminates the first window": started(func(o *client.StartWorkflowOptions, _ *workflows.FlushWindowInput) {
		o.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING
	}),
	"a second start reports success": started(func(o *client.StartWorkflowOptions, _ *workflows.FlushWindowInput) {
		o.WorkflowExecutionErrorWhenAlreadyStarted = false
	}),
	"the id is made from the last record": started(func(o *client.StartWorkflowOptions, in *workflows.FlushWindowInput) {
		o.ID = window.FlushWindowID(in.Pipeline, in.ShardID, in.LastSequenceNumber)
	}),
	"the memo holds the first record": started(func(o *client.StartWorkflowOptions, in *workflows.FlushWindowInput) {
		o.Memo = map[string]any{workflows.MemoLastSequenceNumber: in.FirstSequenceNumber}
	}),

	"the window is staged after the start": {
		stage: func(_ *modelPoller, next Stage) Stage { return lateStage{next} },
		start: func(p *modelPoller, next client.Client) startFunc {
			return func(ctx context.Context, o client.StartWorkflowOptions, in workflows.FlushWindowInput) error {
				_, err := next.ExecuteWorkflow(ctx, o, workflows.FlushWindowName, in)
				if err != nil {
					return err
				}
				var records []window.Record
				for _, r := range p.shard.records {
					if in.FirstSequenceNumber.Compare(r.SequenceNumber) <= 0 && r.SequenceNumber.Compare(in.LastSequenceNumber) <= 0 {
						records = append(records, r)
					}
				}
				return modelStage{p}.Put(ctx, in.StageKey, window.Append(nil, records))
			}
		},
	},
	"the stage key is made from the first record only": {
		stage: func(_ *modelPoller, next Stage) Stage { return shortKeys{next} },
		start: func(_ *modelPoller, next client.Client) startFunc {
			return func(ctx context.Context, o client.StartWorkflowOptions, in workflows.FlushWindowInput) error {
				in.StageKey = withoutLast(in.StageKey)
				_, err := next.ExecuteWorkflow(ctx, o, workflows.FlushWindowName, in)
				return err
			}
		},
	},

	"each poller resolves the start of the chain":        {resolvesAgain: true},
	"children are read before their parents are drained": {impatient: true},
}

func lastOf(records []window.Record) window.SequenceNumber {
	return records[len(records)-1].SequenceNumber
}

// opened plants a bug in what the poller makes of the answer.
func opened(wrong func(*modelPoller, []window.Record, Accepted, error) (Accepted, error)) bug {
	return bug{open: func(p *modelPoller, next Windows) openFunc {
		return func(ctx context.Context, shardID string, records []window.Record, why window.Reason) (Accepted, error) {
			a, err := next.Open(ctx, shardID, records, why)
			return wrong(p, records, a, err)
		}
	}}
}

// started plants a bug in what Temporal is asked for.
func started(wrong func(*client.StartWorkflowOptions, *workflows.FlushWindowInput)) bug {
	return bug{start: func(_ *modelPoller, next client.Client) startFunc {
		return func(ctx context.Context, o client.StartWorkflowOptions, in workflows.FlushWindowInput) error {
			wrong(&o, &in)
			_, err := next.ExecuteWorkflow(ctx, o, workflows.FlushWindowName, in)
			return err
		}
	}}
}

// lateStage leaves the staging to whoever starts.
type lateStage struct{ Stage }

func (lateStage) Put(context.Context, string, []byte) error { return nil }

// shortKeys is a stage whose keys do not tell two cuts with the same first record
// apart.
type shortKeys struct{ next Stage }

func (s shortKeys) Put(ctx context.Context, key string, body []byte) error {
	return s.next.Put(ctx, withoutLast(key), body)
}

func (s shortKeys) Delete(ctx context.Context, key string) error {
	return s.next.Delete(ctx, withoutLast(key))
}

func withoutLast(key string) string { return key[:strings.LastIndex(key, "-")] }
