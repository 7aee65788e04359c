package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/dev/fleet"
	"github.com/log-event-pipeline/logpipe/dev/localaws"
)

// longestStop is how long a process may take to end that was asked to: the 30 s of a
// container, and something for a busy machine.
const longestStop = 35 * time.Second

// errNobody is that a process has ended by itself before it could be ended.
var errNobody = errors.New("there is no process")

// inject lets everything happen at its time, until the context ends. It returns when
// all is over: every fault has ended, every process is replaced or resumed.
func (r *run) inject(ctx context.Context, plan []Action) {
	began := time.Now()
	for _, a := range plan {
		if !wait(ctx, a.At-time.Since(began)) {
			break
		}
		r.acting.Go(func() {
			if err := r.act(ctx, a); err != nil {
				r.say("%s: %v", a, err)
			}
		})
	}
	r.acting.Wait()
}

// act does what the action says and undoes it when it is over.
func (r *run) act(ctx context.Context, a Action) error {
	switch a.Kind {
	case KillStarter:
		return r.kill(a, r.starters[a.Number-1])
	case KillWorker:
		return r.kill(a, r.workers[a.Number-1])
	case KillTemporal:
		return r.kill(a, r.fleet.Temporal)
	case StopStarter:
		return r.stop(a, r.starters[a.Number-1])
	case StopWorker:
		return r.stop(a, r.workers[a.Number-1])
	case StopTemporal:
		return r.stop(a, r.fleet.Temporal)
	case SuspendStarter:
		return r.suspend(ctx, a, r.starters[a.Number-1])
	case SplitShard:
		return r.split(ctx, a)
	case MergeShards:
		return r.merge(ctx, a)
	case ThrottleReads:
		return r.failReads(ctx, a, "ProvisionedThroughputExceededException", 0.7)
	case FailReads:
		return r.failReads(ctx, a, "InternalFailure", 0.5)
	case ExpireIterators:
		r.happened(a)
		r.fleet.AWS.ExpireIterators()
	case RevokeTokens:
		r.happened(a)
		r.fleet.API.RevokeTokens()
	case APIOutage:
		return r.breakAPI(ctx, a, analytics.Faults{Outages: []analytics.Outage{{For: a.For}}}, true)
	case APIResets:
		return r.breakAPI(ctx, a, analytics.Faults{Outages: []analytics.Outage{{For: a.For, Reset: true}}}, true)
	case APITimeouts:
		return r.breakAPI(ctx, a, analytics.Faults{Latency: 2 * requestTimeout}, true)
	case APIErrors:
		return r.breakAPI(ctx, a, analytics.Faults{ServerErrors: 0.5, TokenErrors: 0.3}, false)
	case APILosesAnswers:
		return r.breakAPI(ctx, a, analytics.Faults{LostAnswers: 0.5}, false)
	}
	return nil
}

// kill ends whoever holds the place, without a warning.
func (r *run) kill(a Action, m *fleet.Member) error {
	p := m.Release()
	defer m.Replace(a.For)
	if p == nil {
		return errNobody
	}
	if err := p.Kill(); err != nil {
		return err
	}
	r.happened(a)
	r.kills.Add(1)
	<-p.Done() // Temporal's address is free from now on
	return nil
}

// stop asks whoever holds the place to end. A starter or worker is replaced meanwhile,
// as by a deployment. There is no second Temporal beside the first.
func (r *run) stop(a Action, m *fleet.Member) error {
	p := m.Release()
	if p == nil {
		m.Replace(a.For)
		return errNobody
	}
	if err := p.Terminate(); err != nil {
		m.Replace(a.For)
		return err
	}
	r.happened(a)
	if m != r.fleet.Temporal {
		m.Replace(a.For)
	} else {
		defer m.Replace(a.For)
	}
	timer := time.NewTimer(longestStop)
	defer timer.Stop()
	select {
	case <-p.Done():
	case <-timer.C:
		err := errors.Join(fmt.Errorf("%s has not ended after %s", p.Name(), longestStop), p.Kill())
		<-p.Done()
		r.unclean.Add(1)
		return err
	}
	if !p.Clean() {
		r.unclean.Add(1)
		return fmt.Errorf("%s has ended with %s, see %s", p.Name(), p.Outcome(), p.Log())
	}
	return nil
}

// suspend lets whoever holds the place sleep. It keeps the place, and wakes up to find
// that others have its shards.
func (r *run) suspend(ctx context.Context, a Action, m *fleet.Member) error {
	p := m.Process()
	if p == nil {
		return errNobody
	}
	if err := p.Suspend(); err != nil {
		return err
	}
	r.happened(a)
	wait(ctx, a.For)
	return p.Resume()
}

func (r *run) failReads(ctx context.Context, a Action, code string, share float64) error {
	id, err := r.fleet.AWS.InjectFault(localaws.FaultRule{Service: "kinesis", Operation: "GetRecords", Error: code, Share: share})
	if err != nil {
		return err
	}
	r.happened(a)
	wait(ctx, a.For)
	r.fleet.AWS.ClearFault(id)
	return nil
}

// breakAPI gives the API faults. down says that it takes nothing meanwhile, which is no
// stall of the pipeline.
func (r *run) breakAPI(ctx context.Context, a Action, faults analytics.Faults, down bool) error {
	r.happened(a)
	r.apiDown.Store(down)
	r.fleet.API.SetFaults(faults)
	wait(ctx, a.For)
	r.fleet.API.SetFaults(analytics.Faults{})
	r.apiDown.Store(false)
	return nil
}

// openShard is a shard that can be split or merged.
type openShard struct {
	id       string
	low, top *big.Int
}

// openShards lists the open shards in the order of their hash keys.
func (r *run) openShards(ctx context.Context) ([]openShard, error) {
	listed, err := r.kinesis.ListShards(ctx, &kinesis.ListShardsInput{
		StreamName: aws.String(fleet.Stream), ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtLatest},
	})
	if err != nil {
		return nil, fmt.Errorf("list shards: %w", err)
	}
	open := make([]openShard, len(listed.Shards))
	for i, shard := range listed.Shards {
		low, lowOK := new(big.Int).SetString(aws.ToString(shard.HashKeyRange.StartingHashKey), 10)
		top, topOK := new(big.Int).SetString(aws.ToString(shard.HashKeyRange.EndingHashKey), 10)
		if !lowOK || !topOK {
			return nil, fmt.Errorf("shard %s has no range of hash keys", *shard.ShardId)
		}
		open[i] = openShard{id: *shard.ShardId, low: low, top: top}
	}
	slices.SortFunc(open, func(a, b openShard) int { return a.low.Cmp(b.low) })
	return open, nil
}

func (r *run) split(ctx context.Context, a Action) error {
	open, err := r.openShards(ctx)
	if err != nil {
		return err
	}
	shard := open[(a.Number-1)%len(open)]
	middle := new(big.Int).Add(shard.low, shard.top)
	middle.Rsh(middle, 1)
	_, err = r.kinesis.SplitShard(ctx, &kinesis.SplitShardInput{
		StreamName: aws.String(fleet.Stream), ShardToSplit: &shard.id, NewStartingHashKey: aws.String(middle.String()),
	})
	if err != nil {
		return fmt.Errorf("split %s: %w", shard.id, err)
	}
	r.happened(a)
	return nil
}

func (r *run) merge(ctx context.Context, a Action) error {
	open, err := r.openShards(ctx)
	if err != nil {
		return err
	}
	if len(open) < 2 {
		return errors.New("there is one shard only")
	}
	first := (a.Number - 1) % (len(open) - 1)
	_, err = r.kinesis.MergeShards(ctx, &kinesis.MergeShardsInput{
		StreamName: aws.String(fleet.Stream), ShardToMerge: &open[first].id, AdjacentShardToMerge: &open[first+1].id,
	})
	if err != nil {
		return fmt.Errorf("merge %s and %s: %w", open[first].id, open[first+1].id, err)
	}
	r.happened(a)
	return nil
}

// happened notes an action that has taken effect.
func (r *run) happened(a Action) {
	r.say("%s", a)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults[a.Kind]++
}

// wait returns true after the time given, and false when the context ends before.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
