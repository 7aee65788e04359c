package chaos

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var cast = Cast{Starters: 3, Workers: 2, Shards: 4, HeartbeatTimeout: 5 * time.Second, RequestTimeout: 2 * time.Second}

// TestPlans holds many plans against what every plan has to be.
func TestPlans(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		c := cast
		c.Starters, c.Workers, c.Shards = 1+int(seed%4), 1+int(seed%3), 1+int(seed%5)
		duration := time.Duration(30+seed) * time.Second
		plan := Plan(seed, duration, c)
		require.Equal(t, plan, Plan(seed, duration, c), "the same seed gives the same plan")
		require.NotEmpty(t, plan)

		busy := map[string]time.Duration{} // until when each is away, asleep or faulty
		shards := c.Shards
		claim := func(a Action, who string) {
			require.GreaterOrEqual(t, a.At, busy[who], "%s: %v", who, a)
			busy[who] = a.Ends()
		}
		last := time.Duration(0)
		for _, a := range plan {
			if last > 0 {
				require.GreaterOrEqual(t, a.At-last, shortestPause)
			}
			last = a.At
			require.LessOrEqual(t, a.Ends(), duration, a)
			require.Zero(t, a.At%time.Millisecond)
			switch a.Kind {
			case KillStarter, StopStarter, SuspendStarter:
				require.LessOrEqual(t, a.Number, c.Starters)
				claim(a, fmt.Sprint("starter ", a.Number))
			case KillWorker, StopWorker:
				require.LessOrEqual(t, a.Number, c.Workers)
				claim(a, fmt.Sprint("worker ", a.Number))
			case KillTemporal, StopTemporal:
				claim(a, "temporal")
			case ThrottleReads, FailReads:
				claim(a, "reads")
			case APIOutage, APIResets, APIErrors, APITimeouts, APILosesAnswers:
				claim(a, "api")
			case SplitShard:
				require.LessOrEqual(t, a.Number, shards)
				shards++
			case MergeShards:
				require.Less(t, a.Number, shards)
				shards--
			case ExpireIterators, RevokeTokens:
				require.Zero(t, a.For)
			default:
				t.Fatalf("no such kind: %s", a.Kind)
			}
			if a.Kind == SuspendStarter {
				require.Greater(t, a.For, c.HeartbeatTimeout, "a zombie sleeps longer than it may")
			}
			require.Positive(t, shards)
			require.LessOrEqual(t, shards, 2*c.Shards)
		}
	}
}

func TestPlansDiffer(t *testing.T) {
	t.Parallel()
	require.NotEqual(t, Plan(1, time.Minute, cast), Plan(2, time.Minute, cast))
}

// TestLongPlanHasEverything: within half an hour everything happens, and more than 200
// processes are killed.
func TestLongPlanHasEverything(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		happened := map[Kind]int{}
		for _, a := range Plan(seed, 30*time.Minute, cast) {
			happened[a.Kind]++
		}
		for _, w := range weights {
			require.Positive(t, happened[w.kind], w.kind)
		}
		require.Greater(t, happened[KillStarter]+happened[KillWorker]+happened[KillTemporal], 200)
	}
}

// TestSeedOfCI: the short run of CI has to be worth its time.
func TestSeedOfCI(t *testing.T) {
	t.Parallel()
	var kinds []Kind
	for _, a := range Plan(seedOfCI, durationOfCI, cast) {
		kinds = append(kinds, a.Kind)
	}
	for _, kind := range []Kind{
		KillStarter, KillWorker, KillTemporal, StopStarter, StopWorker, SuspendStarter,
		SplitShard, MergeShards, ThrottleReads, ExpireIterators, APIOutage, RevokeTokens,
	} {
		require.True(t, slices.Contains(kinds, kind), "%s is not among %v", kind, kinds)
	}
}

// What .ci/run calls.
const (
	seedOfCI     = 157
	durationOfCI = time.Minute
)

func TestActionText(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]Action{
		"kill starter 2, replaced at once":   {Kind: KillStarter, Number: 2},
		"stop temporal, replaced after 1.5s": {Kind: StopTemporal, For: 1500 * time.Millisecond},
		"suspend starter 1 for 7.0s":         {Kind: SuspendStarter, Number: 1, For: 7 * time.Second},
		"merge shards 3 and 4":               {Kind: MergeShards, Number: 3},
		"split shard 1":                      {Kind: SplitShard, Number: 1},
		"api outage for 2.0s":                {Kind: APIOutage, For: 2 * time.Second},
		"kill worker 1, replaced after 3.2s": {Kind: KillWorker, Number: 1, For: 3200 * time.Millisecond},
		"expire iterators":                   {Kind: ExpireIterators},
	} {
		require.Equal(t, want, a.String())
	}
}
