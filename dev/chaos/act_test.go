package chaos

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/stretchr/testify/require"

	"github.com/log-event-pipeline/logpipe/dev/analytics"
	"github.com/log-event-pipeline/logpipe/dev/fleet"
	"github.com/log-event-pipeline/logpipe/dev/localaws"
	"github.com/log-event-pipeline/logpipe/dev/provision"
)

// newTestRun is a run with servers and without processes.
func newTestRun(t *testing.T) (*run, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	r := &run{journal: &journal{out: &out}, faults: map[Kind]int{}, fleet: new(fleet.Fleet)}
	logger := slog.New(slog.DiscardHandler)
	r.fleet.AWS = localaws.New(localaws.Config{StateDelay: -1, Logger: logger})
	address, err := r.fleet.AWS.Start(context.WithoutCancel(t.Context()), "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.fleet.AWS.Close()) })
	cfg := aws.Config{
		Region: r.fleet.AWS.Region(), BaseEndpoint: aws.String("http://" + address),
		Credentials: credentials.NewStaticCredentialsProvider("local", "local", ""),
	}
	require.NoError(t, provision.Resources{Streams: map[string]int{fleet.Stream: 2}}.Make(t.Context(), cfg))
	r.kinesis = kinesis.NewFromConfig(cfg)
	r.fleet.API, err = analytics.New(analytics.Config{ClientID: "c", ClientSecret: "s", Logger: logger})
	require.NoError(t, err)
	return r, &out
}

func ids(shards []openShard) []string {
	var all []string
	for _, s := range shards {
		all = append(all, s.id[len(s.id)-1:])
	}
	return all
}

// TestReshard: shards are numbered by their hash keys, and a number beyond them wraps.
func TestReshard(t *testing.T) {
	t.Parallel()
	r, _ := newTestRun(t)
	for _, step := range []struct {
		action Action
		open   []string // the last digit of each id
	}{
		{Action{Kind: SplitShard, Number: 2}, []string{"0", "2", "3"}},
		{Action{Kind: SplitShard, Number: 4}, []string{"4", "5", "2", "3"}},
		{Action{Kind: MergeShards, Number: 2}, []string{"4", "6", "3"}},
		{Action{Kind: MergeShards, Number: 3}, []string{"7", "3"}},
		{Action{Kind: MergeShards, Number: 1}, []string{"8"}},
	} {
		require.NoError(t, r.act(t.Context(), step.action), step.action)
		open, err := r.openShards(t.Context())
		require.NoError(t, err)
		require.Equal(t, step.open, ids(open), step.action)
	}
	require.ErrorContains(t, r.act(t.Context(), Action{Kind: MergeShards, Number: 1}), "one shard only")
	require.Equal(t, map[Kind]int{SplitShard: 2, MergeShards: 3}, r.faults, "what failed did not happen")
}

// TestFaultsEnd: each fault is in force while it lasts, also where the run is cut short,
// and not after it.
func TestFaultsEnd(t *testing.T) {
	t.Parallel()
	for kind, down := range map[Kind]bool{
		ThrottleReads: false, FailReads: false,
		APIOutage: true, APIResets: true, APITimeouts: true, APIErrors: false, APILosesAnswers: false,
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			r, out := newTestRun(t)
			ctx, interrupt := context.WithCancel(t.Context())
			acted := make(chan error, 1)
			go func() { acted <- r.act(ctx, Action{Kind: kind, For: time.Hour}) }()
			inForce := func() bool { return len(r.fleet.AWS.Faults()) > 0 || r.fleet.API.Faults().String() != "" }
			require.Eventually(t, inForce, 10*time.Second, time.Millisecond)
			require.Equal(t, down, r.apiDown.Load())
			interrupt()
			require.NoError(t, <-acted)
			require.False(t, inForce())
			require.False(t, r.apiDown.Load())
			require.Contains(t, out.String(), string(kind)+" for 3600.0s")
		})
	}
}

func TestInjectStopsWithItsContext(t *testing.T) {
	t.Parallel()
	r, _ := newTestRun(t)
	ctx, interrupt := context.WithCancel(t.Context())
	injected := make(chan struct{})
	go func() {
		defer close(injected)
		r.inject(ctx, []Action{{Kind: RevokeTokens}, {Kind: APIOutage, For: time.Hour}, {At: time.Hour, Kind: RevokeTokens}})
	}()
	require.Eventually(t, r.apiDown.Load, 10*time.Second, time.Millisecond)
	interrupt()
	<-injected
	require.Equal(t, map[Kind]int{RevokeTokens: 1, APIOutage: 1}, r.faults)
}
