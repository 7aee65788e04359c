package chaos

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Kind is what can happen.
type Kind string

// The kinds of actions.
const (
	KillStarter     Kind = "kill starter"
	KillWorker      Kind = "kill worker"
	KillTemporal    Kind = "kill temporal"
	StopStarter     Kind = "stop starter"
	StopWorker      Kind = "stop worker"
	StopTemporal    Kind = "stop temporal"
	SuspendStarter  Kind = "suspend starter"
	SplitShard      Kind = "split shard"
	MergeShards     Kind = "merge shards"
	ThrottleReads   Kind = "throttle reads"
	FailReads       Kind = "fail reads"
	ExpireIterators Kind = "expire iterators"
	APIOutage       Kind = "api outage"
	APIResets       Kind = "api resets"
	APIErrors       Kind = "api errors"
	APITimeouts     Kind = "api timeouts"
	APILosesAnswers Kind = "api loses answers"
	RevokeTokens    Kind = "revoke tokens"
)

// Action is one thing that happens.
type Action struct {
	// At is when, counted from the beginning.
	At   time.Duration
	Kind Kind
	// Number of the starter or worker, from 1. Of the shard to split, or the first of the
	// two to merge, among the open ones in the order of their hash keys, from 1. Else 0.
	Number int
	// For is how long: until the process is replaced or resumed, or the fault ends. 0 for
	// what has no length.
	For time.Duration
}

// Ends is when the action is over.
func (a Action) Ends() time.Duration { return a.At + a.For }

// Cast is who there is for things to happen to.
type Cast struct {
	Starters int
	Workers  int
	// Shards at the beginning.
	Shards int
	// HeartbeatTimeout of the starters: one that is suspended sleeps for longer.
	HeartbeatTimeout time.Duration
	// RequestTimeout of the workers at the API: one that hangs does so for longer.
	RequestTimeout time.Duration
}

// The pauses between two actions, and before the first.
const (
	shortestPause = 1 * time.Second
	longestPause  = 5 * time.Second
	firstPause    = 3 * time.Second
)

const (
	// settle is how long a process that has just started is left alone. Some are hit while
	// they start, some when they have begun to work.
	settle = 2 * time.Second
	// temporalSettle is longer: everything waits for Temporal.
	temporalSettle = 8 * time.Second
)

// weights are how often each kind happens, and with it what it needs to be possible.
var weights = []struct {
	kind   Kind
	weight int
}{
	{KillStarter, 24},
	{KillWorker, 15},
	{KillTemporal, 8},
	{StopStarter, 11},
	{StopWorker, 6},
	{StopTemporal, 3},
	{SuspendStarter, 10},
	{SplitShard, 4},
	{MergeShards, 4},
	{ThrottleReads, 4},
	{FailReads, 3},
	{ExpireIterators, 4},
	{APIOutage, 2},
	{APIResets, 2},
	{APIErrors, 3},
	{APITimeouts, 2},
	{APILosesAnswers, 3},
	{RevokeTokens, 4},
}

// Plan decides what happens in the time given. The same arguments give the same plan.
// Every action is over when the time is.
func Plan(seed uint64, duration time.Duration, cast Cast) []Action {
	p := &planner{
		random: rand.New(rand.NewPCG(seed, 0x63686174_6f73)), cast: cast, duration: duration, shards: cast.Shards,
		starters: make([]time.Duration, cast.Starters), workers: make([]time.Duration, cast.Workers),
	}
	var plan []Action
	for at := firstPause; at < duration; at += p.between(shortestPause, longestPause) {
		if a, possible := p.action(at.Truncate(time.Millisecond)); possible {
			plan = append(plan, a)
		}
	}
	return plan
}

// planner knows what the actions so far have left.
type planner struct {
	random   *rand.Rand
	cast     Cast
	duration time.Duration

	// Until when each is away, asleep, or just started.
	starters, workers []time.Duration
	temporal          time.Duration
	// Until when the API, and reading, have their last fault.
	api, reads time.Duration
	// shards that are open.
	shards int
}

// attempts bounds the search for an action that is possible.
const attempts = 100

func (p *planner) action(at time.Duration) (Action, bool) {
	for range attempts {
		if a, possible := p.try(Action{At: at, Kind: p.kind()}); possible && a.Ends() <= p.duration {
			p.apply(a)
			return a, true
		}
	}
	return Action{}, false
}

func (p *planner) kind() Kind {
	total := 0
	for _, w := range weights {
		total += w.weight
	}
	n := p.random.IntN(total)
	for _, w := range weights {
		if n -= w.weight; n < 0 {
			return w.kind
		}
	}
	panic("the weights have changed within a sum of them")
}

// try completes the action, and reports whether it is possible.
func (p *planner) try(a Action) (Action, bool) {
	switch a.Kind {
	case KillStarter, StopStarter:
		a.For = p.absence()
		a.Number = 1 + p.random.IntN(p.cast.Starters)
		return a, p.starters[a.Number-1] <= a.At
	case SuspendStarter:
		a.For = p.between(p.cast.HeartbeatTimeout*5/4, p.cast.HeartbeatTimeout*5/2)
		a.Number = 1 + p.random.IntN(p.cast.Starters)
		return a, p.starters[a.Number-1] <= a.At
	case KillWorker, StopWorker:
		a.For = p.absence()
		a.Number = 1 + p.random.IntN(p.cast.Workers)
		return a, p.workers[a.Number-1] <= a.At
	case KillTemporal, StopTemporal:
		a.For = p.temporalAbsence()
		return a, p.temporal <= a.At
	case SplitShard:
		a.Number = 1 + p.random.IntN(p.shards)
		return a, p.shards < 2*p.cast.Shards
	case MergeShards:
		if p.shards < 2 || p.shards <= p.cast.Shards/2 {
			return a, false
		}
		a.Number = 1 + p.random.IntN(p.shards-1)
		return a, true
	case ThrottleReads, FailReads:
		a.For = p.between(time.Second, 5*time.Second)
		return a, p.reads <= a.At
	case APIOutage, APIResets, APIErrors, APILosesAnswers:
		a.For = p.between(time.Second, 8*time.Second)
		return a, p.api <= a.At
	case APITimeouts:
		a.For = p.between(p.cast.RequestTimeout, 3*p.cast.RequestTimeout)
		return a, p.api <= a.At
	case ExpireIterators, RevokeTokens:
		return a, true
	}
	panic("no kind of action: " + string(a.Kind))
}

// apply notes what the action changes for those after it.
func (p *planner) apply(a Action) {
	switch a.Kind {
	case KillStarter, StopStarter, SuspendStarter:
		p.starters[a.Number-1] = a.Ends() + settle
	case KillWorker, StopWorker:
		p.workers[a.Number-1] = a.Ends() + settle
	case KillTemporal, StopTemporal:
		p.temporal = a.Ends() + temporalSettle
	case SplitShard:
		p.shards++
	case MergeShards:
		p.shards--
	case ThrottleReads, FailReads:
		p.reads = a.Ends()
	case APIOutage, APIResets, APIErrors, APITimeouts, APILosesAnswers:
		p.api = a.Ends()
	case ExpireIterators, RevokeTokens:
	}
}

// absence is how long a process is away before another takes its place: a third are
// replaced at once.
func (p *planner) absence() time.Duration {
	if p.random.IntN(3) == 0 {
		return 0
	}
	return p.between(0, 6*time.Second)
}

// temporalAbsence is short mostly, so that starters and workers have no more than a call
// to repeat. A fifth is longer than they repeat one for.
func (p *planner) temporalAbsence() time.Duration {
	if p.random.IntN(5) == 0 {
		return p.between(11*time.Second, 16*time.Second)
	}
	return p.between(0, 3*time.Second)
}

func (p *planner) between(low, high time.Duration) time.Duration {
	return (low + time.Duration(p.random.Int64N(int64(high-low)+1))).Truncate(time.Millisecond)
}

// String tells a person what happens.
func (a Action) String() string {
	text := string(a.Kind)
	if a.Number > 0 {
		text += fmt.Sprintf(" %d", a.Number)
	}
	switch a.Kind {
	case KillStarter, KillWorker, KillTemporal, StopStarter, StopWorker, StopTemporal:
		if a.For == 0 {
			return text + ", replaced at once"
		}
		return text + ", replaced after " + seconds(a.For)
	case SplitShard, ExpireIterators, RevokeTokens:
		return text
	case MergeShards:
		return text + fmt.Sprintf(" and %d", a.Number+1)
	default:
		return text + " for " + seconds(a.For)
	}
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }
