package sizing

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Column is one case in a table.
type Column struct {
	Name     string
	Traffic  Traffic
	Settings Settings
}

// Quiet and Busy are what records CloudWatch Logs makes of: 25 events in each, as dev bench writes them at 1,000 events a
// second, and 500, as it has them of a backlog. What stored bytes an event takes was measured for both.
var (
	Quiet = Traffic{EventsPerRecord: 25, StoredPerEvent: 92}
	Busy  = Traffic{EventsPerRecord: 500, StoredPerEvent: 74}
)

// At is the traffic with a rate.
func (t Traffic) At(events float64) Traffic {
	t.Events = events
	return t
}

// Large are settings for much traffic: larger windows and batches, compressed. An API has to take such batches, and
// batch_max_events has to be 10000.
var Large = Settings{WindowMaxBytes: 8e6, WindowMaxAge: 60, BatchMaxBytes: 8e6, Gzip: true}

// Columns are the cases of docs/deployment.md.
var Columns = []Column{
	{"100 events/s", Quiet.At(100), Defaults},
	{"10,000 events/s", Busy.At(10_000), Defaults},
	{"1,000,000 events/s", Busy.At(1_000_000), Defaults},
	{"1,000,000, large and gzip", Busy.At(1_000_000), Large},
}

// NeedTable is what the cases need, in Markdown.
func (m Model) NeedTable(columns []Column) string {
	needs := make([]Need, len(columns))
	for i, c := range columns {
		needs[i] = m.Need(c.Traffic, c.Settings)
	}
	t := newTable("", columns)
	row := func(name string, cell func(Need) string) {
		t.row(name, len(needs), func(i int) string { return cell(needs[i]) })
	}
	row("log text", func(n Need) string { return bytesText(n.Text) + "/s" })
	row("records in Kinesis", func(n Need) string { return bytesText(n.Stored) + "/s in " + number(n.Records) + " records" })
	row("delivered", func(n Need) string { return bytesText(n.Delivered) + "/s" })
	row("**shards**, half used", func(n Need) string { return number(n.Shards) })
	row("windows", func(n Need) string { return number(n.Windows) + "/s" })
	row("requests to the API", func(n Need) string { return number(n.Batches) + "/s" })
	row("**starters** of 0.5 vCPU, 1 GB", func(n Need) string { return number(n.Starters) })
	row("**workers** of 1 vCPU, 2 GB", func(n Need) string { return number(n.Workers) })
	row("**Temporal actions**", func(n Need) string {
		return number(n.Actions) + "/s, " + number(n.Actions*seconds/1e6) + " million a month"
	})
	row("Temporal's CPU, if it is your own", func(n Need) string { return number(n.TemporalCPU) + " cores" })
	row("histories kept for 72 h", func(n Need) string { return bytesText(n.Retained) })
	row("**S3 writes**", func(n Need) string { return number(n.Puts) + "/s" })
	row("S3 reads, at most", func(n Need) string { return number(n.Gets) + "/s" })
	return t.String()
}

// CostTable is what the cases cost, in Markdown.
func (m Model) CostTable(columns []Column, p Prices) string {
	costs := make([]Cost, len(columns))
	for i, c := range columns {
		costs[i] = m.Cost(m.Need(c.Traffic, c.Settings), p)
	}
	t := newTable("US dollars a month", columns)
	row := func(name string, of func(Cost) float64) {
		t.row(name, len(costs), func(i int) string { return dollars(of(costs[i])) })
	}
	row("Kinesis, provisioned", func(c Cost) float64 { return c.Kinesis })
	row("Fargate", func(c Cost) float64 { return c.Fargate })
	row("S3 requests", func(c Cost) float64 { return c.Stage })
	row("Temporal Cloud", func(c Cost) float64 { return c.Temporal })
	row("logs, metrics, alarms, keys", func(c Cost) float64 { return c.Watching })
	row("**together**", func(c Cost) float64 { return c.Total })
	row("Kinesis on demand instead", func(c Cost) float64 { return c.OnDemand })
	row("and if the API is on the internet", func(c Cost) float64 { return c.Out })
	row("and if the way there is two NAT gateways", func(c Cost) float64 { return c.NAT })
	row("CloudWatch Logs for the log text, with or without a pipeline", func(c Cost) float64 { return c.LogsIn })
	return t.String()
}

// PriceTable lists the prices, in Markdown.
func PriceTable(p Prices) string {
	var t strings.Builder
	t.WriteString("| | price | of |\n|---|---|---|\n")
	for _, row := range []struct {
		name  string
		price float64
		of    string
	}{
		{"`shard`", p.ShardHour, "a shard for an hour"},
		{"`unit`", p.PayloadUnits, "a million units of 25 KB that are put"},
		{"`stream`", p.OnDemandHour, "a stream on demand for an hour"},
		{"`in`, `out`", p.OnDemandIn, fmt.Sprintf("a GB put on demand, and $%s for a GB read", price(p.OnDemandOut))},
		{"`vcpu`", p.CPUHour, "a vCPU of Fargate on ARM for an hour"},
		{"`memory`", p.MemoryHour, "a GB of memory for an hour"},
		{"`put`", p.Put, "1,000 writes to S3"},
		{"`get`", p.Get, "1,000 reads"},
		{"`retained`", p.RetainedHour, "a GB of histories at Temporal Cloud for an hour"},
		{"`log`", p.LogIn, "a GB into CloudWatch Logs"},
		{"`metric`, `alarm`, `dashboard`, `key`", p.Metric, fmt.Sprintf("a metric for a month, $%s an alarm, $%s a dashboard, $%s a KMS key", price(p.Alarm), price(p.Dashboard), price(p.Key))},
		{"`nat`", p.NATHour, fmt.Sprintf("a NAT gateway for an hour, and $%s a GB", price(p.NAT))},
	} {
		fmt.Fprintf(&t, "| %s | $%s | %s |\n", row.name, price(row.price), row.of)
	}
	fmt.Fprintf(&t, "| `action` | %s | a million actions of Temporal Cloud |\n", tiersText(p.Actions, "million"))
	fmt.Fprintf(&t, "| `internet` | %s | a GB to the internet |\n", tiersText(p.Out, "GB"))
	return t.String()
}

// LimitTable says what is reached first as traffic grows, in Markdown.
func (m Model) LimitTable(like Traffic) string {
	var t strings.Builder
	t.WriteString("| limit | reached at | with large windows and batches | what then |\n|---|---|---|---|\n")
	for _, l := range Limits {
		fmt.Fprintf(&t, "| %s | %s events/s | %s events/s | %s |\n", l.Name, number(m.Reached(l, like, Defaults)), number(m.Reached(l, like, Large)), l.Remedy)
	}
	return t.String()
}

type table struct{ strings.Builder }

func newTable(corner string, columns []Column) *table {
	t := &table{}
	t.WriteString("| " + corner + " |")
	for _, c := range columns {
		t.WriteString(" " + c.Name + " |")
	}
	t.WriteString("\n|---|" + strings.Repeat("---|", len(columns)) + "\n")
	return t
}

func (t *table) row(name string, cells int, cell func(int) string) {
	t.WriteString("| " + name + " |")
	for i := range cells {
		t.WriteString(" " + cell(i) + " |")
	}
	t.WriteString("\n")
}

// number has three digits, and thousands apart; whole numbers are whole.
func number(x float64) string {
	if x == math.Trunc(x) || x >= 100 {
		return thousands(x)
	}
	return strconv.FormatFloat(x, 'g', 2, 64)
}

func thousands(x float64) string {
	if x >= 1000 {
		digits := math.Pow(10, math.Floor(math.Log10(x))-2)
		x = math.Round(x/digits) * digits
	}
	text := strconv.FormatFloat(x, 'f', 0, 64)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

func bytesText(x float64) string {
	for _, unit := range []string{"B", "kB", "MB", "GB"} {
		if x < 1000 {
			return strconv.FormatFloat(x, 'g', 3, 64) + " " + unit
		}
		x /= 1000
	}
	return strconv.FormatFloat(x, 'g', 3, 64) + " TB"
}

func dollars(x float64) string {
	if x < 1 {
		return "< 1"
	}
	return thousands(math.Round(x))
}

func price(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

func tiersText(tiers []Tier, unit string) string {
	var parts []string
	for _, t := range tiers {
		if t.UpTo == 0 {
			parts = append(parts, "$"+price(t.Price)+" beyond")
			continue
		}
		parts = append(parts, fmt.Sprintf("$%s up to %s %s", price(t.Price), thousands(t.UpTo), unit))
	}
	return strings.Join(parts, ", ")
}
