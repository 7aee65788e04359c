package chaos

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/log-event-pipeline/logpipe/dev/fleet"
	"github.com/log-event-pipeline/logpipe/dev/ledger"
)

func TestValidateOptions(t *testing.T) {
	t.Parallel()
	fine := Options{For: time.Minute, Starters: 3, Workers: 2, Shards: 4, Rate: 200, Patience: time.Minute, Out: io.Discard}
	require.NoError(t, fine.Validate())
	for says, change := range map[string]func(*Options){
		"--for 1s: want 10s or more":        func(o *Options) { o.For = time.Second },
		"--patience 0s: want a positive":    func(o *Options) { o.Patience = 0 },
		"--rate NaN: want":                  func(o *Options) { o.Rate = math.NaN() },
		"--starters 0: want 1 to 16":        func(o *Options) { o.Starters = 0 },
		"--workers 17: want 1 to 16":        func(o *Options) { o.Workers = 17 },
		"--shards 65: want 1 to 64":         func(o *Options) { o.Shards = 65 },
		"--rate 0: want a number of events": func(o *Options) { o.Rate = 0 },
	} {
		o := fine
		change(&o)
		require.ErrorContains(t, o.Validate(), says)
	}
	require.Len(t, strings.Split(Options{}.Validate().Error(), "\n"), 6, "all at once")
}

func TestStall(t *testing.T) {
	t.Parallel()
	type look struct {
		second    int
		delivered uint64
		produced  uint64
		down      bool
	}
	for name, c := range map[string]struct {
		looks []look
		want  time.Duration
	}{
		"steady":                   {[]look{{0, 1, 9, false}, {1, 2, 9, false}, {2, 3, 9, false}}, 0},
		"nothing on its way":       {[]look{{0, 5, 5, false}, {9, 5, 5, false}}, 0},
		"stands still":             {[]look{{0, 1, 9, false}, {3, 1, 9, false}, {5, 1, 9, false}, {6, 2, 9, false}}, 5 * time.Second},
		"the longest counts":       {[]look{{0, 1, 9, false}, {4, 1, 9, false}, {5, 2, 9, false}, {6, 2, 9, false}}, 4 * time.Second},
		"the API is down":          {[]look{{0, 1, 9, true}, {8, 1, 9, true}, {9, 2, 9, false}}, 0},
		"slow after an outage":     {[]look{{0, 1, 9, true}, {8, 1, 9, false}, {11, 1, 9, false}, {12, 2, 9, false}}, 3 * time.Second},
		"an outage in the middle":  {[]look{{0, 1, 9, false}, {2, 1, 9, false}, {3, 1, 9, true}, {7, 1, 9, false}, {8, 1, 9, false}}, 3 * time.Second},
		"delivered in an outage":   {[]look{{0, 1, 9, false}, {2, 1, 9, true}, {4, 2, 9, true}, {5, 2, 9, false}, {6, 2, 9, false}}, time.Second},
		"the last event is behind": {[]look{{0, 8, 9, false}, {7, 9, 9, false}, {20, 9, 9, false}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var s stall
			for _, l := range c.looks {
				s.look(sight{at: time.Unix(int64(1000+l.second), 0), delivered: l.delivered, produced: l.produced, down: l.down})
			}
			require.Equal(t, c.want, s.longest)
		})
	}
}

// good is the report of a run in which all is well.
var good = Report{Records: 10, Windows: 2, Events: 20, Delivered: 20, Drained: true}

func TestReportIsOKOnlyWhereAllIsWell(t *testing.T) {
	t.Parallel()
	require.True(t, good.OK())
	for name, change := range map[string]func(*Report){
		"lost":           func(r *Report) { r.Lost = 1 },
		"twice":          func(r *Report) { r.Twice = 1 },
		"duplicates":     func(r *Report) { r.Duplicates = 1 },
		"strangers":      func(r *Report) { r.Strangers = 1 },
		"parked":         func(r *Report) { r.Parked = 1 },
		"unfinished":     func(r *Report) { r.Unfinished = 1 },
		"contradictions": func(r *Report) { r.Contradictions = 1 },
		"gaps":           func(r *Report) { r.Gaps = 1 },
		"not drained":    func(r *Report) { r.Drained = false },
	} {
		r := good
		change(&r)
		require.False(t, r.OK(), name)
	}
}

func TestInspect(t *testing.T) {
	t.Parallel()
	window := func(id string, status enumspb.WorkflowExecutionStatus) fleet.Window {
		return fleet.Window{Window: ledger.Window{ID: id, ShardID: "shardId-000000000001", First: "1", Last: "9"}, Status: status}
	}
	done, runs := enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
	parked, odd := window("p", runs), window("o", done)
	parked.Parked, odd.Contradiction = true, "window o ends at 8 by its memo and at 9 by its input"
	var r Report
	r.inspect(ledger.Partition{
		Missing: []ledger.Run{{ShardID: "shardId-000000000001", First: "4", Last: "5", Records: 2}},
		Twice:   []ledger.Run{{ShardID: "shardId-000000000001", First: "9", Last: "9", Records: 1}},
	}, []fleet.Window{window("d", done), parked, window("r", runs), odd,
		window("t", enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED)})
	require.Equal(t, 1, r.Parked)
	require.Equal(t, 2, r.Unfinished)
	require.Equal(t, 1, r.Contradictions)
	text := strings.Join(r.Findings, "\n")
	for _, says := range []string{
		"in no window: shard 1, 2 records from 4 to 5", "in more than one window: shard 1, 1 records from 9 to 9",
		"  window d from 1 to 9", "window p is parked", "window r is not finished", odd.Contradiction, "window t has ended as Terminated",
	} {
		require.Contains(t, text, says)
	}
}

func TestReportFile(t *testing.T) {
	t.Parallel()
	r := good
	r.Seed, r.Kills, r.Duration, r.LongestStall = 7, 3, time.Minute, 1500*time.Millisecond
	r.Faults = map[Kind]int{KillStarter: 2, SplitShard: 1}
	path := filepath.Join(t.TempDir(), "report.json")
	require.NoError(t, r.WriteFile(path))
	body, err := os.ReadFile(path)
	require.NoError(t, err)
	var members map[string]any
	require.NoError(t, json.Unmarshal(body, &members))
	for name, want := range map[string]any{
		"records": 10.0, "windows": 2.0, "kills": 3.0, "lost": 0.0, "twice": 0.0, "duplicates": 0.0, "seed": 7.0,
		"duration_ms": 60000.0, "longest_stall_ms": 1500.0, "drained": true,
		"faults": map[string]any{"kill starter": 2.0, "split shard": 1.0},
	} {
		require.Equal(t, want, members[name], name)
	}

	var printed bytes.Buffer
	r.Print(&printed)
	require.Regexp(t, `(?m)^ +lost +0 +0 records in no window, 0 events not at the API$`, printed.String())
	require.Regexp(t, `(?m)^ +longest stall +1.5s `, printed.String())
	require.Contains(t, printed.String(), "what went wrong: kill starter 2, split shard 1")
	require.NotContains(t, printed.String(), "strangers", "what is always 0 is shown where it is not")
}
