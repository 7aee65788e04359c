package sizing

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/deployment.md")

var model = Model{Figures: Measured, Assumptions: Assumed}

// TestTables: those of the documentation are the model's.
func TestTables(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "docs", "deployment.md")
	read, err := os.ReadFile(path)
	require.NoError(t, err)
	text := string(read)
	for _, table := range []struct{ name, want string }{
		{"needs", model.NeedTable(Columns)},
		{"prices", PriceTable(Listed)},
		{"costs", model.CostTable(Columns, Listed)},
		{"limits", model.LimitTable(Busy)},
	} {
		begin, end := "<!-- "+table.name+" -->\n\n", "\n<!-- /"+table.name+" -->\n"
		before, rest, found := strings.Cut(text, begin)
		got, after, closed := strings.Cut(rest, end)
		require.True(t, found && closed, "docs/deployment.md lacks the lines %q and %q", begin, end)
		if !*update {
			require.Equal(t, table.want, got, "go test ./dev/sizing -update writes the table of %s", table.name)
		}
		text = before + begin + table.want + end + after
	}
	require.Contains(t, text, Listed.LookedUp, "the date of the prices")
	require.Contains(t, text, Listed.Region)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
}

// TestRoundFigures: those of deploy/README.md are the model's, too.
func TestRoundFigures(t *testing.T) {
	t.Parallel()
	read, err := os.ReadFile(filepath.Join("..", "..", "deploy", "README.md"))
	require.NoError(t, err)
	quiet := model.Cost(model.Need(Columns[0].Traffic, Columns[0].Settings), Listed).Total
	busy := model.Cost(model.Need(Columns[1].Traffic, Columns[1].Settings), Listed).Total
	want := fmt.Sprintf("about $%.0f a month, at 10,000 events a second about $%.0f without the way out", math.Round(quiet/10)*10, math.Round(busy/100)*100)
	if !strings.Contains(string(read), want) {
		t.Errorf("deploy/README.md has to say: %s", want) // and not all of what it says instead
	}
}

// TestNeed: worked out by hand for round figures.
func TestNeed(t *testing.T) {
	t.Parallel()
	m := Model{
		Figures: Figures{
			TextPerEvent: 400, DeliveredPerEvent: 1000, GzipRatio: 0.1, WorkerText: 50e6, WorkerTextGzip: 40e6, StarterText: 800e6,
			TemporalWindow: 0.03, TemporalBatch: 0.001, HistoryWindow: 5000, HistoryBatch: 500, ActionsPerWindow: 6, WindowFill: 1, BatchFill: 1,
		},
		Assumptions: Assumptions{
			CPUFactor: 2, TaskUse: 0.5, ShardUse: 0.5, ReadBack: 1, RetentionHours: 1, WorkerCPU: 1, StarterCPU: 1, MinTasks: 1, ShardsPerStarter: 10,
		},
	}
	n := m.Need(Traffic{Events: 100_000, EventsPerRecord: 500, StoredPerEvent: 100}, Settings{WindowMaxBytes: 1e6, WindowMaxAge: 60, BatchMaxBytes: 1e6})
	require.InDelta(t, 20, n.Shards, 0, "10 MB/s, half a MB/s in each")
	require.InDelta(t, 10, n.Windows, 1e-9)
	require.InDelta(t, 100, n.Batches, 1e-9, "100 MB/s of JSON")
	require.InDelta(t, 60+20*(1/12.0+1/285.0)+2/60.0, n.Actions, 1e-9)
	require.InDelta(t, 10*(0.03+10*0.001), n.TemporalCPU, 1e-9)
	require.InDelta(t, 10*(5000+10*500)*3600, n.Retained, 1e-3)
	require.InDelta(t, 10+100+20/30.0, n.Puts, 1e-9)
	require.InDelta(t, 110, n.Gets, 1e-9)
	require.InDelta(t, 4, n.Workers, 0, "40 MB/s of text are 0.8 CPU, 1.6 with the factor, 3.2 half used")
	require.InDelta(t, 2, n.Starters, 0, "by shards")

	zipped := m.Need(Traffic{Events: 100_000, EventsPerRecord: 500, StoredPerEvent: 100}, Settings{WindowMaxBytes: 1e6, WindowMaxAge: 60, BatchMaxBytes: 1e6, Gzip: true})
	require.InDelta(t, 10e6, zipped.Delivered, 1e-6)
	require.InDelta(t, n.Batches, zipped.Batches, 1e-9, "a batch is measured before compression")

	quiet := m.Need(Traffic{Events: 10, EventsPerRecord: 10, StoredPerEvent: 100}, Settings{WindowMaxBytes: 1e6, WindowMaxAge: 60, BatchMaxBytes: 1e6})
	require.InDelta(t, 1/60.0, quiet.Windows, 1e-9, "by age")
	require.InDelta(t, 1/60.0, quiet.Batches, 1e-9, "one in each window")
	many := m.Need(Traffic{Events: 5000, EventsPerRecord: 1, StoredPerEvent: 1}, Defaults)
	require.InDelta(t, 10, many.Shards, 0, "by records: a shard takes 1,000 a second")
}

func TestCost(t *testing.T) {
	t.Parallel()
	tiers := []Tier{{10, 5}, {20, 4}, {0, 3}}
	for amount, want := range map[float64]float64{0: 0, 4: 20, 10: 50, 15: 70, 20: 90, 25: 105} {
		require.InDelta(t, want, tiered(tiers, amount), 1e-9, "%v", amount)
	}
	n := Need{Shards: 2, Records: 10, Stored: 300e3, Windows: 1, Puts: 10, Gets: 20, Workers: 2, Starters: 2, Actions: 1, Delivered: 1e6, Text: 1e6}
	c := model.Cost(n, Prices{ShardHour: 1, PayloadUnits: 1, CPUHour: 1, MemoryHour: 0.5, Put: 1, Get: 0.5, Actions: []Tier{{0, 10}}, Out: []Tier{{0, 1}}, NAT: 1, LogIn: 1})
	require.InDelta(t, 2*730+10*2*2.628, c.Kinesis, 1e-6, "30 kB are two units of 25")
	require.InDelta(t, 730*(2*(1+1)+2*(0.5+0.5)), c.Fargate, 1e-6)
	require.InDelta(t, 2628*20, c.Stage, 1e-6)
	require.InDelta(t, 26.28, c.Temporal, 1e-6)
	require.InDelta(t, 2628, c.Out, 1e-6)
	require.InDelta(t, 2628, c.NAT, 1e-6)
	require.InDelta(t, c.Kinesis+c.Fargate+c.Stage+c.Temporal+c.Watching, c.Total, 1e-6)
}

// TestReached: a limit is reached where it says, and not much before.
func TestReached(t *testing.T) {
	t.Parallel()
	for _, l := range Limits {
		at := model.Reached(l, Busy, Defaults)
		require.Greater(t, l.Of(model.Need(Busy.At(at*1.1), Defaults)), l.Most, l.Name)
		require.LessOrEqual(t, l.Of(model.Need(Busy.At(at*0.9), Defaults)), l.Most, l.Name)
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for x, want := range map[float64]string{0: "0", 0.0167: "0.017", 3: "3", 12.3: "12", 491.4: "491", 1289.7: "1,290", 1_006_000: "1,010,000", 54_371: "54,400"} {
		require.Equal(t, want, number(x))
	}
	require.Equal(t, "< 1", dollars(0.4))
	require.Equal(t, "1.17 GB", bytesText(1.174e9))
}
